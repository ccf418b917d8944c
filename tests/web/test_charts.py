"""Charts: what a reader of the SVG finds in it."""

from __future__ import annotations

import re
from itertools import pairwise

from rheod.web.charts import HEIGHT, WIDTH, bars


def test_the_highest_bar_is_the_highest_value() -> None:
    """Heights follow the values, nothing is drawn below the ground, every figure is there for a screen reader."""
    chart = str(bars("Sold <kr>", [("1/5", 100.0, "100"), ("2/5", 0.0, ""), ("3/5", 50.0, "50")]))
    assert 'aria-label="Sold &lt;kr&gt;"' in chart
    heights = [float(each) for each in re.findall(r'class="bar[^>]* height="([\d.]+)"', chart)]
    assert heights[0] == 2 * heights[2] > heights[1] == 0
    assert max(heights) < HEIGHT
    assert "<title>2/5: 0</title>" in chart


def test_many_bars_have_few_labels() -> None:
    """The last one always has its label, so that one sees where now is."""
    chart = str(bars("Hours", [(f"h{hour}", 1.0, "1") for hour in range(25)]))
    labels = re.findall(r'class="label"[^>]*>(\w+)<', chart)
    assert len(labels) <= 7
    assert "h24" in labels


def test_nothing_to_show_is_no_error() -> None:
    """An empty chart has its ground and no bar."""
    assert "rect" not in str(bars("Nothing", []))


def test_texts_never_touch() -> None:
    """However long the sums are: the last and the highest are written, others only where there is room."""
    points = [(f"m{month}", float(1_000_000 + month), f"1 000 {month:03}") for month in range(12)]
    drawn = re.findall(r'class="value" x="([\d.]+)"[^>]*>([^<]+)<', str(bars("Sold", points)))
    assert drawn[0][1] == "1 000 011"
    edges = sorted((float(x) - 3.4 * len(text), float(x) + 3.4 * len(text)) for x, text in drawn)
    assert len(edges) > 3
    assert all(first[1] < second[0] for first, second in pairwise(edges))
    assert all(begin >= 0 and end <= WIDTH for begin, end in edges)


def test_the_year_before_stands_faint_behind() -> None:
    """On the same scale, with its own figures, and three lines to read by."""
    chart = str(
        bars(
            "Sold",
            [("jan", 50.0, "50"), ("feb", 10.0, "10")],
            [(100.0, "jan 2025: 100"), (0.0, "feb 2025: 0")],
        )
    )
    before, now = (
        [float(each) for each in re.findall(rf'class="{kind}"[^>]* height="([\d.]+)"', chart)]
        for kind in ("bar before", "bar")
    )
    assert before[0] == 2 * now[0]
    assert "<title>jan 2025: 100</title>" in chart
    assert chart.index("bar before") < chart.index('"bar"')
    assert chart.count("grid-line") == 3
