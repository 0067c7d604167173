"""shakedown where it verifies each server chain once in a run, which no client of one session can do."""

import shakedown

PEER = shakedown.variant(
    "shakedown-once",
    ["--verify", "once-per-chain"],
    verifies="each chain once in a run, and name; the signature of each handshake",
)
