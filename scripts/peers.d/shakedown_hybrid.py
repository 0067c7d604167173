"""shakedown with a post-quantum key share beside the classical one, as some peers offer it unasked."""

import dataclasses

import shakedown


def command(job):
    return [*shakedown.command(job), "--curves", "x25519mlkem768,x25519"]


PEER = dataclasses.replace(
    shakedown.PEER,
    name="shakedown-hybrid",
    command=command,
    counts="the same",
    also="offers X25519MLKEM768 too",
    versions=("1.3",),
    ours=True,
)
