"""The document and its page as they are served: open, kept by browsers, and loading nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.api.running import Api, OpenApi

NOBODY = {"x-api-key": None}


@pytest.mark.parametrize(("path", "kind"), [("/openapi.json", "application/json"), ("/docs", "text/html")])
async def test_anybody_may_read_it_and_keeps_a_copy(api: Api, path: str, kind: str) -> None:
    """No key is needed, the bytes stay the same, and who has them gets 304."""
    first, again = [await api.call("GET", path, headers=NOBODY) for _ in range(2)]
    assert (first.status, first.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert (first.raw, first.headers["ETag"]) == (again.raw, again.headers["ETag"])
    for known in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"x", {first.headers["ETag"]}', "*"):
        kept = await api.call("GET", path, headers=NOBODY | {"If-None-Match": known})
        assert (kept.status, kept.raw, kept.headers["ETag"]) == (304, b"", first.headers["ETag"])
    for other in ('"x"', "nonsense", ""):
        assert (await api.call("GET", path, headers=NOBODY | {"If-None-Match": other})).status == 200
    assert (await api.call("HEAD", path, headers=NOBODY)).headers["ETag"] == first.headers["ETag"]


async def test_the_document_says_where_it_is_reached(open_api: OpenApi) -> None:
    """The public address when it is set, else this server."""
    api = await open_api(public_url="https://rheod.example.se/")
    assert (await api.call("GET", "/openapi.json")).body["servers"] == [{"url": "https://rheod.example.se"}]


async def test_without_a_public_address_the_document_means_its_own_server(open_api: OpenApi) -> None:
    """A relative address is read from where the document came from."""
    api = await open_api(public_url=None)
    assert (await api.call("GET", "/openapi.json")).body["servers"] == [{"url": "/"}]


class Page(HTMLParser):
    """What a page loads, links to and names."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.scripted: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.loads += [value for name, value in given.items() if name in {"src", "srcset", "action"}]
        self.links += [given["href"]] if "href" in given else []
        self.anchors += [given["id"]] if "id" in given else []
        self.scripted += [name for name in given if name.startswith("on") or name == "style"]


async def test_the_page_loads_nothing_and_runs_nothing(api: Api) -> None:
    """No script, no picture, no font, no frame; the policy allows the page's own style alone."""
    reply = await api.call("GET", "/docs", headers=NOBODY)
    page = Page()
    page.feed(reply.raw.decode())
    assert page.tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "form", "base"})
    assert (page.loads, page.scripted) == ([], [])
    style = re.findall(r"<style>(.*?)</style>", reply.raw.decode(), re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


async def test_every_operation_and_shape_is_on_the_page(api: Api) -> None:
    """Each operation, event and schema of the document has its place, and no link leads nowhere."""
    document = (await api.call("GET", "/openapi.json")).body
    page = Page()
    page.feed((await api.call("GET", "/docs")).raw.decode())
    ids = [one["operationId"] for each in document["paths"].values() for one in each.values()]
    ids += [each["post"]["operationId"] for each in document["webhooks"].values()]
    ids += [f"schema-{name}" for name in document["components"]["schemas"]]
    assert set(ids) <= set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.anchors)
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json"}
