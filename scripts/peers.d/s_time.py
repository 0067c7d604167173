"""openssl s_time: one connection after the other, for a time."""

import re

from peer import Peer


def command(job):
    words = ["openssl", "s_time", "-connect", f"localhost:{job.port}", "-www", "/", "-time", str(job.seconds)]
    words += ["-reuse" if job.resumed else "-new", f"-tls{job.version.replace('.', '_')}"]
    words += ["-CAfile", trusted(job), "-verify", "3"]
    if job.auth == "mtls":
        words += ["-cert", job.pki / "client-0.pem", "-key", job.pki / "client-0.key"]
    return words


def trusted(job):
    """The root, and the intermediate: -cert takes the leaf alone, and OpenSSL sends what it finds here beside it."""
    path = job.work / "trusted.pem"
    path.write_text("".join((job.pki / name).read_text() for name in ("ca.pem", "intermediate.pem")))
    return path


def counted(_, output):
    # The line in real seconds is the last: with -reuse it first makes one connection to have a session.
    return int(re.findall(r"^(\d+) connections in \d+ real seconds", output, re.MULTILINE)[-1])


PEER = Peer(
    name="s_time",
    program="openssl",
    version=["version"],
    command=command,
    counted=counted,
    counts="connections that sent anything back, whatever the status",
    verifies="chain, not name",
    resumption="with -reuse",
    timed=True,
    source="apt-get install openssl",
)
