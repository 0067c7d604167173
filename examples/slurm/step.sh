#!/usr/bin/env bash
# One job, one shard on each of its nodes. `srun` starts them all at once. Submit it from a folder that all nodes share:
#
#   sbatch examples/slurm/step.sh URL FLAGS...
#
# URL and FLAGS are those of `shakedown run`; rates and totals are of all nodes together. The merged result is
# shakedown-JOBID/result.json, and the job fails where it is not valid.
#SBATCH --job-name=shakedown
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --time=0:30:00
# Nobody else's work on these nodes, and no second start in the same folder.
#SBATCH --exclusive
#SBATCH --no-requeue
set -uo pipefail

# The job's id makes the folder new; shards never meet in an old one.
run=shakedown-$SLURM_JOB_ID
# --kill-on-bad-exit=0: a shard that fails takes no other with it.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 --output="$run-%t.log" \
  shakedown run "$@" --workers "$SLURM_CPUS_PER_TASK" --shard auto --together "$run"
shakedown merge "$run" -o "$run/result.json"
