#!/usr/bin/env bash
# Merges what the elements of array.sh left in a folder, into result.json there; it fails where the result is not valid.
# afterany, not afterok, as its dependency: a shard that is missing is then named.
#
#   sbatch --dependency="afterany:$job" examples/slurm/merge.sh "shakedown-$job"
#SBATCH --job-name=shakedown-merge
#SBATCH --cpus-per-task=1
#SBATCH --time=0:10:00

exec shakedown merge "$1" -o "$1/result.json"
