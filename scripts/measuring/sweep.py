"""Runs of which one thing grows: CPU time per session and peak memory against it."""

from . import place
from .figures import number, slope


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
    """From the first point to the last, and how steeply each figure grows; the chart and the CSV have the points between."""
    first, last = points[0], points[-1]
    grown = lambda key, digits: f"{number(first[key], digits)} → {number(last[key], digits)}"
    slopes = [slope([(p["x"], p[key]) for p in points])[0] for key in ("worker_us", "cpu_us", "peak_mib")]
    return (
        f"From {number(first['x'], 0)} to {number(last['x'], 0)} {what}: worker CPU {grown('worker_us', 0)} µs per session "
        f"({slopes[0]:+.3f} µs of worker CPU for each), process CPU {grown('cpu_us', 0)} µs ({slopes[1]:+.3f} µs), "
        f"peak memory {grown('peak_mib', 1)} MiB ({slopes[2] * 1024:+.1f} KiB). {note}"
    )
