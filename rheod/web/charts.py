"""Charts as inline SVG, made on the server: no script, no inline style, readable without colours.

Every chart names itself for screen readers; the pages show its numbers in a table too.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

HEIGHT = 160
_BAR, _GAP, _TOP, _FOOT = 36, 12, 18, 20


def bars(title: str, points: Sequence[tuple[str, float, str]], *, marked: int | None = None) -> Markup:
    """A bar for each (label, value, the value as text); the one at `marked` stands out."""
    width = max(1, len(points)) * (_BAR + _GAP) + _GAP
    highest = max((value for _, value, _ in points), default=0) or 1
    room = HEIGHT - _TOP - _FOOT
    pieces = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            width, HEIGHT, title
        )
    ]
    for place, (label, value, text) in enumerate(points):
        tall = round(room * max(0.0, value) / highest, 1)
        x, y = _GAP + place * (_BAR + _GAP), HEIGHT - _FOOT - tall
        kind = "bar marked" if place == marked else "bar"
        middle = x + _BAR / 2
        pieces.append(
            Markup(
                '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="3"><title>{}: {}</title></rect>'
                '<text class="value" x="{}" y="{}">{}</text><text class="label" x="{}" y="{}">{}</text>'
            ).format(kind, x, y, _BAR, tall, label, text, middle, y - 5, text, middle, HEIGHT - 5, label)
        )
    pieces.append(Markup("</svg>"))
    return Markup("").join(pieces)
