#!/usr/bin/env python3
"""Runs shakedown and other load generators in turns against one server, and says what a handshake cost each.

usage: scripts/peers [option...]      (which installs what it can; scripts/peers.py does not)

Every request has a new connection. Client CPU is user and system time of the whole process, by the kernel's account,
divided by the requests that the tool itself counted as answered. Ratios are of one round. docs/performance.md says more.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

from measuring import figures, floor, process, servers, tables

ROOT = servers.ROOT
PARTS = pathlib.Path(__file__).resolve().parent / "peers.d"
MEASURED = ROOT / "target" / "peers" / "measured.json"
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by scripts/peers -->", "<!-- end of what scripts/peers made -->"

KINDS = {
    "mtls-full": ("mtls", False), "mtls-resumed": ("mtls", True),
    "tls-full": ("tls", False), "tls-resumed": ("tls", True),
}
# The order of the rows and of the runs of a round.
ORDER = ["shakedown", "shakedown-hybrid", "shakedown-once", "shakedown-graviola", "oha", "hey", "h2load", "wrk", "ab", "s_time"]
NOT_TO_BE_HAD = {
    "vegeta": "no Debian package, and Debian's Go is too old to build it",
    "k6": "no Debian package, and the one of that name on npm is a stub",
    "tls-perf, h1load": "no packages",
}
# Handshakes per second at about which a tool that can only run for a time makes as many as the others.
SESSIONS_PER_S = 2000


def all_peers():
    """Those in peers.d, in order."""
    sys.path.insert(0, str(PARTS))
    found = {}
    for path in PARTS.glob("*.py"):
        spec = importlib.util.spec_from_file_location(f"peers_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "PEER"):
            found[module.PEER.name] = module.PEER
    return [found[name] for name in ORDER]


def version_of(peer):
    """The version that it prints of itself; None if it is not installed."""
    if shutil.which(peer.program) is None:
        return None
    if not peer.version:
        return "does not say"
    done = subprocess.run(
        [peer.program, *peer.version], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )
    found = re.search(r"\d+\.\d[\w.+~-]*", done.stdout)
    return found[0] if found else "does not say"


def suits(peer, kind):
    return (
        kind["version"] in peer.versions
        and (peer.mutual or kind["auth"] == "tls")
        and (peer.resumes or not kind["resumed"])
    )


def measure(peer, job, server, core):
    """One run of one tool: what it cost, what it counted, and what the server saw."""
    server.begin()
    used = process.run([str(word) for word in peer.command(job)], core=core, cwd=job.work)
    seen = server.end()
    try:
        counted = peer.counted(job, used.output)
        own_us = peer.own_us(job) if peer.own_us else None
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        raise RuntimeError(f"its output cannot be read ({error!r}): {used.output[-400:]}") from error
    if counted < 1:
        raise RuntimeError(f"it counted nothing, exit status {used.status}: {used.output[-400:]}")
    return {
        "tool": peer.name, "counted": counted, "own_us": own_us,
        "cpu_ms": used.cpu_s * 1e3, "client_us": used.cpu_s * 1e6 / counted, "per_s": counted / used.wall_s,
        "server_us": seen.cpu_s * 1e6 / counted, "peak_mib": used.peak_kib / 1024,
        "accepted": seen.accepted, "resumed": seen.resumed, "negotiated": seen.negotiated,
    }


def measure_kind(kind, tools, options, pki, work):
    """All rounds of one kind, after one run of each tool that warms up and shows what starting it costs."""
    folder = work / "-".join(str(part) for part in kind.values())
    folder.mkdir()
    setting = servers.Setting(kind["auth"], kind["version"], kind["resumed"])
    server = servers.start(kind["server"], setting, pki, folder, [options.server_core])
    result = {"kind": kind, "runs": [], "startups": {}, "floors": [], "failed": {}}
    job = importlib.import_module("peer").Job(
        port=server.port, pki=pki, work=folder, **{key: kind[key] for key in ("auth", "version", "resumed")},
        sessions=options.sessions, seconds=max(round(options.sessions / SESSIONS_PER_S), 1), at_once=options.at_once,
    )
    try:
        for number in range(options.rounds + 1):
            now = job if number else dataclasses.replace(job, sessions=options.at_once, seconds=1)
            for peer in tools:
                if suits(peer, kind) and peer.name not in result["failed"]:
                    one_run(peer, now, server, options, number, result)
            if number and options.floor:
                suite = floor.suite(result["startups"]["shakedown"]["negotiated"], kind["version"])
                cores = (options.client_core, options.server_core)
                found = floor.measure(kind["auth"], kind["version"], kind["resumed"], suite, *cores)
                result["floors"].append({"round": number, **found})
    finally:
        server.stop()
    return result


def one_run(peer, job, server, options, number, result):
    """A run of a round, or the one before the first. A tool that fails is left out from then on, aloud."""
    try:
        run = measure(peer, job, server, options.client_core)
    except RuntimeError as error:
        result["failed"][peer.name] = str(error)
        print(f"{tables.title(result['kind'])}: {peer.name} is left out: {error}", file=sys.stderr)
        return
    if number:
        result["runs"].append({"round": number, **run})
        print(f"{tables.title(result['kind'])}, round {number}: {peer.name} {run['client_us']:.0f} µs", file=sys.stderr)
    elif not peer.timed:
        result["startups"][peer.name] = run


def measure_all(options):
    """Everything that was asked for, as it is kept in MEASURED."""
    wanted = {"shakedown", *(options.tools or ORDER)}
    peers = [peer for peer in all_peers() if peer.name in wanted]
    versions = {peer.name: version for peer in peers if (version := version_of(peer))}
    for peer in peers:
        if peer.name not in versions:
            print(f"left out: {peer.name} is not installed ({peer.source})", file=sys.stderr)
    tools = [peer for peer in peers if peer.name in versions]
    kinds = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        pki = work / "pki"
        subprocess.run([servers.SHAKEDOWN, "pki", "new", pki], check=True, stdout=subprocess.DEVNULL)
        for server in options.servers:
            for version in options.versions:
                for name in options.kinds:
                    auth, resumed = KINDS[name]
                    kind = {"server": server, "auth": auth, "version": version, "resumed": resumed}
                    kinds.append(measure_kind(kind, tools, options, pki, work))
    settings = {key: getattr(options, key) for key in ("rounds", "sessions", "at_once")}
    asked = [peer.name for peer in peers]
    return {"asked": asked, "versions": versions, "machine": machine(), "settings": settings, "kinds": kinds}


def machine():
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in cpu.splitlines() if line.startswith("model name")), "unknown")
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, load average {load:.1f} at the end"


def document(measured, kinds):
    """What goes into docs/performance.md, with the tables of some kinds, and to standard output, with all."""
    peers = all_peers()
    settings = measured["settings"]
    installed = [peer for peer in peers if peer.name in measured["versions"]]
    missing = {
        peer.name: f"not installed: {peer.source}" if peer.name in measured["asked"] else "not asked for"
        for peer in peers if peer not in installed
    }
    left_out = "; ".join(f"{name} ({why})" for name, why in {**NOT_TO_BE_HAD, **missing}.items())
    parts = [
        f"{settings['rounds']} rounds of {settings['sessions']:,} sessions, {settings['at_once']} at once, "
        f"on {measured['machine']}.",
        tables.what_they_count(installed, measured["versions"]),
        f"Left out: {left_out}.",
        "**In short**: client CPU of the cheapest peer that verifies the server by shakedown's, and of shakedown's worker by the floor\n\n"
        + tables.in_short(measured["kinds"], installed),
    ]
    parts += [tables.of_kind(kind, installed) for kind in kinds]
    return "\n\n".join(part.strip() for part in parts)


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda known: lambda text: [checked(word, known) for word in text.split(",")]
    parser.add_argument("--rounds", type=int, default=5, help="in each every tool runs once, in one order (5)")
    parser.add_argument("--sessions", type=int, default=6000, help="of each run (6000)")
    parser.add_argument("--at-once", type=int, default=8, help="connections (8)")
    parser.add_argument("--servers", type=listed(["nginx", "haproxy", "serve"]), default=["nginx"],
                        help="of nginx, haproxy and serve, the embedded target (nginx)")
    parser.add_argument("--kinds", type=listed(KINDS), default=list(KINDS), help=f"of {','.join(KINDS)} (all)")
    parser.add_argument("--versions", type=listed(["1.2", "1.3"]), default=["1.3"], help="of 1.3 and 1.2 (1.3)")
    parser.add_argument("--tools", type=listed(ORDER), help="beside shakedown (all that are installed)")
    parser.add_argument("--no-floor", dest="floor", action="store_false", help="without the floor")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1000 sessions, to see whether it works")
    parser.add_argument("--write", action="store_true", help="also put the summary and the tables of the first kind into docs/performance.md")
    parser.add_argument("--from", dest="source", type=pathlib.Path, help="measure nothing, take an earlier run's file")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    options = parser.parse_args(words)
    if options.quick:
        options.rounds, options.sessions = 2, 1000
    return options


def checked(word, known):
    if word not in known:
        raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
    return word


def main(words):
    options = arguments(words)
    os.environ["PATH"] = f"{ROOT / 'target/tools/bin'}:{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
    if options.source:
        measured = json.loads(options.source.read_text())
    else:
        measured = measure_all(options)
        MEASURED.parent.mkdir(parents=True, exist_ok=True)
        MEASURED.write_text(json.dumps(measured, indent=1))
    kinds = measured["kinds"]
    print(document(measured, kinds))
    if options.write:
        made = document(measured, kinds[:1])
        DOCUMENT.write_text(figures.replace_between(DOCUMENT.read_text(), BEGIN, END, made))


if __name__ == "__main__":
    main(sys.argv[1:])
