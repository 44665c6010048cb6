"""Owns the plots: lines and bars as SVG. Called by report. Never knows what a figure means."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 46, 48
# One colour for each server, in their order; readable with colour blindness, too.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#777777", "#56b4e9"]


def _frame(title, y_label, parts):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{escape(title)}</text>'
        f'<text x="{LEFT}" y="36" fill="#555">{escape(y_label)}</text>'
    )
    return head + "".join(parts) + "</svg>\n"


def _top_of(values):
    """A round number above all values."""
    most = max([value for value in values if value is not None], default=1) or 1
    step = 1.0
    while step * 10 <= most:
        step *= 10
    while step > most:
        step /= 10
    for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10):
        if step * factor >= most:
            return step * factor
    return step * 10


def _short(value):
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _y_axis(top):
    parts = []
    for part in range(5):
        value = top * part / 4
        y = _y(value, top)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>'
        )
    return parts


def _y(value, top):
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def lines(title, y_label, x_label, xs, series):
    """One line for each name: `series` is a list of (name, values by x, None where there is none)."""
    top = _top_of([value for _, values in series for value in values])
    step = (WIDTH - LEFT - RIGHT) / max(1, len(xs) - 1)
    at = [LEFT + step * n for n in range(len(xs))]
    parts = _y_axis(top)
    for x, name in zip(at, xs):
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(str(name))}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" fill="#555">{escape(x_label)}</text>')
    for n, (name, values) in enumerate(series):
        colour = COLOURS[n % len(COLOURS)]
        points = [(x, _y(value, top)) for x, value in zip(at, values) if value is not None]
        width = 3 if n == 0 else 1.8
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    parts += _legend([name for name, _ in series], COLOURS)
    return _frame(title, y_label, parts)


def bars(title, y_label, groups, series):
    """For each group one bar of each of `series`: (name, values by group)."""
    top = _top_of([value for _, values in series for value in values])
    parts = _y_axis(top)
    room = (WIDTH - LEFT - RIGHT) / max(1, len(groups))
    width = room * 0.8 / max(1, len(series))
    for at, group in enumerate(groups):
        left = LEFT + room * at + room * 0.1
        for n, (_, values) in enumerate(series):
            if values[at] is None:
                continue
            y = _y(values[at], top)
            parts.append(
                f'<rect x="{left + width * n:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" '
                f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{COLOURS[n % len(COLOURS)]}"/>'
                f'<text x="{left + width * (n + 0.46):.1f}" y="{y - 3:.1f}" text-anchor="middle" font-size="10">'
                f"{_short(round(values[at], 2))}</text>"
            )
        parts.append(
            f'<text x="{LEFT + room * (at + 0.5):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{escape(group)}</text>"
        )
    parts += _legend([name for name, _ in series], COLOURS)
    return _frame(title, y_label, parts)


def _legend(names, colours):
    parts = []
    for n, name in enumerate(names):
        y = TOP + 10 + 20 * n
        x = WIDTH - RIGHT + 16
        parts.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colours[n % len(colours)]}"/>'
            f'<text x="{x + 18}" y="{y + 10}">{escape(name)}</text>'
        )
    return parts
