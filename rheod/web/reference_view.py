"""What the page at `/docs` shows of the OpenAPI document: rows, sentences and commands, ready to be written out."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any

from rheod.web.reference_fields import Row, name_in, resolved, rows

Json = dict[str, Any]

_ACCESS = {"partner": "API key", "owner": "admin token"}
_HEADER_OF = {"partner": "x-api-key: $KEY", "owner": "Authorization: Bearer $TOKEN"}
_METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One status and what it means; `shape` names the schema of its body."""

    status: str
    meaning: str
    shape: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
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
    answers: list[Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The operations of one tag."""

    name: str
    meaning: str
    anchor: str
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The page's sections."""

    groups: list[Group]
    events: list[Call]
    schemas: dict[str, tuple[str, list[Row]]]


def view(document: Json) -> View:
    """Everything the template shows beside the introduction."""
    groups = {
        tag["name"]: Group(name=tag["name"], meaning=tag["description"], anchor=_anchor(tag["name"]))
        for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                groups[methods[method]["tags"][0]].calls.append(
                    _call(method, path, methods[method], document)
                )
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
    return " \\\n  ".join(lines)


def _call(method: str, path: str, operation: Json, document: Json) -> Call:
    schemas = document["components"]["schemas"]
    body = operation.get("requestBody", {})
    gates = [gate for gates in operation["security"] for gate in gates]
    return Call(
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
        answers=[_answer(status, each, document) for status, each in operation["responses"].items()],
    )


def _event(name: str, operation: Json, document: Json) -> Call:
    schemas = document["components"]["schemas"]
    content = operation["requestBody"]["content"]["application/json"]
    told = content["schema"].get("allOf", [content["schema"]])[-1]
    data = told["properties"]["data"]
    return Call(
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
        told = resolved(each, document)
        schema = {"properties": {told["name"]: {**told["schema"], "description": told["description"]}}}
        required = [told["name"]] if told.get("required") else []
        (row,) = rows({**schema, "required": required}, document["components"]["schemas"])
        found.append(row.placed(told["in"]))
    return found


def _answer(status: str, given: Json, document: Json) -> Answer:
    told = resolved(given, document)
    return Answer(status=status, meaning=told["description"], shape=name_in(_schema_of(told)))


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


def _anchor(name: str) -> str:
    return "tag-" + name.lower().replace(" ", "-")
