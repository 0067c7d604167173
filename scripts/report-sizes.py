#!/usr/bin/env python3
"""Sizes of HTML reports and the times it takes to make them, by the number of cells.

usage: scripts/report-sizes.py SHAKEDOWN [RESULT] [--keep FOLDER]

SHAKEDOWN is a release build. RESULT (else the fixture of the tests) has a cell with TLS and one with mutual
TLS; from these, results are made of a matrix of both with providers, groups and chains, with as many cells as
are asked for. Times are the best of five; they are of one machine, so look at their ratios.

  --keep FOLDER   leave results and pages there
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "tests" / "fixtures" / "result-v1-tax.json"
COUNTS = [10, 100, 1000]
PROVIDERS = ["aws-lc-rs", "graviola", "openssl", "ring", "rustcrypto"]
GROUPS = [f"group{number}" for number in range(10)]
CHAINS = range(10)
ROUNDS = 5


def matrix(result, count):
    """The result with its TLS and mutual TLS cells as often as it takes for this many cells."""
    of_auth = {cell["cell"]["auth"]: cell for cell in result["cells"]}
    points = (
        (auth, provider, group, chain)
        for provider in PROVIDERS
        for group in GROUPS
        for chain in CHAINS
        for auth in ("server", "mutual")
    )
    cells = []
    for auth, provider, group, chain in list(points)[:count]:
        cell = copy.deepcopy(of_auth[auth])
        name = {"server": "tls", "mutual": "mtls"}[auth]
        cell["cell"].update(
            name=f"{name}1.3-{group}-chain{chain}-{provider}", provider=provider, group=group, chain=chain
        )
        cells.append(cell)
    return {**result, "cells": cells}


def timed(command):
    """The shortest of some runs, in seconds."""

    def once():
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun

    return min(once() for _ in range(ROUNDS))


def main():
    arguments = sys.argv[1:]
    keep = arguments.index("--keep") if "--keep" in arguments else None
    folder = pathlib.Path(arguments[keep + 1]) if keep is not None else pathlib.Path(tempfile.mkdtemp())
    positional = arguments[:keep] if keep is not None else arguments
    if not 1 <= len(positional) <= 2:
        sys.exit(__doc__)
    shakedown = positional[0]
    result = json.loads(pathlib.Path((positional + [FIXTURE])[1]).read_text())
    folder.mkdir(parents=True, exist_ok=True)
    print("| Cells | Trials | Result | Page | Drawings | Time | Time per cell |\n|--:|--:|--:|--:|--:|--:|--:|")
    for count in COUNTS:
        made = matrix(result, count)
        source, page = folder / f"{count}.json", folder / f"{count}.html"
        source.write_text(json.dumps(made))
        seconds = timed([shakedown, "report", source, "-f", "html", "-o", page])
        trials = sum(len(cell["trials"]) for cell in made["cells"])
        print(
            f"| {count} | {trials} | {source.stat().st_size / 1e3:.0f} kB | {page.stat().st_size / 1e3:.0f} kB "
            f"| {page.read_text().count('<svg ')} | {seconds * 1e3:.0f} ms | {seconds / count * 1e3:.2f} ms |"
        )
    if keep is None:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


if __name__ == "__main__":
    main()
