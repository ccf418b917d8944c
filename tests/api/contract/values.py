"""Values of a JSON schema by chance: those that fit, at its limits more often than not, and those that do not."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from jsonschema import Draft202012Validator

Json = dict[str, Any]

_LETTERS = string.ascii_letters + string.digits + " -_./'\"\\<>&åäöÅÄÖéß漢字😀\t\n"
_POISON = ("\x00", "\x1b[0m", "\ud800", "\ufffe", "\uffff")
_OF_PATTERN = {
    "^evt_": ["evt_01j2k3m4n5p6q7r8s9t0abcdef"],
    "^[0-9]{1,18}$": ["1", "9" * 18],
    "^[0-9]{1,19}$": ["1", "9" * 18],
}
_TRIES = 50
_STRANGE: tuple[Any, ...] = (
    None,
    True,
    "",
    "950",
    0,
    -1,
    10**30,
    1.5e300,
    0.001,
    [],
    [None],
    {},
    {"a": {"b": []}},
    "x" * 20_000,
    *_POISON,
)


class Values:
    """Draws values; `refs` are the document's schemas by name, `known` gives values for fields by their name."""

    def __init__(
        self, *, rng: Random, refs: Mapping[str, Json], known: Callable[[str], list[str] | None]
    ) -> None:
        self._rng = rng
        self._refs = refs
        self._known = known
        self._checks: dict[int, Draft202012Validator] = {}

    def fitting(self, schema: Json) -> Any:
        """A value that fits the schema, also where a rule goes across fields."""
        return self._drawn(schema, depth=0)

    def _kept(self, schema: Json, depth: int) -> Json:
        """An object that also keeps the rules across its fields."""
        if id(schema) not in self._checks:
            self._checks[id(schema)] = Draft202012Validator({**schema, "components": {"schemas": self._refs}})
        for _ in range(_TRIES):
            value = self._object(schema, depth)
            if self._checks[id(schema)].is_valid(value):
                return value
        raise AssertionError(f"no value found that fits {schema}")

    def strange(self, value: Any) -> Any:
        """The value with one part of it replaced, taken away or poisoned."""
        if isinstance(value, dict) and value and self._rng.random() < 0.8:
            name = self._rng.choice(sorted(value))
            rest = {key: each for key, each in value.items() if key != name}
            return rest if self._rng.random() < 0.2 else {**rest, name: self.strange(value[name])}
        if isinstance(value, list) and value and self._rng.random() < 0.6:
            return [*value[1:], self.strange(value[0])] if self._rng.random() < 0.8 else value * 600
        return self._rng.choice(_STRANGE)

    def text(self, least: int = 0, most: int = 40) -> str:
        """Characters of several scripts, the length at a limit more often than not."""
        length = self._rng.choice((least, min(least + 1, most), most, self._rng.randint(least, most)))
        inner = "".join(self._rng.choices(_LETTERS, k=max(0, length - 2)))
        return f"a{inner}z"[:length]  # spaces around a text do not count towards its length

    def _drawn(self, schema: Json, depth: int) -> Any:
        if "$ref" in schema:
            return self._drawn(self._refs[schema["$ref"].rpartition("/")[2]], depth)
        for key in ("anyOf", "oneOf"):
            if key in schema and "properties" not in schema:
                return self._drawn(self._rng.choice(schema[key]), depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        return self._of_type(schema, depth)

    def _of_type(self, schema: Json, depth: int) -> Any:
        draw: Mapping[str, Callable[[], Any]] = {
            "object": lambda: self._kept(schema, depth) if "allOf" in schema else self._object(schema, depth),
            "array": lambda: self._array(schema, depth),
            "string": lambda: self._string(schema),
            "integer": lambda: self._number(schema, whole=True),
            "number": lambda: self._number(schema, whole=False),
            "boolean": lambda: self._rng.random() < 0.5,
            "null": lambda: None,
        }
        return draw[schema.get("type", "object")]()

    def _object(self, schema: Json, depth: int) -> Json:
        value: Json = {}
        for part in schema.get("allOf", ()):
            if "$ref" in part:
                value |= self._drawn(part, depth)
        required = schema.get("required", ())
        share = self._rng.choice((0.1, 0.4, 0.9))
        for name, each in schema.get("properties", {}).items():
            known = self._known(name)
            if known and each.get("type", "string") == "string" and "enum" not in each:
                if name in required or self._rng.random() < share:
                    value[name] = self._rng.choice(known)
            elif known == [] and name not in required:
                continue
            elif name in required or (depth < 5 and self._rng.random() < share):
                value[name] = self._drawn(each, depth + 1)
        if not schema.get("properties") and schema.get("maxProperties", 1):
            value |= {self.text(1, 8): self._rng.choice((1, "å", None, [1.5], {"deep": True}))}
        return value

    def _array(self, schema: Json, depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 12)
        length = self._rng.choice((least, most, self._rng.randint(least, most)))
        return [self._drawn(schema.get("items", {"type": "integer"}), depth + 1) for _ in range(length)]

    def _string(self, schema: Json) -> str:
        if schema.get("format") == "uri":
            return f"https://cdn.example.com/{self._rng.randint(1, 99)}.jpg"
        if schema.get("format") == "date-time":
            return f"20{self._rng.randint(10, 99)}-0{self._rng.randint(1, 9)}-11T10:00:0{self._rng.randint(0, 9)}Z"
        if "pattern" in schema:
            return str(self._rng.choice(schema.get("examples") or _OF_PATTERN[schema["pattern"]]))
        return self.text(schema.get("minLength", 0), schema.get("maxLength", 40))

    def _number(self, schema: Json, *, whole: bool) -> int | float:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + (1 if whole else 0.01))
        most = schema.get("maximum", 1_000_000)
        between = self._rng.randint(math.ceil(least), int(most))
        drawn: int | float = self._rng.choice((least, most, between))
        return drawn if whole or self._rng.random() < 0.5 else min(most, round(drawn + 0.37, 2))
