"""The shop: its pictures, good and hostile, and its webhook receiver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from rheod.sandbox.shop import CUT, HANG, Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sandbox.playing_seller import Clock


SECRET = "whsec_" + base64.b64encode(b"test-secret-of-24-bytes!").decode()


@pytest_asyncio.fixture
async def shop(clock: Clock) -> AsyncIterator[Shop]:
    one = Shop(now=clock, secret=SECRET)
    await one.start()
    yield one
    await one.stop()


async def get(url: str, timeout_s: float = 5.0) -> tuple[int, str, bytes]:
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        return response.status, response.content_type, await response.read()


def signed(body: bytes, at_s: int, secret: str = SECRET) -> dict[str, str]:
    """Sign as the published rule says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    standard = hmac.new(key, f"evt_1.{at_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-Rheo-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,b3RoZXI= v1,{base64.b64encode(standard).decode()}",
    }


async def deliver(url: str, body: bytes, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session,
        session.post(url, data=body, headers=headers) as response,
    ):
        return response.status


async def test_good_pictures(shop: Shop) -> None:
    """A picture has the size asked for, the same bytes each time, and differs by name."""
    url = shop.picture_url("part-1", width=320, height=200)
    status, kind, data = await get(url)
    assert (status, kind) == (200, "image/jpeg")
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (320, 200))
    assert (await get(url))[2] == data
    assert (await get(shop.picture_url("part-2", width=320, height=200)))[2] != data
    assert shop.fetches["/pictures/part-1.jpg?w=320&h=200"] == 2


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("gif", "GIF"), ("webp", "WEBP")])
async def test_other_formats(shop: Shop, suffix: str, kind: str) -> None:
    """PNG, GIF and WebP are what they say."""
    _, content_type, data = await get(shop.picture_url("part-1", suffix=suffix))
    assert content_type == f"image/{kind.lower()}"
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == kind


async def test_hostile_pictures(shop: Shop) -> None:
    """Broken, HTML, missing, failing, slow, looping and endless pictures behave as named; a redirect leads to a good one."""
    pictures = f"{shop.url}/pictures"
    status, kind, data = await get(f"{pictures}/broken.jpg")
    assert (status, kind, data[:2]) == (200, "image/jpeg", b"\xff\xd8")
    with pytest.raises(OSError, match="truncated"), Image.open(io.BytesIO(data)) as picture:
        picture.load()
    assert (await get(f"{pictures}/html.jpg"))[1] == "text/html"
    assert (await get(f"{pictures}/missing.jpg"))[0] == 404
    assert (await get(f"{pictures}/failing.jpg"))[0] == 503
    assert (await get(f"{pictures}/redirect.jpg"))[2] == (await get(f"{pictures}/good.jpg"))[2]
    with pytest.raises(aiohttp.TooManyRedirects):
        await get(f"{pictures}/loop.jpg")
    with pytest.raises(TimeoutError):
        await get(f"{pictures}/slow.jpg", timeout_s=0.2)
    async with aiohttp.ClientSession() as session, session.get(f"{pictures}/huge.jpg") as response:
        assert len(await response.content.readexactly(5_000_000)) == 5_000_000


async def test_both_signatures_are_verified(shop: Shop, clock: Clock) -> None:
    """A rightly signed event verifies by both schemes; each kind of tampering spoils what it should."""
    body, now_s = b'{"eventType":"item.sold"}', clock() // 1000
    good = signed(body, now_s)
    cases = [
        (body, good, (True, True)),
        (body + b" ", good, (False, False)),
        (body, {**good, "webhook-id": "evt_2"}, (True, False)),
        (body, {**good, "X-Rheo-Signature": "sha256=00"}, (False, True)),
        (body, signed(body, now_s - 400), (True, False)),
        (body, signed(body, now_s, "whsec_b3RoZXI="), (False, False)),
        (body, {}, (False, False)),
    ]
    for sent, headers, expected in cases:
        assert await deliver(shop.webhook_url(), sent, headers) == 200
        assert (shop.received[-1].rheo_ok, shop.received[-1].standard_ok) == expected
    assert shop.received[0].event == {"eventType": "item.sold"}
    assert shop.received[0].body == body


async def test_published_vectors(shop: Shop) -> None:
    """The published vectors verify."""
    shop.secrets["vectors"] = "whsec_test"
    for body, digest in (
        (b"{}", "46bdc2a2e83964bd2695acc6a1f97162d8bafc135a071aa5cd5c99aae5481440"),
        (b"", "43c0f4d23c8e8841358fad4624b1a592799222b29f25bb59baea43cdcb522ed1"),
    ):
        await deliver(shop.webhook_url("vectors"), body, {"X-Rheo-Signature": f"sha256={digest}"})
        assert shop.received[-1].rheo_ok


async def test_planned_answers_then_200(shop: Shop) -> None:
    """The planned statuses are answered in order, hanging and cutting among them, and then 200."""
    shop.answer_with([500, HANG, CUT])
    url = shop.webhook_url()
    assert await deliver(url, b"{}", {}) == 500
    with pytest.raises(TimeoutError):
        await deliver(url, b"{}", {})
    with pytest.raises(aiohttp.ClientConnectionError):
        await deliver(url, b"{}", {})
    assert await deliver(url, b"{}", {}) == 200
    assert await deliver(shop.webhook_url("other"), b"{}", {}) == 200
    assert [one.status for one in shop.received] == [500, 0, 0, 200, 200]


async def test_wait_for_what_comes_later(shop: Shop) -> None:
    """wait_for gives what came and what is still to come, and times out on what never comes."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(shop.wait_for(lambda one: one.body == b"2"))
        await deliver(shop.webhook_url(), b"1", {})
        await deliver(shop.webhook_url(), b"2", {})
    assert waiting.result().body == b"2"
    assert (await shop.wait_for(lambda one: one.body == b"1")).name == "erp"
    with pytest.raises(TimeoutError):
        await shop.wait_for(lambda one: one.body == b"3", timeout_s=0.05)
