"""Walks every operation of the document with valid and invalid requests by seed, and remembers what was answered."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import quote, unquote

from tests.api.contract.judge import Judge
from tests.api.contract.stocked import CONTAINER, NEEDED
from tests.api.contract.values import Values
from tests.api.running import Api, Reply
from tests.pictures.picture_shop import picture

Json = dict[str, Any]
KINDS = ("valid", "valid", "body", "bytes", "segments", "query", "headers")

_GARBAGE = (
    b"",
    b"{",
    b"nonsense",
    b"null",
    b"[]",
    b'"text"',
    b'{"a": 1, "a": 2}',
    b'{"price": NaN}',
    b"\xff\xfe",
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b"[" * 50_000,
    b"1" * 5_000,
    b" " * (256 * 1024 + 1),
)
_SEGMENTS = (
    "%00",
    "%FF",
    "%E2%80%AE",
    "x" * 256,
    "%zz",
    "..%2F..",
    "{id}",
    "0",
    "-1",
    "%F0%9F%98%80",
    "a%2Fb",
)
_PARAMETERS = (
    "",
    "-1",
    "0",
    "1001",
    "9" * 30,
    "x" * 600,
    "%00",
    "%FF",
    "nonsense",
    "1e3",
    "2026-05-26",
    "null",
)
_HEADERS: tuple[Mapping[str, str | None], ...] = (
    {"x-api-key": None, "Authorization": None},
    {"x-api-key": "rheo_live_" + "å" * 32, "Authorization": "Bearer å"},
    {"x-partner-account": "nobody"},
    {"x-partner-account": "member-1"},
    {"Content-Type": "text/plain"},
    {"Content-Type": None},
    {"Content-Encoding": "gzip"},
    {"x-request-id": "has space"},
    {"If-None-Match": "*"},
    {"If-Modified-Since": "nonsense"},
    {"Range": "bytes=0-1"},
    {"Range": "bytes=9999999-"},
    {"Accept": "text/plain"},
)
_NOT_BY_THE_SCHEMA = (
    b"since no rule of the owner has a floor",
    b"Must not be above the item's price",
    b"Must be above the price, from which bids start",
    b"that the endpoint takes: ",
    b"No auction can end then: it is too soon",
    b"Give either this or tradera.startAt",
    b"The item was not sold by this order",
    b"The order is paid: pay the money back",
    b"Give either this or tradera.startAt",
    b" days ahead: an auction cannot be ",
)
"""Why a body that fits its schema is refused all the same: no schema knows a rule, an endpoint, an order or the time, nor compares two fields."""

_KEPT = {CONTAINER, *NEEDED.values()}
"""Items that only few requests name, so that they stay as they are."""

_REMEMBERED = frozenset({"id", "externalId", "eventId", "orderId", "endpointId", "nextCursor"})
"""Fields of answers whose values later requests may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of the walk, and what kind of fault it has."""

    kind: str
    method: str
    template: str
    path: str
    gate: str
    data: bytes | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)


class Walker:
    """Makes requests of the document's operations; ids that answers told are used in later ones."""

    def __init__(self, *, api: Api, document: Json, rng: Random) -> None:
        self._api = api
        self._rng = rng
        self._judge = Judge(document)
        self._ids: dict[str, list[str]] = defaultdict(list)
        self._values = Values(rng=rng, refs=document["components"]["schemas"], known=self._known)
        self.operations = list(_operations(document))
        self.seen: dict[str, Counter[int]] = {
            f"{method} {path}": Counter() for method, path, _ in self.operations
        }
        self.refused: list[str] = []

    async def round(self, *, kind: str | None = None) -> list[str]:
        """One request of each operation, in an order by chance; gives what was wrong with the answers."""
        found = []
        for method, template, operation in self._rng.sample(self.operations, len(self.operations)):
            call = self._call(method, template, operation, kind or self._rng.choice(KINDS))
            found += await self._judged(call, method)
        return found

    def never_succeeded(self) -> list[str]:
        """The operations that have always refused."""
        return [name for name, seen in self.seen.items() if not any(status < 300 for status in seen)]

    async def refused_with(self, headers: Mapping[str, str | None]) -> tuple[list[str], set[int]]:
        """A valid request of each operation with these headers: what was wrong with the answers, and their statuses."""
        found, statuses = [], set()
        for method, template, operation in self.operations:
            call = replace(self._call(method, template, operation, "valid"), headers=headers, method=method)
            reply = await self._sent(call)
            faults = self._judge.faults(method, template, reply, may_be_ill=True)
            found += [f"{method} {call.path}: {fault}" for fault in faults]
            statuses.add(reply.status)
        return found, statuses

    async def _judged(self, call: Call, method: str) -> list[str]:
        reply = await self._sent(call)
        self.seen[f"{method} {call.template}"][reply.status] += 1
        fits = call.kind == "valid" and not any(reason in reply.raw for reason in _NOT_BY_THE_SCHEMA)
        if fits and reply.status in {400, 413, 415, 422}:
            self.refused.append(f"{call.method} {call.path} {call.data!r:.900}: {reply.raw!r:.600}")
        is_json = reply.headers.get("Content-Type", "").startswith("application/json")
        if reply.status < 300 and reply.raw and is_json and call.path != "/openapi.json":
            self._remember(reply.body)
        if call.method == "DELETE" and "api-keys" in call.path and reply.status == 204:
            _, self._api.key = await self._api.parts.keys.create(
                self._api.parts.default_account, "again", ("items", "orders")
            )
        if call.method == "PUT" and reply.status == 202:
            self._remember({"externalId": unquote(call.path.rpartition("/")[2])})
        faults = self._judge.faults(call.method, call.template, reply)
        return [f"{call.method} {call.path} ({call.kind}, {call.data!r:.500}): {fault}" for fault in faults]

    async def _sent(self, call: Call) -> Reply:
        send = self._api.own if call.gate == "owner" else self._api.call
        data = None if call.data is None else io.BytesIO(call.data)
        return await send(call.method, call.path, data=data, headers=dict(call.headers))

    def _call(self, method: str, template: str, operation: Json, kind: str) -> Call:
        headers = self._rng.choice(_HEADERS) if kind == "headers" else {}
        gate = next((name for gates in operation["security"] for name in gates), "open")
        sent = "HEAD" if method == "GET" and self._rng.random() < 0.05 else method
        path = self._path(method, template, operation, kind)
        data = self._data(operation, kind)
        if _takes_picture(operation):
            headers = {"Content-Type": "image/jpeg", **headers}
        return Call(
            kind=kind, method=sent, template=template, path=path, gate=gate, data=data, headers=headers
        )

    def _path(self, method: str, template: str, operation: Json, kind: str) -> str:
        path = template
        query = []
        for each in operation["parameters"]:
            if each.get("in") == "path":
                value = quote(self._segment(each, method, template), safe="").replace(".", "%2E")
                path = path.replace(
                    "{" + each["name"] + "}", self._rng.choice(_SEGMENTS) if kind == "segments" else value
                )
            elif each.get("in") == "query":
                query += self._parameter(each, kind)
        if kind == "valid" and sum(each.startswith("catalog") for each in query) == 1:
            query = [each for each in query if not each.startswith("catalog")]  # they go together
        return path + ("?" + "&".join(query) if query else "")

    def _segment(self, told: Json, method: str, template: str) -> str:
        name = told["name"]
        needed = [item for part, item in NEEDED.items() if part in template]
        if name == "externalId" and needed and self._rng.random() < 0.5:
            return needed[0]
        known = self._ids[name] or self._ids["id" if name.lower().endswith("id") else name]
        if known and self._rng.random() < 0.7:
            return self._rng.choice(known)
        if name != "externalId":
            return str(told["example"])
        return self._rng.choice((str(told["example"]), CONTAINER if method == "GET" else "A1", self._id()))

    def _id(self) -> str:
        return "".join(each for each in self._values.text(1, 20) if each.isprintable()) or "A2"

    def _parameter(self, told: Json, kind: str) -> list[str]:
        name = told["name"]
        if kind == "query" and self._rng.random() < 0.5:
            return [f"{name}={self._rng.choice(_PARAMETERS)}"] * self._rng.choice((1, 1, 2))
        if not told["required"] and self._rng.random() < 0.6:
            return []
        known = self._known(name)
        if known == []:
            return []
        value = self._rng.choice(known) if known else self._values.fitting(told["schema"])
        return [f"{name}={quote(str(value), safe='')}"]

    def _data(self, operation: Json, kind: str) -> bytes | None:
        told = operation.get("requestBody")
        if told is None:
            return None
        if kind == "bytes":
            return self._rng.choice(_GARBAGE)
        if _takes_picture(operation):
            return picture(size=(640, 480)) if kind != "body" else picture(size=(8, 8))
        content = told["content"]["application/json"]
        value = content["example"] if self._rng.random() < 0.2 else self._values.fitting(content["schema"])
        if kind == "body":
            value = self._values.strange(value)
        return json.dumps(value).encode()

    def _known(self, name: str) -> list[str] | None:
        """Values that may be used for a field or parameter; None when any will do, none yet when empty."""
        if name == "parentExternalId":
            return [CONTAINER]
        if name in {"webhookUrl", "url"}:
            return [f"https://erp.example.com/{self._rng.randint(1, 9)}"]
        if name == "externalId":
            return [*self._ids["externalId"], self._id()]
        if name in {"cursor", "after", "before"}:
            return []  # a cursor belongs to one list
        return None

    def _remember(self, value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                self._remember(each)
        elif isinstance(value, dict):
            for name, each in value.items():
                if isinstance(each, (dict, list)):
                    self._remember(each)
                elif name == "path" and each.startswith("/calendar/"):
                    *_, account, token = each.split("/")
                    self._ids |= {"account": [account], "token": [token]}
                elif isinstance(each, str) and each not in _KEPT and name in _REMEMBERED:
                    if not 0 < len(each) <= 255:
                        continue  # a batch names those as well that it could not take
                    self._ids[name] = [*self._ids[name][-20:], each]


def _takes_picture(operation: Json) -> bool:
    return "application/octet-stream" in operation.get("requestBody", {}).get("content", {})


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation
