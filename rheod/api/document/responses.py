"""What an operation may answer, for the document: its success and every error with its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheod.api.answers import STATUS_OF
from rheod.api.document.prose import CODES
from rheod.api.document.samples import sample
from rheod.api.document.schemas import ref

if TYPE_CHECKING:
    from rheod.api.operation import Operation

Json = dict[str, Any]
WAITS = frozenset({429, 503})
"""Statuses that always say when to come back."""

HEADERS: Json = {
    "RequestId": {
        "description": "The request's id, on every log line of it too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "RetryAfter": {
        "description": "Whole seconds to wait, at least 1; never a date.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
"""The headers of answers by the names of their components."""


def responses(operation: Operation, schemas: Json) -> Json:
    """Every status the operation may answer with."""
    found: Json = {str(operation.status): _success(operation, schemas)}
    for status, meaning in operation.besides.items():
        content = {operation.media_type: _untold(operation.media_type)}
        told = {"description": meaning, "headers": _headers(status)}
        found[str(status)] = {**told, "content": content} if status < 300 else told
    for status, codes in codes_by_status(operation).items():
        found[str(status)] = {"$ref": f"#/components/responses/{name_of(codes)}"}
    return dict(sorted(found.items()))


def codes_by_status(operation: Operation) -> dict[int, list[str]]:
    """The error codes of an operation under their statuses."""
    grouped: dict[int, list[str]] = {}
    for code in operation.codes:
        grouped.setdefault(STATUS_OF[code], []).append(code)
    return grouped


def name_of(codes: list[str]) -> str:
    """The name of the answer with one of these codes: `NotFound`, `ValidationFailedOrInvalidStatus`."""
    return "Or".join("".join(part.capitalize() for part in code.split("_")) for code in codes)


def error_response(codes: list[str]) -> Json:
    """The answer with one of these codes, which share a status."""
    status = STATUS_OF[codes[0]]
    example = {"error": CODES[codes[0]], "code": codes[0], "statusCode": status}
    if codes[0] == "VALIDATION_FAILED":
        wrong = {"field": "imageUrls.0", "message": "Must be an HTTPS URL"}
        example |= {"error": "Validation failed", "details": [wrong]}
    told = {"properties": {"code": {"enum": codes}, "statusCode": {"const": status}}}
    return {
        "description": " ".join(f"`{code}`: {CODES[code]}" for code in codes),
        "headers": _headers(status),
        "content": {"application/json": {"schema": {"allOf": [ref("ErrorReply"), told]}, "example": example}},
    }


def _success(operation: Operation, schemas: Json) -> Json:
    told: Json = {"description": "Done; there is nothing to say.", "headers": _headers(operation.status)}
    if operation.answer is not None:
        name = operation.answer.__name__
        content = {"schema": ref(name), "example": sample(ref(name), schemas)}
        about = str(schemas[name].get("description", "")).partition("\n")[0]
        return {**told, "description": about or "Done.", "content": {"application/json": content}}
    if operation.status != 204:
        told["description"] = "Done."
        told["content"] = {operation.media_type: _untold(operation.media_type)}
    return told


def _untold(media_type: str) -> Json:
    if media_type == "application/json":
        return {"schema": {"type": "object"}}
    return {"schema": {"type": "string"}} if media_type.startswith("text/") else {}


def _headers(status: int) -> Json:
    wanted = {"x-request-id": "RequestId"} | ({"Retry-After": "RetryAfter"} if status in WAITS else {})
    return {header: {"$ref": f"#/components/headers/{name}"} for header, name in wanted.items()}
