"""CPU time per session and peak memory against how long a run is, at a steady rate."""

from measuring import sweep
from measuring.place import place
from measuring.servers import Setting

TITLE = "Duration"
X, UNIT = "x", "seconds"
SECONDS, QUICK = [5, 15, 30, 60, 120], [1, 2, 4]
RATE = 500


def measure(options):
    points = []
    with place() as here, here.serving(Setting("mtls", "1.3", False)) as server:
        for seconds in QUICK if options.quick else SECONDS:
            words = here.client(server, "--rate", f"{RATE}/s", "--duration", f"{seconds}s", "--warmup", "0s", "--tlsv1.3")
            points.append(sweep.point(seconds, *here.run(words), expected=None))
            print(f"duration: {points[-1]}", flush=True)
    return points


def text(points):
    return sweep.text(points, "seconds", f"Open loop, {RATE} full mTLS 1.3 handshakes per second.")
