"""What is heard of Tradera: since when and why it does not answer, and how many calls ended how.

One for all accounts, since they share the way to Tradera; it starts at nothing with each start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry, Counter, Histogram

from rheod.domain.answers import BELIEFS
from rheod.domain.errors import RheodError, Unanswered
from rheod.tradera.transport import OverLimit, Rejected, ServerFailure, TokenRefused, Unreachable

CALL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_OUTCOMES: tuple[tuple[type[RheodError], str], ...] = (
    (Unreachable, "unreachable"),
    (OverLimit, "limited"),
    (ServerFailure, "failed"),
    (Unanswered, "unanswered"),
    (TokenRefused, "unauthorized"),
    (Rejected, "refused"),
)


@dataclass(frozen=True, slots=True)
class Silence:
    """Every call since this time (ms) has failed without a clear answer; why the last one did."""

    since: int
    reason: str


class Contact:
    """Told of every call's end. A refusal is an answer; a status of 500 and above is none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answered_at: int | None = None
        self.silence: Silence | None = None
        self.next_try: Callable[[], int | None] = lambda: None
        """When a queue that rests calls again (ms)."""
        self.changing = 0
        """Calls on their way that change something at Tradera: nobody would know what became of one that was cut off."""
        self.changes = 0
        """So many such calls have begun."""
        self._calls = Counter(
            "rheod_tradera_requests",
            "Calls made to Tradera since the start of rheod, by operation and how they ended.",
            ["operation", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "rheod_tradera_request_seconds",
            "How long Tradera took to answer a call, or rheod to give it up.",
            ["operation"],
            buckets=CALL_BUCKETS_S,
            registry=self.registry,
        )

    @asynccontextmanager
    async def on_its_way(self, operation: str) -> AsyncIterator[None]:
        """A call is made within the block, from its intent to what its answer means."""
        changes = operation in BELIEFS
        self.changing += changes
        self.changes += changes
        try:
            yield
        finally:
            self.changing -= changes

    def moved(self, by: int) -> None:
        """The clock has jumped by so much (ms): silence has lasted as long as before."""
        if self.silence is not None:
            self.silence = replace(self.silence, since=self.silence.since + by)
        if self.answered_at is not None:
            self.answered_at += by

    def ended(self, operation: str, error: RheodError | None, *, now: int, took_s: float) -> None:
        """A call has ended at `now` (ms), by an answer or by this error."""
        outcome = "ok" if error is None else "failed"
        if error is not None:
            outcome = next((word for kind, word in _OUTCOMES if isinstance(error, kind)), outcome)
        self._calls.labels(operation, outcome).inc()
        self._seconds.labels(operation).observe(took_s)
        if error is None or not isinstance(error, Unreachable | Unanswered):
            self.answered_at, self.silence = now, None
        else:
            since = now if self.silence is None else self.silence.since
            self.silence = Silence(since, str(error))
