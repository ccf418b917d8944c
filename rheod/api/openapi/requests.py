"""What an operation takes, for the document: the segments of its path, its query, its headers and its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rheod.api.field_types import MAX_CHARACTERS
from rheod.api.openapi.examples import EXAMPLES, SEGMENTS
from rheod.api.openapi.schemas import of_query, ref

if TYPE_CHECKING:
    from rheod.api.routing import Operation


Json = dict[str, Any]
_SEGMENT = re.compile(r"\{(\w+)(?::[^}]*)?\}")

_EXTERNAL_ID: Json = {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS}
"""What else it must be stands in its words: classes of Unicode differ between dialects of regular expressions."""

_PATH: Mapping[str, str] = {
    "externalId": "The item's id in your system, percent-encoded: any printable text, `/` too.",
    "account": "The account's id.",
    "token": "The secret part of the address.",
    "endpointId": "The endpoint's id.",
    "eventId": "The event's id: `evt_…`.",
    "orderId": "The order, as in `item.sold`.",
    "categoryId": "Tradera's number of the category.",
    "key_id": "The id of the key, not its text.",
    "folder": "The first two digits of the picture's SHA-256.",
    "file": "The picture's SHA-256 and `.jpg`.",
}


HEADERS: Json = {
    "PartnerAccount": {
        "name": "x-partner-account",
        "in": "header",
        "description": (
            "The reference of the member account whose items the call is about; the default account when absent. "
            "Unknown: 404."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "RequestId": {
        "name": "x-request-id",
        "in": "header",
        "description": "Your id of the request, given back with the answer. Anything else is replaced by a new one.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
}
"""The headers any call may have, by the names of their components."""


def path_template(operation: Operation) -> str:
    """The path as the document writes it: segments by their names alone."""
    return _SEGMENT.sub(r"{\1}", operation.path)


def parameters(operation: Operation) -> list[Json]:
    """Everything an operation reads beside its body."""
    given = [_segment(name) for name in _SEGMENT.findall(operation.path)] + _query(operation)
    wanted = ["RequestId"] if operation.access == "open" else ["PartnerAccount", "RequestId"]
    return given + [{"$ref": f"#/components/parameters/{name}"} for name in wanted]


def body(operation: Operation) -> Json | None:
    """The request body; None when the operation reads none."""
    if operation.picture:
        most = f"At most {operation.body_bytes // 2**20} MiB: JPEG, PNG, WebP, AVIF or GIF, without Content-Encoding."
        content: Json = {"application/octet-stream": {}}  # any image/… too; they all mean bytes
        return {
            "required": True,
            "description": most,
            "content": content,
            "x-max-bytes": operation.body_bytes,
        }
    if operation.body is None:
        return None
    name, kib = operation.body.__name__, operation.body_bytes // 1024
    described: Json = {"schema": ref(name)}
    if name in EXAMPLES:
        described["example"] = EXAMPLES[name]
    return {
        "required": operation.body_required,
        "description": f"At most {f'{kib // 1024} MiB' if kib >= 1024 else f'{kib} KiB'}, without Content-Encoding.",
        "content": {"application/json": described},
        "x-max-bytes": operation.body_bytes,
    }


def _segment(name: str) -> Json:
    described: Json = {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    }
    if name == "externalId":
        described["schema"] = _EXTERNAL_ID
    if name in SEGMENTS:
        described["example"] = SEGMENTS[name]
    return {**described, "description": _PATH.get(name, "")}


def _query(operation: Operation) -> list[Json]:
    if operation.query is None:
        return []
    schema, _ = of_query(operation.query)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": each.get("description", ""),
            "schema": {key: value for key, value in each.items() if key != "description"},
        }
        for name, each in schema["properties"].items()
    ]
