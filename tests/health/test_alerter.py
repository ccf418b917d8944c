"""Alerts: each finding is told once, its end once, whatever restarts, flaps or cannot be reached in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from rheod.domain.errors import Permanent, Refused, RheodError, StoreUnavailable, Text, Transient, Unanswered
from rheod.health.alerts import Alerter, AlertMessage, Rounds
from rheod.health.waiting import Finding, Mood
from rheod.store.engine.database import Database
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store
from tests.stores import Clock, fill_disk, make_room
from tests.usecases.selling import Shop, order

OFF = Finding(
    code="endpoint.off", subject="e1", mood=Mood.BAD, text=Text("It is off"), fix=Text("Switch it on")
)
QUIET = Finding(code="relist.late", mood=Mood.BUSY, text=Text("x"), fix=Text("y"), alerts=False)


@dataclass
class Phone:
    """The owner's telephone, which is sometimes out of reach."""

    away: bool = False
    noise: RheodError = field(default_factory=lambda: Transient(Text("out of reach")))
    heard: list[AlertMessage] = field(default_factory=list)

    where = Text("the owner's telephone")

    async def tell(self, message: AlertMessage) -> None:
        """Ring."""
        if self.away:
            raise self.noise
        self.heard.append(message)


class Scene:
    """What there is to find, and an alerter that can be replaced by another, as at a restart."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.found: list[Finding] = []
        self.phone = Phone()
        self.clock = clock
        self._database = database
        self.restart()

    def restart(self, *, sales: bool = False) -> None:
        """Another alerter on the same store."""
        self._alerter = Alerter(
            database=self._database,
            now=self.clock,
            look=self._look,
            notifiers=[self.phone],
            rounds=Rounds(calm_ms=600_000, sales=sales),
        )

    async def round(self, minutes: int = 1) -> list[str]:
        """Let time pass, make a round; the titles heard."""
        self.clock.forward(minutes * 60_000)
        self.phone.heard.clear()
        await self._alerter.make_round()
        return [message.title for message in self.phone.heard]

    async def _look(self) -> Sequence[Finding]:
        return self.found


@pytest.fixture
def scene(database: Database, clock: Clock) -> Scene:
    """Nothing is wrong yet."""
    return Scene(database, clock)


@pytest.fixture
def market(database: Database, store: Store, clock: Clock, account_id: str) -> Shop:
    """An account that sells."""
    endpoints = Endpoints(store=store, new_secret=lambda: "whsec_1")
    return Shop(
        database=database,
        store=store,
        items=Items(store=store, forecast=lambda _account: BudgetForecast()),
        endpoints=endpoints,
        feed=EventFeed(store=store, endpoints=endpoints),
        clock=clock,
        account_id=account_id,
        sellers=SellersAndSite(accounts={}, site_url="https://t.example", closed_grace_ms=0),
    )


async def test_a_trouble_is_told_once_and_its_end_once(scene: Scene) -> None:
    """Also over a restart; with what to do in the text."""
    scene.found = [OFF]
    assert await scene.round() == ["It is off"]
    assert await scene.round() == []
    scene.restart()
    assert await scene.round() == []
    scene.found = []
    assert await scene.round() == []
    assert await scene.round(minutes=10) == ["Over: It is off"]
    assert await scene.round() == []


async def test_one_that_flaps_is_not_told_again(scene: Scene) -> None:
    """Back within the calm time: the same trouble goes on."""
    scene.found = [OFF]
    await scene.round()
    for _ in range(3):
        scene.found = []
        assert await scene.round(minutes=5) == []
        scene.found = [OFF]
        assert await scene.round(minutes=4) == []


async def test_what_could_not_be_told_is_told_later(scene: Scene) -> None:
    """A telephone out of reach loses nothing, neither the beginning nor the end."""
    scene.found, scene.phone.away = [OFF], True
    assert await scene.round() == []
    scene.phone.away = False
    assert await scene.round() == ["It is off"]
    scene.found, scene.phone.away = [], True
    await scene.round()
    await scene.round(minutes=10)
    scene.phone.away = False
    assert await scene.round() == ["Over: It is off"]


@pytest.mark.parametrize(
    "noise",
    [
        Transient(Text("a")),
        Unanswered(Text("b")),
        StoreUnavailable(Text("c")),
        Permanent(Text("d")),
        Refused("CONFLICT", Text("e")),
    ],
    ids=lambda noise: type(noise).__name__,
)
async def test_whatever_an_alarm_has_a_sentence_for_stops_nothing(scene: Scene, noise: RheodError) -> None:
    """The round goes on to what else there is, and the owner is told of both later."""
    other = replace(OFF, subject="e2", text=Text("Another is off"))
    scene.found, scene.phone.away, scene.phone.noise = [OFF, other], True, noise
    assert await scene.round() == []
    scene.phone.away = False
    assert await scene.round() == ["It is off", "Another is off"]


async def test_what_ended_before_it_could_be_told_is_not_told(scene: Scene) -> None:
    """The owner is not woken for something that is over."""
    scene.found, scene.phone.away = [OFF], True
    await scene.round()
    scene.found, scene.phone.away = [], False
    await scene.round()
    assert await scene.round(minutes=10) == []
    scene.found = [OFF]
    assert await scene.round() == ["It is off"]


async def test_what_is_only_for_the_pages_rings_nobody(scene: Scene) -> None:
    """Findings that are no alerts stay on the pages."""
    scene.found = [QUIET]
    assert await scene.round() == []


async def test_a_full_disk_is_told_once_and_keeps_nothing_from_being_told(
    scene: Scene, database: Database
) -> None:
    """What cannot be stored is kept until it can; nothing is told twice, and a restart after that knows of it."""
    other = replace(OFF, subject="e2", text=Text("Another is off: " + "because of this " * 10_000))
    long = replace(OFF, fix=Text("Switch it on"), text=Text("It is off: " + "because of that " * 10_000))
    await fill_disk(database)
    scene.found = [long, other]
    assert await scene.round() == [long.text, other.text]
    assert await scene.round() == []
    await make_room(database)
    scene.found = [long]
    assert await scene.round() == []
    scene.restart()
    assert await scene.round() == []


async def test_each_sale_is_told_once_to_who_wants_to_know(scene: Scene, market: Shop) -> None:
    """With its title and price; none of before the wish, none that was told, none that is not at Tradera's."""
    early, late = await market.put_live("early", title="Dörr"), await market.put_live("late", title="Huv")
    await market.record(order(1, early.tradera_item_id or 0))
    assert await scene.round() == []
    scene.restart(sales=True)
    assert await scene.round() == []
    await market.record(order(2, late.tradera_item_id or 0, price_ore=110_050))
    await market.put("elsewhere")
    await market.items.change_status(market.account_id, "elsewhere", "sold")
    scene.phone.away = True
    assert await scene.round() == []
    scene.phone.away = False
    assert await scene.round() == ["Sold: Huv"]
    assert [each.text for each in scene.phone.heard] == ["Huv (late) was sold for 1100.50 kr."]
    scene.restart(sales=True)
    assert await scene.round() == []
