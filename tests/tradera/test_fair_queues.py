"""Several members' lanes on one budget: never above it, nobody starved, and one's trouble is nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random

import pytest

from rheod.domain.budget import MethodState, Quota
from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName
from rheod.jobs.picks import ByUrgency
from rheod.jobs.queue import RestoreLock
from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_access import Keys
from rheod.store import accounts, jobs
from rheod.store.engine.database import Database
from rheod.store.ledger import Ledger
from rheod.tradera.budgeted_client import CALLS_AT_ONCE, BudgetedClient, BudgetRules, NotNow, SharedBudget
from rheod.tradera.client import TraderaClient, open_session
from rheod.tradera.transport import Seller
from rheod.usecases.transaction import Store
from tests.desk import ASKS_AFTER_S, HOUR_MS, SELLER_ID, Desk
from tests.stores import Clock, rows
from tests.tradera.test_shipping import parcel, sold
from tests.waiting import until

TOKEN = "test-user-token"
OpenDesks = Callable[..., Awaitable[list[Desk]]]


async def opened_accounts(database: Database, count: int) -> list[str]:
    """The ids of so many accounts, the default one first."""
    references = ["", *(f"m-{number}" for number in range(1, count))]
    known = await database.write(partial(accounts.ensure, references=references, now=0))
    return [known[reference] for reference in references]


@pytest.fixture
async def open_desks(database: Database, clock: Clock, tmp_path: Path) -> AsyncIterator[OpenDesks]:
    """Lanes of so many members at one simulated Tradera, on one budget; `dead` is whose token it refuses."""
    async with AsyncExitStack() as stack:

        async def opener(count: int, *, dead: int | None = None, **wishes: object) -> list[Desk]:
            tokens = {SELLER_ID + at: "another" if at == dead else TOKEN for at in range(count)}
            simulator = TraderaSimulator(now=clock, rng=Random(1), keys=Keys(sellers=tokens))
            await simulator.start()
            stack.push_async_callback(simulator.stop)
            ids = await opened_accounts(database, count)
            desks: list[Desk] = []
            for account_id in ids:
                desk = Desk(
                    database=database,
                    clock=clock,
                    simulator=simulator,
                    folder=tmp_path,
                    account_id=account_id,
                    beside=desks[0] if desks else None,
                )
                await desk.start(members=[f"m-{number}" for number in range(1, count)], **wishes)
                stack.push_async_callback(desk.stop)
                desks.append(desk)
            return desks

        yield opener


async def settled(desks: list[Desk], rounds: int = 4) -> None:
    """Until no lane has anything to do any more, also after the waits for one another."""
    for _ in range(rounds):
        for desk in desks:
            await desk.idle()
        desks[0].forward(60)
    for desk in desks:
        await desk.idle()


async def created_by(desk: Desk) -> int:
    """How many publishings of this account have been begun."""
    query = "SELECT count(*) AS n FROM calls WHERE account_id = ? AND operation = 'create'"
    return int((await rows(desk.database, query, desk.account_id))[0]["n"])


async def test_accounts_with_much_to_publish_get_equal_shares(open_desks: OpenDesks) -> None:
    """The first has published alone and has more to come: the second catches up before it goes on."""
    first, second = await open_desks(2, daily_calls=50)
    for number in range(8):
        await first.put(f"E{number}", pictures=0)
    await settled([first, second])
    assert await created_by(first) == 8
    now = first.clock()
    first.ledger.set_state(MethodState(method="create", refusals=1, refused_at=now, until=now + 30_000))
    for number in range(15):
        await first.put(f"F{number}", pictures=0)
        await second.put(f"S{number}", pictures=0)
    await settled([first, second])
    mine, theirs = await created_by(first), await created_by(second)
    assert abs(mine - theirs) <= 2
    assert mine + theirs >= 16
    assert len(first.ledger.times(now=first.clock())) <= 40


async def test_a_share_that_is_not_needed_is_the_others(open_desks: OpenDesks) -> None:
    """One item here, many there: both go on to the end of the budget."""
    first, second = await open_desks(2, daily_calls=50)
    await second.put("S", pictures=0)
    for number in range(25):
        await first.put(f"F{number}", pictures=0)
    await settled([first, second])
    assert await created_by(second) == 1
    assert await created_by(first) >= 15


async def test_nothing_is_begun_that_five_accounts_cannot_finish(open_desks: OpenDesks) -> None:
    """The last calls of the budget, and five lanes at once: never above it, and no request is left half done."""
    desks = await open_desks(5, daily_calls=20, reserve_share=0.0)
    for desk in desks:
        for number in range(2):
            await desk.put(f"{desk.seller_id}-{number}", pictures=2)
    await settled(desks)
    called = desks[0].called()
    assert sum(called.values()) <= 20
    assert called["create"] == called["commit"] >= 3
    assert called["image"] == 2 * called["create"]


async def test_a_parcel_leaves_the_last_call_to_who_has_had_fewer(open_desks: OpenDesks) -> None:
    """One call is left and another account's parcel waits: this account's order is marked once that has gone."""
    first, second = await open_desks(2)
    order_id = await sold(first)
    await second.stop()
    await second.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.SHIP, subject="1"))
    await first.restart(daily_calls=len(await first.spent()) + 1, reserve_share=0.0)
    await parcel(first, order_id)
    await first.idle()
    assert "ship" not in first.called()
    await first.store.write(lambda tx: jobs.drop(tx.db, JobKind.SHIP, ["1"]))
    first.forward(120)
    await until(lambda: first.called().get("ship") == 1)


async def test_a_dead_token_pauses_its_account_alone(open_desks: OpenDesks) -> None:
    """The other member publishes on, up to the whole budget: nobody waits for one who cannot call."""
    dead, living = await open_desks(2, dead=0, daily_calls=50)
    for number in range(12):
        await dead.put(f"D{number}", pictures=0)
    await until(lambda: dead.ledger.pause(dead.account_id, None))
    view = await dead.items.read_item(dead.account_id, "D5")
    assert "log in again" in str(view.waits_for)
    for number in range(12):
        await living.put(f"L{number}", pictures=0)
    await settled([dead, living])
    assert await created_by(living) == 12
    assert await created_by(dead) <= ByUrgency.most_publishings
    assert living.ledger.pause(living.account_id, None) is None
    assert (await living.items.read_item(living.account_id, "L0")).waits_for is None


async def test_the_same_external_id_is_two_items_of_two_members(open_desks: OpenDesks) -> None:
    """Both go live, each under its own member, and an ending of one is not the other's."""
    first, second = await open_desks(2)
    for desk in (first, second):
        await desk.put("A", pictures=0)
        await desk.reach(ListingState.COMMITTED)
    first.forward(ASKS_AFTER_S)
    ads = [(await desk.reach(ListingState.LIVE)).tradera_item_id for desk in (first, second)]
    market = first.simulator.market.listings
    assert [market[ad or 0].seller_id for ad in ads] == [SELLER_ID, SELLER_ID + 1]
    await second.items.change_status(second.account_id, "A", "not_listed")
    await second.reach(ListingState.ENDED)
    assert (await first.listing()).state is ListingState.LIVE


async def test_the_forecast_counts_the_others_in(open_desks: OpenDesks) -> None:
    """Equal queues, a budget of four publishings a day: the third of each is told the next day, alone the same one."""
    first, second = await open_desks(2, daily_calls=12, reserve_share=0.0)
    for desk in (first, second):
        desk.queue.stop()
    for number in range(3):
        for desk in (first, second):
            await desk.put(f"I{number}", pictures=0)
    places = [(await first.items.read_item(first.account_id, f"I{number}")).queue for number in range(3)]
    assert [place and place.position for place in places] == [1, 2, 3]
    now = first.clock()
    assert [bool(place and place.expected_at > now + HOUR_MS) for place in places] == [False, False, True]
    for number in range(3):
        await second.items.delete_item(second.account_id, f"I{number}")
    alone = (await first.items.read_item(first.account_id, "I2")).queue
    assert alone is not None
    assert alone.expected_at == now


# Calls of many accounts at the same moment


@pytest.fixture
async def client() -> AsyncIterator[TraderaClient]:
    """A client that these tests never let out."""
    async with open_session() as session:
        yield TraderaClient(
            session=session, base_url="http://127.0.0.1:9/v4", app_id=1, app_key="test-key", timeout_s=1
        )


async def calls_of_many(
    store: Store, database: Database, client: TraderaClient, *, count: int, limit: int
) -> tuple[list[BudgetedClient], Ledger]:
    """The calls of so many accounts on one budget."""
    ids = await opened_accounts(database, count)
    ledger = await database.read(partial(Ledger.load, now=store.now()))
    rules = BudgetRules(
        quota=Quota(total=limit, reserve_share=0.0, reconcile_share=0.1),
        sellers=dict.fromkeys(ids, ""),
    )
    budget = SharedBudget(
        store=store, ledger=ledger, rules=rules, locks={each: RestoreLock() for each in ids}
    )
    made = [
        budget.client_of(account_id, Seller(SELLER_ID + at, TOKEN), client)
        for at, account_id in enumerate(ids)
    ]
    return made, ledger


async def test_five_accounts_never_make_more_than_the_last_calls(
    store: Store, database: Database, client: TraderaClient
) -> None:
    """Asked for and written without a gap: of twenty calls at once on a budget of seven, seven are made."""
    five, ledger = await calls_of_many(store, database, client, count=5, limit=7)
    sent = 0

    async def end(calls: BudgetedClient) -> None:
        nonlocal sent
        async with calls.book(CallClass.END, "end"):
            sent += 1
            await asyncio.sleep(0)

    results = await asyncio.gather(*(end(calls) for calls in five for _ in range(4)), return_exceptions=True)
    assert sent == 7
    assert sum(isinstance(result, NotNow) for result in results) == 13
    assert len(ledger.times(now=store.now())) == 7
    assert len(await rows(database, "SELECT * FROM calls")) == 7


async def test_only_a_few_calls_are_on_their_way_at_once(
    store: Store, database: Database, client: TraderaClient
) -> None:
    """However many members there are, Tradera sees no more than a handful of connections busy."""
    many, _ = await calls_of_many(store, database, client, count=9, limit=100)
    answers, inside, most = asyncio.Event(), 0, 0

    async def end(calls: BudgetedClient) -> None:
        nonlocal inside, most
        async with calls.book(CallClass.END, "end"):
            inside += 1
            most = max(most, inside)
            await answers.wait()
            inside -= 1

    making = asyncio.gather(*(end(calls) for calls in many))
    await until(lambda: inside == CALLS_AT_ONCE)
    answers.set()
    await making
    assert most == CALLS_AT_ONCE
