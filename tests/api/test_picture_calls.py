"""The owner's own pictures over HTTP: taken one a request, named by items, refused in words, dropped after a day."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image

from rheod.domain.pictures import UPLOAD_MS
from rheod.pictures.folder import UPLOAD_BYTES, GarbageCollector
from rheod.store import picture_files
from rheod.usecases.transaction import Store
from tests.api.running import Api, Reply
from tests.pictures.picture_shop import picture
from tests.stores import NOW_MS, Clock, rows

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 64


async def sent(api: Api, data: bytes | None = None, **headers: str) -> Reply:
    """Send a picture as the owner."""
    body = picture(size=(640, 480)) if data is None else data
    return await api.own(
        "POST", "/rheod/pictures", data=body, headers={"Content-Type": "image/jpeg", **headers}
    )


async def put(api: Api, external_id: str, *urls: str, **fields: Any) -> Reply:
    """PUT an item with these pictures."""
    body = {"title": "Backspegel", "price": 350, "imageUrls": list(urls), **fields}
    return await api.call("PUT", f"/integration/v1/items/{external_id}", body)


async def test_a_sent_picture_is_an_items_from_its_put_on(api: Api) -> None:
    """Nothing is fetched: the item is active at once, told of with the count, and shows our copy."""
    given = (await sent(api)).body
    assert given["url"].startswith("upload:")
    assert (given["width"], given["height"]) == (640, 480)
    assert (await put(api, "R-1", given["url"], autoPublishTradera=True)).status == 202
    shown = (await api.call("GET", "/integration/v1/items/R-1")).body
    assert shown["rheoStatus"] == "active"
    [image] = shown["images"]
    assert (image["state"], image["url"], image["hostedUrl"]) == ("ready", given["url"], given["hostedUrl"])
    kinds = [each["kind"] for each in await rows(api.database, "SELECT kind FROM jobs")]
    assert "fetch_picture" not in kinds
    history = (await api.call("GET", "/integration/v1/items/R-1/history")).body["events"]
    ready = [each["data"] for each in history if each["eventType"] == "item.images_ready"]
    assert [each["imagesProcessed"] for each in ready] == [1]


async def test_it_is_upright_and_at_most_2048_pixels(api: Api) -> None:
    """A phone's own: lying on its side by its EXIF, and large."""
    out, turned = io.BytesIO(), Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (3000, 1500), "teal").save(out, "JPEG", exif=turned)
    given = (await sent(api, out.getvalue())).body
    assert (given["width"], given["height"]) == (1024, 2048)


async def test_the_same_picture_again_is_the_same_answer(api: Api) -> None:
    """A phone that has lost the answer sends it anew."""
    data = picture(size=(640, 480))
    first, second = await sent(api, data), await sent(api, data)
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body


async def test_an_item_that_has_a_fetched_picture_takes_a_sent_one_too(api: Api) -> None:
    """And a PUT without pictures leaves both."""
    await put(api, "R-1", "https://cdn.example/1.jpg")
    url = (await sent(api)).body["url"]
    await put(api, "R-1", url, "https://cdn.example/1.jpg")
    await api.call("PUT", "/integration/v1/items/R-1", {"title": "Annan", "price": 350})
    shown = (await api.call("GET", "/integration/v1/items/R-1")).body["images"]
    assert [(each["url"], each["state"]) for each in shown] == [
        (url, "ready"),
        ("https://cdn.example/1.jpg", "pending"),
    ]


@pytest.mark.parametrize(
    ("data", "headers", "status", "words"),
    [
        (b"<html>", {}, 422, "not a picture"),
        (b"", {}, 422, "not a picture"),
        (HEIC, {}, 422, "HEIC"),
        (picture(size=(120, 90)), {}, 422, "too small (120 x 90 pixels)"),
        (picture(size=(640, 480))[:500], {}, 422, "damaged or cut off"),
        (None, {"Content-Type": "application/json"}, 415, "image/"),
        (None, {"Content-Encoding": "gzip"}, 415, "Content-Encoding"),
        (None, {"Authorization": "Bearer nonsense"}, 401, ""),
    ],
)
async def test_what_is_refused_says_why(
    api: Api, data: bytes | None, headers: dict[str, str], status: int, words: str
) -> None:
    """With the status of its kind, and nothing kept."""
    reply = await sent(api, data, **headers)
    assert reply.status == status
    said = reply.fields["picture"] if status == 422 else reply.body["error"]
    assert words in said
    assert await rows(api.database, "SELECT file FROM uploads") == []
    assert not list((api.parts.image_folder / "tmp").glob("*"))


async def test_a_partner_may_not(api: Api) -> None:
    """Pictures are the owner's to send."""
    reply = await api.call("POST", "/rheod/pictures", data=picture(), headers={"Content-Type": "image/jpeg"})
    assert reply.status == 401


async def test_one_that_is_too_large_is_refused_by_its_head_and_while_it_comes(api: Api) -> None:
    """Also where no length says so before."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(UPLOAD_BYTES // 2**20 + 1):
            yield b"\xff\xd8\xff" + b"\x00" * (2**20 - 3)

    told = await api.raw(
        b"POST /rheod/pictures HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        + f"Authorization: Bearer {api.admin}\r\nContent-Length: {UPLOAD_BYTES + 1}\r\n\r\n".encode()
    )
    assert told.startswith(b"HTTP/1.1 413 ")
    reply = await api.own("POST", "/rheod/pictures", data=endless(), headers={"Content-Type": "image/jpeg"})
    assert (reply.status, reply.body["error"]) == (413, "The picture is larger than 20 MiB")


async def test_an_item_cannot_name_what_was_never_sent(api: Api) -> None:
    """The field is named, and no item is made; nor is an address like it taken for one."""
    for url, words in (
        ("upload:" + "ab" * 32, "sent within a day"),
        ("upload:../../etc/passwd", "HTTPS"),
        ("upload:" + "AB" * 32, "HTTPS"),
    ):
        reply = await put(api, "R-1", "https://cdn.example/1.jpg", url)
        assert (reply.status, list(reply.fields)) == (422, ["imageUrls.1"])
        assert words in reply.fields["imageUrls.1"]
    assert (await api.call("GET", "/integration/v1/items/R-1")).status == 404


async def test_after_a_day_only_what_an_item_shows_is_left(api: Api) -> None:
    """A draft that names one keeps it for another day."""
    taken, held, left = [(await sent(api)).body["url"] for _ in range(3)]
    await put(api, "R-1", taken)
    clock = Clock(NOW_MS + UPLOAD_MS - 1)
    store = Store(database=api.database, now=clock, rng=api.parts.rng, wake=lambda _queue: None)
    collector = GarbageCollector(store=store, pictures_dir=api.parts.image_folder, most_bytes=0, young_s=-1.0)
    name = held.removeprefix("upload:")
    await store.write(lambda tx: picture_files.hold_uploads(tx.db, [f"{name[:2]}/{name}.jpg"], now=tx.now))
    await collector.make_round()
    assert len(await rows(api.database, "SELECT file FROM uploads")) == 3
    clock.forward(2)
    await collector.make_round()
    files = {each.stem for each in api.parts.image_folder.glob("*/*.jpg")}
    assert files == {url.removeprefix("upload:") for url in (taken, held)}
    assert (await put(api, "R-2", left)).status == 422
    assert (await put(api, "R-1", taken)).body["message"] == "Item is unchanged; nothing to do."
