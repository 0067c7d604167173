"""shakedown where it verifies each server chain once in a run, which no client of one session can do."""

import dataclasses

import shakedown


def command(job):
    return [*shakedown.command(job), "--verify", "once-per-chain"]


PEER = dataclasses.replace(
    shakedown.PEER,
    name="shakedown-once",
    command=command,
    counts="the same",
    verifies="each chain once in a run, and name; the signature of each handshake",
    ours=True,
)
