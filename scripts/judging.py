#!/usr/bin/env python3
"""Measures how often the judging is wrong, and writes it into docs/methodology.md.

usage: scripts/judging.py simulate            intervals against series with a known truth (a minute)
       scripts/judging.py record [MINUTES] [realtime]
                                           a series of real blocks on this machine (default 24 minutes)
       scripts/judging.py replay              verdicts over the recorded series (minutes)
       scripts/judging.py write               both tables into docs/methodology.md

`record` builds shakedown with scripts/judging.d/slow-handshake.patch into target/judging: a few lines that
burn CPU time at the start of every handshake, as much as the environment says. All blocks run this one
build, so that a slowdown is nothing but slow. It keeps every result in target/judging/series, and
goes on with a series that is there. Keep the machine as quiet as you would for a gate; where others work on
it, `realtime` lets the blocks go before them (chrt, as root), so that only caches and memory are shared.
"""

import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = ROOT / "scripts" / "judging.d"
WORK = ROOT / "target" / "judging"
SERIES = WORK / "series"
BUILD = WORK / "shakedown"
DOCUMENT = ROOT / "docs" / "methodology.md"
BEGIN, END = "<!-- made by scripts/judging.py -->", "<!-- end of what scripts/judging.py made -->"

# Sides that are equal, and those that burn so many percent more CPU time.
SAME = ["a", "b", "c"]
SLOWED = ["a", "b", "2", "5", "10"]
# Of three rounds one has slowed sides: it takes longer.
SLOWED_EVERY = 3


def build():
    """Builds the patched tree beside the plain one's dependencies, and keeps the binary."""
    source = WORK / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    tree = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=tree, check=True)
    subprocess.run(["patch", "-p1", "-i", PARTS / "slow-handshake.patch"], cwd=source, check=True)
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--bin", "shakedown", "--target-dir", ROOT / "target"],
        cwd=source, check=True, stdin=subprocess.DEVNULL,
    )
    shutil.copy2(ROOT / "target" / "release" / "shakedown", BUILD)


def block(spin_ns, path, before):
    """Runs one block and returns its result."""
    subprocess.run(
        [*before, BUILD, "run", PARTS / "series.toml", "--quiet", "--output", path],
        env={**os.environ, "JUDGING_SPIN_NS": str(spin_ns)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )
    return json.loads(path.read_text())


def us_per_session(result):
    cpu = result["cells"][0]["trials"][0]["worker_cpu"]
    return cpu["cpu_ns"] / 1e3 / max(cpu["ended"], 1)


def calibrate(before):
    """How many nanoseconds make so many percent, from blocks that burn nothing."""
    costs = [us_per_session(block(0, WORK / "calibrate.json", before)) for _ in range(40)]
    us = statistics.median(costs)
    print(f"client CPU per session: {us:.1f} µs, in 40 blocks", flush=True)
    return {side: 0 if side in SAME else round(us * 10 * int(side)) for side in {*SAME, *SLOWED}}


def record(minutes, before):
    SERIES.mkdir(parents=True, exist_ok=True)
    notes = SERIES / "series.json"
    known = json.loads(notes.read_text()) if notes.exists() else {}
    if not BUILD.exists():
        build()
    spins = known.get("spin_ns") or calibrate(before)
    took = known.get("same_rounds_s", [])
    number = 1 + max((int(p.name.split("-")[0]) for p in SERIES.glob("*-*-*.json")), default=0)
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        sides = list(SLOWED if number % SLOWED_EVERY == 0 else SAME)
        random.shuffle(sides)
        begun = time.monotonic()
        for place, side in enumerate(sides + sides[::-1]):
            block(spins[side], SERIES / f"{number:05}-{place:02}-{side}.json", before)
        if len(sides) == len(SAME):
            took.append(time.monotonic() - begun)
        load = os.getloadavg()[0]
        known.setdefault("load", []).append(load)
        if number % 20 == 0:
            print(f"round {number}, load {load:.1f}, {max(end - time.monotonic(), 0):.0f} s left", flush=True)
        number += 1
        known.update(spin_ns=spins, same_rounds_s=took, round_s=statistics.mean(took))
        notes.write_text(json.dumps(known))


def tool(*args):
    """What examples/judging prints."""
    command = ["cargo", "run", "--release", "--locked", "--quiet", "--example", "judging", "--", *args]
    done = subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def write():
    text = DOCUMENT.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    made = f"{BEGIN}\n\n{tool('simulate')}\n\n{tool('replay', str(SERIES))}\n\n{END}"
    DOCUMENT.write_text(head + made + tail)


def main(args):
    match args:
        case ["simulate"]:
            print(tool("simulate"))
        case ["record", *rest]:
            before = ["chrt", "-f", "1"] if "realtime" in rest else []
            minutes = [float(word) for word in rest if word != "realtime"]
            record(*minutes or [24], before)
        case ["replay"]:
            print(tool("replay", str(SERIES)))
        case ["write"]:
            write()
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
