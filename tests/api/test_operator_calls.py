"""Health, readiness and hosted pictures, which anybody may ask for."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import aiohttp
import pytest
from PIL import Image
from structlog.testing import capture_logs

from rheod.pictures.decoder import Thumbnails
from tests.api.running import Api, OpenApi
from tests.pictures.decoding import open_decoder

DIGEST = "ab" + "0123456789" * 6 + "cd"
JPEG = b"\xff\xd8\xff\xe0 test picture"


@pytest.fixture
def picture(api: Api) -> str:
    """A stored picture's name."""
    return stored_in(api)


def stored_in(api: Api) -> str:
    """A stored picture's name, beside files that are none of anybody's business."""
    folder = api.parts.image_folder / "ab"
    folder.mkdir(parents=True)
    (folder / f"{DIGEST}.jpg").write_bytes(JPEG)
    (folder / f"{DIGEST}.jpg.txt").write_text("SECRET")
    (api.parts.image_folder / "secret.txt").write_text("SECRET")
    (api.parts.image_folder.parent / "rheod.db-copy").write_text("SECRET")
    return f"ab/{DIGEST}.jpg"


async def test_a_picture_is_served_for_ever_and_as_nothing_else(api: Api, picture: str) -> None:
    """The bytes come as a JPEG that may be kept for a year and never be sniffed as something else."""
    reply = await api.call("GET", f"/images/{picture}", headers={"x-api-key": None})
    assert (reply.status, reply.raw) == (200, JPEG)
    assert reply.headers["Content-Type"] == "image/jpeg"
    assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Server"] == "rheod"


@pytest.mark.parametrize(
    "path",
    [
        "secret.txt",
        "..%2Frheod.db-copy",
        "../rheod.db-copy",
        "%2e%2e/rheod.db-copy",
        "ab%2F..%2Fsecret.txt",
        "ab/",
        f"cd/{DIGEST}.jpg",
        f"ab/{DIGEST}.png",
        f"ab/{DIGEST}.webp",
        f"ab/{DIGEST}.320.webp",
        f"ab/ab{'0' * 62}.160.webp",
        f"ab/{DIGEST}.jpg.txt",
        f"ab/{DIGEST}.jpg%00",
        f"ab/{DIGEST}.jpg%0A",
        f"ab/{DIGEST.upper()}.jpg",
        f"ab/ab{'0' * 62}.jpg",
        "%2Fetc%2Fpasswd",
        "%ff",
    ],
)
async def test_nothing_but_pictures_by_their_address_is_served(api: Api, picture: str, path: str) -> None:
    """Every other name, inside the folder or out of it, is 404 in the error shape."""
    assert picture
    reply = await api.call("GET", f"/images/{path}")
    assert (reply.status, reply.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("side", "size"), [(160, (160, 120)), (640, (640, 480))])
async def test_a_small_copy_is_made_when_first_asked_for(
    open_api: OpenApi, tmp_path: Path, side: int, size: tuple[int, int]
) -> None:
    """A WebP of that size beside the hosted file, made once and all that the next call reads."""
    async with open_decoder() as decoder:
        thumbnails = Thumbnails(decoder=decoder, pictures_dir=tmp_path / "images")
        api = await open_api(make_thumbnail=thumbnails.make)
        assert api.parts.image_folder == tmp_path / "images"
        picture = stored_in(api)
        hosted = api.parts.image_folder / picture
        Image.effect_noise((1600, 1200), 50).convert("RGB").save(hosted, "JPEG")
        address = picture.replace(".jpg", f".{side}.webp")
        both = [api.call("GET", f"/images/{address}", headers={"x-api-key": None}) for _ in range(2)]
        first, other = await asyncio.gather(*both)
        assert (first.status, first.headers["Content-Type"]) == (200, "image/webp")
        assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert Image.open(io.BytesIO(first.raw)).size == size
        assert first.raw == other.raw == (api.parts.image_folder / address).read_bytes()
        hosted.write_bytes(b"gone")
        again = await api.call("GET", f"/images/{address}")
        assert (again.status, again.raw) == (200, first.raw)
        assert list((api.parts.image_folder / "tmp").iterdir()) == []


async def test_a_page_shows_the_large_picture_where_no_small_one_can_be_made(api: Api, picture: str) -> None:
    """The address leads there, for this time."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{api.port}/images/{picture.replace('.jpg', '.160.webp')}",
            allow_redirects=False,
        ) as reply,
    ):
        found = (reply.status, reply.headers["Location"], reply.headers["Cache-Control"])
    assert found == (302, picture.partition("/")[2], "no-store")


async def test_health_asks_the_database_once_a_second_at_most(open_api: OpenApi) -> None:
    """A hundred calls at once are one question, and the answer is asked for anew after a second."""
    asked: list[int] = []

    async def count() -> str | None:
        asked.append(1)
        return None

    api = await open_api(health=count)
    replies = await asyncio.gather(*(api.call("GET", "/healthz") for _ in range(100)))
    assert {(reply.status, reply.body["status"]) for reply in replies} == {(200, "ok")}
    assert len(asked) == 1
    api.clock.seconds += 1
    await api.call("GET", "/healthz")
    assert len(asked) == 2


async def test_an_ill_database_is_told_in_words(open_api: OpenApi) -> None:
    """503 with the sentence and Retry-After."""

    async def ill() -> str | None:
        return "The database cannot write: disk full"

    reply = await (await open_api(health=ill)).call("GET", "/healthz")
    assert (reply.status, reply.code, reply.body["error"]) == (
        503,
        "UNAVAILABLE",
        "The database cannot write: disk full",
    )
    assert reply.headers["Retry-After"] == "5"


async def test_a_store_that_cannot_be_written_is_not_ready(open_api: OpenApi) -> None:
    """503 with the reason until there is room; the process is alive all the same, and need not be started anew."""
    full: list[str] = ["The disk of the data folder is full"]

    async def writable() -> str | None:
        return next(iter(full), None)

    api = await open_api(writable=writable)
    reply = await api.call("GET", "/readyz")
    assert (reply.status, reply.body["error"]) == (503, "The disk of the data folder is full")
    assert (await api.call("GET", "/healthz")).status == 200
    full.clear()
    api.clock.seconds += 1
    assert (await api.call("GET", "/readyz")).status == 200


async def test_readiness_says_what_is_missing(open_api: OpenApi) -> None:
    """503 with the words until nothing is missing, then 200."""
    missing = ["the tradera loop has not started", "the push loop has not started"]
    api = await open_api(readiness=lambda: missing)
    reply = await api.call("GET", "/readyz")
    assert (reply.status, reply.body["error"]) == (503, "; ".join(missing))
    missing.clear()
    assert ((await api.call("GET", "/readyz")).status, (await api.call("HEAD", "/readyz")).raw) == (200, b"")


async def test_health_and_readiness_count_the_accounts_by_state(open_api: OpenApi) -> None:
    """Numbers alone: which account it is only the owner is told."""
    api = await open_api(account_states=lambda: {"selling": 3, "paused": 1})
    for path in ("/healthz", "/readyz"):
        assert (await api.call("GET", path)).body["accounts"] == {
            "selling": 3,
            "waiting": 0,
            "paused": 1,
            "removed": 0,
        }


async def test_a_picture_the_machine_cannot_open_is_not_called_missing(api: Api, picture: str) -> None:
    """While the system refuses to open the file the answer is 503, which nobody keeps; a missing one is 404."""
    file = api.parts.image_folder / picture
    file.unlink()
    assert (await api.call("GET", f"/images/{picture}")).status == 404
    file.symlink_to(file)
    reply = await api.call("GET", f"/images/{picture}")
    assert (reply.status, reply.code) == (503, "UNAVAILABLE")
    file.unlink()
    file.mkdir()
    assert (await api.call("GET", f"/images/{picture}")).status == 404


async def test_what_anybody_may_call_leaves_no_line_in_the_log(api: Api, picture: str) -> None:
    """A flood of open calls cannot fill the log."""
    with capture_logs() as lines:
        for path in ("/healthz", "/readyz", f"/images/{picture}", "/images/no/none.jpg"):
            await api.call("GET", path, headers={"x-api-key": None})
    assert lines == []
