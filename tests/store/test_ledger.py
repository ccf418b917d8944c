"""The ledger of Tradera calls: the same in memory and in the rows, so that a restart forgets nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date

from rheod.domain.budget import WINDOW_MS, MethodState
from rheod.domain.calendar import start_of
from rheod.domain.model import CallClass
from rheod.store import ledger
from rheod.store.ledger import BudgetPause, Ledger, LedgerCall

NOW = 10 * WINDOW_MS
CREATE = LedgerCall(call_class=CallClass.PUBLISH, operation="create", account_id="a")
END = LedgerCall(call_class=CallClass.END, operation="end", account_id="a")
PAUSE = BudgetPause(account_id="b", call_class=CallClass.ORDERS, until=NOW + 5, since=NOW, reason="no token")
REST = MethodState(method="create", refusals=1, used=3, since=NOW, refused_at=NOW, until=NOW + 60_000)


def test_a_call_is_on_record_before_it_is_made(db: sqlite3.Connection) -> None:
    """A crash between the row and the answer still counts the call (finding 4)."""
    ledger.open_call(db, CREATE, now=NOW - 5)
    assert Ledger.load(db, now=NOW).times(now=NOW) == [NOW - 5]


def test_a_call_that_never_arrived_is_given_back(db: sqlite3.Connection) -> None:
    """In memory and in the rows alike."""
    window = Ledger.load(db, now=NOW)
    spent = window.spend(CREATE, now=NOW)
    call_id = ledger.open_call(db, CREATE, now=NOW)
    assert window.times(now=NOW) == [NOW]
    window.refund(spent)
    ledger.close_call(db, call_id, outcome="refused", counted=False, duration_ms=1)
    assert window.times(now=NOW) == []
    assert Ledger.load(db, now=NOW).times(now=NOW) == []


def test_a_refund_after_the_clock_has_jumped_is_no_error(db: sqlite3.Connection) -> None:
    """The call has already left the window."""
    window = Ledger.load(db, now=NOW)
    spent = window.spend(CREATE, now=NOW)
    assert window.times(now=NOW + WINDOW_MS) == []
    window.refund(spent)


def test_what_counts_is_told_by_method(db: sqlite3.Connection) -> None:
    """Oldest first, and a day later it is empty."""
    window = Ledger.load(db, now=NOW)
    window.spend(CREATE, now=NOW)
    window.spend(END, now=NOW + 1)
    assert window.times(now=NOW + 2) == [NOW, NOW + 1]
    assert [window.count(now=NOW + 2, method=method) for method in ("end", "create", "image")] == [1, 1, 0]
    assert window.methods(now=NOW + 2) == {"create": 1, "end": 1}
    assert window.times(now=NOW + WINDOW_MS) == [NOW + 1]
    assert window.times(now=NOW + WINDOW_MS + 1) == []


def test_calls_of_the_last_day_alone_are_read_at_start(db: sqlite3.Connection) -> None:
    """In the order they were made."""
    for at in (NOW - WINDOW_MS, NOW - WINDOW_MS + 1, NOW - 3):
        ledger.open_call(db, CREATE, now=at)
    assert Ledger.load(db, now=NOW).times(now=NOW) == [NOW - WINDOW_MS + 1, NOW - 3]


def test_a_pause_outlives_a_restart_until_it_is_dropped(db: sqlite3.Connection) -> None:
    """Each part of an account has its own place; the account is due after a start."""
    token = replace(PAUSE, account_id="a", call_class=None, reason="token", fingerprint="f")
    for pause in (PAUSE, token):
        ledger.save_pause(db, pause)
    found = Ledger.load(db, now=NOW)
    due = replace(token, until=NOW)
    assert found.pause("b", CallClass.ORDERS) == replace(PAUSE, until=NOW)
    assert found.pause("a", None) == due
    assert found.pause("b", None) is None
    ledger.drop_pause(db, PAUSE)
    found = Ledger.load(db, now=NOW)
    assert found.pauses() == [due]


def test_what_was_told_of_a_method_outlives_a_restart(db: sqlite3.Connection) -> None:
    """A rest and a learned limit; of a method of which nothing is known any more nothing is kept."""
    learned = MethodState(method="image", ceiling=40)
    for state in (REST, learned):
        ledger.save_state(db, state)
    found = Ledger.load(db, now=NOW)
    assert (found.state("create"), found.state("image"), found.learned) == (REST, learned, {"image": 40})
    assert found.state("commit") == MethodState(method="commit")
    rest = found.rest_of(CallClass.PUBLISH, now=NOW)
    assert rest == REST
    assert found.rest_of(CallClass.END, now=NOW) is None
    ledger.save_state(db, MethodState(method="create"))
    assert Ledger.load(db, now=NOW).states() == [learned]


def test_a_call_of_the_longer_day_counts_until_that_day_ends(db: sqlite3.Connection) -> None:
    """25 October 2026 has 25 hours in Sweden: a call of its first minute still counts after 24 hours and a half."""
    begin = start_of(date(2026, 10, 25))
    now = begin + WINDOW_MS + 1_800_000
    ledger.open_call(db, CREATE, now=begin + 60_000)
    assert Ledger.load(db, now=now).count(now=now) == 1
    assert Ledger.load(db, now=now).count(now=begin + WINDOW_MS + 3_600_000) == 0


def test_a_pause_in_memory_is_set_and_lifted(db: sqlite3.Connection) -> None:
    """The later one takes the place of the earlier; lifting twice is harmless."""
    window = Ledger.load(db, now=NOW)
    window.set_pause(PAUSE)
    longer = replace(PAUSE, until=NOW + 9)
    window.set_pause(longer)
    assert window.pauses() == [longer]
    window.lift(longer)
    window.lift(longer)
    assert window.pauses() == []


def test_what_each_account_has_had_counts_what_it_is_about_to_make(db: sqlite3.Connection) -> None:
    """Of the classes asked for, within the window; room kept counts as had until it is given back."""
    window = Ledger.load(db, now=NOW)
    window.spend(CREATE, now=NOW)
    window.spend(END, now=NOW)
    window.spend(replace(CREATE, account_id="b"), now=NOW)
    kept = window.reserve("b", CallClass.PUBLISH, {"image": 3}, spare=1)
    publishing = {CallClass.PUBLISH}
    assert window.used(publishing, now=NOW) == {"a": 1, "b": 5}
    window.free(kept)
    assert window.used(publishing, now=NOW) == {"a": 1, "b": 1}
    assert window.used({CallClass.END}, now=NOW) == {"a": 1}
    assert window.used(publishing, now=NOW + WINDOW_MS) == {}


def test_a_refused_token_is_refused_until_its_time_or_another_token(db: sqlite3.Connection) -> None:
    """The pause is of the token that Tradera has refused."""
    window = Ledger.load(db, now=NOW)
    window.set_pause(replace(PAUSE, account_id="a", call_class=None, fingerprint="f"))
    assert window.is_refused("a", "f", now=NOW)
    assert not window.is_refused("a", "another", now=NOW)
    assert not window.is_refused("a", "f", now=NOW + 5)
    assert not window.is_refused("b", "f", now=NOW)
