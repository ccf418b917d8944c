"""Charts as inline SVG, made on the server: no script, no inline style, readable without colours.

Every chart has its figures in a table behind a fold, for screen readers and for fingers, which find no titles.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 360, 170
"""Drawn at a phone's width, so that its letters are as large as those around it."""

_TOP, _FOOT = 20, 22
_MOST_LABELS = 7
_LETTER, _GAP = 6.8, 4
"""The width of a figure at the size of the chart's texts, and what is left free between two."""
_LINES = 3


def bars(
    title: str, points: Sequence[tuple[str, float, str]], before: Sequence[tuple[float, str]] = ()
) -> Markup:
    """A bar for each (label, value, the value as text), the last one marked as now, with faint ones of `before` behind them.

    Of many only some have labels; a text that would touch another is left out, the last and the highest first.
    """
    pieces = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, HEIGHT, title
        )
    ]
    step = WIDTH / max(1, len(points))
    values = [value for _, value, _ in points]
    highest = max([*values, *(value for value, _ in before)], default=0) or 1
    for part in range(1, _LINES + 1):
        y = round(HEIGHT - _FOOT - (HEIGHT - _TOP - _FOOT) * part / _LINES, 1)
        pieces.append(Markup('<line class="grid-line" x1="0" x2="{}" y1="{}" y2="{}"/>').format(WIDTH, y, y))
    for place, (value, text) in enumerate(before[: len(points)]):
        pieces.append(_bar("bar before", (place + 0.5) * step, step * 0.92, value / highest, text))
    for place, (label, value, text) in enumerate(points):
        kind = "bar now" if place == len(points) - 1 else "bar"
        pieces.append(
            _bar(kind, (place + 0.5) * step, step * 0.6, value / highest, f"{label}: {text or '0'}")
        )
    every = -(-len(points) // _MOST_LABELS)
    last = len(points) - 1
    names = [place for place in range(last, -1, -1) if (last - place) % every == 0]
    pieces += _apart("label", step, [(place, HEIGHT - 6, points[place][0]) for place in names])
    with_value = sorted(
        (place for place, value in enumerate(values) if value), key=lambda at: (at != last, -values[at])
    )
    heights = {
        place: HEIGHT - _FOOT - (HEIGHT - _TOP - _FOOT) * values[place] / highest - 6 for place in with_value
    }
    pieces += _apart(
        "value", step, [(place, round(heights[place], 1), points[place][2]) for place in with_value]
    )
    pieces.append(
        Markup('<line class="ground" x1="0" x2="{}" y1="{}" y2="{}"/></svg>').format(
            WIDTH, HEIGHT - _FOOT, HEIGHT - _FOOT
        )
    )
    return Markup("").join(pieces)


def _bar(kind: str, middle: float, wide: float, share: float, said: str) -> Markup:
    tall = round((HEIGHT - _TOP - _FOOT) * max(0.0, share), 1)
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"><title>{}</title></rect>'
    ).format(kind, round(middle - wide / 2, 1), round(HEIGHT - _FOOT - tall, 1), round(wide, 1), tall, said)


def _apart(kind: str, step: float, texts: Sequence[tuple[int, float, str]]) -> list[Markup]:
    """Those of the texts (place, height, text) that touch none drawn before them, whole within the chart."""
    drawn: list[Markup] = []
    taken: list[tuple[float, float]] = []
    for place, y, text in texts:
        wide = _LETTER * len(text) + _GAP
        middle = min(max((place + 0.5) * step, wide / 2), WIDTH - wide / 2)
        if all(abs(middle - other) >= (wide + its) / 2 for other, its in taken):
            taken.append((middle, wide))
            drawn.append(_text(kind, round(middle, 1), y, text))
    return drawn


def _text(kind: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, x, y, text)


def spark(title: str, points: Sequence[tuple[str, float, str]]) -> Markup:
    """The same as small bars without labels, for beside a figure."""
    highest = max((value for _, value, _ in points), default=0) or 1
    pieces = [
        Markup('<svg class="spark" viewBox="0 0 {} 44" role="img" aria-label="{}">').format(
            11 * len(points), title
        )
    ]
    for place, (label, value, text) in enumerate(points):
        tall = max(2, round(44 * max(0.0, value) / highest, 1))
        now = Markup(' class="now"') if place == len(points) - 1 else ""
        pieces.append(
            Markup('<rect{} x="{}" y="{}" width="8" height="{}" rx="2"><title>{}: {}</title></rect>').format(
                now, 11 * place, round(44 - tall, 1), tall, label, text or "0"
            )
        )
    return Markup("").join([*pieces, Markup("</svg>")])


_ROW, _LEFT, _MINUTES = 26, 78, 24 * 60


def week(
    title: str, rows: Sequence[tuple[str, Sequence[tuple[int, int]], Sequence[tuple[int, bool, str]]]]
) -> Markup:
    """A row for each day (label, windows, ends): windows as bands, ends as dots, hollow while they are only planned.

    Windows are minutes of the day, ends a minute of the day, whether the ad is up, and what ends.
    """
    tall = _ROW * len(rows) + 20

    def place(minute: int) -> float:
        return round(_LEFT + (WIDTH - _LEFT - 8) * minute / _MINUTES, 1)

    pieces = [
        Markup('<svg class="chart week" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, tall, title
        )
    ]
    for hour in (0, 6, 12, 18, 24):
        x = place(hour * 60)
        pieces.append(
            Markup('<line class="grid-line" x1="{}" x2="{}" y1="0" y2="{}"/>').format(x, x, tall - 18)
        )
        pieces.append(_text("label", x, tall - 4, f"{hour:02d}"))
    for number, (label, bands, dots) in enumerate(rows):
        y = number * _ROW
        pieces.append(Markup('<text class="day" x="0" y="{}">{}</text>').format(y + 17, label))
        for begins, ends in bands:
            pieces.append(
                Markup('<rect class="window" x="{}" y="{}" width="{}" height="{}" rx="3"/>').format(
                    place(begins), y + 3, round(place(ends) - place(begins), 1), _ROW - 6
                )
            )
        for minute, is_up, what in dots:
            pieces.append(
                Markup(
                    '<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{:02d}:{:02d} {}</title></circle>'
                ).format(
                    "end" if is_up else "end planned",
                    place(minute),
                    y + _ROW / 2,
                    minute // 60,
                    minute % 60,
                    what,
                )
            )
    return Markup("").join([*pieces, Markup("</svg>")])
