"""Checks requests against Tradera's own OpenAPI document, which ships beside this module.

It answers with sentences about what is wrong and never changes or fills in a request. What the
document leaves out (lengths, price rules) is not its business: the market refuses that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


DOCUMENT = Path(__file__).with_name("tradera-v4.openapi.json")
JSON_TYPE = "application/json"
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_RANGES = {"int32": 2**31, "int64": 2**63}


@dataclass(frozen=True, slots=True)
class ContractOperation:
    """One compiled operation: its parameters' schemas and the validator of its body, None for no body."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any


class Contract:
    """The document; each operation is compiled on its first use and then kept.

    What validates is loaded here too: that takes a good part of a second, which must not be the first call's.
    """

    def __init__(self) -> None:
        self._document: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
        self._compiled: dict[tuple[str, str], ContractOperation] = {}
        _validator({})

    def problems(
        self,
        method: str,
        template: str,
        *,
        path: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: Any = None,
    ) -> list[str]:
        """Say everything wrong with a request to `template` (such as `/v4/items/{itemId}`).

        `body` is the parsed JSON, or None when none was sent. Raises KeyError for an operation the
        document does not have.
        """
        key = (method, template)
        if key not in self._compiled:
            self._compiled[key] = self._compile(self._document["paths"][template][method.lower()])
        operation = self._compiled[key]
        found = [
            problem
            for name, schema in operation.path.items()
            if (problem := _text_problem(name, path[name], schema)) is not None
        ]
        for name, values in query.items():
            found += _query_problems(name, values, operation.query.get(name))
        if operation.body is None:
            return found if body is None else [*found, "body: this operation takes none"]
        if body is None:
            return [*found, "body: a JSON body is required"]
        return found + list(dict.fromkeys(_sentence(error) for error in operation.body.iter_errors(body)))

    def _compile(self, source: dict[str, Any]) -> ContractOperation:
        parameters = source.get("parameters", [])
        by_place: dict[str, dict[str, Any]] = {"path": {}, "query": {}}
        for parameter in parameters:
            if parameter["in"] in by_place:
                by_place[parameter["in"]][parameter["name"]] = self._inlined(parameter["schema"])
        content = source.get("requestBody", {}).get("content", {})
        schema = content.get(JSON_TYPE, {}).get("schema")
        validator = None if schema is None else _validator(self._inlined(schema))
        return ContractOperation(path=by_place["path"], query=by_place["query"], body=validator)

    def _inlined(self, schema: Any) -> Any:
        """Copy a schema with its local references put in place, so that checking never looks them up."""
        if isinstance(schema, list):
            return [self._inlined(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self._inlined(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        copy = {key: self._inlined(value) for key, value in schema.items()}
        if copy.get("format") == "byte":
            del copy["format"]  # a picture of 4 MB is decoded once, by the simulator, not here as well
        return copy


def _validator(schema: Any) -> Any:
    from openapi_schema_validator import (  # noqa: PLC0415 - only the sandbox extra installs it
        OAS30Validator,
        oas30_format_checker,
    )

    return OAS30Validator(schema, format_checker=oas30_format_checker)


def _sentence(error: Any) -> str:
    """Word one validation error; values are named only where they are short (field names, numbers)."""
    where = ".".join(str(part) for part in error.absolute_path) or "body"
    if error.validator == "type":
        return f"{where}: must be of type {error.validator_value}"
    if error.validator == "format":
        return f"{where}: must be a valid {error.validator_value}"
    if error.validator == "enum":
        return f"{where}: must be one of {error.validator_value}"
    if error.validator == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"{where}: unknown field {', '.join(unknown)[:200]}"
    return f"{where}: breaks the rule {error.validator}"


def _query_problems(name: str, values: list[str], schema: Any) -> list[str]:
    if schema is None:
        return [f"{name}: unknown query parameter"]
    if schema.get("type") == "array":
        texts, schema = values, schema["items"]
    elif len(values) == 1:
        texts = values
    else:
        return [f"{name}: may be given once only"]
    found = (_text_problem(name, text, schema) for text in texts)
    return [problem for problem in found if problem is not None]


@lru_cache(maxsize=1)
def tradera_contract() -> Contract:
    """The contract, loaded once in a process: it says the same to whoever asks."""
    return Contract()


def _text_problem(name: str, text: str, schema: Any) -> str | None:
    """Judge a parameter, which always arrives as text, by the type its schema wants."""
    if schema.get("type") == "integer":
        bound = _RANGES[schema.get("format", "int64")]
        if _INTEGER.fullmatch(text) is None or not -bound <= int(text) < bound:
            return f"{name}: must be an integer ({schema.get('format', 'int64')})"
        if "enum" in schema and int(text) not in schema["enum"]:
            return f"{name}: must be one of {schema['enum']}"
        return None
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return f"{name}: must be a date-time"
    return None
