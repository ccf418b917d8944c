"""Turns what pydantic found wrong into the wire's list of fields with sentences a person can act on.

Never repeats an offending value: only the path, the rule and the rule's own limits reach an answer or a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rheod.api.strict_json import MAX_DETAILS, dotted
from rheod.domain.errors import FieldError, Refused

if TYPE_CHECKING:
    from pydantic import ValidationError

OWN = "rheod_"
"""Rules of our own carry this before their name, and their sentence with them."""

Context = Mapping[str, Any]


def _fixed(sentence: str) -> Callable[[Context], str]:
    return lambda _context: sentence


def _least_characters(context: Context) -> str:
    least = context["min_length"]
    return "Must not be empty" if least == 1 else f"Must be at least {least} characters"


_SENTENCES: Mapping[str, Callable[[Context], str]] = {
    "missing": _fixed("Required"),
    "string_type": _fixed("Must be a string"),
    "string_unicode": _fixed("Must be a string of valid Unicode"),
    "string_too_short": _least_characters,
    "string_too_long": lambda context: f"Must be at most {context['max_length']} characters",
    "int_type": _fixed("Must be a whole number"),
    "int_from_float": _fixed("Must be a whole number"),
    "float_type": _fixed("Must be a number"),
    "bool_type": _fixed("Must be true or false"),
    "list_type": _fixed("Must be a list"),
    "dict_type": _fixed("Must be an object"),
    "model_type": _fixed("Must be an object"),
    "model_attributes_type": _fixed("Must be an object"),
    "too_long": lambda context: f"Must have at most {context['max_length']} entries",
    "literal_error": lambda context: f"Must be {context['expected']}",
    "greater_than": lambda context: f"Must be more than {context['gt']:.15g}",
    "greater_than_equal": lambda context: f"Must be at least {context['ge']:.15g}",
    "less_than_equal": lambda context: f"Must be at most {context['le']:.15g}",
}


def from_pydantic(error: ValidationError, *, under: tuple[str, ...] = ()) -> list[FieldError]:
    """Every wrong field of a model, its path as the wire spells it, below `under`."""
    return [
        FieldError(dotted((*under, *one["loc"])), _sentence(one["type"], one["msg"], one.get("ctx", {})))
        for one in error.errors(include_url=False, include_input=False)
    ]


def raise_if_any(found: Iterable[FieldError]) -> None:
    """Refused(VALIDATION_FAILED) with one sentence for each wrong field; nothing when no field is wrong."""
    first_of_each: dict[str, FieldError] = {}
    for one in found:
        first_of_each.setdefault(one.field, one)
    if first_of_each:
        raise Refused("VALIDATION_FAILED", "Validation failed", tuple(first_of_each.values())[:MAX_DETAILS])


def _sentence(kind: str, message: str, context: Context) -> str:
    if kind.startswith(OWN):
        return message
    write = _SENTENCES.get(kind)
    return write(context) if write else "Is not valid"
