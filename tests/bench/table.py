"""The table the benches fill: ours against the floor of the same machine in the same round, as a ratio.

Machines are noisy, so no bench tells a bare time: each round measures ours and its floor side by side, and the median of
the rounds' ratios is what counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import median

import structlog

ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured thing: in each round what we did and what the floor did, in the same unit.

    `least` and `most` are the goal for the ratio of ours to the floor; a floor of 1.0 per round makes ours itself the
    figure, as for memory.
    """

    name: str
    tx: str
    ours: Sequence[float]
    floor: Sequence[float]
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float:
        """The median over the rounds of ours by the floor."""
        return median(self._ratios())

    @property
    def holds(self) -> bool:
        """Whether the ratio meets its goal; what has none holds."""
        return (self.least is None or self.ratio >= self.least) and (
            self.most is None or self.ratio <= self.most
        )

    def cells(self) -> list[str]:
        """Name, ours, floor, ratio with its spread, goal and verdict, as text."""
        ratios = self._ratios()
        spread = f"{self.ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        goal = f">= {self.least:g}" if self.least is not None else "-"
        if self.most is not None:
            goal = f"<= {self.most:g}"
        verdict = "" if self.least is None and self.most is None else ("ok" if self.holds else "MISSED")
        return [
            self.name,
            _figure(self.ours, self.tx),
            _figure(self.floor, self.tx),
            spread,
            goal,
            verdict,
        ]

    def _ratios(self) -> list[float]:
        return [ours / floor for ours, floor in zip(self.ours, self.floor, strict=True)]


def figure(name: str, tx: str, values: Sequence[float], *, most: float | None = None) -> Row:
    """A row whose figure stands for itself, such as memory in MB."""
    return Row(name=name, tx=tx, ours=values, floor=[1.0] * len(values), most=most)


def rows_of(name: str, rounds: int) -> list[Row]:
    """Run the bench of this name to its end, in this process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows: list[Row] = asyncio.run(import_module(f"tests.bench.{name}").rows(rounds))
    return rows


def lines(rows: Iterable[Row]) -> list[str]:
    """The table as text, its columns aligned."""
    cells = [["", "ours", "floor", "ratio (spread)", "goal", ""], *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _figure(values: Sequence[float], tx: str) -> str:
    middle = median(values)
    digits = 0 if middle >= 100 else 2
    return "-" if set(values) == {1.0} else f"{middle:,.{digits}f} {tx}"
