"""The tables of docs/performance.md that compare tools, from what scripts/peers.py measured."""

import statistics

from . import floor
from .figures import number, percent, spread, table

# Below these shares a tool did not do what the kind says: what it counted was not accepted, or not resumed.
REALLY_ACCEPTED = 0.98
REALLY_RESUMED = 0.9


def title(kind):
    auth = {"tls": "TLS", "mtls": "mTLS"}[kind["auth"]]
    return f"{auth} {kind['version']}, {'resumed' if kind['resumed'] else 'full'}, against {kind['server']}"


def what_they_count(peers, versions):
    """One row for each tool: what its figures are figures of."""
    rows = [
        [peer.name, versions.get(peer.name, "not installed"), peer.counts, peer.verifies,
         "yes" if peer.mutual else "cannot", peer.resumption, peer.also]
        for peer in peers
    ]
    head = ["tool", "version", "what it counts", "of the server it verifies", "client certificate", "resumption", "also"]
    return table(head, rows)


def of_kind(measured, peers):
    """The rows of one kind, the floor, and how the best peers stand to shakedown."""
    names = [peer.name for peer in peers if runs_of(measured, peer.name)]
    rows = [row(measured, name) for name in names]
    head = [
        "tool", "client CPU µs per handshake", "× shakedown", "handshakes/s", "server CPU µs", "peak MiB", "start-up ms",
        "in the server's log", "resumed there", "negotiated",
    ]
    text = f"**{title(measured['kind'])}**\n\n{table(head, rows)}"
    notes = [*best(measured, peers), *against_floor(measured)]
    notes += [f"{name} failed: {' '.join(why.split())[:120]}" for name, why in measured["failed"].items()]
    return text + "".join(f"\n{note}" for note in notes) + "\n"


def runs_of(measured, name):
    return [run for run in measured["runs"] if run["tool"] == name]


def column(measured, name, key):
    return [run[key] for run in runs_of(measured, name)]


def ratios(measured, name, base="shakedown"):
    """A tool's client CPU by shakedown's of the same round."""
    ours = {run["round"]: run["client_us"] for run in runs_of(measured, base)}
    return [run["client_us"] / ours[run["round"]] for run in runs_of(measured, name) if run["round"] in ours]


def row(measured, name):
    runs = runs_of(measured, name)
    counted = sum(run["counted"] for run in runs)
    logged = resumed = "–"
    if all(run["accepted"] is not None for run in runs):
        accepted = sum(run["accepted"] for run in runs)
        logged = percent(accepted, counted)
        resumed = percent(sum(run["resumed"] for run in runs), accepted)
    startup = measured["startups"].get(name, {}).get("cpu_ms")
    return [
        f"{name} ({why})" if (why := not_done(measured, name)) else name,
        spread(column(measured, name, "client_us"), 0),
        spread(ratios(measured, name), 2),
        number(statistics.median(column(measured, name, "per_s")), 0),
        number(statistics.median(column(measured, name, "server_us")), 0),
        number(max(column(measured, name, "peak_mib")), 1),
        "–" if startup is None else number(startup, 0),
        logged,
        resumed,
        ", ".join(sorted({run["negotiated"] for run in runs if run["negotiated"]})) or "–",
    ]


def not_done(measured, name):
    """Why a tool's sessions were not of this kind, as far as the server tells; None if they were."""
    runs = runs_of(measured, name)
    if any(run["accepted"] is None for run in runs):
        return None
    accepted = sum(run["accepted"] for run in runs)
    if accepted < REALLY_ACCEPTED * sum(run["counted"] for run in runs):
        return "counted what the server refused"
    if measured["kind"]["resumed"] and sum(run["resumed"] for run in runs) < REALLY_RESUMED * accepted:
        return "made full handshakes"
    return None


def best(measured, peers):
    """The cheapest peer, and the cheapest of those that verify the server."""
    others = [p for p in peers if not p.ours and ratios(measured, p.name) and not not_done(measured, p.name)]
    for words, some in [
        ("Cheapest peer that verifies the server's chain", [p for p in others if p.verifies != "nothing"]),
        ("Cheapest of those that do not", [p for p in others if p.verifies == "nothing"]),
    ]:
        if some:
            peer = min(some, key=lambda p: statistics.median(ratios(measured, p.name)))
            ours = [(p.name, ratios(measured, peer.name, p.name)) for p in peers if p.ours and not not_done(measured, p.name)]
            times = ", ".join(f"{spread(ratio, 2)} × {name}" for name, ratio in ours if ratio)
            yield f"- {words}: {peer.name}, {times}."


def against_floor(measured):
    """Shakedown's client CPU by the floor of the same round, and the floor's parts."""
    floors = {entry["round"]: entry for entry in measured["floors"]}
    if not floors:
        return
    ours = [run for run in runs_of(measured, "shakedown") if run["round"] in floors]
    parts = [
        spread([entry[key] for entry in floors.values()], 0)
        for key in ("memory_client_us", "tcp_client_us", "tcp_alone_client_us")
    ]
    yield (
        f"- Floor: {parts[0]} µs in memory + {parts[1]} µs of TCP ({parts[2]} µs where it sleeps) = "
        f"{spread(map(floor.client_us, floors.values()), 0)} µs of client CPU. "
        f"shakedown / floor: **{spread([run['client_us'] / floor.client_us(floors[run['round']]) for run in ours], 2)}** "
        "with the whole process, start-up included; "
        f"{spread([run['own_us'] / floor.client_us(floors[run['round']]) for run in ours], 2)} with its worker thread alone."
    )
    yield (
        f"- Server side of the floor: {spread(map(floor.server_us, floors.values()), 0)} µs; "
        f"server CPU under shakedown / that: "
        f"{spread([run['server_us'] / floor.server_us(floors[run['round']]) for run in ours], 2)}."
    )
