"""The guard against server-side request forgery: looks names up once, and makes no socket for a forbidden address.

For everything whose address a partner chose: pictures and webhooks. The URL's text is judged in `url_policy.py`; this
module neither judges it again, nor follows redirects, nor decides what a failure means.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from rheod.net.url_policy import is_never, is_own, is_public

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Answer = tuple[Any, Any, int, str, tuple[Any, ...]]
"""One answer in getaddrinfo's shape: family, type, protocol, canonical name, socket address."""

Lookup = Callable[[str, int, int], Sequence[Answer]]
"""A blocking name lookup (host, port, family); raises OSError when there is no answer."""

_LOOKUP_TIMEOUT_S = 5.0
_MAX_ANSWERS = 16
_MAX_LOOKUPS = 8


class AddressForbidden(OSError):
    """The address is not one rheod may dial for a partner; the message never says which address it was.

    It has to be an OSError: aiohappyeyeballs swallows any other kind raised by a socket factory and then
    dies of an IndexError. aiohttp hands it on as `ClientConnectorError.os_error`; see `is_forbidden`. The
    constant text matters too: tries that fail with one text are reported as that error, not as a mixture.
    """

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "address not allowed")


def is_forbidden(error: BaseException) -> bool:
    """Whether an aiohttp failure was the guard's refusal (for good) and not the network's (for now)."""
    return isinstance(getattr(error, "os_error", error), AddressForbidden)


def allowed_for_partners(address: str, *, own: Callable[[str], bool] = is_own) -> bool:
    """Whether a numeric address is public and not this host's own."""
    return is_public(address) and not own(address)


def allowed_by(*, allow_private: bool, networks: Sequence[Network] = ()) -> Callable[[str], bool]:
    """What the settings let partners' names lead to: the public Internet, these networks, with `allow_private` any.

    Link-local addresses and their like stay shut whatever is set.
    """

    def allowed(address: str) -> bool:
        if is_never(address):
            return False
        if allow_private or allowed_for_partners(address):
            return True
        ip = ipaddress.ip_address(address)
        return any(ip.version == network.version and ip in network for network in networks)

    return allowed


def system_lookup(host: str, port: int, family: int) -> Sequence[Answer]:
    """Ask the system's resolver; blocks for as long as that takes."""
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class GuardedResolver(AbstractResolver):
    """Looks a name up once, within 5 s, and refuses it if any of its answers is forbidden.

    At most 8 lookups run at a time and the first 16 answers are kept. Raises OSError (`gaierror`, ETIMEDOUT)
    when there is no answer and `AddressForbidden` when there is a wrong one.
    """

    def __init__(
        self,
        *,
        allowed: Callable[[str], bool] = allowed_for_partners,
        lookup: Lookup = system_lookup,
        timeout_s: float = _LOOKUP_TIMEOUT_S,
    ) -> None:
        self._allowed = allowed
        self._lookup = lookup
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(_MAX_LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The host's addresses, every one of them allowed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await self._ask(host, port, family)
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, "name lookup took too long") from error
        results = [_result(host, port, answer) for answer in answers]
        if not all(self._allowed(result["host"]) for result in results):
            raise AddressForbidden
        return results[:_MAX_ANSWERS]

    async def close(self) -> None:
        """Nothing to release: a lookup still running ends by itself and its answer is dropped."""

    async def _ask(self, host: str, port: int, family: int) -> Sequence[Answer]:
        """Run one lookup in a thread of its own, which neither the loop nor the process has to wait for.

        An executor would do, but the interpreter joins an executor's threads at exit, so one hung name server
        would hold up every stop of the daemon. A slot is free again when its thread ends, not when the caller
        gives up: hung lookups cannot pile up.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Answer]] = loop.create_future()

        def run() -> None:
            outcome: Sequence[Answer] | OSError
            try:
                outcome = self._lookup(host, port, family)
            except OSError as error:
                outcome = error
            except UnicodeError:
                outcome = OSError(errno.EINVAL, "not a name")
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(self._settle, answer, outcome)

        try:
            threading.Thread(target=run, name="rheod-lookup", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise OSError(errno.EAGAIN, "no thread left to look a name up") from error
        return await answer

    def _settle(self, answer: asyncio.Future[Sequence[Answer]], outcome: Sequence[Answer] | OSError) -> None:
        self._free.release()
        if answer.cancelled():
            return
        if isinstance(outcome, OSError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _result(host: str, port: int, answer: Answer) -> ResolveResult:
    family, _, proto, _, sockaddr = answer
    address = str(sockaddr[0])
    # A zone id makes the address one of this network, whatever its prefix says.
    if family == socket.AF_INET6 and sockaddr[3] and "%" not in address:
        address = f"{address}%{sockaddr[3]}"
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=proto, flags=socket.AI_NUMERICHOST
    )


def guarded_socket_factory(
    *, allowed: Callable[[str], bool] = allowed_for_partners
) -> Callable[[Answer], socket.socket]:
    """Return a `TCPConnector(socket_factory=...)` that makes no socket for a forbidden address.

    It sees every address about to be dialled: names, IP literals (which never reach a resolver), redirects
    and each Happy Eyeballs try. Raises `AddressForbidden`.
    """

    def make(address_info: Answer) -> socket.socket:
        family, kind, proto, _, sockaddr = address_info
        if not allowed(str(sockaddr[0])):
            raise AddressForbidden
        return socket.socket(family=family, type=kind, proto=proto)

    return make


def guarded_connector(
    *,
    allow_private: bool,
    networks: Sequence[Network] = (),
    limit: int,
    limit_per_host: int,
    keepalive_s: float = 0,
    lookup: Lookup = system_lookup,
) -> aiohttp.TCPConnector:
    """Build the only connector partners' addresses may be dialled with; needs a running loop.

    Nothing is cached between lookups, so a name is judged by the answers its connection is made with. A connection that
    is idle for `keepalive_s` is closed; 0 gives every request a new one.
    """
    allowed = allowed_by(allow_private=allow_private, networks=networks)
    return aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed=allowed, lookup=lookup),
        socket_factory=guarded_socket_factory(allowed=allowed),
        use_dns_cache=False,
        limit=limit,
        limit_per_host=limit_per_host,
        force_close=not keepalive_s,
        keepalive_timeout=keepalive_s or None,
    )
