"""How commands print: one JSON document, or plain tables for people; text from elsewhere cannot move the cursor."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rheod.cli import WRONG_USAGE, CommandFailed


def say(line: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(line + "\n")


def note(line: str) -> None:
    """A remark on standard error, so that standard output stays data."""
    sys.stderr.write(line + "\n")


def say_json(value: Any) -> None:
    """A value as one JSON document."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


def confirm(sentence: str, *, yes: bool) -> None:
    """Ask at the terminal whether to go on; `yes` has answered. CommandFailed (2) where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(f"{sentence} Nothing was done: --yes says that you want it", status=WRONG_USAGE)
    note(f"{sentence} Type yes to go on:")
    if sys.stdin.readline().strip() != "yes":
        raise CommandFailed("Nothing was done; --yes answers in advance")


def shown(value: Any) -> str:
    """A value as people read it: nothing is `-`, control characters are `?`."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def say_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns as wide as their widest value; the last one ends where its text ends."""
    lines = [list(head), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def say_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and their values, one a line, the values below each other."""
    known = list(pairs)
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        say(f"{name.ljust(width)}  {shown(value)}".rstrip())
