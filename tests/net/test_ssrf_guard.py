"""The connect guard against real sockets: whatever a name resolves to, no forbidden address is ever dialled."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp
import pytest

from rheod.net.ssrf_guard import (
    AddressForbidden,
    Answer,
    GuardedResolver,
    allowed_by,
    allowed_for_partners,
    guarded_connector,
    guarded_socket_factory,
    is_forbidden,
)


class Listener:
    """A local HTTP server that counts the connections that reach it."""

    def __init__(self) -> None:
        self.hits = 0
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request with 204."""
        self.hits += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A server on 127.0.0.1 that must stay unreached."""
    here = Listener()
    server = await asyncio.start_server(here.answer, "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    async with server:
        yield here


def answers(*addresses: str) -> Sequence[Answer]:
    """Dress addresses as getaddrinfo does."""
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 0, 0, 0))
        if ":" in address
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
        for address in addresses
    ]


def names(*addresses: str) -> Callable[[str, int, int], Sequence[Answer]]:
    """A name server that gives every name the same addresses."""
    return lambda _host, _port, _family: answers(*addresses)


@asynccontextmanager
async def session(connector: aiohttp.TCPConnector) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a bound on every request of a test."""
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=5), trust_env=False
    ) as opened:
        yield opened


def guarded(*addresses: str, allow_private: bool = False) -> aiohttp.TCPConnector:
    """The connector as the daemon builds it, over a name server of ours."""
    return guarded_connector(allow_private=allow_private, limit=2, limit_per_host=2, lookup=names(*addresses))


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["169.254.169.254"],
        ["fe80::1%2"],
    ],
    ids=str,
)
async def test_a_name_with_any_forbidden_answer_is_refused(listener: Listener, addresses: list[str]) -> None:
    """One forbidden answer among public ones is enough, and nothing reaches the local server."""
    async with session(guarded(*addresses)) as client:
        with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
            await client.get(f"http://shop.example.com:{listener.port}/")
    assert is_forbidden(caught.value)
    assert listener.hits == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost"])
async def test_literals_and_localhost_reach_no_socket(listener: Listener, host: str) -> None:
    """IP literals never ask the resolver; the socket factory refuses them."""
    async with session(guarded("127.0.0.1")) as client:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await client.get(f"http://{host}:{listener.port}/")
    assert is_forbidden(caught.value)
    assert listener.hits == 0


async def test_a_redirect_to_a_literal_reaches_no_socket(listener: Listener) -> None:
    """Even a client that follows redirects by itself is stopped at the socket."""

    def only_the_shop(address: str) -> bool:
        return address == "127.0.0.2"

    async def send_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        where = f"http://127.0.0.1:{listener.port}/"
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed=only_the_shop, lookup=names("127.0.0.2")),
        socket_factory=guarded_socket_factory(allowed=only_the_shop),
        use_dns_cache=False,
    )
    async with (
        await asyncio.start_server(send_on, "127.0.0.2", 0) as server,
        session(connector) as client,
    ):
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await client.get(f"http://shop.example.com:{port}/")
    assert is_forbidden(caught.value)
    assert listener.hits == 0


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["127.0.0.1", "::1"], ["127.0.0.1", "127.0.0.2", "::1"]])
async def test_a_resolver_that_lies_is_caught_at_the_socket(listener: Listener, answer: list[str]) -> None:
    """With an unguarded resolver the factory alone still stops every Happy Eyeballs try."""
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed=lambda _: True, lookup=names(*answer)),
        socket_factory=guarded_socket_factory(),
        use_dns_cache=False,
    )
    async with session(connector) as client:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await client.get(f"http://shop.example.com:{listener.port}/")
    assert is_forbidden(caught.value)
    assert "127.0.0.1" not in str(caught.value.os_error)
    assert listener.hits == 0


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "168.63.129.16",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "::",
        "nonsense",
    ],
)
def test_no_setting_opens_link_local_and_the_like(address: str) -> None:
    """A cloud machine's metadata hands out its credentials: shut with private networks open, and when named."""
    every = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert not allowed_by(allow_private=True, networks=every)(address)


def test_a_named_network_opens_itself_alone() -> None:
    """10.0.0.0/8 is meant: its addresses go, other private ones do not, public ones as ever."""
    allowed = allowed_by(allow_private=False, networks=(ip_network("10.0.0.0/8"), ip_network("fd12::/16")))
    assert [allowed(each) for each in ("10.1.2.3", "fd12::1", "93.184.215.14")] == [True, True, True]
    assert not any(allowed(each) for each in ("192.168.0.1", "127.0.0.1", "fd13::1", "172.16.0.1"))


async def test_private_addresses_are_reached_when_the_settings_allow_them(listener: Listener) -> None:
    """The same request goes through with allow_private, so the tests above fail for the right reason."""
    async with session(guarded("127.0.0.1", allow_private=True)) as client:
        for host in ("shop.example.com", "127.0.0.1"):
            async with client.get(f"http://{host}:{listener.port}/") as response:
                assert response.status == 204
    assert listener.hits == 2


async def test_a_name_that_flips_to_a_private_address_is_judged_each_time() -> None:
    """Rebinding: the good first answer buys nothing for the second."""
    turns = iter([answers("8.8.8.8"), answers("127.0.0.1")])
    resolver = GuardedResolver(lookup=lambda _host, _port, _family: next(turns))
    assert [found["host"] for found in await resolver.resolve("shop.example.com", 443)] == ["8.8.8.8"]
    with pytest.raises(AddressForbidden, match="address not allowed"):
        await resolver.resolve("shop.example.com", 443)


async def test_a_public_address_of_this_very_host_is_refused() -> None:
    """A name that points at the daemon's own host may not reach what listens here."""

    def allowed(address: str) -> bool:
        return allowed_for_partners(address, own=lambda mine: mine == "8.8.8.8")

    with pytest.raises(AddressForbidden):
        await GuardedResolver(allowed=allowed, lookup=names("8.8.8.8")).resolve("shop.example.com")
    assert await GuardedResolver(allowed=allowed, lookup=names("8.8.4.4")).resolve("shop.example.com")


async def test_at_most_sixteen_answers_are_kept_but_all_are_judged() -> None:
    """A flood of answers is cut, and a forbidden one behind the cut still counts."""
    flood = [f"8.8.8.{last}" for last in range(40)]
    assert len(await GuardedResolver(lookup=names(*flood)).resolve("shop.example.com")) == 16
    with pytest.raises(AddressForbidden):
        await GuardedResolver(lookup=names(*flood, "10.0.0.1")).resolve("shop.example.com")


async def test_a_hung_lookup_ends_in_time_and_holds_its_slot_until_it_really_ends() -> None:
    """Eight hung lookups time out without waiting; the ninth works as soon as one of them ends."""
    hung = threading.Event()

    def lookup(host: str, _port: int, _family: int) -> Sequence[Answer]:
        if host == "slow.example.com":
            hung.wait(10)
        return answers("8.8.8.8")

    resolver = GuardedResolver(lookup=lookup, timeout_s=0.05)
    slow = [resolver.resolve("slow.example.com") for _ in range(8)]
    results = await asyncio.gather(*slow, return_exceptions=True)
    assert all(isinstance(result, OSError) and "too long" in str(result) for result in results)
    with pytest.raises(OSError, match="too long"):
        await resolver.resolve("quick.example.com")
    hung.set()
    assert await GuardedResolver(lookup=lookup).resolve("slow.example.com")
    async with asyncio.timeout(5):
        while True:
            try:
                assert await resolver.resolve("quick.example.com")
                break
            except OSError:
                continue


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
async def test_a_name_without_an_answer_is_the_networks_failure(error: Exception) -> None:
    """A name that does not resolve, or cannot even be asked for, is an OSError and no refusal."""

    def lookup(_host: str, _port: int, _family: int) -> Sequence[Answer]:
        raise error

    with pytest.raises(OSError, match=r"unknown|not a name") as caught:
        await GuardedResolver(lookup=lookup).resolve("nowhere.example.com")
    assert not is_forbidden(caught.value)
