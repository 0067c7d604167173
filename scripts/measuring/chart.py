"""Small line charts as one SVG: a panel for each pair of figures, from zero, without scripts or fonts of its own."""

from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 150, 56, 26, 46
INK, LINE, GRID = "#57606a", "#0969da", "#d0d7de"


def svg(rows):
    """`rows` of panels; each is (title, name of x, points). Colours are legible on light and dark ground."""
    columns = max(len(row) for row in rows)
    width, height = columns * (LEFT + WIDTH + 24), len(rows) * (TOP + HEIGHT + GAP)
    parts = [
        panel(title, of_x, points, column * (LEFT + WIDTH + 24) + LEFT, line * (TOP + HEIGHT + GAP) + TOP)
        for line, row in enumerate(rows) for column, (title, of_x, points) in enumerate(row)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">\n{"".join(parts)}</svg>\n'
    )


def panel(title, of_x, points, left, top):
    most_x, most_y = (max(round_up(value) for value in axis) for axis in zip(*points))
    place = [(left + x / most_x * WIDTH, top + HEIGHT - y / most_y * HEIGHT) for x, y in points]
    grid = "".join(
        f'<path d="M{left} {top + HEIGHT * part / 2:g}h{WIDTH}" stroke="{GRID}"/>'
        f'<text x="{left - 6}" y="{top + HEIGHT * part / 2 + 4:g}" text-anchor="end">{most_y * (2 - part) / 2:,.12g}</text>'
        for part in range(3)
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{LINE}"/>' for x, y in place)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in place)
    return (
        f'{grid}<text x="{left}" y="{top - 10}" font-weight="bold">{escape(title)}</text>'
        f'<text x="{left}" y="{top + HEIGHT + 16}">0</text>'
        f'<text x="{left + WIDTH}" y="{top + HEIGHT + 16}" text-anchor="end">{most_x:,} {escape(of_x)}</text>'
        f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="1.5"/>{dots if len(place) < 40 else ""}\n'
    )


def round_up(value):
    """The next of 1, 2, 5, 10, 20 … that is not below it."""
    step = 1
    while True:
        for digit in (1, 2, 3, 5, 8):
            if digit * step >= value:
                return digit * step
        step *= 10
