"""shakedown itself, one worker."""

import dataclasses
import json
import pathlib

from peer import Peer

PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "target" / "release" / "shakedown"


def command(job):
    # A run that fails must not find the result of the one before.
    (job.work / "result.json").unlink(missing_ok=True)
    words = [PROGRAM, "run", job.url, "--cacert", job.pki / "ca.pem", f"--tlsv{job.version}", "--tls-max", job.version]
    if job.auth == "mtls":
        words += ["--cert", job.pki / "client-0.pem", "--key", job.pki / "client-0.key"]
    if job.resumed:
        words += ["--resumption", "ticket"]
    return words + [
        "--sessions", str(job.at_once), "--total", str(job.sessions), "--workers", "1", "--quiet",
        "--output", job.work / "result.json",
    ]


def trial(job):
    return json.loads((job.work / "result.json").read_text())["cells"][0]["trials"][0]


def counted(job, _):
    return sum(trial(job)["total"]["ok"].values())


def own_us(job):
    cpu = trial(job)["worker_cpu"]
    return cpu["cpu_ns"] / 1e3 / max(cpu["ended"], 1)


PEER = Peer(
    name="shakedown",
    program=str(PROGRAM),
    version=["--version"],
    command=command,
    counted=counted,
    counts="sessions with status 200; resumed or full by the handshake itself",
    verifies="chain and name",
    resumption="off unless asked; its own ticket for each session, primed before the load",
    own_us=own_us,
    ours=True,
    source="cargo build --release",
)


def variant(name, flags, **changes):
    """shakedown with more flags, as a row of its own."""
    return dataclasses.replace(
        PEER, name=name, command=lambda job: [*command(job), *flags], counts="the same", **changes
    )
