"""Query strings: read into models, wrong ones refused by name; cursors: opaque, checked, never a 500."""

from __future__ import annotations

import base64
from typing import Annotated

import pytest
from aiohttp.test_utils import make_mocked_request
from pydantic import Field

from rheod.api import field_types
from rheod.api.routing import Query, Whole, read_query
from rheod.domain.errors import Refused


class Page(Query):
    """A list's parameters."""

    limit: Annotated[Whole, Field(ge=1, le=1000)] = 100
    state: Annotated[str | None, Field(alias="stateName")] = None


def asked(query: str) -> Page:
    """The page that a query string asks for."""
    return read_query(make_mocked_request("GET", f"/items?{query}"), Page)


def test_parameters_have_their_types_and_defaults() -> None:
    """Digits become numbers, aliases are the names on the wire, what is unknown is ignored."""
    assert asked("limit=7&stateName=sold&other=1").model_dump() == {"limit": 7, "state": "sold"}
    assert asked("").limit == 100


@pytest.mark.parametrize("name", ["stateName", "state_name"])
def test_a_parameter_is_taken_in_either_spelling(name: str) -> None:
    """With capitals or underscores; both at once are one parameter given twice."""
    assert asked(f"{name}=sold").state == "sold"
    with pytest.raises(Refused, match="stateName: Give it once"):
        asked("stateName=sold&state_name=sold")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=9999999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("stateName=a%00b", "stateName"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, name: str) -> None:
    """400 says which parameter is wrong and never repeats its value."""
    with pytest.raises(Refused) as refused:
        asked(query)
    assert refused.value.code == "BAD_REQUEST"
    assert refused.value.details[0].field == name


def test_a_cursor_comes_back_as_it_was() -> None:
    """What was written is read again, with its types, however long it is."""
    assert field_types.read(field_types.write(1779789600123, "id-å"), int, str) == (1779789600123, "id-å")
    for length in range(8):
        assert field_types.read(field_types.write("x" * length), str) == ("x" * length,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%%%",
        "å",
        "e30",
        field_types.write("1", "a"),
        field_types.write(1),
        field_types.write(2**70, "a"),
        field_types.write(1, "a" * 2000),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
    ],
)
def test_a_made_up_cursor_is_refused(text: str) -> None:
    """Whatever is no cursor of this list is a 400."""
    with pytest.raises(Refused) as refused:
        field_types.read(text, int, str)
    assert refused.value.code == "BAD_REQUEST"
