"""wrk: C, OpenSSL, epoll. It presents no client certificate and runs for a time."""

import re

from peer import Peer


def command(job):
    words = ["wrk", "-t", "1", "-c", str(job.at_once), "-d", f"{job.seconds}s"]
    return words + ["-H", "Connection: close", job.url]


def counted(_, output):
    complete = int(re.search(r"^ +(\d+) requests in ", output, re.MULTILINE)[1])
    refused = re.search(r"^ +Non-2xx or 3xx responses: (\d+)", output, re.MULTILINE)
    return complete - (int(refused[1]) if refused else 0)


PEER = Peer(
    name="wrk",
    program="wrk",
    version=["-v"],
    command=command,
    counted=counted,
    counts="requests with status 2xx or 3xx",
    verifies="nothing",
    resumption="cannot be told: tries whenever the server allows",
    mutual=False,
    timed=True,
    source="apt-get install wrk",
)
