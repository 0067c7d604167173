"""Medians, spreads, slopes and Markdown tables, and the parts of documents that scripts write."""

import statistics


def spread(values, digits=1, unit=""):
    """The median and, of several, the smallest and the largest: `m [a … b]`."""
    values = list(values)
    if not values:
        return "–"
    text = number(statistics.median(values), digits)
    if len(values) > 1:
        text += f" [{number(min(values), digits)} … {number(max(values), digits)}]"
    return text + unit


def number(value, digits=1):
    return f"{value:,.{digits}f}"


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "–"


def table(head, rows):
    """A Markdown table. Bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def slope(points):
    """How much y grows with x, by least squares, and how much of y's variance that explains."""
    xs, ys = zip(*points)
    rise, at_zero = statistics.linear_regression(xs, ys)
    explained = statistics.correlation(xs, ys) ** 2 if len(set(ys)) > 1 else 1.0
    return rise, at_zero, explained


def medians(points, x, y):
    """The points of one figure against another; of several at one x the median."""
    by_x = {}
    for point in points:
        by_x.setdefault(point[x], []).append(point[y])
    return [(at, statistics.median(values)) for at, values in sorted(by_x.items())]


def replace_between(text, begin, end, made):
    """The text with what is between two marker lines made anew."""
    head, rest = text.split(begin + "\n")
    _, tail = rest.split(end + "\n")
    return f"{head}{begin}\n\n{made.strip()}\n\n{end}\n{tail}"
