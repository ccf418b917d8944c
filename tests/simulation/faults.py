"""What goes wrong in one run: drawn from the seed, by call and by hours of bad weather. Decides, does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

T = TypeVar("T")

Answer = Literal["ok", "lost", "unreachable", "error_500", "error_503", "over_limit", "token", "refused"]
Weather = Literal[
    "tradera_away", "tradera_500", "tradera_429", "token", "partner_down", "disk_full", "push_away"
]
Crash = Literal["before", "after"]

MINUTE_S = 60.0
HOUR_S = 3600.0
CALL_DEADLINE_S = 60.0
_BAD_ANSWERS: Sequence[tuple[Answer, int]] = (
    ("lost", 6),
    ("unreachable", 3),
    ("error_500", 2),
    ("error_503", 2),
    ("over_limit", 1),
    ("refused", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one call. `arrives`: its effect happens, `late_s` after the caller has given up when above 0."""

    before_s: float = 0.0
    after_s: float = 0.0
    answer: Answer = "ok"
    arrives: bool = True
    late_s: float = 0.0
    crash: Crash | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """Bad weather of one kind, from and to in seconds of the run."""

    kind: Weather
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Jump:
    """The daemon's clock is set forward or back by so many seconds, and set right again later."""

    at_s: float
    by_s: float
    right_again_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """How bad a run is: the chance of a fault by call, of a crash by step, and the spells of bad weather.

    `way_s` is how long a call of Tradera takes at most to arrive, and its answer to come back.
    """

    way_s: float = 0.3
    tradera: float = 0.0
    partner: float = 0.0
    poison: float = 0.0
    shop: float = 0.0
    push: float = 0.0
    store: float = 0.0
    crash: float = 0.0
    spells: tuple[Spell, ...] = ()
    jumps: tuple[Jump, ...] = ()
    freezes: tuple[float, ...] = ()


def draw_climate(rng: Random, length_s: float) -> Climate:
    """The climate of a run of this length; every tenth is fair throughout."""
    if rng.random() < 0.1:
        return Climate()
    kinds: list[Weather] = [
        "tradera_away", "tradera_500", "tradera_429", "token", "partner_down", "disk_full", "push_away",
    ]  # fmt: skip
    spells = []
    for kind in kinds:
        if rng.random() < 0.3:
            begin_s = rng.uniform(0, length_s)
            longest_s = 10 * MINUTE_S if kind == "disk_full" else max(3 * HOUR_S, 0.9 * length_s)
            spells.append(Spell(kind, begin_s, begin_s + rng.uniform(5, longest_s)))
    return Climate(
        tradera=rng.choice((0.0, 0.02, 0.1, 0.3)),
        partner=rng.choice((0.0, 0.02, 0.2, 0.5)),
        poison=rng.choice((0.0, 0.0, 0.0, 0.05)),
        shop=rng.choice((0.0, 0.05, 0.3)),
        push=rng.choice((0.0, 0.05, 0.2)),
        store=rng.choice((0.0, 0.0, 0.01)),
        crash=rng.choice((0.0, 0.002, 0.01, 0.03)),
        spells=tuple(spells),
        jumps=tuple(_jumps(rng, length_s)),
        freezes=tuple(rng.uniform(0, length_s) for _ in range(rng.choice((0, 0, 0, 3)))),
    )


def _jumps(rng: Random, length_s: float) -> Iterator[Jump]:
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        at_s = rng.uniform(0, length_s)
        by_s = rng.choice((HOUR_S, -HOUR_S, 24 * HOUR_S, -24 * HOUR_S))
        yield Jump(at_s, by_s, rng.uniform(at_s, length_s))


class Faults:
    """Draws the fate of every step; after `heal` all is well for good."""

    def __init__(self, *, climate: Climate, rng: Random, time: Callable[[], float]) -> None:
        self.climate = climate
        self.healed = False
        self._rng = rng
        self._time = time

    @property
    def fair(self) -> bool:
        """Whether the whole run is without faults."""
        return self.climate == Climate(way_s=self.climate.way_s)

    def heal(self) -> None:
        """End every fault."""
        self.healed = True

    def chance(self, share: float) -> bool:
        """True for this share of the calls, never once healed."""
        return not self.healed and share > 0 and self._rng.random() < share

    def between(self, low: float, high: float) -> float:
        """A number of this range."""
        return self._rng.uniform(low, high)

    def pick(self, options: Sequence[tuple[T, int]]) -> T:
        """One of the options, by weight."""
        return self._rng.choices([each for each, _ in options], [weight for _, weight in options])[0]

    def is_weather(self, kind: Weather) -> bool:
        """Whether a spell of this kind lasts now."""
        now_s = self._time()
        return not self.healed and any(
            spell.kind == kind and spell.begin_s <= now_s < spell.end_s for spell in self.climate.spells
        )

    def crash(self) -> Crash | None:
        """Whether the daemon dies at this step, before or after its effect."""
        if not self.chance(self.climate.crash):
            return None
        return self.pick([("before", 1), ("after", 1)])

    def tradera(self, operation: str, seller: int) -> Fate:
        """The fate of one call of Tradera; the tokens of sellers with an even number may expire."""
        before_s, after_s = (self.between(0.02, self.climate.way_s) for _ in range(2))
        answer: Answer = "token" if self.is_weather("token") and seller % 2 == 0 else self._answer()
        if answer == "ok" or operation in {"me", "time"}:
            slow_s = self.between(0, 50) if self.chance(0.02) else 0.0
            good: Answer = "token" if answer == "token" else "ok"
            return Fate(before_s=before_s, after_s=after_s + slow_s, answer=good, crash=self.crash())
        if answer == "lost":
            return self._lost(operation, before_s)
        arrives = answer in {"error_500", "error_503"} and self.chance(0.3)
        return Fate(before_s=before_s, after_s=after_s, answer=answer, arrives=arrives, crash=self.crash())

    def _answer(self) -> Answer:
        if self.is_weather("tradera_429"):
            return "over_limit"
        if self.is_weather("tradera_500"):
            return "error_500"
        if self.is_weather("tradera_away"):
            return self.pick([("lost", 1), ("unreachable", 1)])
        return self.pick(_BAD_ANSWERS) if self.chance(self.climate.tradera) else "ok"

    def _lost(self, operation: str, before_s: float) -> Fate:
        """No answer in time. A request that changes something may arrive long after that."""
        arrives = self.chance(0.6)
        may_be_late = operation in {"create", "image", "commit", "end"}
        late_s = self.between(1, 600) if arrives and may_be_late and self.chance(0.15) else 0.0
        return Fate(
            before_s=before_s,
            after_s=self.between(0.1, CALL_DEADLINE_S - 1),
            answer="lost",
            arrives=arrives,
            late_s=late_s,
            crash=self.crash(),
        )
