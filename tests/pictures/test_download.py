"""PictureDownloader against shops that speak HTTP on loopback: good ones, broken ones and hostile ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from rheod.domain.errors import Permanent, RheodError, Transient
from rheod.pictures.download import PictureLimits, is_picture
from tests.pictures.picture_shop import JPEG, answering, client, failure, picture, shop, wire


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_a_picture_of_each_kind_arrives_whole(tmp_path: Path, kind: str) -> None:
    """The four kinds are taken by their first bytes, whatever Content-Type says."""
    body = picture(kind)
    async with shop(answering(body=body, Content_Type="text/plain")) as url, client() as images:
        await images.fetch(f"{url}/a?b=c", tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == body


async def test_the_request_asks_for_no_compression_and_carries_no_state(tmp_path: Path) -> None:
    """Identity encoding, no cookies though the shop sets one, and the link's bytes as the partner gave them."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=JPEG, headers={"Set-Cookie": "a=b; Path=/"})

    async with shop(handle) as url, client() as images:
        for _ in range(2):
            await images.fetch(f"{url}/a%2Fb.jpg?sig=%41%2B+c%3d", tmp_path / "a.part")
    for request in seen:
        assert request.headers["Accept-Encoding"] == "identity"
        assert "Cookie" not in request.headers
        assert request.raw_path == "/a%2Fb.jpg?sig=%41%2B+c%3d"


async def test_the_pictures_of_one_shop_share_a_connection(tmp_path: Path) -> None:
    """Three in a row cost one connection, and one that the shop has closed meanwhile costs no picture."""
    peers: list[object] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        response = web.Response(body=JPEG)
        if len(peers) == 3:
            response.force_close()
        return response

    async with shop(handle) as url, client() as images:
        for _ in range(4):
            await images.fetch(f"{url}/a.jpg", tmp_path / "a.part")
    assert [len(set(peers[:3])), len(set(peers))] == [1, 2]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, Permanent) for status in (201, 204, 206, 300, 304, 400, 401, 403, 404, 405, 410, 451)],
        *[(status, Transient) for status in (408, 425, 429, 500, 502, 503, 504, 599)],
    ],
)
async def test_statuses_are_told_apart(tmp_path: Path, status: int, kind: type[RheodError]) -> None:
    """Only what time may heal is worth another try; the sentence names host and status, not the path."""
    async with shop(answering(status, body=b"")) as url:
        error = await failure(f"{url}/secret/path?token=test-secret", tmp_path)
    assert type(error) is kind
    assert str(error) == f"127.0.0.1 answered {status} for the picture"


@pytest.mark.parametrize(
    ("wish", "seconds"), [("7", 7.0), ("999999", 86_400.0), ("-1", None), ("soon", None), ("0", None)]
)
async def test_a_sane_retry_after_is_handed_on(tmp_path: Path, wish: str, seconds: float | None) -> None:
    """The shop's own wish reaches the schedule, capped at a day."""
    async with shop(answering(503, Retry_After=wish)) as url:
        error = await failure(url, tmp_path)
    assert isinstance(error, Transient)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not a picture (JPEG, PNG, WebP, AVIF or GIF)"),
        (b"\xff\xd8", "is not a picture (JPEG, PNG, WebP, AVIF or GIF)"),
        (b"%PDF-1.7 " * 4, "is not a picture (JPEG, PNG, WebP, AVIF or GIF)"),
        (b"RIFF0000WAVEfmt ", "is not a picture (JPEG, PNG, WebP, AVIF or GIF)"),
        (b"<!doctype html><title>Not found</title>", "sent is a web page, not a picture"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "sent is an error message in XML"),
        (b"<?xml version='1.0'?><Error><Message>Request has expired</Message></Error>", "has expired"),
    ],
    ids=["empty", "two bytes", "pdf", "wave", "html", "xml", "xml of an old link"],
)
async def test_what_is_no_picture_is_refused(tmp_path: Path, body: bytes, words: str) -> None:
    """A login page with status 200 and type image/jpeg is still no picture."""
    async with shop(answering(body=body, Content_Type="image/jpeg")) as url:
        error = await failure(url, tmp_path)
    assert type(error) is Permanent
    assert words in str(error)


@pytest.mark.parametrize(
    ("query", "body", "expired"),
    [
        ("X-Amz-Date=20250101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=test", b"", True),
        ("X-Goog-Date=20990101T000000Z&X-Goog-Expires=3600", b"", False),
        ("Expires=1700000000&Signature=test", b"", True),
        ("Expires=never&Signature=test", b"", False),
        ("se=2025-01-01T00:00:00Z&sig=test", b"", True),
        ("se=2025-01-01&sig=test", b"", False),
        ("token=test", b"<Error><Message>Request has expired</Message></Error>", True),
        ("token=test", b"<h1>Forbidden</h1>", False),
    ],
)
async def test_a_link_that_has_expired_is_called_so(
    tmp_path: Path,
    query: str,
    body: bytes,
    expired: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """By the words of the refusal, or by the link's own end and the shop's clock; either way it is not tried again."""
    async with shop(answering(403, body=body)) as url:
        error = await failure(f"{url}/a.jpg?{query}", tmp_path)
    assert type(error) is Permanent
    assert ("has expired: send the item with fresh links" in str(error)) is expired


async def test_a_declared_giant_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """100 MB announced and never sent: refused at once, not after a time-out."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    async with wire(head, JPEG) as url:
        error = await failure(url, tmp_path)
    assert type(error) is Permanent
    assert "larger than" in str(error)


async def test_an_undeclared_giant_is_cut_off_by_counting(tmp_path: Path) -> None:
    """An endless chunked body ends at the cap."""
    served = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal served
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(JPEG)
        while True:
            served += 50_000
            await response.write(b"x" * 50_000)

    async with shop(handle) as url:
        error = await failure(url, tmp_path)
    assert type(error) is Permanent
    assert "larger than" in str(error)
    assert served < 20_000_000


async def test_a_compressed_body_is_refused_unopened(tmp_path: Path) -> None:
    """A gzip bomb is not inflated: the encoding alone refuses it."""
    async with shop(answering(Content_Encoding="gzip")) as url:
        error = await failure(url, tmp_path)
    assert type(error) is Permanent
    assert "compressed" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", JPEG[:400]],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"190\r\n", JPEG[:400], b"\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"],
        [b"ICY 200 OK\r\n\r\n", JPEG],
        [b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 20_000 + b"\r\n\r\n", JPEG],
    ],
    ids=["closed", "short body", "short chunks", "bad chunk", "no http", "giant header"],
)
async def test_a_broken_answer_is_worth_another_try(tmp_path: Path, answer: list[bytes]) -> None:
    """Breaking off, wrong lengths and nonsense leave nothing behind and may heal."""
    async with wire(*answer) as url:
        error = await failure(url, tmp_path)
    assert type(error) is Transient


async def test_a_drip_feed_ends_at_the_deadline(tmp_path: Path) -> None:
    """Bytes that keep coming, one by one, do not hold a download open for ever."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    drops = [JPEG[at : at + 1] for at in range(400)]
    limits = PictureLimits(
        max_bytes=10_000, timeout_s=0.3, concurrency=1, per_host=1, allow_http=True, allow_private=True
    )
    started = asyncio.get_running_loop().time()
    async with wire(head, *drops, pause_s=0.05) as url:
        error = await failure(url, tmp_path, limits)
        assert asyncio.get_running_loop().time() - started < 10  # half of the drip
    assert type(error) is Transient
    assert str(error) == "127.0.0.1 did not deliver the picture within 0.3 s"


async def test_waiting_for_a_turn_does_not_count_as_the_shops_time(tmp_path: Path) -> None:
    """Six downloads of 0.25 s through one slot all succeed with a limit of 1.2 s each, one at a time."""
    running = most = 0

    async def handle(_request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.25)
        running -= 1
        return web.Response(body=JPEG)

    limits = PictureLimits(
        max_bytes=10_000, timeout_s=1.2, concurrency=4, per_host=1, allow_http=True, allow_private=True
    )
    async with shop(handle) as url, client(limits) as images:
        await asyncio.gather(*(images.fetch(url, tmp_path / f"{n}.part") for n in range(6)))
    assert most == 1


async def test_cancelling_leaves_no_file(tmp_path: Path) -> None:
    """A download given up in the middle takes its file along."""
    async with (
        wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", JPEG[:400], b"", pause_s=0.05) as url,
        client() as images,
        asyncio.timeout(5),
    ):
        download = asyncio.ensure_future(images.fetch(url, tmp_path / "a.part"))
        while not list(tmp_path.iterdir()):
            await asyncio.sleep(0)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_folder_is_this_machines_trouble(tmp_path: Path) -> None:
    """A disk that cannot be written is no fault of the picture."""
    async with shop(answering()) as url, client() as images:
        with pytest.raises(Transient, match="the picture cannot be stored now: No such file"):
            await images.fetch(url, tmp_path / "missing" / "a.part")


def test_first_bytes_decide() -> None:
    """Neither a name nor a header says what a file is."""
    assert is_picture(JPEG[:12])
    assert not is_picture(b"GIF88a------")
    assert is_picture(b"RIFF----WEBP")
    assert is_picture(b"\0\0\0\x1cftypavif")
    assert not is_picture(b"RIFF----")
