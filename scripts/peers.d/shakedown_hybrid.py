"""shakedown with a post-quantum key share beside the classical one, as some peers offer it unasked."""

import shakedown

PEER = shakedown.variant(
    "shakedown-hybrid",
    ["--curves", "x25519mlkem768,x25519"],
    also="offers X25519MLKEM768 too",
    versions=("1.3",),
)
