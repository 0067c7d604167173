#!/usr/bin/env python3
"""What merging takes: CPU time and memory of `shakedown merge` over the results of many shards.

usage: scripts/merging.py [--shards N] [--trials N] [--rate N] [--shakedown FILE]

One shard of a short run against the embedded target is measured, and its result stands for all: each copy has a number
of its own. Prints a table in Markdown.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measured(shakedown, place, trials, rate):
    """The result of the only shard of a run."""
    scenario = f"""
version = 1
name = "merging"
[load]
rate = "{rate}/s"
warmup = "200ms"
duration = "1s"
grace = "1s"
[trials]
count = {trials}
[workers]
count = 1
"""
    (place / "merging.toml").write_text(scenario)
    start = str(time.time() + 1)
    subprocess.run([shakedown, "run", "merging.toml", "--shard", "0/1", "--start-at", start, "-q", "-o", "one.json"],
                   cwd=place, check=True, stdout=subprocess.DEVNULL)
    return json.loads((place / "one.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--rate", type=int, default=150)
    parser.add_argument("--shakedown", default="target/release/shakedown")
    args = parser.parse_args()
    shakedown = os.path.abspath(args.shakedown)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        record = measured(shakedown, place, args.trials, args.rate)
        folder = place / "shards"
        folder.mkdir()
        record["shard"]["shard"]["of"] = args.shards
        for index in range(args.shards):
            record["shard"]["shard"]["index"] = index
            (folder / f"{index}.json").write_text(json.dumps(record, indent=2))
        size = (folder / "0.json").stat().st_size
        merged = subprocess.run([shakedown, "merge", "shards", "-q", "-o", "merged.json"], cwd=place,
                                stdout=subprocess.DEVNULL)
        if merged.returncode not in (0, 106):
            sys.exit(f"merge ended with {merged.returncode}")
        # The merger is the larger of the two children by far.
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = json.loads((place / "merged.json").read_text())
        trials = whole["cells"][0]["trials"]
        sessions = sum(sum(trial["total"]["ok"].values()) for trial in trials)
        print("| shards | trials | kB each | sessions | CPU s, the shard's run included | peak MB of either |")
        print("|---|---|---|---|---|---|")
        print(f"| {args.shards} | {len(trials)} | {size / 1e3:.0f} | {sessions} "
              f"| {used.ru_utime + used.ru_stime:.1f} | {used.ru_maxrss / 1e3:.0f} |")


if __name__ == "__main__":
    main()
