#!/usr/bin/env python3
"""Measures what shakedown costs as its work grows, and writes it into docs/performance.md.

usage: scripts/costs.py [--quick] [NAME...]    measures these, or all: held growth workers pacing target duration cells
                                               identities
       scripts/costs.py write                  tables and charts of what was measured, into docs/performance.md

Needs `cargo build --release --bin shakedown --example floor`. The load is on loopback and the server another process, on cores of its own. Each
measurement is kept in target/costs/NAME.json and, as CSV, beside it; `--quick` is to see whether it works, and keeps nothing.
"""

import argparse
import csv
import importlib.util
import json
import pathlib
import sys

import peers
from measuring import chart, figures
from measuring.servers import ROOT

PARTS = pathlib.Path(__file__).resolve().parent / "costs.d"
KEPT = ROOT / "target" / "costs"
CHART = ROOT / "docs" / "pictures" / "costs.svg"
BEGIN, END = "<!-- made by scripts/costs.py -->", "<!-- end of what scripts/costs.py made -->"
NAMES = ["held", "growth", "workers", "pacing", "target", "duration", "cells", "identities"]
# Figures that are drawn, with what they are called.
DRAWN = {"worker_us": "worker CPU µs per session", "cpu_us": "client CPU µs per session", "peak_mib": "peak MiB",
         "rss_kib": "resident KiB", "per_s": "handshakes/s", "descriptors": "descriptors", "p99_us": "lag p99 µs"}


def part(name):
    spec = importlib.util.spec_from_file_location(f"costs_{name}", PARTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keep(name, points):
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps({"machine": peers.machine(), "points": points}, indent=1))
    with open(KEPT / f"{name}.csv", "w", newline="") as file:
        # A percentile is missing where there are too few samples.
        writer = csv.DictWriter(file, list(dict.fromkeys(key for point in points for key in point)))
        writer.writeheader()
        writer.writerows(points)


def document():
    """The tables and the chart of everything that is kept."""
    parts, rows, machines = [], [], {}
    for name in NAMES:
        path = KEPT / f"{name}.json"
        if not path.exists():
            continue
        kept = json.loads(path.read_text())
        module = part(name)
        parts.append(f"### {module.TITLE}\n\n{module.text(kept['points'])}")
        machine, _, load = kept["machine"].partition(", load average ")
        machines.setdefault(machine, []).append(f"{load.removesuffix(' at the end')} ({module.TITLE.lower()})")
        if module.X:
            rows.append(panels(module, kept["points"]))
    if rows:
        CHART.write_text(chart.svg(rows))
        parts.insert(0, "![CPU time and memory against sessions held, sessions made, workers, duration, cells and identities](pictures/costs.svg)")
    parts += [f"On {machine}; load average at the end: {', '.join(loads)}." for machine, loads in machines.items()]
    return "\n\n".join(parts)


def panels(module, points):
    """Two or three figures of one measurement, each against what grows; medians where there are several rounds."""
    keys = [key for key in DRAWN if key in points[0] and key != module.X][:3]
    return [(f"{module.TITLE}: {DRAWN[key]}", module.UNIT, figures.medians(points, module.X, key)) for key in keys]


def main(words):
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=NAMES)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(words)
    if options.names == ["write"]:
        made = document()
        peers.DOCUMENT.write_text(figures.replace_between(peers.DOCUMENT.read_text(), BEGIN, END, made))
        return
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))}: none of {', '.join(NAMES)}")
    for name in options.names:
        module = part(name)
        points = module.measure(options)
        print(module.text(points))
        if not options.quick:
            keep(name, points)


if __name__ == "__main__":
    main(sys.argv[1:])
