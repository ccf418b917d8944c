"""Holds every answer against the document: its status, its type, its headers and each field of its body."""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator

from rheod.api.routing import STATUS_OF
from tests.api.running import Reply

Json = dict[str, Any]


def closed(schema: Any) -> Any:
    """The schema with no room for a field it does not name: what is sent must be told."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items() if key not in {"examples", "example"}}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


class Judge:
    """Knows the document; `faults` says what is wrong with an answer."""

    def __init__(self, document: Json, *, is_closed: bool = True) -> None:
        self._document = document
        self._close = closed if is_closed else dict
        self._components = {"components": self._close(document["components"])}
        self._checks: dict[str, Draft202012Validator] = {}

    def faults(self, method: str, template: str, reply: Reply, *, may_be_ill: bool = False) -> list[str]:
        """Every way in which the answer is not what the document says; none when it is. 5xx is one, but for the ill."""
        operation = self._document["paths"][template]["get" if method == "HEAD" else method.lower()]
        if reply.status >= 500 and not may_be_ill:
            return [f"{reply.status}: {reply.raw[:300]!r}"]
        if str(reply.status) not in operation["responses"]:
            return [f"undocumented status {reply.status}: {reply.raw[:300]!r}"]
        response = self._resolved(operation["responses"][str(reply.status)])
        found = self._headers(response, reply)
        if method == "HEAD" or reply.status == 304:
            return found + (["a body where there is none"] if reply.raw else [])
        return found + self._body(f"{method} {template} {reply.status}", response.get("content", {}), reply)

    def fits(self, schema: Json, value: Any) -> list[str]:
        """What keeps a value from fitting a schema of the document, fields it does not name included."""
        return [f"{each.json_path}: {each.message}" for each in self._check(schema).iter_errors(value)]

    def _check(self, schema: Json) -> Draft202012Validator:
        return Draft202012Validator(
            {**self._close(schema), **self._components}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )

    def _headers(self, response: Json, reply: Reply) -> list[str]:
        found = []
        for name, given in response["headers"].items():
            told = self._resolved(given)["schema"]
            value = reply.headers.get(name)
            pattern = told.get("pattern", "^[1-9][0-9]*$")
            if value is None or not re.search(pattern, value):
                found.append(f"header {name} is {value!r}")
        return found

    def _body(self, where: str, content: Json, reply: Reply) -> list[str]:
        kind = reply.headers.get("Content-Type", "").partition(";")[0]
        if not content:
            return [f"a body where there is none: {reply.raw[:300]!r}"] if reply.raw else []
        if kind not in content:
            return [f"content type {kind!r} instead of {list(content)}"]
        if kind != "application/json":
            return []
        if where not in self._checks:
            self._checks[where] = self._check(content[kind]["schema"])
        body = reply.body
        found = [f"{each.json_path}: {each.message}" for each in self._checks[where].iter_errors(body)]
        if reply.status >= 400 and STATUS_OF.get(body.get("code")) != reply.status:
            found.append(f"code {body.get('code')} with {reply.status}")
        return found

    def _resolved(self, given: Json) -> Json:
        if "$ref" not in given:
            return given
        found: Json = self._document
        for step in given["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found
