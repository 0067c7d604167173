"""Memory of sessions that are held open, and CPU time of opening and closing them: against their number."""

import os
import signal
import time

from measuring import process
from measuring.figures import number, slope, table
from measuring.place import confirmed, most_held, place
from measuring.servers import Setting

TITLE = "Sessions held at once"
X, UNIT = "sessions", "sessions held"
COUNTS = [100, 1000, 5000, 10_000, 20_000]
QUICK = [100, 500, 1000]
# Sessions are opened at this rate, well below what a core can do, then left alone for a moment.
OPENED_PER_S = 500
SETTLE_S = 2


def measure(options):
    points = []
    most = most_held()
    with place() as here, here.serving(Setting("mtls", "1.3", False)) as server:
        for count in QUICK if options.quick else COUNTS:
            points.append(hold(here, server, min(count, most)))
            print(f"held: {points[-1]}", flush=True)
    return points


def hold(here, server, count):
    """Holds so many sessions, looks at the process when all are up, and ends it in order."""
    ramp_s = max(count // OPENED_PER_S, 1)
    words = here.client(
        server, "--sessions", str(count), "--total", str(count), "--ramp-up", f"{ramp_s}s", "--hold", "1h",
        "--duration", "1h", "--tlsv1.3", "--grace", "60s", "--confirm-timeout", "60s", "--handshake-timeout", "60s",
    )
    server.begin()
    seen = {"next": 0.0, "all_since": None}

    def watch(pid):
        now = time.monotonic()
        if now < seen["next"] or "rss_kib" in seen:
            return
        seen["next"] = now + 0.5
        if process.descriptors(pid) < count:
            return
        seen["all_since"] = seen["all_since"] or now
        if now - seen["all_since"] > SETTLE_S:
            seen["rss_kib"], seen["pss_kib"] = process.memory_kib(pid)
            seen["descriptors"] = process.descriptors(pid)
            os.kill(pid, signal.SIGINT)

    used, trials = here.run(words, watch, limit_s=ramp_s + 180)
    if confirmed(trials) != count or "rss_kib" not in seen:
        raise RuntimeError(f"{confirmed(trials)} of {count} sessions were confirmed: {used.output[-600:]}")
    return {
        "sessions": count, "rss_kib": seen["rss_kib"], "pss_kib": seen["pss_kib"], "descriptors": seen["descriptors"],
        "peak_mib": used.peak_kib / 1024, "cpu_us": used.cpu_s * 1e6 / count,
    }


def text(points):
    rows = [
        [number(p["sessions"], 0), number(p["rss_kib"] / 1024), number(p["pss_kib"] / 1024), number(p["descriptors"], 0),
         number(p["peak_mib"]), number(p["cpu_us"], 0)]
        for p in points
    ]
    rise, at_zero, explained = slope([(p["sessions"], p["rss_kib"]) for p in points])
    head = ["sessions held", "resident MiB", "proportional MiB", "descriptors", "peak MiB", "client CPU µs per session"]
    return (
        f"{table(head, rows)}\n**{rise:.2f} KiB per session** held (resident memory, slope of the least squares, R² {explained:.4f}), "
        f"beside {at_zero / 1024:.1f} MiB. Idle mTLS 1.3 sessions of one worker; the server is another process. Sockets are "
        "the kernel's and not in it. CPU is that of the whole process from start to end, so opening, holding and closing."
    )
