"""How single values of the settings are checked: secrets, addresses, paths and numbers in their ranges."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo

DAY_S = 86_400


def _clean_secret(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """Refuse secrets that were pasted with more than themselves: they would break a header, or silently not match."""
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII without spaces or line breaks, and not empty")
    if is_quoted(text):
        raise ValueError("has quotes around it, which would be taken for a part of it: write it without")
    name, assigned, rest = text.partition("=")
    if assigned and rest.strip("=") and is_name(name, info.field_name or ""):
        raise ValueError("is written as NAME=value: write the value alone")
    return value


def is_quoted(text: str) -> bool:
    """Whether a value still has the quotes of a shell or of an .env file around it."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"


def is_name(text: str, setting: str) -> bool:
    """Whether a text before `=` is how a variable or this setting is named, and not the first half of a secret."""
    if re.fullmatch(r"[A-Z][A-Z0-9]*(_+[A-Z0-9]+)+", text):
        return True
    return re.fullmatch(rf"([a-z0-9]+[_.]+)*{re.escape(setting)}", text.lower()) is not None


def _clean_url(value: str) -> str:
    """A plain http(s) address without user, query or fragment, returned without its trailing slash."""
    if not value.isprintable() or " " in value or not is_plain_http(value):
        raise ValueError("must be an http(s) address without user, query or fragment")
    return value.rstrip("/")


def _no_path(value: str) -> str:
    """Pages and pictures are at the root of the host: a path would stand in every link and lead nowhere."""
    if path := urlsplit(value).path:
        raise ValueError(
            f"must end with the host (and port), without {path}: rheod answers at the root of its host"
        )
    return value


def unquoted(value: str) -> str:
    """Refuse a text that has its quotes still around it."""
    if is_quoted(value):
        raise ValueError("has quotes around it, which would be taken for a part of it: write it without")
    return value


def is_plain_http(value: str) -> bool:
    """Whether it is an http(s) address with a host and without user, query and fragment."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:  # its text repeats parts of the address, perhaps a password
        return False
    extras = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not extras


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(
            "must be an absolute path: the daemon and the commands may start in different folders"
        )
    return value


Secret = Annotated[SecretStr, AfterValidator(_clean_secret)]
Url = Annotated[str, AfterValidator(_clean_url)]
Origin = Annotated[Url, AfterValidator(_no_path)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Delay = Annotated[float, Field(gt=0, le=7 * DAY_S)]
Calls = Annotated[int, Field(ge=1, le=10_000_000)]
PerSecond = Annotated[int, Field(ge=1, le=10_000)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
Count = Annotated[int, Field(ge=1, le=64)]
Days = Annotated[int, Field(ge=1, le=3_650)]


class Section(BaseModel):
    """One table of the file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)
