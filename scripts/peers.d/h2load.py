"""h2load of nghttp2: C++, OpenSSL, libev. It presents no client certificate."""

import re

from peer import Peer


def command(job):
    words = ["h2load", "--h1", "-t", "1", "-c", str(job.at_once), "-n", str(job.sessions)]
    return words + ["-H", "Connection: close", job.url]


def counted(_, output):
    return int(re.search(r"^status codes: (\d+) 2xx", output, re.MULTILINE)[1])


PEER = Peer(
    name="h2load",
    program="h2load",
    version=["--version"],
    command=command,
    counted=counted,
    counts="requests with status 2xx",
    verifies="nothing",
    resumption="cannot be told: tries whenever the server allows, one ticket for all",
    mutual=False,
    source="apt-get install nghttp2-client",
)
