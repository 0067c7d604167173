#!/usr/bin/env bash
# One shard on each host of a hostfile, with Open MPI. Hosts share the folder in which it is started.
#
#   examples/mpi/run.sh HOSTFILE WORKERS URL FLAGS...
#
# Each line of HOSTFILE is a host, as mpirun reads it ("node1 slots=1"). WORKERS is the number of worker threads of each
# shard: the cores of a host. URL and FLAGS are those of `shakedown run`; rates and totals are of all hosts together.
# The merged result is shakedown-TIME/result.json; the exit status is that of the merge.
set -uo pipefail

hosts=$1 workers=$2
shift 2
run=shakedown-$(date +%Y%m%dT%H%M%S)-$$
# Without --bind-to none, mpirun would pin each shard to one core.
mpirun --hostfile "$hosts" --bind-to none --wdir "$PWD" \
  shakedown run "$@" --workers "$workers" --shard auto --together "$run"
shakedown merge "$run" -o "$run/result.json"
