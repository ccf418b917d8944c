"""How an answer of Tradera is judged, status by status and body by body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rheod.domain.errors import RheodError, Transient, Unanswered
from rheod.tradera.transport import (
    HttpAnswer,
    HttpCall,
    OverLimit,
    Rejected,
    Seller,
    ServerFailure,
    TokenRefused,
    Unreachable,
    judge,
)

CREATE = HttpCall(what="create", method="POST", path="/listings/items")


def answer(status: int, body: Any, retry_after: str | None = None) -> HttpAnswer:
    """An answer; anything but bytes is its JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, retry_after=retry_after, raw=raw)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            400,
            {"error": {"code": "AllowedBuyerRegionInvalid", "message": "m"}},
            Rejected,
            "AllowedBuyerRegionInvalid: m",
        ),
        (400, {"message": "top"}, Rejected, "top"),
        (400, b"", Rejected, "answered 400 to create"),
        (401, {"error": {"message": "User is not authorized"}}, TokenRefused, "User is not authorized"),
        (403, b"", TokenRefused, "403"),
        (403, b"<html>blocked</html>", Unanswered, "something between"),
        (404, {}, Rejected, "404"),
        (408, b"", Unanswered, "408"),
        (302, b"", Unanswered, "302"),
        (500, {"error": {"message": "Obsolete shipping"}}, ServerFailure, "Obsolete shipping"),
        (502, b"<html>", ServerFailure, "502"),
        (200, b"<html>maintenance</html>", Unanswered, "not JSON"),
        (200, b'{"requestId": 11, "item', Unanswered, "not JSON"),
        (200, b'{"requestId": NaN, "itemId": 1}', Unanswered, "not JSON"),
        (200, b"[" * 100_000, Unanswered, "not JSON"),
        (200, b"\xff\xfe\x00", Unanswered, "not JSON"),
    ],
)
def test_only_a_refusal_in_traderas_own_form_is_final(
    status: int, body: Any, kind: type[RheodError], words: str
) -> None:
    """Everything unclear may have taken effect."""
    with pytest.raises(RheodError) as caught:
        judge(CREATE, answer(status, body))
    assert type(caught.value) is kind
    assert words in str(caught.value)


@pytest.mark.parametrize(("body", "value"), [(b"", None), (b" \n", None), ([1], [1]), (b"true", True)])
def test_a_success_is_its_json_or_nothing(body: Any, value: Any) -> None:
    """An empty 200 is a success without words."""
    assert judge(CREATE, answer(200, body)) == value


@pytest.mark.parametrize(
    ("wish", "seconds"), [("120", 120.0), ("-1", None), ("soon", None), ("9" * 12, None)]
)
def test_a_429_names_its_wish_only_when_it_is_sane(wish: str, seconds: float | None) -> None:
    """Whole seconds are taken; a date, a negative number or an absurd one is no wish."""
    with pytest.raises(OverLimit) as caught:
        judge(CREATE, answer(429, b"<html>", wish))
    assert caught.value.retry_after_s == seconds
    assert not isinstance(caught.value, Unanswered)


def test_a_body_that_cannot_be_read_leaves_no_trace() -> None:
    """The decoder's error would carry the whole body, with a buyer in it, into a log."""
    with pytest.raises(Unanswered) as caught:
        judge(CREATE, answer(200, b'[{"email": "anna@example.org"'))
    assert caught.value.__cause__ is None
    assert "anna" not in str(caught.value)


def test_control_characters_of_a_message_are_taken_out() -> None:
    """What Tradera says can be shown as it is."""
    with pytest.raises(Rejected, match="No such category"):
        judge(CREATE, answer(400, {"error": {"message": "No\u0007 such\ncategory\u0000"}}))


def test_a_sellers_token_is_not_shown() -> None:
    """Printing a seller, or a call with one, prints no secret."""
    seller = Seller(7, "test-token")
    call = HttpCall(what="create", method="POST", path="/", seller=seller, body={"title": "test-title"})
    assert "test-token" not in repr(seller) + repr(call)
    assert "test-title" not in repr(call)


def test_only_a_missing_connection_is_free_of_doubt() -> None:
    """The errors' families are what callers decide by."""
    assert not issubclass(Unreachable, Unanswered)
    assert not issubclass(OverLimit, Unanswered)
    assert issubclass(Unreachable, Transient)
    assert issubclass(OverLimit, Transient)


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_our_own_credentials_are_masked_in_tradera_s_words(status: int) -> None:
    """What Tradera repeats of what it was sent reaches no sentence, in whatever way its JSON writes it."""
    said = b'{"error": {"message": "bad key test-\\u002Bsecret/1"}}'
    repeated = HttpAnswer(status=status, retry_after=None, raw=said, sent=("test-+secret/1",))
    with pytest.raises(RheodError, match=r"bad key \*\*\*$"):
        judge(CREATE, repeated)
