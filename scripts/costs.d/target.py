"""Server CPU per handshake of the embedded target, beside nginx and the server's side of the floor, in turns."""

import dataclasses
import importlib
import tempfile

import peers
from measuring import floor
from measuring.figures import spread, table
from measuring.place import place
from measuring.servers import Setting, start

TITLE = "The embedded target"
X, UNIT = None, None
ROUNDS, QUICK_ROUNDS = 5, 1
SESSIONS, QUICK_SESSIONS = 6000, 1000
SERVERS = ["serve", "nginx"]


def measure(options):
    points = []
    shakedown = peers.all_peers()[0]
    sessions = QUICK_SESSIONS if options.quick else SESSIONS
    with place() as here:
        cores = (here.client_cores[0], here.server_cores[0])
        for resumed in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                setting = Setting("mtls", "1.3", resumed)
                running = [(name, start(name, setting, here.pki, folder, [cores[1]])) for name in SERVERS]
                job = importlib.import_module("peer").Job(
                    port=0, pki=here.pki, work=here.work, auth="mtls", version="1.3", resumed=resumed, sessions=sessions,
                    seconds=0, at_once=8,
                )
                try:
                    for _ in range(QUICK_ROUNDS if options.quick else ROUNDS):
                        point = {}
                        for name, server in running:
                            now = dataclasses.replace(job, port=server.port)
                            point[name] = peers.measure(shakedown, now, server, cores[0])["server_us"]
                        least = floor.measure("mtls", "1.3", resumed, floor.USUAL["1.3"], *cores)
                        points.append({"resumed": resumed, **point, "floor": floor.server_us(least)})
                        print(f"target: {points[-1]}", flush=True)
                finally:
                    for _, server in running:
                        server.stop()
    return points


def text(points):
    rows = []
    for resumed in (False, True):
        some = [point for point in points if point["resumed"] == resumed]
        if some:
            rows.append([
                "resumed" if resumed else "full",
                *(spread([point[key] for point in some], 0) for key in ("serve", "nginx", "floor")),
                *(spread([point["serve"] / point[key] for point in some], 2) for key in ("floor", "nginx")),
            ])
    head = ["mTLS 1.3", "`shakedown serve`, CPU µs", "nginx", "floor", "serve / floor", "serve / nginx"]
    return (
        f"{table(head, rows)}\nServer CPU per confirmed handshake with one HTTP request, shakedown as the client, one server core. The floor is the server's part "
        "of the handshake in memory and of TCP with the same bytes (`examples/floor`)."
    )
