"""Which outgoing addresses rheod may talk to: the policy on a URL's text and the table of public addresses.

Pure decisions plus one question to the kernel; no name is looked up and nothing is dialled here (`ssrf_guard.py` does
that). A URL is never normalised, since two readers may disagree about what it then says: it is refused or kept, and what no
request line may hold (spaces, letters beyond ASCII) is percent-encoded when it is sent.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from typing import NamedTuple
from urllib.parse import quote

import idna
from yarl import URL

from rheod.domain.errors import Text

_MAX_URL = 2048
_MAX_HOST = 253
_NOT_HTTPS = Text("Must be an HTTPS URL")
_BAD_TEXT = Text("Must not contain spaces other than plain ones, control characters or backslashes")
_BAD_AUTHORITY = Text("Must not contain '@', '%', '[' or ']' before the path")
_BAD_HOST = Text("Must name a valid host")
_NO_ADDRESS = Text("Must name a host, not an IP address")
_NOT_PUBLIC = Text("Must name a host of the public Internet")

_LDH = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_ABSOLUTE = re.compile(r"([a-z]+)://([^/?#]*)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_UNSENT = re.compile(r"[^\x21-\x7e]+")
"""What a request line cannot hold."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LOCAL_NAMES = "localhost local localdomain internal intranet lan home corp private test invalid example onion arpa svc cluster"
_LOCAL_TLDS = frozenset(_LOCAL_NAMES.split())

_NOT_PUBLIC_V4 = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
)
_NOT_PUBLIC_V6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
_FORBIDDEN_V4 = tuple(ipaddress.IPv4Network(block) for block in _NOT_PUBLIC_V4.split())
_FORBIDDEN_V6 = tuple(ipaddress.IPv6Network(block) for block in _NOT_PUBLIC_V6.split())
_ALLOWED_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in [
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "::/128",
        "fe80::/10",
        "ff00::/8",
        "fd00:ec2::254/128",
    ]
)
# Documentation addresses no host has: if the kernel binds one of these, binding proves nothing here.
_NOBODY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


class _Parts(NamedTuple):
    """A URL's scheme and authority, cut out of the raw text; `port` is None when there is no colon."""

    scheme: str
    authority: str
    host: str
    port: str | None


def check_url(url: str, *, allow_http: bool, allow_private: bool) -> Text | None:
    """None if rheod may fetch or post to `url`, else the sentence that names the broken rule.

    `allow_http` also admits `http://`; `allow_private` also admits IP literals, single labels such as
    localhost, local top-level names and any port (development). No name is looked up.
    """
    parts, problem = _split(url, allow_http=allow_http)
    if parts is None:
        return problem
    if allow_private and _is_literal(parts.host):
        if is_never(parts.host.strip("[]")):
            return _NOT_PUBLIC
        return _port_problem(parts, any_port=True)
    if re.search(r"[@%\[\]]", parts.authority):
        return _BAD_AUTHORITY
    labels = [_ascii_label(label) for label in parts.host.split(".")]
    host = ".".join(label or "" for label in labels)
    if not all(labels) or len(host) > _MAX_HOST:
        return _BAD_HOST
    problem = _name_problem(host, allow_private=allow_private)
    return problem or _port_problem(parts, any_port=allow_private) or _reading_problem(url, host)


def as_url(url: str) -> URL:
    """The object that aiohttp asks for a checked URL, each byte of its path and query as it was written.

    Spaces and letters beyond ASCII are percent-encoded, scheme and host in small letters. What is encoded already stays so,
    since some sign their links. ValueError for what is no URL.
    """
    return URL(_as_sent(url), encoded=True)


def joined(url: str, location: str) -> str:
    """What a redirect names, seen from a checked URL. ValueError for what is no URL."""
    return str(as_url(url).join(URL(_as_sent(location), encoded=True)))


def _as_sent(url: str) -> str:
    absolute = _ABSOLUTE.fullmatch(url)
    if absolute is None:
        return _percent_encoded(url)
    scheme, authority, rest = absolute.groups()
    host, colon, port = authority.rpartition(":") if "[" not in authority else (authority, "", "")
    if not colon:
        host, port = authority, ""
    named = ".".join(_ascii_label(label) or label for label in host.split(".")).lower()
    return f"{scheme.lower()}://{named}{colon}{port}{_percent_encoded(rest)}"


def _percent_encoded(text: str) -> str:
    return _UNSENT.sub(lambda found: quote(found[0], safe=""), text)


def is_public(address: str) -> bool:
    """Whether a numeric address may be dialled for a partner, by the registries of special addresses.

    Python's own `is_global` is not used: it calls several cloud metadata and tunnel addresses public.
    """
    if "%" in address:
        return False
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in block for block in _FORBIDDEN_V4)
    return ip in _ALLOWED_V6 and not any(ip in block for block in _FORBIDDEN_V6)


def is_never(address: str) -> bool:
    """Whether no setting opens a numeric address: link-local, multicast, unspecified, or a cloud's own services.

    Those hand a machine's credentials to whoever asks from it. An IPv4 address in an IPv6 one counts as itself.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_never(str(inner))
    return any(ip.version == block.version and ip in block for block in _NEVER)


def is_own(address: str) -> bool:
    """Whether a numeric address belongs to this host: the kernel binds a socket to no other.

    Limits: an address translated outside the host (a cloud's floating IP) is not seen, and where
    `ip_nonlocal_bind` is on the answer is always False, since there a bind proves nothing.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return _binds(family, address) and not _binds(family, _NOBODY[family])


def _binds(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def text_problem(text: str) -> Text | None:
    """The sentence for text no URL may contain (control characters, any but the plain space, backslash), or None."""
    unfit = {"Cc", "Cs", "Zs", "Zl", "Zp"}
    if any(char == "\\" or (char != " " and unicodedata.category(char) in unfit) for char in text):
        return _BAD_TEXT
    return None


def _split(url: str, *, allow_http: bool) -> tuple[_Parts | None, Text | None]:
    if len(url) > _MAX_URL:
        return None, Text("Must be at most {n} characters long", n=_MAX_URL)
    beginning = url[: len("https://")].lower()
    scheme = "http" if allow_http and beginning.startswith("http://") else "https"
    if not beginning.startswith(f"{scheme}://"):
        return None, _NOT_HTTPS
    if problem := text_problem(url):
        return None, problem
    authority = re.split(r"[/?#]", url[len(scheme) + 3 :], maxsplit=1)[0]
    # An IPv6 literal holds colons of its own; the port follows its closing bracket.
    name, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = authority, ""
        return _Parts(scheme, authority, name, None), None
    return _Parts(scheme, authority, name, port), None


def _is_literal(host: str) -> bool:
    """Whether the host is a canonical IPv4 or bracketed IPv6 literal without a zone."""
    bracketed = host.startswith("[") and host.endswith("]")
    text = host[1:-1] if bracketed else host
    try:
        version = ipaddress.ip_address(text).version
    except ValueError:
        return False
    return "%" not in text and bracketed == (version == 6)


def _ascii_label(label: str) -> str | None:
    """A label of a host in lower-case ASCII; None if it is not LDH or not strict IDNA 2008."""
    try:
        # No UTS-46 mapping: mapping is what turns full-width digits and circled letters into 127.0.0.1.
        text = label.lower() if label.isascii() else idna.alabel(label).decode("ascii")
        if text.startswith("xn--") and idna.alabel(idna.ulabel(text)).decode("ascii") != text:
            return None
    except (idna.IDNAError, UnicodeError):
        return None
    return text if _LDH.fullmatch(text) else None


def _name_problem(host: str, *, allow_private: bool) -> Text | None:
    labels = host.split(".")
    # A number as last label is an IPv4 address in one of its old notations (127.1, 0x7f000001, 2130706433).
    if _NUMBER.fullmatch(labels[-1]):
        return _NO_ADDRESS
    local = len(labels) == 1 or labels[-1] in _LOCAL_TLDS
    return _NOT_PUBLIC if local and not allow_private else None


def _port_problem(parts: _Parts, *, any_port: bool) -> Text | None:
    usual = "443" if parts.scheme == "https" else "80"
    if parts.port is None or parts.port == usual:
        return None
    if not any_port:
        return Text("Must use port {usual}", usual=usual)
    known = _PORT.fullmatch(parts.port) and int(parts.port) < 65_536
    return None if known else Text("Must name a port from 1 to 65535")


def _reading_problem(url: str, host: str) -> Text | None:
    """Refuse a URL in which the library that fetches reads another host than the one checked above."""
    try:
        parsed = as_url(url)
        same = (parsed.raw_host or "").lower() == host and parsed.raw_user is None
    except ValueError:
        same = False
    return None if same else _BAD_HOST
