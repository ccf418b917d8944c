"""What the page at `/docs` shows of the OpenAPI document: rows, sentences and commands, ready to be written out.

The fields of a schema as rows of a table: type, limits and meaning in words.

The page at `/docs`: the OpenAPI document to read, in one file without scripts and without anything from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

from markupsafe import Markup, escape

from rheod.web.assets import templates

_LIMITS = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("maxProperties", "at most {} keys"),
    ("pattern", "matches {}"),
)
_NULL: Json = {"type": "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field; `shapes` are the schemas it leads to, `place` where a parameter stands."""

    name: str
    kind: str
    shapes: list[str]
    required: bool
    limits: str
    meaning: str
    place: str = ""

    def placed(self, place: str) -> Row:
        """The same as a parameter."""
        return replace(self, place=place)


def rows(schema: Json, schemas: Json) -> list[Row]:
    """The fields of an object in their order, those of what it is made of first."""
    found: dict[str, Row] = {}
    references = [each["$ref"] for each in (schema, *schema.get("allOf", ())) if "$ref" in each]
    for part in (*(schemas[each.rpartition("/")[2]] for each in references), schema):
        required = part.get("required", ())
        for name, each in part.get("properties", {}).items():
            found[name] = _row(name, each, required=name in required)
    return list(found.values())


def resolved(given: Json, document: Json) -> Json:
    """What a reference leads to; anything else is itself."""
    if "$ref" not in given:
        return given
    found: Json = document
    for step in given["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def name_in(schema: Json) -> str | None:
    """The name of the first schema a schema refers to."""
    return next(iter(_shapes(schema)), None)


def _row(name: str, schema: Json, *, required: bool) -> Row:
    real = [each for each in schema.get("anyOf", [schema]) if each != _NULL]
    one = {**schema, **real[0]} if len(real) == 1 else schema
    is_null = len(real) < len(schema.get("anyOf", real))
    return Row(
        name=name,
        kind=_kind(one) + (" or null" if is_null else ""),
        shapes=_shapes(one),
        required=required,
        limits=_limits(one),
        meaning=schema.get("description", ""),
    )


def _kind(schema: Json) -> str:
    if "$ref" in schema or "allOf" in schema:
        return ""
    kind = schema.get("type", "any")
    if kind == "array":
        inner = _kind(schema.get("items", {}))
        return f"list of {inner}".rstrip() + ("s" if inner else "")
    return str(schema.get("format") or kind)


def _shapes(schema: Json) -> list[str]:
    inner = [schema, *schema.get("anyOf", ()), *schema.get("allOf", ()), schema.get("items", {})]
    return [each["$ref"].rpartition("/")[2] for each in inner if "$ref" in each]


def _limits(schema: Json) -> str:
    found = [f"`{schema['const']}`"] if "const" in schema else []
    found += [", ".join(f"`{each}`" for each in schema["enum"])] if "enum" in schema else []
    found += [
        sentence.format(f"`{schema[key]}`" if key == "pattern" else f"{schema[key]:,}")
        for key, sentence in _LIMITS
        if key in schema
    ]
    if schema.get("default") not in (None, ""):
        found.append(f"default `{schema['default']}`")
    return "; ".join(found)


Json = dict[str, Any]

_ACCESS = {"partner": "API key", "owner": "admin token"}
_HEADER_OF = {"partner": "x-api-key: $KEY", "owner": "Authorization: Bearer $TOKEN"}
_ORDER = {"put": 0, "delete": 2}
_METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceAnswer:
    """One status and what it means; `shape` names the schema of its body."""

    status: str
    meaning: str
    shape: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceCall:
    """One operation, or one event that is sent."""

    anchor: str
    method: str
    path: str
    summary: str
    note: str
    access: str
    parameters: list[Row]
    body: list[Row]
    body_note: str
    command: str
    example: str
    answers: list[ReferenceAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The operations of one tag."""

    name: str
    meaning: str
    anchor: str
    calls: list[ReferenceCall] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The page's sections."""

    groups: list[Group]
    events: list[ReferenceCall]
    schemas: dict[str, tuple[str, list[Row]]]


def view(document: Json) -> View:
    """Everything the template shows beside the introduction."""
    groups = {
        tag["name"]: Group(
            name=tag["name"],
            meaning=tag["description"],
            anchor="tag-" + tag["name"].lower().replace(" ", "-"),
        )
        for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                groups[methods[method]["tags"][0]].calls.append(
                    _call(method, path, methods[method], document)
                )
    for group in groups.values():  # as they work when pasted one after the other: made first, removed last
        group.calls.sort(key=lambda call: _ORDER.get(call.method.lower(), 1))
    schemas = document["components"]["schemas"]
    return View(
        groups=[group for group in groups.values() if group.calls],
        events=[_event(name, each["post"], document) for name, each in document["webhooks"].items()],
        schemas={
            name: (schema.get("description", ""), rows(schema, schemas)) for name, schema in schemas.items()
        },
    )


def command_of(method: str, path: str, operation: Json) -> str:
    """A call with curl, its address and secrets in shell variables."""
    url = path
    for each in operation["parameters"]:
        if each.get("in") == "path":
            url = url.replace("{" + each["name"] + "}", str(each.get("example", "…")))
    lines = [f'curl -X {method.upper()} "$RHEOD{url}"']
    lines += [f'-H "{_HEADER_OF[gate]}"' for gates in operation["security"][:1] for gate in gates]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in content:
        lines += ["-H 'content-type: application/json'", "-d " + shlex.quote(_written(content["example"]))]
    elif "requestBody" in operation:
        lines += ["-H 'content-type: image/jpeg'", "--data-binary @picture.jpg"]
    return " \\\n  ".join(lines)


def _call(method: str, path: str, operation: Json, document: Json) -> ReferenceCall:
    schemas = document["components"]["schemas"]
    body = operation.get("requestBody", {})
    answers = {status: resolved(each, document) for status, each in operation["responses"].items()}
    gates = [gate for gates in operation["security"] for gate in gates]
    return ReferenceCall(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        note=operation.get("description", ""),
        access=_ACCESS[gates[0]] if gates else "open",
        parameters=_parameters(operation, document),
        body=rows(_schema_of(body), schemas) if body else [],
        body_note=body.get("description", ""),
        command=command_of(method, path, operation),
        example=_success_example(operation),
        answers=[
            ReferenceAnswer(status=status, meaning=each["description"], shape=name_in(_schema_of(each)))
            for status, each in answers.items()
        ],
    )


def _event(name: str, operation: Json, document: Json) -> ReferenceCall:
    schemas = document["components"]["schemas"]
    content = operation["requestBody"]["content"]["application/json"]
    payload = content["schema"].get("allOf", [content["schema"]])[-1]
    data = payload["properties"]["data"]
    return ReferenceCall(
        anchor=operation["operationId"],
        method="EVENT",
        path=name,
        summary=operation["summary"],
        note=operation["description"],
        access="signed",
        parameters=_parameters(operation, document),
        body=rows(data, schemas),
        body_note="",
        command="",
        example=_written(content["example"], indent=2),
        answers=[],
    )


def _parameters(operation: Json, document: Json) -> list[Row]:
    found = []
    for each in operation["parameters"]:
        one = resolved(each, document)
        schema = {"properties": {one["name"]: {**one["schema"], "description": one["description"]}}}
        required = [one["name"]] if one.get("required") else []
        (row,) = rows({**schema, "required": required}, document["components"]["schemas"])
        found.append(row.placed(one["in"]))
    return found


def _schema_of(given: Json) -> Json:
    contents: Json = given.get("content", {})
    schemas = [each.get("schema", {}) for each in contents.values()]
    return schemas[0] if schemas else {}


def _success_example(operation: Json) -> str:
    for status, each in operation["responses"].items():
        content = each.get("content", {}).get("application/json", {})
        if status.startswith("2") and "example" in content:
            return _written(content["example"], indent=2)
    return ""


def _written(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


_MARKS = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"`(.+?)`"), r"<code>\1</code>"),
)


def render(document: dict[str, Any]) -> tuple[str, Mapping[str, str]]:
    """The page, and the headers that let it load nothing but its own style."""
    style = resources.files("rheod.web").joinpath("templates/reference.css").read_text(encoding="utf-8")
    environment = templates()
    environment.filters["marked"] = marked
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    html = environment.get_template("reference.html").render(
        document=document, style=style, view=view(document)
    )
    return html, {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }


def marked(text: str) -> Markup:
    """The little of CommonMark that the document uses: bold and code."""
    html = str(escape(text))
    for pattern, written in _MARKS:
        html = pattern.sub(written, html)
    return Markup(html)  # noqa: S704 - escaped above
