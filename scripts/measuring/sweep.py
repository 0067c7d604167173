"""Runs of which one thing grows: CPU time per session and peak memory against it."""

from . import place
from .figures import number, slope, table


def point(x, used, trials, expected):
    """One run as a point, if all its sessions were confirmed."""
    sessions = place.confirmed(trials)
    if expected and sessions != expected or not sessions:
        raise RuntimeError(f"{sessions} of {expected} sessions were confirmed: {used.output[-600:]}")
    return {
        "x": x, "sessions": sessions, "cpu_us": used.cpu_s * 1e6 / sessions, "worker_us": place.worker_us(trials),
        "peak_mib": used.peak_kib / 1024,
    }


def text(points, what, note):
    """A table of points, and how steeply each figure grows."""
    rows = [
        [number(p["x"], 0), number(p["sessions"], 0), number(p["worker_us"], 0), number(p["cpu_us"], 0), number(p["peak_mib"])]
        for p in points
    ]
    slopes = [slope([(p["x"], p[key]) for p in points])[0] for key in ("worker_us", "cpu_us", "peak_mib")]
    head = [what, "sessions", "worker CPU µs per session", "process CPU µs per session", "peak MiB"]
    return (
        f"{table(head, rows)}\nSlopes for each of the {what}: {slopes[0]:+.3f} µs of worker CPU and {slopes[1]:+.3f} µs of process CPU per session, "
        f"{slopes[2] * 1024:+.1f} KiB of peak memory. {note}"
    )
