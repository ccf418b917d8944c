"""The contract checker: what it lets through, what it names, and that it is quick."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rheod.sandbox.contract import Contract
from tests.sandbox.playing_seller import new_body

ITEMS = "/v4/listings/items"
CONTRACT = Contract()


def check(method: str, template: str, body: Any = None, path: Any = None, query: Any = None) -> list[str]:
    return CONTRACT.problems(method, template, path=path or {}, query=query or {}, body=body)


def test_good_create_passes() -> None:
    """A body that Tradera takes has no problem."""
    assert check("POST", ITEMS, new_body()) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"startPrice": "50"}, "startPrice: must be of type integer"),
        ({"startPrice": 50.5}, "startPrice: must be of type integer"),
        ({"startPrice": True}, "startPrice: must be of type integer"),
        ({"startPrice": 2**31}, "startPrice: must be a valid int32"),
        ({"colour": "red"}, "body: unknown field colour"),
        ({"shippingOptions": [{"cost": 1, "price": 2}]}, "shippingOptions.0: unknown field price"),
        (
            {"attributeValues": {"terms": [{"id": "x"}]}},
            "attributeValues.terms.0.id: must be of type integer",
        ),
        ({"customEndDate": "soon"}, "customEndDate: must be a valid date-time"),
    ],
)
def test_wrong_create_is_named(changes: dict[str, Any], sentence: str) -> None:
    """Each breach of the document is one sentence that names the field."""
    assert check("POST", ITEMS, new_body(**changes)) == [sentence]


def test_null_only_where_nullable() -> None:
    """A null is taken where the document says nullable and refused elsewhere."""
    assert check("POST", ITEMS, new_body() | {"vat": None}) == []
    assert check("POST", ITEMS, new_body() | {"startPrice": None}) == ["startPrice: must be of type integer"]


def test_body_must_be_there_or_not() -> None:
    """A create needs a body, a commit takes none."""
    assert check("POST", ITEMS) == ["body: a JSON body is required"]
    commit = check("POST", ITEMS + "/{requestId}/commit", {}, {"requestId": "1"})
    assert commit == ["body: this operation takes none"]


def test_parameters_are_judged_as_their_types() -> None:
    """Path and query parameters are checked: integers, enums, arrays by repetition, date-times, unknown names."""
    results = "/v4/listings/request-results"
    assert check("GET", results, query={"requestIds": ["1", "2"]}) == []
    assert check("GET", results, query={"requestIds": ["1,2"]}) == ["requestIds: must be an integer (int32)"]
    assert check("GET", results, query={"ids": ["1"]}) == ["ids: unknown query parameter"]
    orders = {"fromDate": ["2026-11-01T00:00:00Z"], "queryDateMode": ["1"]}
    assert check("GET", "/v4/orders", query=orders) == []
    assert check("GET", "/v4/orders", query=orders | {"queryDateMode": ["2"]}) == [
        "queryDateMode: must be one of [0, 1]"
    ]
    assert check("GET", "/v4/orders", query={"toDate": ["01/11"]}) == ["toDate: must be a date-time"]
    assert check("GET", "/v4/items/{itemId}", path={"itemId": "abc"}) == [
        "itemId: must be an integer (int32)"
    ]


def test_quick_with_pictures_of_4_mb() -> None:
    """A thousand picture bodies of 4 MB are judged in under a second: the base64 is not looked into."""
    body = {"imageData": "A" * 5_600_000, "imageFormat": 0, "hasMega": False}
    template = ITEMS + "/{requestId}/images"
    began = time.process_time()
    for _ in range(1000):
        assert check("POST", template, body, {"requestId": "1"}) == []
    assert time.process_time() - began < 1.0
