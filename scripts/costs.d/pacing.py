"""How late sessions begin, against the rate of an open loop."""

import json
import shutil
import subprocess

from measuring.figures import number, spread, table
from measuring.place import confirmed, place, worker_us
from measuring.servers import SHAKEDOWN, Setting

TITLE = "Pacing"
X, UNIT = "rate", "sessions per second"
RATES, QUICK = [500, 1000, 2000], [500]
ROUNDS, DURATION_S = 5, 5
# Puts a process ahead of what else has work for its core, the kernel's own threads included.
AHEAD = ["chrt", "-f", "1"]


def measure(options):
    points = []
    may_go_ahead = shutil.which(AHEAD[0]) and subprocess.run([*AHEAD, "true"], check=False).returncode == 0
    with place() as here, here.serving(Setting("mtls", "1.3", True)) as server:
        for _ in range(1 if options.quick else ROUNDS):
            for rate in QUICK if options.quick else RATES:
                words = here.client(
                    server, "--rate", f"{rate}/s", "--duration", f"{DURATION_S}s", "--tlsv1.3", "--resumption", "ticket",
                )
                _, trials = here.run(words)
                points.append({"rate": rate, "confirmed": confirmed(trials), "worker_us": worker_us(trials), **lag_us(here)})
                if may_go_ahead:
                    here.run([*AHEAD, *words])
                    points[-1]["ahead_p99_us"] = lag_us(here)["p99_us"]
                print(f"pacing: {points[-1]}", flush=True)
    return points


def lag_us(here):
    """The lag's percentiles, as the report of the run has them."""
    words = [SHAKEDOWN, "report", here.work / "result.json", "--format", "json"]
    done = subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    cell = json.loads(done.stdout)["results"][0]["cells"][0]
    return {f"{f['statistic']}_us": f["value"] / 1e3 for f in cell["figures"] if f["figure"] == "lag"}


def text(points):
    rows = []
    for rate in sorted({point["rate"] for point in points}):
        some = [point for point in points if point["rate"] == rate]
        rows.append([
            number(rate, 0),
            *(spread([point[key] for point in some], 0) for key in ("p50_us", "p99_us")),
            spread([point["ahead_p99_us"] for point in some if "ahead_p99_us" in point], 0),
            *(spread([point[key] for point in some], 0) for key in ("max_us", "worker_us")),
        ])
    head = [
        "sessions per second", "lag p50 µs", "lag p99 µs", "p99 ahead of other work", "lag max µs", "worker CPU µs per session",
    ]
    return (
        f"{table(head, rows)}\nOpen loop of resumed mTLS 1.3 sessions, one worker. Lag is from the scheduled to the actual start of a session. A machine has other "
        "work; so the same is measured in turns at real-time priority (`chrt -f 1`), which goes ahead of it, as on a core that is otherwise idle."
    )
