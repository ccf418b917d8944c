"""The whole OpenAPI 3.1 document of the operations that are served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rheod.api.buckets import BURST_S
from rheod.api.document import events, requests, responses
from rheod.api.document.prose import API_VERSION, INTRODUCTION, TAGS, TITLE
from rheod.api.document.schemas import of_answers, of_bodies, of_query
from rheod.api.replies import ErrorReply

if TYPE_CHECKING:
    from rheod.api.operation import Operation
    from rheod.api.parts import Rates

Json = dict[str, Any]

_SECURITY: Json = {
    "partner": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A partner's key: `rheo_live_` and 32 letters and digits. The owner makes it.",
    },
    "owner": {
        "type": "http",
        "scheme": "bearer",
        "description": "The owner's admin token, which `rheod admin-token` makes.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rheod_session",
        "description": "The owner's browser, signed in at the dashboard; other sites cannot use it.",
    },
}
_ASKED: Json = {"partner": [{"partner": []}], "owner": [{"owner": []}, {"session": []}], "open": []}
"""What each gate asks for: one of these."""


def build(operations: Sequence[Operation], *, rates: Rates, public_url: str | None) -> Json:
    """The document; `rates` are calls a second as they are set, `public_url` where the API is reached."""
    schemas = _schemas(operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": API_VERSION, "description": INTRODUCTION},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": (public_url or "").rstrip("/") or "/"}],
        "tags": [{"name": name, "description": meaning} for name, meaning in TAGS.items()],
        "paths": _paths(operations, rates, schemas),
        "webhooks": events.webhooks(),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": _error_responses(operations),
            "parameters": requests.HEADERS,
            "headers": responses.HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _schemas(operations: Sequence[Operation]) -> Json:
    bodies = {each.body.__name__: each.body for each in operations if each.body}
    answers = {each.answer.__name__: each.answer for each in operations if each.answer}
    found = {**of_answers([*answers.values(), ErrorReply]), **of_bodies(bodies.values()), **events.SCHEMAS}
    for query in {each.query for each in operations if each.query}:
        found |= of_query(query)[1]
    return found


def _error_responses(operations: Sequence[Operation]) -> Json:
    groups = [codes for each in operations for codes in responses.codes_by_status(each).values()]
    return dict(sorted((responses.name_of(codes), responses.error_response(codes)) for codes in groups))


def _paths(operations: Sequence[Operation], rates: Rates, schemas: Json) -> Json:
    paths: Json = {}
    for operation in operations:
        told = _operation(operation, rates, schemas)
        paths.setdefault(requests.path_template(operation), {})[operation.method.lower()] = told
    return paths


def _operation(operation: Operation, rates: Rates, schemas: Json) -> Json:
    told: Json = {
        "operationId": _name(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": requests.parameters(operation),
        "responses": responses.responses(operation, schemas),
        "security": _ASKED[operation.gate],
    }
    if body := requests.body(operation):
        told["requestBody"] = body
    if operation.rate is not None:
        told |= _rate(operation, getattr(rates, operation.rate))
    elif operation.gate == "owner":
        told |= {"description": "Not limited with a valid token."}
    return told


def _rate(operation: Operation, per_s: float) -> Json:
    burst = per_s * BURST_S
    whose = "address" if operation.gate == "open" else "API key"
    return {
        "description": f"At most {per_s:g} calls a second for each {whose}, {burst:g} at once.",
        "x-rate-limit": {"bucket": operation.rate, "perSecond": per_s, "burst": burst},
    }


def _name(operation: Operation) -> str:
    """`itemChangePrice` for `ItemCalls.change_price`: a name that stays when a path is written otherwise."""
    owner, _, handler = operation.handler.__qualname__.rpartition(".")
    noun = owner.removesuffix("Calls")
    return noun[:1].lower() + noun[1:] + "".join(part.capitalize() for part in handler.split("_"))
