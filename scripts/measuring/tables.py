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
    for words, peer in [
        ("Cheapest peer that verifies the server's chain", cheapest(measured, peers, True)),
        ("Cheapest of those that do not", cheapest(measured, peers, False)),
    ]:
        if peer:
            ours = [(p.name, ratios(measured, peer.name, p.name)) for p in peers if p.ours and not not_done(measured, p.name)]
            times = ", ".join(f"{spread(ratio, 2)} × {name}" for name, ratio in ours if ratio)
            yield f"- {words}: {peer.name}, {times}."


def cheapest(measured, peers, verifies):
    """The peer that used the least client CPU, of those that verify the server's chain or of the others; None of none."""
    some = [
        peer for peer in peers
        if not peer.ours and (peer.verifies != "nothing") == verifies
        and ratios(measured, peer.name) and not not_done(measured, peer.name)
    ]
    return min(some, key=lambda peer: statistics.median(ratios(measured, peer.name)), default=None)


def in_short(kinds, peers):
    """One row for each kind of handshake: for each server the cheapest peer by shakedown, and shakedown by the floor."""
    servers = list(dict.fromkeys(measured["kind"]["server"] for measured in kinds))
    rows = {}
    for measured in kinds:
        name, _, server = title(measured["kind"]).partition(", against ")
        peer = cheapest(measured, peers, True)
        of_peer = f"{peer.name} {spread(ratios(measured, peer.name), 2)}" if peer else "–"
        of_floor = spread(over(measured, "own_us", floor.client_us), 2)
        rows.setdefault(name, {})[server] = [of_peer, of_floor]
    head = ["", *(cell for server in servers for cell in (f"{server}: cheapest peer", "worker / floor"))]
    return table(head, [[name, *(cell for server in servers for cell in row.get(server, ["–", "–"]))] for name, row in rows.items()])


def over(measured, key, of_floor):
    """A figure of shakedown's rounds by one of the floor of the same round."""
    floors = {entry["round"]: of_floor(entry) for entry in measured["floors"]}
    runs = runs_of(measured, "shakedown")
    return [run[key] / floors[run["round"]] for run in runs if run["round"] in floors]


def against_floor(measured):
    """Shakedown's client CPU by the floor of the same round, and the floor's parts."""
    floors = measured["floors"]
    if not floors:
        return
    part = lambda key: spread([entry[key] for entry in floors], 0)
    ratio = lambda key, of_floor: spread(over(measured, key, of_floor), 2)
    yield (
        f"- Floor: {part('memory_client_us')} µs in memory + {part('tcp_client_us')} µs of TCP "
        f"({part('tcp_alone_client_us')} µs where it sleeps) = {spread(map(floor.client_us, floors), 0)} µs of client CPU; "
        f"both in the plainest program {part('whole_client_us')} µs. "
        f"shakedown / floor: **{ratio('client_us', floor.client_us)}** with the whole process, start-up included, and "
        f"**{ratio('own_us', floor.client_us)}** with its worker thread alone; "
        f"worker / plainest program: {ratio('own_us', floor.whole_client_us)}."
    )
    yield (
        f"- Server side of the floor: {spread(map(floor.server_us, floors), 0)} µs; "
        f"server CPU under shakedown / that: {ratio('server_us', floor.server_us)}."
    )
