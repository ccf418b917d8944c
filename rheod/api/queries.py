"""Reads the query string of a request into a model; whatever is wrong is a 400 that names the parameter.

Parameters we do not know are ignored, as unknown fields of a body are (rheo-api.md section 1).
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from rheod.api.field_errors import from_pydantic
from rheod.api.strict_json import TEXT_MESSAGE, is_clean
from rheod.api.wire_types import wrong
from rheod.domain.errors import FieldError, Refused

_DIGITS = 15


class Query(BaseModel):
    """What every query model shares; a field's alias is the parameter's name."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


Asked = TypeVar("Asked", bound=Query)


def _digits(value: Any) -> Any:
    """Digits become a number; a default passes as it is."""
    if isinstance(value, int):
        return value
    if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS):
        raise wrong("whole", "Must be a whole number")
    return int(value)


Whole = Annotated[int, BeforeValidator(_digits)]
"""A whole number written in digits; bounds are added by `Field(ge=…, le=…)`."""


def read_query(request: web.Request, model: type[Asked]) -> Asked:
    """The parameters as the model says. Refused (BAD_REQUEST) for a wrong, repeated or poisonous one."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    given = [(name, value) for name, value in request.query.items() if name in known]
    found = [FieldError(name, TEXT_MESSAGE) for name, value in given if not is_clean(value)]
    names = [name for name, _ in given]
    found += [FieldError(name, "Give it once") for name in sorted(set(names)) if names.count(name) > 1]
    value = None
    try:
        value = model.model_validate(dict(given))
    except ValidationError as error:
        found += from_pydantic(error)
    if found or value is None:
        first = found[0]
        raise Refused("BAD_REQUEST", f"Bad query parameter: {first.field}: {first.message}", tuple(found))
    return value
