"""Rows of accounts and of their members: an account outlives its place in the settings."""

from __future__ import annotations

import sqlite3

from rheod.store import accounts

ALL = ["", "m-1", "m-2"]
MEMBERS = {"": 1, "m-1": 11, "m-2": 12}


def test_an_account_keeps_its_id_whatever_comes_and_goes(db: sqlite3.Connection) -> None:
    """Left out and put back it is the same; the default one is always there."""
    first = accounts.ensure(db, ALL, now=1, members=MEMBERS)
    without = accounts.ensure(db, [""], now=2, members={"": 1})
    assert without == first
    assert accounts.ensure(db, ALL, now=3, members=MEMBERS) == first


def test_a_removed_accounts_member_is_still_known(db: sqlite3.Connection) -> None:
    """Sales of somebody who has sold through rheod are never taken for a stranger's."""
    known = accounts.ensure(db, ALL, now=1, members=MEMBERS)
    accounts.ensure(db, [""], now=2, members={"": 1})
    assert accounts.of_members(db) == {1: known[""], 11: known["m-1"], 12: known["m-2"]}


def test_an_account_that_sells_as_another_user_hears_of_both(db: sqlite3.Connection) -> None:
    """What it sold as the earlier one is still its own."""
    known = accounts.ensure(db, ALL, now=1, members=MEMBERS)
    accounts.ensure(db, ALL, now=2, members=MEMBERS | {"m-1": 13})
    found = accounts.of_members(db)
    assert found[11] == found[13] == known["m-1"]


def test_a_member_who_gets_another_reference_keeps_his_account(db: sqlite3.Connection) -> None:
    """Renamed in the settings, not doubled: his items and sales stay together."""
    known = accounts.ensure(db, ALL, now=1, members=MEMBERS)
    renamed = accounts.ensure(db, ["", "m-9", "m-2"], now=2, members={"": 1, "m-9": 11, "m-2": 12})
    assert renamed["m-9"] == known["m-1"]
    assert "m-1" not in renamed


def test_two_members_who_swap_their_references_swap_their_users(db: sqlite3.Connection) -> None:
    """A reference that is there stays with its items: it is what partners call by."""
    known = accounts.ensure(db, ALL, now=1, members=MEMBERS)
    swapped = accounts.ensure(db, ALL, now=2, members={"": 1, "m-1": 12, "m-2": 11})
    assert swapped == known
    assert accounts.of_members(db)[12] == known["m-1"]


def test_the_default_account_is_never_renamed(db: sqlite3.Connection) -> None:
    """Its user turned into a member begins a new account: the default one cannot be missing."""
    known = accounts.ensure(db, [""], now=1, members={"": 1})
    later = accounts.ensure(db, ["", "m-1"], now=2, members={"m-1": 1})
    assert later[""] == known[""]
    assert later["m-1"] != known[""]
