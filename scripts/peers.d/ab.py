"""ab: ApacheBench, C, OpenSSL."""

import re

from peer import Peer


def command(job):
    words = ["ab", "-q", "-c", str(job.at_once), "-n", str(job.sessions), "-f", f"TLS{job.version}"]
    if job.auth == "mtls":
        words += ["-E", both(job)]
    return words + [job.url]


def both(job):
    """Certificates and key in one file, as it wants them."""
    path = job.work / "both.pem"
    path.touch(mode=0o600)
    path.write_text("".join((job.pki / f"client-0.{part}").read_text() for part in ("pem", "key")))
    return path


def counted(_, output):
    complete = int(re.search(r"^Complete requests: +(\d+)", output, re.MULTILINE)[1])
    refused = re.search(r"^Non-2xx responses: +(\d+)", output, re.MULTILINE)
    return complete - (int(refused[1]) if refused else 0)


PEER = Peer(
    name="ab",
    program="ab",
    version=["-V"],
    command=command,
    counted=counted,
    counts="requests with status 2xx",
    verifies="nothing",
    resumption="none",
    resumes=False,
    source="apt-get install apache2-utils",
)
