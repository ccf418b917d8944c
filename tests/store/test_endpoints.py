"""Endpoints as rows: what comes back, whose is the first, what a removed one leaves."""

from __future__ import annotations

import sqlite3

from rheod.store import endpoints
from tests.store.making import add_endpoint


def test_an_endpoint_comes_back_as_it_was_stored(db: sqlite3.Connection) -> None:
    """And the first of an account is the oldest."""
    add_endpoint(db, "second", created_at=2)
    add_endpoint(db, "first", created_at=1, previous_secret="whsec_old", previous_until=9, probe_at=4)
    found = endpoints.first_endpoint(db, "a")
    assert found == endpoints.endpoint(db, "first")
    assert found is not None
    assert (found.previous_secret, found.previous_until, found.probe_at) == ("whsec_old", 9, 4)
    assert endpoints.first_endpoint(db, "b") is None
