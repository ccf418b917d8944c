"""Connecting a seller: the fetch of a login's token through the ledger, and that it is used at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest

from rheod.domain.budget import Quota
from rheod.domain.errors import Refused
from rheod.domain.model import CallClass
from rheod.jobs.queue import RestoreLock
from rheod.sandbox.tradera import TraderaSimulator
from rheod.store.accounts import Takeover, Token
from rheod.store.engine.database import Database
from rheod.store.ledger import BudgetPause, Ledger, LedgerCall
from rheod.tradera.accounts import Application, TraderaLogin
from rheod.tradera.budgeted_client import BudgetRules, NotNow, SharedBudget
from rheod.tradera.client import TraderaClient, open_session
from rheod.tradera.transport import OverLimit
from rheod.usecases.selling_setup import MOST_TRIES, AccountConnection, Shown
from rheod.usecases.transaction import Store
from tests.stores import Clock, rows

SELLER = 300124
DAY_MS = 24 * 3600 * 1000


class OneAccount:
    """A registry of one account without a token."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.given: list[Token] = []
        self.others: list[AccountConnection] = []

    def connections(self, begun: dict[str, int]) -> list[AccountConnection]:
        """The account, and whoever a test puts beside it."""
        return [connection(self.account_id, begun.get(self.account_id)), *self.others]

    def connect(self, account_id: str, token: Token) -> None:
        """Note it."""
        assert account_id == self.account_id
        self.given.append(token)


def connection(account_id: str, begun_at: int | None, user_id: int | None = None) -> AccountConnection:
    """An account as the registry tells it."""
    return AccountConnection(
        account_id=account_id,
        reference="",
        user_id=user_id,
        source="settings" if user_id else None,
        ends_at=None,
        state="waiting",
        reason=None,
        begun_at=begun_at,
    )


class Login:
    """A login that can be begun, done at Tradera, and finished."""

    def __init__(
        self, database: Database, store: Store, account_id: str, simulator: TraderaSimulator
    ) -> None:
        self.database = database
        self.store = store
        self.account_id = account_id
        self.simulator = simulator
        self.registry = OneAccount(account_id)
        self.ledger = Ledger()
        self.lock = RestoreLock()

    def connector(self, client: TraderaClient, *, daily_calls: int = 100) -> TraderaLogin:
        """What connects."""
        self.one = TraderaLogin(
            budget=SharedBudget(
                store=self.store,
                ledger=self.ledger,
                rules=BudgetRules(quota=Quota(total=daily_calls)),
                locks={self.account_id: self.lock},
            ),
            registry=self.registry,
            application=Application(
                client=client,
                login_url=f"{self.simulator.site_url}/token-login",
                app_id=self.simulator.keys.app_id,
                public_key="test-public-key",
            ),
        )
        self.one.gaps_s = (0, 0)
        return self.one

    async def begin(self, *, done: bool = True) -> str:
        """Begin, and be done at Tradera if wanted; the address."""
        address = await self.one.begin(self.account_id)
        if done:
            (secret,) = parse_qs(urlsplit(address).query)["skey"]
            self.simulator.login.logins[secret] = SELLER
        return address

    def called(self) -> dict[str, int]:
        """What Tradera was asked."""
        return dict(self.simulator.calls_by_operation())


@pytest.fixture
async def login(database: Database, store: Store, account_id: str, clock: Clock) -> AsyncIterator[Login]:
    """A login at a simulated Tradera."""
    simulator = TraderaSimulator(now=clock, rng=Random(1))
    await simulator.start()
    async with open_session() as session:
        keys = simulator.keys
        one = Login(database, store, account_id, simulator)
        one.connector(
            TraderaClient(
                session=session,
                base_url=simulator.base_url,
                app_id=keys.app_id,
                app_key=keys.app_key,
                timeout_s=5,
            )
        )
        yield one
    await simulator.stop()


async def test_a_login_gives_a_token_that_is_kept_sealed(login: Login) -> None:
    """One call; user, token and end are stored, the token unreadable, and the account is told."""
    address = await login.begin()
    assert "test-app-key" not in address
    token = await login.one.finish(login.account_id, str(SELLER))
    assert token.token == "test-user-token"
    assert login.registry.given == [token]
    assert login.called() == {"token": 1}
    (kept,) = await rows(login.database, "SELECT * FROM tokens")
    assert (kept["user_id"], kept["ends_at"]) == (SELLER, login.store.now() + 540 * DAY_MS)
    assert "test-user-token" not in kept["token"]
    (call,) = await rows(login.database, "SELECT operation, outcome, counted FROM calls")
    assert (call["operation"], call["outcome"], call["counted"]) == ("token", "ok", 1)
    assert await rows(login.database, "SELECT * FROM logins") == []
    assert len(await rows(login.database, "SELECT * FROM members WHERE member_id = 300124")) == 1


async def test_the_secret_of_a_login_is_sealed_and_never_told(login: Login) -> None:
    """It stands in the address alone: not readable in the store, not in a refusal."""
    address = await login.begin(done=False)
    (secret,) = parse_qs(urlsplit(address).query)["skey"]
    (kept,) = await rows(login.database, "SELECT * FROM logins")
    assert secret not in kept["secret"]
    with pytest.raises(Refused) as refused:
        await login.one.finish(login.account_id, str(SELLER))
    assert secret not in str(refused.value)
    assert await login.one.address(login.account_id) == address


async def test_a_login_is_tried_a_few_times_and_no_more(login: Login) -> None:
    """Three calls for a press, twelve for a login; then a new one must be begun."""
    await login.begin(done=False)
    for press in range(1, MOST_TRIES // 3 + 1):
        with pytest.raises(Refused, match="gives no token"):
            await login.one.finish(login.account_id, str(SELLER))
        assert login.called() == {"token": 3 * press}
    with pytest.raises(Refused, match="begin a new one"):
        await login.one.finish(login.account_id, str(SELLER))
    assert login.called() == {"token": MOST_TRIES}
    await login.begin()
    assert (await login.one.finish(login.account_id, str(SELLER))).user_id == SELLER


async def test_a_login_ends_by_itself(login: Login, clock: Clock) -> None:
    """A day later its secret is worth nothing, and no call is spent on it."""
    await login.begin()
    clock.forward(DAY_MS + 1)
    with pytest.raises(Refused, match="No login has been begun"):
        await login.one.finish(login.account_id, str(SELLER))
    assert login.called() == {}


async def test_a_new_token_lifts_the_pause_of_a_dead_one(login: Login) -> None:
    """The pause of the refused token neither holds the fetch up nor outlives it."""
    now = login.store.now()
    login.ledger.set_pause(
        BudgetPause(
            account_id=login.account_id,
            call_class=None,
            until=now + DAY_MS,
            since=now,
            reason="refused",
            fingerprint="of-the-dead-one",
        )
    )
    await login.begin()
    await login.one.finish(login.account_id, str(SELLER))
    assert login.ledger.pauses() == []


async def test_a_spent_budget_holds_a_login_up(login: Login) -> None:
    """No call beyond the limit, also not for a login."""
    for _ in range(100):
        call = LedgerCall(call_class=CallClass.ORDERS, operation="orders", account_id=login.account_id)
        login.ledger.spend(call, now=login.store.now())
    await login.begin()
    with pytest.raises(NotNow):
        await login.one.finish(login.account_id, str(SELLER))
    assert login.called() == {}


async def test_a_wrong_application_is_no_dead_token(login: Login) -> None:
    """401 on the fetch names the settings to check, and pauses nothing."""
    login.simulator.fault("token", "401")
    await login.begin()
    with pytest.raises(Refused, match=r"tradera\.app_key"):
        await login.one.finish(login.account_id, str(SELLER))
    assert login.ledger.pauses() == []
    assert login.called() == {"token": 1}


async def test_429_pauses_and_is_not_repeated(login: Login) -> None:
    """The quota is spent: one call, not three."""
    login.simulator.fault("token", "429")
    await login.begin()
    with pytest.raises((NotNow, OverLimit)):
        await login.one.finish(login.account_id, str(SELLER))
    assert login.called() == {"token": 1}


async def test_a_user_of_another_account_is_refused_before_any_call(login: Login) -> None:
    """One Tradera user never sells for two accounts."""
    login.registry.others = [connection("other", None, SELLER)]
    await login.begin()
    with pytest.raises(Refused, match="sells as account"):
        await login.one.finish(login.account_id, str(SELLER))
    assert login.called() == {}


async def test_a_displayed_token_is_taken_only_once_it_has_worked(login: Login) -> None:
    """When the fetch gives nothing: the shown token is tried, and a wrong one is not kept."""
    await login.begin(done=False)
    with pytest.raises(Refused):
        await login.one.accept(login.account_id, Shown(user=str(SELLER), token="test-other-token"))
    assert login.registry.given == []
    ends_at = login.store.now() + DAY_MS
    shown = Shown(user=str(SELLER), token="test-user-token", ends_at=ends_at)
    assert (await login.one.accept(login.account_id, shown)).ends_at == ends_at
    assert login.called() == {"token": 2, "me": 2}


async def test_an_alias_nobody_has_is_told(login: Login) -> None:
    """One call, and no fetch."""
    await login.begin()
    with pytest.raises(Refused, match="nobody"):
        await login.one.finish(login.account_id, "nobody-at-all")
    assert login.called() == {"alias": 1}


async def test_a_login_works_while_all_else_waits_after_a_restore(login: Login) -> None:
    """The look that everything waits for needs the token: its fetch does not wait for the look."""
    login.lock.set(Takeover(since=0, until=DAY_MS))
    await login.begin()
    token = await login.one.finish(login.account_id, str(SELLER))
    assert token.user_id == SELLER
