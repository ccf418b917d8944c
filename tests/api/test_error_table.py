"""Every line of the error table, each shown over a real socket."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from rheod.api.context import Rates
from tests.api.running import Api, OpenApi, Reply
from tests.stores import fill_disk, make_room

ITEM = "/integration/v1/items/A1"
GOOD = {"title": "Bromsok", "price": 950}


def shape(reply: Reply) -> tuple[int, str]:
    """Status and code of an error, after checking that it has the one shape all errors have."""
    body = reply.body
    assert set(body) in ({"error", "code", "statusCode"}, {"error", "code", "statusCode", "details"})
    assert body["statusCode"] == reply.status
    assert body["error"]
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert reply.headers["x-request-id"]
    assert reply.headers["Server"] == "rheod"
    return reply.status, reply.code


def deep(levels: int) -> bytes:
    return b'{"title": "ok", "price": 5, "metadata": ' + b'{"a":' * (levels - 1) + b"1" + b"}" * levels


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"title": "Bromsok", "price": NaN}',
        b'{"title": "Bromsok", "price": 5, "price": 6}',
        b'{"title": "Brom\xffsok", "price": 5}',
        b"[" * 100_000,
        deep(33),
    ],
)
async def test_400_for_a_body_that_is_not_json(api: Api, body: bytes) -> None:
    """Not JSON, not UTF-8, the same key twice, and nesting over 32 are bad requests."""
    for method, path in [("PUT", ITEM), ("PATCH", f"{ITEM}/price"), ("PATCH", f"{ITEM}/status")]:
        assert shape(await api.call(method, path, data=body)) == (400, "BAD_REQUEST")


async def test_nesting_up_to_32_is_taken(api: Api) -> None:
    """The deepest allowed body is an item like any other."""
    assert (await api.call("PUT", ITEM, data=deep(32))).status == 202


async def test_401_for_a_missing_key_and_a_missing_token(api: Api) -> None:
    """Both kinds of caller are asked who they are."""
    no_key = await api.call("PUT", ITEM, GOOD, headers={"x-api-key": None})
    no_token = await api.own("GET", "/integration/api-keys", headers={"Authorization": None})
    assert shape(no_key) == shape(no_token) == (401, "UNAUTHORIZED")
    assert no_key.body["error"] == "Invalid or missing API key"


async def test_404_for_an_unknown_item_and_an_unknown_route(api: Api) -> None:
    """What is not there is told in the documented words."""
    for method, path, body in [
        ("GET", ITEM, None),
        ("DELETE", ITEM, None),
        ("PATCH", f"{ITEM}/price", {"price": 5}),
        ("PATCH", f"{ITEM}/status", {"status": "sold"}),
    ]:
        reply = await api.call(method, path, body)
        assert shape(reply) == (404, "NOT_FOUND")
        assert reply.body["error"] == "No item found with this external ID"
    for path in [
        "/",
        "/nowhere",
        "/integration/v1/items/",
        "/integration/v1/items/a/b",
        "/images/x",
        "//",
        "/%00",
    ]:
        assert shape(await api.call("GET", path)) == (404, "NOT_FOUND")


async def test_404_for_someone_elses_item(api: Api) -> None:
    """An item of another account does not exist for the caller."""
    await api.call("PUT", ITEM, GOOD)
    reply = await api.call("GET", ITEM, headers={"x-partner-account": "member-1"})
    assert shape(reply) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", ITEM, "DELETE, GET, HEAD, PUT"),
        ("PUT", f"{ITEM}/price", "PATCH"),
        ("DELETE", "/integration/api-keys", "GET, HEAD"),
        ("GET", "/integration/api-keys/generate", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", ITEM, "DELETE, GET, HEAD, PUT"),
    ],
)
async def test_405_names_the_methods_that_are_allowed(api: Api, method: str, path: str, allow: str) -> None:
    """A wrong method is told which ones are right."""
    reply = await api.call(method, path)
    if path.endswith("generate"):
        allow = reply.headers["Allow"]
        assert "POST" in allow
    assert (shape(reply), reply.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), allow)


async def test_409_for_what_the_lifecycle_does_not_allow(api: Api) -> None:
    """A sold item has no price to change, and the answer says why."""
    await api.call("PUT", ITEM, GOOD)
    assert (await api.call("PATCH", f"{ITEM}/status", {"status": "sold"})).status == 202
    reply = await api.call("PATCH", f"{ITEM}/price", {"price": 800})
    assert shape(reply) == (409, "CONFLICT")
    assert "sold" in reply.body["error"]


async def test_413_for_an_item_over_256_kib(api: Api) -> None:
    """Announced or streamed, a body over the limit is refused; one at the limit is not."""
    padding = 256 * 1024 - len(json.dumps(GOOD | {"unknown": ""}))
    assert (await api.call("PUT", ITEM, GOOD | {"unknown": "x" * padding})).status == 202
    assert shape(await api.call("PUT", ITEM, GOOD | {"unknown": "x" * (padding + 1)})) == (
        413,
        "PAYLOAD_TOO_LARGE",
    )

    async def streamed() -> Any:
        for _ in range(17):
            yield b" " * 16 * 1024

    assert shape(await api.call("PUT", ITEM, data=streamed())) == (413, "PAYLOAD_TOO_LARGE")


async def test_413_is_said_before_the_body_is_read(api: Api) -> None:
    """The announced length alone is enough, so nothing has to be sent."""
    head = f"PUT {ITEM} HTTP/1.1\r\nHost: a\r\nx-api-key: {api.key}\r\nContent-Type: application/json\r\n"
    raw = await api.raw(f"{head}Content-Length: 300000\r\n\r\n".encode())
    assert raw.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": None},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Type": ";;;"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "identity"},
        {"Content-Encoding": "nonsense"},
    ],
)
async def test_415_for_anything_but_plain_json(api: Api, headers: dict[str, str | None]) -> None:
    """Another type, another charset or any encoding is refused without looking inside."""
    reply = await api.call("PUT", ITEM, data=b"\x1f\x8b garbage", headers=headers)
    assert shape(reply) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
)
async def test_json_by_its_usual_names_is_taken(api: Api, kind: str) -> None:
    """A charset of UTF-8 and other spellings are no reason to refuse."""
    assert (await api.call("PUT", ITEM, GOOD, headers={"Content-Type": kind})).status == 202


async def test_422_lists_every_wrong_field(api: Api) -> None:
    """Path, body and nested fields are told together, each with what it must be, and no value comes back."""
    body = {"title": "x", "price": "SECRET", "imageUrls": ["http://SECRET/"], "metadata": {"k": "SECRET\x00"}}
    reply = await api.call("PUT", "/integration/v1/items/a%00b", body)
    assert shape(reply) == (422, "VALIDATION_FAILED")
    assert reply.body["error"] == "Validation failed"
    assert reply.fields == {
        "externalId": "Must not contain control characters or broken Unicode",
        "metadata.k": "Must not contain control characters or broken Unicode",
        "title": "Must be at least 2 characters",
        "price": "Must be a number",
        "imageUrls.0": "Must be an HTTPS URL",
    }
    assert b"SECRET" not in reply.raw


@pytest.mark.parametrize("segment", ["%00", "%E2%80%AE", "%FF", "%ED%A0%80", "x" * 256, "%zz", "%"])
async def test_422_names_an_id_that_cannot_be(api: Api, segment: str) -> None:
    """On every call of an item a bad id is named, whatever the method."""
    path = f"/integration/v1/items/{segment}"
    for method, tail, body in [
        ("PUT", "", GOOD),
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "/price", {"price": 5}),
        ("PATCH", "/status", {"status": "sold"}),
    ]:
        reply = await api.call(method, path + tail, body)
        assert shape(reply) == (422, "VALIDATION_FAILED")
        assert list(reply.fields) == ["externalId"]


async def test_422_for_a_status_that_cannot_be_set(api: Api) -> None:
    """The documented sentence for the one field of PATCH status."""
    reply = await api.call("PATCH", f"{ITEM}/status", {"status": "active"})
    assert shape(reply) == (422, "INVALID_STATUS")
    assert reply.body["error"] == "Invalid status. Must be 'sold' or 'not_listed'"


async def test_422_for_a_parent_that_is_none(api: Api) -> None:
    """A parent must exist and be a container; the field is named."""
    reply = await api.call("PUT", ITEM, GOOD | {"parentExternalId": "VIN-1"})
    assert (shape(reply), list(reply.fields)) == ((422, "VALIDATION_FAILED"), ["parentExternalId"])


async def test_429_says_when_to_come_back(open_api: OpenApi) -> None:
    """Whole seconds, at least one, and the documented words."""
    api = await open_api(rates=Rates(get=2))
    replies = [await api.call("GET", ITEM) for _ in range(5)]
    assert shape(replies[-1]) == (429, "RATE_LIMITED")
    assert replies[-1].body["error"] == "Too many requests"
    assert re.fullmatch("[1-9][0-9]*", replies[-1].headers["Retry-After"])


def explode(_url: str) -> str | None:
    raise RuntimeError("the inside of rheod: SECRET")


async def test_500_is_one_sentence_and_the_log_has_the_rest(open_api: OpenApi) -> None:
    """A bug shows nothing of itself to the caller, and its traceback is logged under the request's id."""
    api = await open_api(check_image_url=explode)
    with capture_logs() as lines:
        reply = await api.call("PUT", ITEM, GOOD | {"imageUrls": ["https://a.example/1.jpg"]})
    assert shape(reply) == (500, "INTERNAL")
    assert b"SECRET" not in reply.raw
    assert [line["event"] for line in lines if line.get("exc_info")] == ["request failed"]
    assert (await api.call("PUT", ITEM, GOOD)).status == 202


async def test_503_while_the_disk_is_full_and_nothing_is_acknowledged(api: Api) -> None:
    """Writes wait with Retry-After until there is room; reads go on."""
    await api.call("PUT", ITEM, GOOD)
    await fill_disk(api.database)
    big = GOOD | {"description": "x" * 10_000}
    replies = [await api.call("PUT", f"/integration/v1/items/B{number}", big) for number in range(20)]
    assert {shape(reply) for reply in replies if reply.status != 202} == {(503, "UNAVAILABLE")}
    refused = [number for number, reply in enumerate(replies) if reply.status == 503]
    assert re.fullmatch("[1-9][0-9]*", replies[refused[0]].headers["Retry-After"])
    assert (await api.call("GET", ITEM)).status == 200
    assert (await api.call("GET", f"/integration/v1/items/B{refused[0]}")).status == 404
    await make_room(api.database)
    assert (await api.call("PUT", f"/integration/v1/items/B{refused[0]}", big)).status == 202


async def test_503_when_the_store_is_closing(api: Api) -> None:
    """A write that comes too late at a stop is told to come back."""
    api.database.stop()
    reply = await api.call("PUT", ITEM, GOOD)
    assert shape(reply) == (503, "UNAVAILABLE")
    assert reply.headers["Retry-After"] == "5"


async def test_fifty_identical_puts_at_once_are_one_item(api: Api) -> None:
    """The same request repeated concurrently changes nothing after the first."""
    replies = await asyncio.gather(*(api.call("PUT", ITEM, GOOD) for _ in range(50)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.body["itemId"] for reply in replies}) == 1
