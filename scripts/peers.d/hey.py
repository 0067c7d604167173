"""hey: Go, net/http and crypto/tls. It presents no client certificate."""

import re

from peer import Peer


def command(job):
    words = ["hey", "-cpus", "1", "-disable-keepalive", "-c", str(job.at_once), "-n", str(job.sessions)]
    return words + [job.url]


def counted(_, output):
    found = re.search(r"\[200\]\s+(\d+) responses", output)
    return int(found[1]) if found else 0


PEER = Peer(
    name="hey",
    program="hey",
    version=[],
    command=command,
    counted=counted,
    counts="requests with status 200",
    verifies="nothing",
    resumption="none",
    resumes=False,
    mutual=False,
    source="apt-get install hey",
)
