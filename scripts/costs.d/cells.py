"""CPU time per session and peak memory against the number of cells."""

from measuring import sweep
from measuring.place import place
from measuring.servers import Setting

TITLE = "Cells"
X, UNIT = "x", "cells"
COUNTS, QUICK = [1, 4, 8, 16, 32, 64], [1, 2]
SESSIONS, QUICK_SESSIONS = 500, 100
# Of each cell: nearly all sessions are full, so that cells do the same.
SHARE = 0.0001


def measure(options):
    points = []
    sessions = QUICK_SESSIONS if options.quick else SESSIONS
    with place() as here, here.serving(Setting("mtls", "1.3", True)) as server:
        for count in QUICK if options.quick else COUNTS:
            path = here.work / "cells.toml"
            path.write_text(scenario(here, server, count, sessions))
            words = here.client(server, auth="file")
            words[words.index("run") + 1] = str(path)
            points.append(sweep.point(count, *here.run(words), expected=count * sessions))
            print(f"cells: {points[-1]}", flush=True)
    return points


def scenario(here, server, count, sessions):
    shares = ", ".join(f"{SHARE * number:.4f}" for number in range(count))
    return f"""version = 1
name = "cells"
[target]
url = "https://localhost:{server.port}/"
[identity]
cert = "{here.pki}/client-0.pem"
key = "{here.pki}/client-0.key"
[load]
sessions = 8
total = {sessions}
[resumption]
mode = "ticket"
[matrix]
tls = ["1.3"]
resumed = [{shares}]
"""


def text(points):
    return sweep.text(points, "cells", "Each cell makes as many mTLS 1.3 sessions, full but for a few, 8 at once, one cell after the other.")
