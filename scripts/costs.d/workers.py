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
    with place() as here, here.serving(Setting("tls", "1.3", False)) as server:
        # The server's own cores come last: from there on they are shared.
        cores = here.client_cores + [core for core in here.server_cores if core not in here.client_cores]
        for _ in range(QUICK_ROUNDS if options.quick else ROUNDS):
            for count in range(1, min(len(cores), MOST) + 1):
                words = here.client(
                    server, "--sessions", str(8 * count), "--duration", f"{DURATION_S}s", "--warmup", "500ms", "--tlsv1.3",
                    auth="tls", cores=cores[:count],
                )
                used, trials = here.run(words)
                window = trials[0]["worker_cpu"]
                points.append({
                    "workers": count, "per_s": window["confirmed"] / (window["wall_ns"] / 1e9), "cpu_us": worker_us(trials),
                    "shared": count > len(here.client_cores), "peak_mib": used.peak_kib / 1024,
                    "server_cores": len(here.server_cores), "confirmed": confirmed(trials),
                })
                print(f"workers: {points[-1]}", flush=True)
    return points


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
            f"{count} (shares the server's cores)" if some[0]["shared"] else count,
            number(statistics.median(column(some, "per_s")), 0), spread(column(some, "cpu_us"), 0),
            spread(rates, 2), spread(cpu, 2), number(max(column(some, "peak_mib"))),
        ])
    head = ["workers", "handshakes/s", "client CPU µs per handshake", "efficiency by rate", "efficiency by CPU", "peak MiB"]
    return (
        f"{table(head, rows)}\nEfficiency by rate is the rate by so many times that of one worker in the same round, efficiency by CPU one worker's CPU per "
        f"handshake by theirs. Full TLS 1.3 against `shakedown serve` on {points[0]['server_cores']} core(s) of its own, which then has less to do than the clients. "
        "Where workers share the server's cores the rate says nothing of them."
    )


def column(points, key):
    return [point[key] for point in points]
