"""Tells the demo's steps as they happen, to people or as JSON lines, and knows which step is under way.

It decides nothing about the loop; a step that does not happen in time becomes a DemoFailed that names it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

STEP_S = 20.0
"""The deadline of one step; on an idle machine the slowest takes about two seconds."""


class DemoFailed(Exception):
    """A step of the demo did not happen, or not as it should; the sentence says which way."""


class Story:
    """Writes one line per step to standard output; `step` is what is under way. Times count from its making."""

    def __init__(
        self, *, as_json: bool, step_s: float = STEP_S, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._as_json = as_json
        self._step_s = step_s
        self.step = "start"
        self._monotonic = monotonic
        self._began = monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._monotonic() - self._began

    async def within(self, step: str, doing: Awaitable[T]) -> T:
        """Wait for a step, at most `step_s` seconds; DemoFailed after that."""
        self.step = step
        try:
            async with asyncio.timeout(self._step_s):
                return await doing
        except TimeoutError as error:
            raise DemoFailed(f"it did not happen within {self._step_s:g} s") from error

    def tell(self, step: str, sentence: str, **facts: Any) -> None:
        """A step has happened; `facts` are for the JSON line only."""
        if self._as_json:
            self._write({"step": step, "elapsedMs": round(self.elapsed_s * 1000), "text": sentence, **facts})
        else:
            self._line(f"{self.elapsed_s:7.2f} s  {step:<16} {sentence}")

    def heading(self, sentence: str) -> None:
        """A line for people only."""
        if not self._as_json:
            self._line(sentence)

    def failed(self, reason: str, log: list[str]) -> None:
        """The loop did not close: one line on standard error that names the step, and the daemon's last lines."""
        if self._as_json:
            self._write({"step": "failed", "failedStep": self.step, "reason": reason, "log": log})
        elif log:
            self._line("the daemon's last lines:")
            for line in log:
                self._line(f"  {line}")
        sys.stderr.write(f"rheod demo: the step {self.step!r} failed: {reason}\n")

    def _write(self, value: dict[str, Any]) -> None:
        self._line(json.dumps(value, ensure_ascii=False))

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
