"""Charts: what a reader of the SVG finds in it."""

from __future__ import annotations

import re

from rheod.web.charts import HEIGHT, bars


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
    assert labels[-1] == "h24"


def test_nothing_to_show_is_no_error() -> None:
    """An empty chart has its ground and no bar."""
    assert "rect" not in str(bars("Nothing", []))
