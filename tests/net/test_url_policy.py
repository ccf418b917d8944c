"""The policy on outgoing addresses, against a table of address ranges and a list of hostile URLs."""

from __future__ import annotations

import json
import socket

import pytest

from rheod.net.ssrf_guard import allowed_for_partners
from rheod.net.url_policy import as_url, check_url, is_own, is_public

# The IANA special-purpose registries, and what operating systems and clouds reach beside them.
TABLE = json.loads("""
{
 "blocked": ["0.0.0.0","0.1.2.3","10.0.0.1","100.64.0.1","100.100.100.200","127.0.0.1","168.63.129.16","169.254.169.254","172.16.0.1","192.0.0.9","192.0.0.192","192.0.2.1","192.88.99.1","192.168.1.1","198.18.0.1","198.51.100.1","203.0.113.1","224.0.0.1","239.255.255.250","240.0.0.1","255.255.255.255","::","::1","::ffff:127.0.0.1","::ffff:8.8.8.8","::ffff:0:127.0.0.1","::127.0.0.1","64:ff9b::7f00:1","64:ff9b:1::a00:1","100::1","100:0:0:1::1","2001::1","2001:2::1","2001:db8::1","2001:20::1","2002:7f00:1::","3fff::1","5f00::1","fc00::1","fd00:ec2::254","fe80::1","fec0::1","ff02::1","4000::1","fe80::1%eth0"],
 "allowed": ["8.8.8.8","1.1.1.1","93.184.216.34","100.63.255.254","100.128.0.1","172.15.255.255","172.32.0.1","192.0.1.1","198.17.255.255","198.20.0.1","223.255.255.254","2606:4700:4700::1111","2a00:1450::1","2001:4860:4860::8888","2620:0:860::1"]
}
""")

NOT_HTTPS = "Must be an HTTPS URL"
TEXT = "Must not contain spaces other than plain ones, control characters or backslashes"
AUTHORITY = "Must not contain '@', '%', '[' or ']' before the path"
HOST = "Must name a valid host"
ADDRESS = "Must name a host, not an IP address"
PUBLIC = "Must name a host of the public Internet"
PORT = "Must use port 443"
LOCAL = (
    "localhost local localdomain internal intranet lan home corp private test invalid example onion arpa svc cluster "
    "LOCAL Internal"
)
LONG_LABEL = "a" * 64
LONG_NAME = ".".join(["a" * 60] * 5) + ".com"

ORDINARY = [
    "https://example.com",
    "https://example.com/",
    "https://example.com:443/a.jpg",
    "https://CDN.Example.COM/Bild%201.JPG?w=100&h=200#top",
    "https://bucket.s3.eu-north-1.amazonaws.com/a%2Fb.jpg?X-Amz-Signature=abc%3D&X=1%2B2",
    "https://r3---sn-abc.googlevideo.com/x",
    "https://bilder.xn--bildelsfretag-pmb.se/1.jpg",
    "https://bilder.bildelsföretag.se/åäö.jpg",
    "https://例え.jp/写真.jpg",
    "https://a.b.c.d.example.co.uk?x=https://10.0.0.1/@[%zz]",
    "https://1and1.com/1",
    "HTTPS://CDN.Example.se/a.jpg",
    "https://my_shop.example.se/a.jpg",
    "https://cdn.example.se/a b.jpg",
    "https://10.0.0.1.example.com/",
    "https://0x7f.com/",
    "https://example.com#@127.0.0.1",
]

HOSTILE = {
    # 1: the text and the scheme
    "": NOT_HTTPS,
    "x": NOT_HTTPS,
    "http://example.com/": NOT_HTTPS,
    " https://example.com/": NOT_HTTPS,
    "https:example.com/": NOT_HTTPS,
    "https:/example.com/": NOT_HTTPS,
    "https:\\\\example.com/": NOT_HTTPS,
    "//example.com/": NOT_HTTPS,
    "ftp://example.com/": NOT_HTTPS,
    "file:///etc/passwd": NOT_HTTPS,
    "data:image/png;base64,AAAA": NOT_HTTPS,
    "gopher://example.com/": NOT_HTTPS,
    "javascript:alert(1)": NOT_HTTPS,
    "https://example.com/" + "a" * 2029: "Must be at most 2048 characters long",
    "https://example.com /a": HOST,
    "https:// example.com/a": HOST,
    "https://example.com/\t": TEXT,
    "https://example.com/\r\nHost: evil": TEXT,
    "https://example.com/\x00": TEXT,
    "https://example.com/\x7f": TEXT,
    "https://example.com/\x85": TEXT,
    "https://example.com/\u00a0": TEXT,
    "https://example.com/\u2028": TEXT,
    "https://example.com/\u3000": TEXT,
    "https://example.com/\ud800": TEXT,
    "https://example.com\\@127.0.0.1/": TEXT,
    "https://127.0.0.1\\.example.com/": TEXT,
    "https://exa\nmple.com/": TEXT,
    # 2: the authority
    "https://user@example.com/": AUTHORITY,
    "https://user:secret@example.com/": AUTHORITY,
    "https://example.com@127.0.0.1/": AUTHORITY,
    "https://127.0.0.1@example.com/": AUTHORITY,
    "https://@example.com/": AUTHORITY,
    "https://example.com:443@127.0.0.1/": AUTHORITY,
    "https://example.com%2f@127.0.0.1/": AUTHORITY,
    "https://%6c%6f%63alhost/": AUTHORITY,
    "https://127%2e0.0.1/": AUTHORITY,
    "https://[::1]/": AUTHORITY,
    "https://[::ffff:127.0.0.1]/": AUTHORITY,
    "https://[fe80::1%25eth0]/": AUTHORITY,
    "https://[2606:4700:4700::1111]/": AUTHORITY,
    "https://[example.com]/": AUTHORITY,
    "https://example.com:80/": PORT,
    "https://example.com:8443/": PORT,
    "https://example.com:/": PORT,
    "https://example.com:0443/": PORT,
    "https://example.com:+443/": PORT,
    "https://example.com:\uff14\uff14\uff13/": PORT,
    "https://example.com:443:443/": HOST,
    "https://example.com:443x/": PORT,
    # 3: addresses in any notation
    "https://127.0.0.1/": ADDRESS,
    "https://8.8.8.8/": ADDRESS,
    "https://169.254.169.254/latest/meta-data/": ADDRESS,
    "https://127.1/": ADDRESS,
    "https://2130706433/": ADDRESS,
    "https://0x7f000001/": ADDRESS,
    "https://0x7f.0.0.0x1/": ADDRESS,
    "https://0X7F.1/": ADDRESS,
    "https://0177.0.0.01/": ADDRESS,
    "https://0/": ADDRESS,
    "https://0x/": ADDRESS,
    "https://example.123/": ADDRESS,
    "https://127.0.0.1:443/": ADDRESS,
    "https://\uff11\uff12\uff17.0.0.1/": HOST,
    "https://127\u30020\u30020\u30021/": HOST,
    "https://\u2460\u2461\u2466.0.0.1/": HOST,
    "https://127.0.0.1./": HOST,
    "https://::1/": HOST,
    # 4: the form of a name
    "https:///": HOST,
    "https://": HOST,
    "https://?": HOST,
    "https://:443/": HOST,
    "https://./": HOST,
    "https://example..com/": HOST,
    "https://.example.com/": HOST,
    "https://example.com./": HOST,
    "https://-example.com/": HOST,
    "https://example-.com/": HOST,
    "https://exa*mple.com/": HOST,
    "https://exa!mple.com/": HOST,
    "https://exa,mple.com/": HOST,
    "https://exa|mple.com/": HOST,
    "https://exa<mple.com/": HOST,
    f"https://{LONG_LABEL}.com/": HOST,
    f"https://{LONG_NAME}/": HOST,
    "https://\u24d4xample.com/": HOST,
    "https://\uff45xample.com/": HOST,
    "https://Éxample.com/": HOST,
    "https://exam\u00adple.com/": HOST,
    "https://exam\u200dple.com/": HOST,
    "https://exam\u200bple.com/": HOST,
    "https://\u0301example.com/": HOST,
    "https://example.com\u2044/": HOST,
    "https://xn--a.com/": HOST,
    "https://xn--.com/": HOST,
    "https://xn--example-.com/": HOST,
    "https://xn--localhost-.com/x": HOST,
    # 5: names that are not of the public Internet
    "https://localhost/": PUBLIC,
    "https://LOCALHOST/": PUBLIC,
    "https://example/": PUBLIC,
    "https://intranet/": PUBLIC,
    "https://shop/": PUBLIC,
    **{f"https://host.{last}/": PUBLIC for last in LOCAL.split()},
    "https://metadata.google.internal/": PUBLIC,
    "https://1.0.0.127.in-addr.arpa/": PUBLIC,
    "https://kubernetes.default.svc/": PUBLIC,
}


@pytest.mark.parametrize("address", TABLE["blocked"])
def test_forbidden_addresses(address: str) -> None:
    """Every forbidden address of the table is refused."""
    assert not is_public(address)
    assert not allowed_for_partners(address)


@pytest.mark.parametrize("address", TABLE["allowed"])
def test_public_neighbours(address: str) -> None:
    """Their public neighbours are not."""
    assert is_public(address)
    assert allowed_for_partners(address)


@pytest.mark.parametrize("text", ["", "example.com", "127.1", "2130706433", "0x7f.1", "08.8.8.8", "[::1]"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    """Names and old notations are no addresses."""
    assert not is_public(text)


def test_the_hosts_own_addresses_are_known_without_asking_anyone() -> None:
    """The kernel says which addresses are this host's, on whatever interface."""
    assert is_own("127.0.0.1")
    assert is_own("127.8.9.10")
    assert not is_own("8.8.8.8")
    assert not is_own("2606:4700:4700::1111")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("127.0.0.1", 0))
        assert is_own(listening.getsockname()[0])


@pytest.mark.parametrize("url", ORDINARY)
def test_ordinary_urls_pass(url: str) -> None:
    """What shops really use is accepted."""
    assert check_url(url, allow_http=False, allow_private=False) is None


@pytest.mark.parametrize(("url", "sentence"), HOSTILE.items(), ids=ascii)
def test_hostile_urls_are_refused_with_the_rule_they_break(url: str, sentence: str) -> None:
    """Each rule names itself, and never the offending value."""
    assert check_url(url, allow_http=False, allow_private=False) == sentence


def test_the_longest_url_passes() -> None:
    """2,048 characters are allowed, one more is not (above)."""
    assert check_url("https://example.com/" + "a" * 2028, allow_http=False, allow_private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:8443/a",
        "https://127.0.0.1:9000/a",
        "https://[::1]:9000/a",
        "https://[::1]",
        "https://10.0.0.5",
        "https://erp.lan:65535/",
    ],
)
def test_private_hosts_and_ports_pass_only_in_development(url: str) -> None:
    """allow_private admits literals, single labels, local names and other ports; without it they are refused."""
    assert check_url(url, allow_http=False, allow_private=True) is None
    assert check_url(url, allow_http=False, allow_private=False) is not None
    assert check_url(url.replace("https", "http"), allow_http=False, allow_private=True) == NOT_HTTPS
    assert check_url(url.replace("https", "http"), allow_http=True, allow_private=True) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://user@localhost/",
        "http://user:1@127.0.0.1/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433:80/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:/",
        "http://[fe80::1%25eth0]/",
        "http://[127.0.0.1]/",
        "http://::1/",
        "http://[::1]@127.0.0.1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://local\u00adhost/",
        "http://localhost\\/",
        "ftp://localhost/",
    ],
    ids=ascii,
)
def test_development_settings_do_not_admit_nonsense(url: str) -> None:
    """With everything allowed, a URL two parsers read differently is still refused."""
    assert check_url(url, allow_http=True, allow_private=True) is not None


def test_plain_http_in_development_keeps_to_its_port() -> None:
    """allow_http alone admits http on port 80 to public names, no more."""
    assert check_url("http://example.com/a", allow_http=True, allow_private=False) is None
    assert check_url("http://example.com:80/a", allow_http=True, allow_private=False) is None
    assert check_url("http://example.com:443/a", allow_http=True, allow_private=False) == "Must use port 80"
    assert check_url("http://localhost/a", allow_http=True, allow_private=False) == PUBLIC


def test_a_signed_link_is_fetched_byte_for_byte() -> None:
    """What is fetched is what was checked: no re-quoting of a link whose bytes a shop has signed."""
    url = "https://cdn.example.com/a%2Fb%7E.jpg?sig=%41%2B+b%3D%3d&x="
    assert str(as_url(url)) == url
    assert as_url(url).raw_path_qs == "/a%2Fb%7E.jpg?sig=%41%2B+b%3D%3d&x="
    assert as_url("https://bildelsföretag.se/å.jpg").raw_host == "xn--bildelsfretag-pmb.se"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://cdn.example.se/a b.jpg", "https://cdn.example.se/a%20b.jpg"),
        ("HTTPS://CDN.Example.se/A.jpg", "https://cdn.example.se/A.jpg"),
        ("https://my_shop.example.se/a.jpg", "https://my_shop.example.se/a.jpg"),
        (
            "http://127.0.0.1:8080/a.jpg?fn=å.jpg&X-Amz-Credential=AK%2F20261201%2Feu&s=ab%2Bc%3d",
            "http://127.0.0.1:8080/a.jpg?fn=%C3%A5.jpg&X-Amz-Credential=AK%2F20261201%2Feu&s=ab%2Bc%3d",
        ),
        (
            "http://127.0.0.1:8080/hook/%7E/a%2Fb?u=%2F+%C3%A5&sig=%3D%3d&e=",
            "http://127.0.0.1:8080/hook/%7E/a%2Fb?u=%2F+%C3%A5&sig=%3D%3d&e=",
        ),
        (
            "https://bilder.bildelsföretag.se/åäö/%zz",
            "https://bilder.xn--bildelsfretag-pmb.se/%C3%A5%C3%A4%C3%B6/%zz",
        ),
        ("http://[::1]:9000/a", "http://[::1]:9000/a"),
        ("https://example.com?x=1", "https://example.com/?x=1"),
    ],
)
def test_a_url_is_sent_as_it_was_written(url: str, sent: str) -> None:
    """Only what a request line cannot hold is encoded, and what is encoded already is left alone."""
    assert str(as_url(url)) == sent
