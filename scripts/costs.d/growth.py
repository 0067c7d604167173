"""Memory and descriptors over many sessions, looked at from outside while they go on."""

import time

from measuring import process
from measuring.figures import number, slope
from measuring.place import confirmed, place, worker_us
from measuring.servers import Setting

TITLE = "Over many sessions"
X, UNIT = "sessions", "sessions made"
TOTAL = 1_000_000
QUICK = 20_000
# What came before this share of the sessions is warming up.
SETTLED = 0.1
# Of the process's life at both ends, in which it starts and ends.
STARTED_S = 0.5


def measure(options):
    total = QUICK if options.quick else TOTAL
    samples = []
    with place() as here, here.serving(Setting("mtls", "1.3", True)) as server:
        words = here.client(
            server, "--sessions", "8", "--total", str(total), "--duration", "1h", "--tlsv1.3", "--resumption", "ticket",
        )
        begun = time.monotonic()

        def watch(pid):
            now = time.monotonic() - begun
            if not samples or now - samples[-1]["s"] >= 0.25:
                samples.append({"s": now, "rss_kib": process.status_kib(pid, "VmRSS"), "descriptors": open_files(pid)})

        used, trials = here.run(words, watch, limit_s=3600)
    if confirmed(trials) != total:
        raise RuntimeError(f"{confirmed(trials)} of {total} sessions were confirmed: {used.output[-600:]}")
    points = [
        {"sessions": round(total * sample["s"] / used.wall_s), "rss_kib": sample["rss_kib"],
         "descriptors": sample["descriptors"]}
        for sample in samples if STARTED_S <= sample["s"] <= used.wall_s - STARTED_S
    ]
    print(f"growth: {total} sessions in {used.wall_s:.0f} s, {worker_us(trials):.0f} µs each", flush=True)
    return points


def open_files(pid):
    try:
        return process.descriptors(pid)
    except OSError:
        return 0


def text(points):
    settled = [p for p in points if p["sessions"] >= SETTLED * points[-1]["sessions"]]
    rise, _, _ = slope([(p["sessions"], p["rss_kib"]) for p in settled])
    growth = settled[-1]["rss_kib"] - settled[0]["rss_kib"]
    return (
        f"From {number(settled[0]['sessions'], 0)} to {number(settled[-1]['sessions'], 0)} sessions made, resident memory grew by "
        f"**{growth / 1024:+.2f} MiB** to {settled[-1]['rss_kib'] / 1024:.2f} MiB; slope {rise * 1e6 / 1024:+.2f} MiB "
        f"per million sessions. At most {max(p['descriptors'] for p in settled)} descriptors, "
        f"at the end {settled[-1]['descriptors']}. Resumed mTLS 1.3 sessions, 8 at once, of one worker; the number of sessions at a moment is worked "
        "out from the time, as a closed loop is steady."
    )
