"""The webhook client against loopback receivers of every kind: good, slow, rude and broken."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rheod.net.http_errors import retry_after_s
from rheod.net.ssrf_guard import guarded_connector
from rheod.webhooks.client import Delivery, WebhookClient, open_webhook_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BODY = '{"eventId":"evt_1","data":{"externalId":"Å"}}'.encode()
HEADERS = {"content-type": "application/json", "user-agent": "rheod/0", "webhook-id": "evt_1"}


@asynccontextmanager
async def receiver(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server whose every connection is handled by `talk` and over before the test is; gives its port."""
    running: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        await asyncio.gather(*filter(None, running))


def saying(answer: bytes, seen: list[bytes] | None = None) -> Talk:
    """Reads one whole request and says this."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(len(BODY))
        if seen is not None:
            seen.extend([head, body])
        writer.write(answer)
        await writer.drain()

    return talk


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes everything and never answers."""
    while await reader.read(1000):
        pass


def client_over(session: aiohttp.ClientSession, timeout_s: float = 5.0) -> WebhookClient:
    """A client whose addresses are judged by nothing but the session's guard."""
    return WebhookClient(
        session=session,
        timeout_s=timeout_s,
        check_url=lambda _url: None,
        user_agent="rheod/0",
        now=lambda: 0,
    )


async def deliver(url: str, *, timeout_s: float = 5.0, allow_private: bool = True) -> Delivery:
    """One delivery through the guard, as the daemon makes it."""
    connector = guarded_connector(allow_private=allow_private, limit=4, limit_per_host=2)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = client_over(session, timeout_s)
        return await client.post(url, BODY, HEADERS)


async def delivered_to(talk: Talk, *, timeout_s: float = 5.0) -> Delivery:
    """One delivery to this receiver."""
    async with receiver(talk) as port:
        return await deliver(f"http://127.0.0.1:{port}/hook", timeout_s=timeout_s)


@asynccontextmanager
async def keeping() -> AsyncIterator[WebhookClient]:
    """A client that keeps its connections for a while, as the daemon's does."""
    connector = guarded_connector(allow_private=True, limit=4, limit_per_host=0, keepalive_s=30)
    async with open_webhook_session(connector) as session:
        yield client_over(session)


def answering(times: int, opened: list[int]) -> Talk:
    """Takes so many requests on each connection and closes it at the next; counts those of each."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(0)
        place = len(opened) - 1
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(len(BODY))
            if opened[place] == times:
                return
            opened[place] += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    return talk


async def test_the_request_line_is_the_urls_own_bytes() -> None:
    """What is percent-encoded stays so: a receiver may have signed it."""
    target = "/hook/%7E/a%2Fb?u=%2F+%C3%A5&sig=%3D%3d&e="
    seen: list[bytes] = []
    async with (
        receiver(saying(b"HTTP/1.1 204 No Content\r\n\r\n", seen)) as port,
        aiohttp.ClientSession() as session,
    ):
        assert (await client_over(session).post(f"http://127.0.0.1:{port}{target}", BODY, HEADERS)).ok
    assert seen[0].split(b"\r\n")[0] == f"POST {target} HTTP/1.1".encode()


async def test_events_in_a_row_share_a_connection() -> None:
    """Three events, one connection."""
    opened: list[int] = []
    async with receiver(answering(3, opened)) as port, keeping() as client:
        for _ in range(3):
            assert (await client.post(f"http://127.0.0.1:{port}/hook", BODY, HEADERS)).ok
    assert opened == [3]


async def test_an_event_whose_kept_connection_is_dead_goes_out_on_a_new_one() -> None:
    """The receiver had enough of the connection: that is no failure of the event."""
    opened: list[int] = []
    async with receiver(answering(1, opened)) as port, keeping() as client:
        for _ in range(3):
            assert (await client.post(f"http://127.0.0.1:{port}/hook", BODY, HEADERS)).ok
    assert opened == [1, 1, 1]


async def test_an_event_that_a_new_connection_loses_is_not_repeated() -> None:
    """That is the receiver's failure, and its schedule says when to try again."""
    opened: list[int] = []
    async with receiver(answering(0, opened)) as port, keeping() as client:
        delivery = await client.post(f"http://127.0.0.1:{port}/hook", BODY, HEADERS)
    assert (delivery.ok, delivery.status) == (False, None)
    assert opened == [0]


async def test_the_stored_bytes_go_out_with_the_callers_headers() -> None:
    """Content-Length and not chunked, nothing added to the body, no compression asked for."""
    seen: list[bytes] = []
    delivery = await delivered_to(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", seen))
    head, body = seen[0].decode().lower(), seen[1]
    assert body == BODY
    assert head.startswith("post /hook http/1.1\r\nhost: ")
    assert f"content-length: {len(BODY)}\r\n" in head
    assert "transfer-encoding" not in head
    assert "user-agent: rheod/0\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert (delivery.ok, delivery.status, delivery.error, delivery.snippet) == (True, 200, None, "yes")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (204, None),
        (299, None),
        (301, "redirects are not followed (301)"),
        (307, "redirects are not followed (307)"),
        (410, "the endpoint says it is gone for good (410)"),
        (404, "the endpoint answered 404"),
        (500, "the endpoint answered 500"),
        (600, "the endpoint answered 600"),
    ],
)
async def test_the_status_decides(status: int, error: str | None) -> None:
    """200 to 299 is success and nothing else; a redirect's target is never called."""
    called: list[bytes] = []
    async with receiver(saying(b"", called)) as elsewhere:
        target = f"Location: http://127.0.0.1:{elsewhere}/\r\n"
        delivery = await delivered_to(
            saying(f"HTTP/1.1 {status} X\r\n{target}Content-Length: 0\r\n\r\n".encode())
        )
    assert (delivery.ok, delivery.status, delivery.error) == (error is None, status, error)
    assert called == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "the connection was closed without an answer"),
        (b"what?\r\n\r\n", "the answer is not valid HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "the answer is not valid HTTP"),
        (b"HTTP/1.1 199 Wait\r\n\r\n", "the connection was closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "the answer is not valid HTTP"),
    ],
)
async def test_what_is_no_answer_is_a_failure(answer: bytes, error: str) -> None:
    """Dropped, garbled, provisional or endless heads have no status, but a sentence."""
    delivery = await delivered_to(saying(answer))
    assert (delivery.ok, delivery.status, delivery.error) == (False, None, error)


async def test_a_silent_receiver_fails_at_the_deadline() -> None:
    """The sentence names the time that was given, and the duration was about that."""
    delivery = await delivered_to(silent, timeout_s=0.3)
    assert delivery.error == "no answer within 0.3 s"
    assert 250 <= delivery.duration_ms < 2000


async def test_a_reset_is_a_failure_that_may_be_sent_again() -> None:
    """Whether the receiver took it is unknown; at least once is the promise."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        writer.transport.abort()

    delivery = await delivered_to(reset)
    assert not delivery.ok
    assert delivery.error in {"the connection was reset", "the connection was closed without an answer"}


async def test_a_dripping_body_does_not_undo_a_success() -> None:
    """The status came in time; what there was of the body is kept."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
        await silent(reader, writer)

    delivery = await delivered_to(drip, timeout_s=0.3)
    assert (delivery.ok, delivery.status, delivery.snippet) == (True, 200, "begun")


async def test_a_huge_body_is_cut_and_control_characters_escaped() -> None:
    """The log gets at most 2 kB it can print."""
    body = b"\x1b[31m\x00\xff" + b"x" * 5_000_000
    head = f"HTTP/1.1 500 X\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    delivery = await delivered_to(saying(head + body))
    assert delivery.snippet.startswith("\\x1b[31m\\x00\ufffdxxx")
    assert len(delivery.snippet) <= 2048
    assert delivery.snippet.isprintable()


async def test_a_compressed_body_is_not_unpacked() -> None:
    """A bomb in the answer's body stays packed and unread."""
    delivery = await delivered_to(
        saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
    )
    assert (delivery.ok, delivery.snippet) == (True, "")


async def test_retry_after_is_handed_on() -> None:
    """The caller stretches its schedule by it."""
    delivery = await delivered_to(saying(b"HTTP/1.1 503 X\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"))
    assert (delivery.ok, delivery.retry_after_s) == (False, 3.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("3600", 3600.0),
        ("0", 0.0),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("1000000000000", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_only_whole_sane_seconds_are_a_wish(value: str | None, seconds: float | None) -> None:
    """Dates, signs, fractions, foreign digits and absurd numbers are passed over."""
    assert retry_after_s(value) == seconds


async def test_unreachable_receivers_have_readable_reasons() -> None:
    """Refused port, unknown name, impossible address."""
    async with receiver(silent) as port:
        closed = port
    for url, error in (
        (f"http://127.0.0.1:{closed}/", "connection refused"),
        ("http://nowhere.invalid/", "the name does not resolve"),
        ("http:///", "the address is not valid"),
        ("http://" + "a" * 70 + ".example/", None),
    ):
        delivery = await deliver(url)
        assert (delivery.ok, delivery.status) == (False, None)
        assert delivery.error
        assert error in {None, delivery.error}
        assert "127.0.0.1" not in delivery.error


async def test_a_forbidden_address_is_never_dialled() -> None:
    """The guard's refusal is named as such, without the address."""
    dialled: list[bytes] = []
    async with receiver(saying(b"", dialled)) as port:
        delivery = await deliver(f"http://127.0.0.1:{port}/", allow_private=False)
    assert delivery.error == "address not allowed"
    assert dialled == []


def expired_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 that ended yesterday, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now - dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "receiver.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def test_tls_trouble_is_named(tmp_path: Path) -> None:
    """A certificate nobody vouches for, one that has expired, and a receiver that speaks no TLS."""
    file = expired_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    async with receiver(silent, tls) as port:
        delivery = await deliver(f"https://127.0.0.1:{port}/")
        assert delivery.error in {"self-signed certificate", "self signed certificate"}
        trusting = ssl.create_default_context(cafile=str(file))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
            delivery = await client_over(session).post(f"https://127.0.0.1:{port}/", BODY, HEADERS)
        assert delivery.error == "certificate has expired"

    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with receiver(plain) as port:
        delivery = await deliver(f"https://127.0.0.1:{port}/")
    assert delivery.error is not None
    assert delivery.error.startswith("TLS failed: ")


async def test_a_cancelled_delivery_is_cancelled_at_once() -> None:
    """Stopping the daemon does not wait for a partner."""
    arrived = asyncio.Event()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        arrived.set()
        await silent(reader, writer)

    async with receiver(note) as port:
        task = asyncio.create_task(deliver(f"http://127.0.0.1:{port}/"))
        async with asyncio.timeout(5):
            await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
