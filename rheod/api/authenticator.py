"""Who may call what, and how often: API keys, the admin token, rate limits. Order: key, bucket, then the body.

All of it is decided in memory, so that a flood without a key costs no query and no line each in the log. Here too: whose
items a request is about (`x-partner-account`), and whether a request with a cookie was made by our own pages.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from rheod.api.context import CALLER, STRANGER, Caller
from rheod.api.routing import CallKind, Handler, refusal
from rheod.domain.errors import Refused, Text

if TYPE_CHECKING:
    from aiohttp import web

    from rheod.api.context import Access, Accounts
    from rheod.api.routing import Operation
    from rheod.store.access import ApiKey, Scope


BURST_S = 2.0
"""A full bucket holds what may be asked in this many seconds."""

MOST_WAIT_S = 30.0
"""No refused call is sent away for longer, or for one token where that takes longer."""

_ROUNDING_S = 1e-6

MAX_OWNERS = 100_000
"""Buckets kept at once; beyond it the least recently used is forgotten, which only ever favours its owner."""


class RateLimiter:
    """One class of calls: a bucket for each owner, refilled at `per_s` and holding two seconds' worth.

    A bucket left alone for two seconds is full again and so is forgotten: memory follows the traffic. Of many calls refused
    at once each is given a turn of its own at that rate, so that they do not all come back together.
    """

    def __init__(self, *, per_s: float, monotonic: Callable[[], float]) -> None:
        if not per_s > 0:
            raise ValueError("a rate limit must be more than 0 per second")
        self._per_s = per_s
        self._size = max(1.0, per_s * BURST_S)
        self._refill_s = self._size / per_s
        self._monotonic = monotonic
        self._levels: OrderedDict[str, tuple[float, float, float]] = OrderedDict()
        """By owner: the tokens, when that was so, and the last turn that was given to a refused call."""

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, owner: str) -> int:
        """0 when the call may go on, else the whole seconds (at least 1) after which one will be let through."""
        now = self._monotonic()
        self._forget_refilled(now)
        tokens, when, turn = self._levels.pop(owner, (self._size, now, 0.0))
        tokens = min(self._size, tokens + (now - when) * self._per_s)
        if tokens >= 1:
            self._levels[owner] = (tokens - 1, now, turn)
            return 0
        free = max(now + (1 - tokens) / self._per_s, turn + 1 / self._per_s)
        turn = min(free, now + MOST_WAIT_S)
        self._levels[owner] = (tokens, now, turn)
        return max(1, math.ceil(turn - now - _ROUNDING_S))

    def _forget_refilled(self, now: float) -> None:
        while self._levels:
            owner, (_, when, _) = next(iter(self._levels.items()))
            if when + self._refill_s > now and len(self._levels) < MAX_OWNERS:
                return
            del self._levels[owner]


HEADER = "x-partner-account"
READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
"""The methods that change nothing."""


def named_account(request: web.Request, accounts: Accounts) -> str | None:
    """The id of the member account the request names, None when it names none.

    Refused (NOT_FOUND) for an account that has never been configured, and for two headers.
    """
    references = request.headers.getall(HEADER, ())
    if not references:
        return None
    named = accounts.account_of_reference(references[0]) if len(references) == 1 else None
    if named is None:
        raise Refused("NOT_FOUND", Text("Unknown partner account"))
    return named


def require_writable(request: web.Request, account_id: str, accounts: Accounts) -> None:
    """Refused (CONFLICT) when a partner would change items of an account that is no longer configured.

    They stay as they are, and readable, until the account comes back.
    """
    if account_id in accounts.removed_accounts and request.method not in READS:
        raise Refused(
            "CONFLICT",
            Text("This partner account is not in rheod's settings any more: its items can only be read"),
        )


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

STOPPING_RETRY_S = 5
STRANGER_LINE_S = 60.0
"""At most one log line in this time tells of requests without a valid key, with their number."""

MAX_HOPS = 16
"""Entries of X-Forwarded-For looked at, from the nearest proxy outwards."""

_log = structlog.get_logger(__name__)


class Authenticator:
    """Wraps handlers with the checks that come before them."""

    def __init__(self, *, parts: Access) -> None:
        rates, monotonic = parts.rates, parts.monotonic
        self._parts = parts
        self._buckets: dict[CallKind, RateLimiter] = {
            kind: RateLimiter(per_s=getattr(rates, kind), monotonic=monotonic) for kind in get_args(CallKind)
        }
        self._strangers = RateLimiter(per_s=rates.strangers, monotonic=monotonic)
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in parts.trusted_proxies]
        self._unlogged = 0
        self._last_line = -math.inf

    def before(self, operation: Operation) -> Handler:
        """The operation's handler behind the checks of its access."""
        if operation.access == "owner":
            return self.owner(operation.handler)
        if operation.access == "open":
            open_to_all = (
                self.anybody(operation.rate, operation.handler) if operation.rate else operation.handler
            )
            return unlogged(open_to_all)
        assert operation.rate is not None, f"{operation.path} has no rate"
        return self.partner(operation.rate, operation.handler, scope=operation.scope)

    def partner(self, kind: CallKind, handler: Handler, *, scope: Scope = "items") -> Handler:
        """Let in holders of a live API key that opens this, within the limit of their kind of call."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            key = self._key(request)
            if key is None:
                return self._turn_away(request, "Invalid or missing API key")
            if wait_s := self._buckets[kind].take(key.id):
                return too_many(wait_s)
            if scope not in key.scopes:
                return refusal("FORBIDDEN", f"This API key has not the scope `{scope}`: make one that has")
            if self._parts.stopping():
                return _stopping()
            account_id = self._account(request, key)
            require_writable(request, account_id, self._parts)
            request[CALLER] = Caller(account_id=account_id)
            return await handler(request)

        return guarded

    def anybody(self, kind: CallKind, handler: Handler) -> Handler:
        """Let everybody in, each address within the limit of this kind of call."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if wait_s := self._buckets[kind].take(self._address(request)):
                return too_many(wait_s)
            return await handler(request)

        return guarded

    def owner(self, handler: Handler) -> Handler:
        """Let in whoever has the admin token, or is signed in at the dashboard."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self._is_owner(request):
                return self._turn_away(request, "Invalid or missing admin token")
            if self._parts.stopping():
                return _stopping()
            named = named_account(request, self._parts)
            request[CALLER] = Caller(account_id=named or self._parts.default_account)
            return await handler(request)

        return guarded

    def unrouted(self, request: web.Request, response: web.Response) -> web.Response:
        """What to answer a request for something that does not exist: `response`, unless its address overdoes it."""
        if self._key(request) is not None:
            return response
        wait_s = self._strangers.take(self._address(request))
        return self._refuse_stranger(request, too_many(wait_s) if wait_s else response)

    def _is_owner(self, request: web.Request) -> bool:
        given = request.headers.getall(hdrs.AUTHORIZATION, ())
        if not given:
            return self._parts.signed_in(request)
        token = bearer(given)
        return token is not None and self._parts.keys.is_admin(token)

    def _key(self, request: web.Request) -> ApiKey | None:
        given = request.headers.getall("x-api-key", ())
        return self._parts.keys.find(given[0]) if len(given) == 1 else None

    def _account(self, request: web.Request, key: ApiKey) -> str:
        """The account a reseller's request names; a key made for one member reaches that member alone."""
        named = named_account(request, self._parts)
        if named is None:
            return key.account_id
        if key.account_id not in {self._parts.default_account, named}:
            raise Refused("NOT_FOUND", Text("Unknown partner account"))
        return named

    def _turn_away(self, request: web.Request, sentence: str) -> web.Response:
        wait_s = self._strangers.take(self._address(request))
        return self._refuse_stranger(
            request, too_many(wait_s) if wait_s else refusal("UNAUTHORIZED", sentence)
        )

    def _refuse_stranger(self, request: web.Request, response: web.Response) -> web.Response:
        request[STRANGER] = True
        self._unlogged += 1
        now = self._parts.monotonic()
        if now - self._last_line >= STRANGER_LINE_S:
            _log.warning("requests without a valid key", count=self._unlogged)
            self._unlogged, self._last_line = 0, now
        return response

    def _address(self, request: web.Request) -> str:
        return caller_address(
            request.remote or "", request.headers.getall("X-Forwarded-For", ()), self._proxies
        )


def unlogged(handler: Handler) -> Handler:
    """What anybody may call as often as he likes gets no line of its own in the log."""

    async def quiet(request: web.Request) -> web.StreamResponse:
        request[STRANGER] = True
        return await handler(request)

    return quiet


def too_many(wait_s: int) -> web.Response:
    """429 with the whole seconds to wait."""
    return refusal("RATE_LIMITED", "Too many requests", retry_after_s=wait_s)


def bearer(values: Sequence[str]) -> str | None:
    """The token of the one `Authorization: Bearer` header; None when there is none, or more than one."""
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token and token.isascii() else None


def caller_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The address that is limited: the caller's; of an IPv6 address only the /64 counts, since one has all of it."""
    current = full_address(peer, forwarded, proxies)
    parsed = _parsed(current)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed or current)


def full_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The caller's address: the peer's, or what trusted proxies say of who is behind them.

    X-Forwarded-For is read from its end, each entry believed only as long as the one who added it is trusted.
    """
    current = peer
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    for hop in reversed(hops[-MAX_HOPS:]):
        if not is_within(current, proxies) or _parsed(hop) is None:
            break
        current = hop
    return current


class Callers:
    """Believes what the trusted proxies add, and nobody else. `public_url` is how the owner reaches the pages."""

    def __init__(self, *, proxies: Sequence[str], public_url: str | None) -> None:
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in proxies]
        self._public_is_secure = (public_url or "").startswith("https://")

    def address(self, request: web.Request) -> str:
        """The caller's address (an IPv6 one as its /64)."""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        return caller_address(request.remote or "", forwarded, self._proxies)

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser speaks HTTPS, so that the cookie must never leave it in clear text."""
        if is_within(request.remote or "", self._proxies):
            return request.headers.get("X-Forwarded-Proto", "") == "https" or self._public_is_secure
        return request.secure


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of the networks; what is no address is in none."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _stopping() -> web.Response:
    return refusal("UNAVAILABLE", "rheod is stopping", retry_after_s=STOPPING_RETRY_S)


SAFE_METHODS = frozenset({"GET", "HEAD"})


def check_origin(request: web.Request, *, public_url: str | None) -> None:
    """Refused (BAD_REQUEST) unless the browser says that our own page has sent this.

    Browsers name the site in `Origin` with every POST, and say `Sec-Fetch-Site: same-origin` where they name none. A reverse
    proxy must pass on `Host`, or `server.public_url` must be set, for the two to be compared.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origins = request.headers.getall(hdrs.ORIGIN, ())
    if site not in {None, "same-origin", "none"} or (not origins and site != "same-origin"):
        raise Refused("BAD_REQUEST", Text("This was sent by another site"))
    ours = {request.host.lower(), *_host_of(public_url or "")}
    if any(not ours.intersection(_host_of(origin)) for origin in origins):
        sentence = Text(
            "This was sent from another address: set server.public_url, or let the proxy pass on Host"
        )
        raise Refused("BAD_REQUEST", sentence)


def _host_of(origin: str) -> set[str]:
    """The host and port of a web site's origin; none of `null`, of `file:` and `data:`, and of what is no URL."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return set()
    return {parts.netloc.lower()} if parts.scheme in {"http", "https"} and parts.netloc else set()
