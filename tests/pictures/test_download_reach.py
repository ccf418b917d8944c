"""Whom PictureDownloader talks to: redirects, addresses, names and certificates."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rheod.domain.errors import Permanent, Transient
from rheod.net.ssrf_guard import Answer, GuardedResolver, guarded_connector, guarded_socket_factory
from rheod.pictures.download import PictureLimits
from tests.pictures.picture_shop import JPEG, answering, client, failure, shop, wire


async def test_three_redirects_are_followed_and_a_fourth_is_not(tmp_path: Path) -> None:
    """Hops are counted, relative and absolute ones alike; a loop ends there too."""

    async def handle(request: web.Request) -> web.Response:
        left = int(request.query["n"])
        if not left:
            return web.Response(body=JPEG)
        where = f"?n={left - 1}" if left % 2 else str(request.url.with_query(n=left - 1))
        return web.Response(status=302 + left % 2, headers={"Location": where})

    async with shop(handle) as url:
        async with client() as images:
            await images.fetch(f"{url}/a?n=3", tmp_path / "a.part")
        assert (tmp_path / "a.part").read_bytes() == JPEG
        (tmp_path / "a.part").unlink()
        error = await failure(f"{url}/a?n=4", tmp_path)
    assert type(error) is Permanent
    assert str(error) == "127.0.0.1 redirects the picture more than 3 times"


@pytest.mark.parametrize("location", ["/b%2Fc?sig=%41%2B+d%3d", "{root}/b%2Fc?sig=%41%2B+d%3d"])
async def test_a_redirect_is_followed_byte_for_byte(tmp_path: Path, location: str) -> None:
    """A signed link survives being redirected to."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/a":
            root = f"http://{request.host}"
            return web.Response(status=307, headers={"Location": location.format(root=root)})
        assert request.raw_path == "/b%2Fc?sig=%41%2B+d%3d"
        return web.Response(body=JPEG)

    async with shop(handle) as url, client() as images:
        await images.fetch(f"{url}/a", tmp_path / "a.part")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "//user@127.0.0.1/a",
        "http://user:test-secret@127.0.0.1/a",
        "http://127.1/a",
        "http://2130706433/a",
        "http:\\\\127.0.0.1\\a",
        "\\\\127.0.0.1/a",
        "http://[::1/",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_is_judged_like_a_first_address(tmp_path: Path, location: str) -> None:
    """What the policy refuses at the start it refuses at every hop; the target's text is not repeated."""
    async with shop(answering(302, Location=location)) as url:
        error = await failure(url, tmp_path)
    assert type(error) is Permanent
    assert str(error).startswith("127.0.0.1 redirects the picture to an address that is refused: Must ")
    assert "test-secret" not in str(error)


async def test_a_redirect_to_a_forbidden_address_is_stopped_at_the_socket(tmp_path: Path) -> None:
    """The shop is reachable, the place it redirects to is not, and gets no connection."""
    hits = 0

    async def hit(_request: web.Request) -> web.Response:
        nonlocal hits
        hits += 1
        return web.Response(body=JPEG)

    def not_loopback_two(address: str) -> bool:
        return address == "127.0.0.1"

    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed=not_loopback_two),
        socket_factory=guarded_socket_factory(allowed=not_loopback_two),
        use_dns_cache=False,
    )
    async with shop(hit) as inner:
        target = inner.replace("127.0.0.1", "127.0.0.2")
        async with shop(answering(302, Location=target)) as url, client(connector=connector) as images:
            with pytest.raises(Permanent, match="address not allowed") as caught:
                await images.fetch(url, tmp_path / "a.part")
    assert hits == 0
    assert str(caught.value) == "the picture's host 127.0.0.2 was refused: address not allowed"


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://localhost/a.jpg",
        "https://user:test-secret@shop.example.com/a.jpg",
        "https://shop.example.com:8443/a.jpg",
        "",
    ],
)
async def test_production_settings_refuse_before_asking_anyone(tmp_path: Path, url: str) -> None:
    """With the defaults the policy holds at fetch time too: no lookup, no socket, a sentence for the owner."""

    def nobody(_host: str, _port: int, _family: int) -> list[Answer]:
        raise AssertionError("looked up")

    limits = PictureLimits(max_bytes=10_000, timeout_s=1, concurrency=1, per_host=1)
    connector = guarded_connector(allow_private=False, limit=1, limit_per_host=1, lookup=nobody)
    async with client(limits, connector) as images:
        with pytest.raises(Permanent, match="the picture's address is refused: Must ") as caught:
            await images.fetch(url, tmp_path / "a.part")
    assert "test-secret" not in str(caught.value)


async def test_a_name_that_does_not_resolve_may_heal(tmp_path: Path) -> None:
    """DNS failures are worth another try."""

    def nowhere(_host: str, _port: int, _family: int) -> list[Answer]:
        raise OSError(-2, "Name or service not known")

    connector = aiohttp.TCPConnector(resolver=GuardedResolver(allowed=lambda _: True, lookup=nowhere))
    async with client(connector=connector) as images:
        with pytest.raises(
            Transient, match=r"shop\.example\.com did not give the picture: the name does not"
        ):
            await images.fetch("https://shop.example.com/a.jpg", tmp_path / "a.part")


async def test_nobody_listening_may_heal(tmp_path: Path) -> None:
    """A refused connection is worth another try."""
    async with wire() as url:
        closed = url
    error = await failure(closed, tmp_path)
    assert type(error) is Transient
    assert str(error) == "127.0.0.1 did not give the picture: connection refused"


def self_signed(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1 and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=datetime.now(UTC) - timedelta(days=1),
        not_valid_after=datetime.now(UTC) + timedelta(days=1),
    )
    names = x509.SubjectAlternativeName([x509.DNSName("shop.example.com")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = folder / "test.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(pem))
    pem.unlink()
    return server, trusting


def at_loopback(trusting: ssl.SSLContext) -> aiohttp.TCPConnector:
    """A connector that finds every name on this machine."""

    def here(_host: str, _port: int, _family: int) -> list[Answer]:
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed=lambda _: True, lookup=here), ssl=trusting, use_dns_cache=False
    )


HTTPS_ONLY = PictureLimits(max_bytes=100_000, timeout_s=5, concurrency=1, per_host=1, allow_private=True)


async def test_https_works_and_never_falls_back_to_http(tmp_path: Path) -> None:
    """A certified shop is fetched from; its redirect to plain http is refused though the target would answer."""
    server, trusting = self_signed(tmp_path)
    async with shop(answering()) as plain:

        async def handle(request: web.Request) -> web.Response:
            if request.path == "/down":
                return web.Response(status=301, headers={"Location": f"{plain}/a"})
            return web.Response(body=JPEG)

        async with shop(handle, tls=server) as url, client(HTTPS_ONLY, at_loopback(trusting)) as images:
            named = url.replace("127.0.0.1", "shop.example.com")
            await images.fetch(f"{named}/a", tmp_path / "a.part")
            assert (tmp_path / "a.part").read_bytes() == JPEG
            with pytest.raises(Permanent, match="Must be an HTTPS URL"):
                await images.fetch(f"{named}/down", tmp_path / "b.part")


async def test_a_bad_certificate_is_the_owners_to_mend(tmp_path: Path) -> None:
    """An unknown issuer, or the wrong name, is refused for good and said so."""
    server, trusting = self_signed(tmp_path)
    async with shop(answering(), tls=server) as url:
        for name, context, words in (
            ("shop.example.com", ssl.create_default_context(), "self-signed certificate"),
            ("other.example.com", trusting, "hostname mismatch"),
        ):
            async with client(HTTPS_ONLY, at_loopback(context)) as images:
                with pytest.raises(Permanent, match=words):
                    await images.fetch(url.replace("127.0.0.1", name), tmp_path / "a.part")
