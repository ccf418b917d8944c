"""The forms in which times may stand in Tradera's answers: which one v4 uses is open, and v3 had `+02:00`.

An answer is written with `Z` and turned into another form on its way out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

TimeForm = Literal["utc", "offset", "naive_local", "naive_utc", "seven_digits"]
_SWEDEN = ZoneInfo("Europe/Stockholm")
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def in_form(value: Any, form: TimeForm) -> Any:
    """The JSON value with every time in it in this form."""
    if form == "utc":
        return value
    if isinstance(value, dict):
        return {name: in_form(each, form) for name, each in value.items()}
    if isinstance(value, list):
        return [in_form(each, form) for each in value]
    return _turned(value, form) if isinstance(value, str) and _WRITTEN.fullmatch(value) else value


def _turned(text: str, form: TimeForm) -> str:
    if form == "seven_digits":
        return f"{text[:-1]}0000Z"
    moment = datetime.fromisoformat(text).astimezone(UTC if form == "naive_utc" else _SWEDEN)
    return (
        moment.isoformat(timespec="milliseconds")
        if form == "offset"
        else moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
    )
