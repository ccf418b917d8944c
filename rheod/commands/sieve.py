"""What may leave the machine in a support bundle: numbers, times, codes and our own words, by name; nothing else.

It does not look for secrets, it keeps what is known to be none: of any other text only the length is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

OURS = "rheod"
_PLAIN = frozenset(
    {
        *("version", "now", "startedAt", "lastAnswer", "lastPushMessage", "publishingWaitsFor", "until"),
        *("code", "mood", "state", "what", "since", "id", "checked"),
        *(
            "timestamp",
            "level",
            "logger",
            "method",
            "route",
            "request_id",
            "loop",
            "lane",
            "kind",
            "operation",
        ),
        *(
            "endpoint_id",
            "listing_id",
            "account_id",
            "exc_type",
            "filename",
            "name",
            "module",
            "sqlite_version",
        ),
    }
)
"""Fields whose text rheod or systemd made itself: times, codes, our ids, names of places in the program."""

_PLACE = re.compile(r"[\w./:{}^\[\]+?*-]{1,200}")
_ERROR = re.compile(r"[A-Za-z]{1,40}(?:Error|Exception|Timeout)")
_SETTING = re.compile(r"rheod: [\w.\[\]]+ \((?:file|credential|environment|default|settings)[^)]*\): .*")
_PORT = re.compile(r"rheod: Cannot listen on .*")


def sieve(value: Any, name: str = "") -> Any:
    """The value with every text replaced by its length, but for those fields that hold no more than codes."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_field(str(key)): sieve(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sieve(item, name) for item in value]
    return _text(str(value), name)


def _field(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][A-Za-z_]{0,40}", name) else left_out(name)


def _text(text: str, name: str) -> str:
    if (name in _PLAIN and (_PLACE.fullmatch(text) or name == "checked")) or _ERROR.fullmatch(text):
        return text
    return left_out(text)


def left_out(text: str) -> str:
    """What stands for a text."""
    return f"({len(text)} characters)"


def sieve_line(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `journalctl -o json`: our own lines field by field, systemd's words, of others the length."""
    at, message = str(entry.get("__REALTIME_TIMESTAMP", "")), entry.get("MESSAGE")
    text = message if isinstance(message, str) else ""
    kept: dict[str, Any] = {"at": int(at) // 1000 if at.isascii() and at.isdecimal() else None}
    if entry.get("SYSLOG_IDENTIFIER") == "systemd":
        return kept | {"systemd": text}
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        return kept | {"text": text if _SETTING.fullmatch(text) or _PORT.fullmatch(text) else left_out(text)}
    event, logger = str(line.pop("event", "")), str(line.get("logger", ""))
    known = (
        logger.partition(".")[0] == OURS
    )  # our own event is a constant; what varies is in the other fields
    kept["event"] = event if known else left_out(event)
    kept.update(sieve(line))
    return kept
