#!/usr/bin/env bash
# An array, one shard in each element. An array is no gang: elements begin when there is room, and the first wait for the
# last, --meet-timeout at most. Where the cluster is busy, use step.sh. Submit it, and the merge behind it, from a folder
# that all nodes share:
#
#   job=$(sbatch --parsable examples/slurm/array.sh URL FLAGS...)
#   sbatch --dependency="afterany:$job" examples/slurm/merge.sh "shakedown-$job"
#
# URL and FLAGS are those of `shakedown run`; rates and totals are of the whole array.
#SBATCH --job-name=shakedown
#SBATCH --array=0-2
#SBATCH --cpus-per-task=2
#SBATCH --time=0:30:00
#SBATCH --exclusive
#SBATCH --no-requeue

# The array's id, which its elements share.
exec shakedown run "$@" --workers "$SLURM_CPUS_PER_TASK" --shard auto --together "shakedown-$SLURM_ARRAY_JOB_ID"
