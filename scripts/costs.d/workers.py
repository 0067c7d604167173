"""Handshakes per second and CPU time of each, against the number of workers."""

import statistics

from measuring.figures import number, spread, table
from measuring.place import confirmed, place, worker_us
from measuring.servers import Setting

TITLE = "Workers"
X, UNIT = "workers", "workers"
ROUNDS, QUICK_ROUNDS = 5, 1
DURATION_S = 3
MOST = 16


def measure(options):
    points = []
    with place() as here:
        for _ in range(QUICK_ROUNDS if options.quick else ROUNDS):
            for count in range(1, min(len(here.cores), MOST) + 1):
                points.append(of_workers(here, here.cores[:count]))
                print(f"workers: {points[-1]}", flush=True)
    return points


def of_workers(here, cores):
    """A worker and a thread of the server on each core."""
    with here.serving(Setting("tls", "1.3", False), cores) as server:
        words = here.client(
            server, "--sessions", str(8 * len(cores)), "--duration", f"{DURATION_S}s", "--warmup", "500ms", "--tlsv1.3",
            auth="tls", cores=cores,
        )
        used, trials = here.run(words)
    window = trials[0]["worker_cpu"]
    return {
        "workers": len(cores), "per_s": window["confirmed"] / (window["wall_ns"] / 1e9), "cpu_us": worker_us(trials),
        "peak_mib": used.peak_kib / 1024, "confirmed": confirmed(trials),
    }


def text(points):
    by_count = {}
    for point in points:
        by_count.setdefault(point["workers"], []).append(point)
    base_rate, base_cpu = (column(by_count[1], key) for key in ("per_s", "cpu_us"))
    rows = []
    for count, some in by_count.items():
        rates = [rate / (count * one) for rate, one in zip(column(some, "per_s"), base_rate)]
        cpu = [one / us for us, one in zip(column(some, "cpu_us"), base_cpu)]
        rows.append([
            count, number(statistics.median(column(some, "per_s")), 0), spread(column(some, "cpu_us"), 0),
            spread(rates, 2), spread(cpu, 2), number(max(column(some, "peak_mib"))),
        ])
    head = ["workers", "handshakes/s", "client CPU µs per handshake", "efficiency by rate", "efficiency by CPU", "peak MiB"]
    return (
        f"{table(head, rows)}\nEach worker shares its core with a thread of `shakedown serve`, so that the work of a core is the same however many there are. "
        "Efficiency by rate is the rate by so many times that of one worker in the same round, efficiency by CPU one worker's CPU per "
        "handshake by theirs. Full TLS 1.3."
    )


def column(points, key):
    return [point[key] for point in points]
