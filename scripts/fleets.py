#!/usr/bin/env python3
"""What a fleet of minted identities costs the client: CPU per session beside one identity, at first use and again, memory
for each loaded identity, and the size of the result. In turns, A B C A B C.

usage: scripts/fleets.py [--sessions N] [--rounds N] [--large N] [--shakedown FILE]

The target is a `serve` on core 0, the client is on core 1. Prints a table in Markdown. CPU is the worker's own, by the
kernel's account of its thread: loading identities is in it, the process's start is not. `--large` is the number of
identities, each used once, by which memory is measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = 16_384


class Bench:
    def __init__(self, shakedown, place):
        self.shakedown, self.place = shakedown, place
        subprocess.run([shakedown, "pki", "new", "pki"], cwd=place, check=True, stdout=subprocess.DEVNULL)
        self.server = subprocess.Popen(
            [shakedown, "serve", "--protocol", "echo", "--pki", "pki", "--listen", "127.0.0.1:0", "--cores", "0"],
            cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.server.stdout.readline()
        self.port = line.split("localhost:")[1].split("/")[0].split()[0] if "localhost:" in line else None
        if not self.port:
            sys.exit(f"cannot read the port from {line!r}")

    def run(self, sessions, *flags):
        """The only trial of a run, and the size of its result."""
        result = self.place / "out.json"
        result.unlink(missing_ok=True)
        subprocess.run(
            [self.shakedown, "run", f"tls://localhost:{self.port}", "--protocol", "echo", "--cacert", "pki/ca.pem", "-q",
             "--sessions", "8", "--total", str(sessions), "--duration", "30m", "--warmup", "0s", "--workers", "1",
             "--cores", "1", "-o", result, *flags],
            cwd=self.place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        record = json.loads(result.read_text())
        trial = record["cells"][0]["trials"][0]
        ok = sum(trial["total"]["ok"].values())
        if ok != sessions:
            sys.exit(f"{ok} of {sessions} sessions were accepted: {trial['total']['failed']}")
        return trial, result.stat().st_size


def minted(count):
    return f"mint:{count},ca=pki/intermediate.pem,ca-key=pki/intermediate.key"


def us_per_session(trial):
    return trial["worker_cpu"]["cpu_ns"] / trial["worker_cpu"]["ended"] / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--shakedown", default="target/release/shakedown")
    args = parser.parse_args()
    shakedown = os.path.abspath(args.shakedown)
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(shakedown, Path(place))
        try:
            measure(bench, args)
        finally:
            bench.server.terminate()
            bench.server.wait()


def measure(bench, args):
    sides = {
        "one identity": ["--cert", "pki/client-0.pem", "--key", "pki/client-0.key"],
        "each its first use": ["--fleet", minted(args.sessions)],
        "each used again": ["--fleet", minted(max(1, args.sessions // 100))],
    }
    costs = {name: [] for name in sides}
    for _ in range(args.rounds):
        for name, flags in sides.items():
            costs[name].append(us_per_session(bench.run(args.sessions, *flags)[0]))
    print(f"{args.sessions} sessions a run, {args.rounds} rounds in turns; CPU of the client per session / that with one "
          "identity\n")
    print("| Identities | Ratio | Smallest | Largest |\n|---|---|---|---|")
    for name, values in costs.items():
        ratios = [value / one for value, one in zip(values, costs["one identity"])]
        print(f"| {name} | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")
    trials = {}
    for cache in (1, CACHE):
        trials[cache], size = bench.run(args.large, "--fleet", minted(args.large), "--fleet-cache", str(cache))
        loaded = trials[cache]["fleet"]["loaded"]
        print(f"\n{args.large} identities over {args.large} sessions, cache {cache}: {loaded} loaded, result of "
              f"{size / 1024:.0f} KiB, process at most {trials[cache]['memory_max'] / 2**20:.0f} MiB")
    each = (trials[CACHE]["memory_max"] - trials[1]["memory_max"]) / min(CACHE, args.large)
    print(f"\nmemory of a loaded identity: {each / 1024:.2f} KiB")


main()
