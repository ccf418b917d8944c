"""What `rheod setup` asks for a new settings file: Tradera's quota, the price of freight, the kinds of goods.

Only what is answered is written. The same answers may be given as options, for a machine that nobody sits at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import click

from rheod.cli import WRONG_USAGE, CommandFailed
from rheod.cli.printing import say
from rheod.domain.budget import DEFAULT_LIMIT
from rheod.domain.categories import DOMAINS, canonical

T = TypeVar("T")
_MOST_CALLS = 1_000_000_000
_MOST_KRONOR = 100_000
_MOST_LEAF = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """None and nothing: it was not answered, and rheod's default holds."""

    quota: int | None = None
    total: int | None = None
    freight: int | None = None
    categories: Sequence[tuple[str, int]] = field(default_factory=tuple)

    def toml(self) -> str:
        """As lines of the settings file; "" where nothing was answered."""
        tables: dict[str, dict[str, int | None]] = {
            "tradera.quota": {"default": self.quota, "total": self.total},
            "tradera.shipping": {"shipping_cost": self.freight},
            "tradera.defaults.category_id": {**dict(self.categories)},
        }
        return "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items() if value is not None)
            for name, table in tables.items()
            if any(value is not None for value in table.values())
        )


def number(text: str, *, most: int) -> int:
    """A whole number from 1. Raises ValueError with a sentence."""
    digits = text.replace(" ", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()) or not 1 <= int(digits[:12]) <= most:
        raise ValueError(f"must be a whole number from 1 to {most}")
    return int(digits)


def category(text: str) -> tuple[str, int]:
    """A kind of goods with Tradera's number of a leaf, `auto_parts=302410`. Raises ValueError with a sentence."""
    domain, equals, leaf = text.partition("=")
    slug = canonical(domain) if domain.strip() else None
    if not equals or slug is None:
        raise ValueError(f"must be KIND=NUMBER; kinds are {', '.join(DOMAINS)}")
    return slug, number(leaf.strip(), most=_MOST_LEAF)


def _categories(text: str) -> tuple[tuple[str, int], ...]:
    return tuple(dict(category(each) for each in text.replace(",", " ").split()).items())


def ask(read: Callable[[str], str], tell: Callable[[str], None]) -> Answers:
    """The dialogue; `read` shows a question and returns what was typed. A wrong answer is told and asked for again."""

    def answer(question: str, parse: Callable[[str], T], nothing: T) -> T:
        while True:
            typed = read(question).strip()
            if not typed:
                return nothing
            try:
                return parse(typed)
            except ValueError as error:
                tell(f"  It {error}.")

    tell("Some questions; an empty answer leaves rheod's default. All of it can be changed later.")
    tell("How many calls Tradera allows is shown in its Developer Center, on the application's page.")
    return Answers(
        quota=answer(
            f"Calls of each method in 24 hours [{DEFAULT_LIMIT}]: ",
            lambda typed: number(typed, most=_MOST_CALLS),
            None,
        ),
        total=answer(
            "Calls of all methods together, where it shows such a limit [none]: ",
            lambda typed: number(typed, most=_MOST_CALLS),
            None,
        ),
        freight=answer(
            "Freight in kronor of what has neither a price nor a weight [none: the buyer fetches it]: ",
            lambda typed: number(typed, most=_MOST_KRONOR),
            None,
        ),
        categories=answer(
            "Tradera's category for a kind of goods, such as auto_parts=302410 [none: rheod guesses, and says so]: ",
            _categories,
            (),
        ),
    )


def _line(question: str) -> str:
    sys.stdout.write(question)
    sys.stdout.flush()
    typed = sys.stdin.readline()
    if not typed:
        raise CommandFailed("the answers ended too early. Nothing was changed")
    return typed


def answers_of(
    given: Answers, *, wanted: bool | None, dry_run: bool, file: str, is_there: bool
) -> Answers | None:
    """What goes into a new settings file; None where nobody was asked and nothing was given, or the file is kept.

    `wanted` is the owner's word that there shall be questions, or none. Raises CommandFailed where they cannot be put, or
    answers cannot be written because a file is there.
    """
    lines = given.toml()
    if is_there and lines:
        raise CommandFailed(
            f"{file} is there and is kept: set it there:\n{lines.rstrip()}", status=WRONG_USAGE
        )
    if wanted and (is_there or not sys.stdin.isatty()):
        why = f"{file} is there and is kept" if is_there else "nobody can be asked, for this is no terminal"
        raise CommandFailed(
            f"{why}. --quota, --quota-total, --freight and --category answer in advance, before there is a file",
            status=WRONG_USAGE,
        )
    if lines:
        return given
    if is_there or wanted is False or dry_run or not sys.stdin.isatty():
        return None
    return ask(_line, say)


def with_answers(command: Callable[..., T]) -> Callable[..., T]:
    """The options that answer in advance."""

    def parsed(parse: Callable[[str], object]) -> Callable[..., object]:
        def callback(_context: object, _parameter: object, given: tuple[str, ...]) -> tuple[object, ...]:
            try:
                return tuple(parse(each) for each in given)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error

        return callback

    for option in (
        click.option(
            "--ask/--no-ask",
            "asks",
            default=None,
            help="Put the questions, or none (default: on a terminal, for a new settings file).",
        ),
        click.option(
            "--category",
            "categories",
            multiple=True,
            metavar="KIND=LEAF",
            callback=parsed(category),
            help="Tradera's category for a kind of goods, such as auto_parts=302410; may be repeated.",
        ),
        click.option(
            "--freight",
            type=click.IntRange(1, _MOST_KRONOR),
            metavar="KRONOR",
            help="Freight of what has neither a price nor a weight.",
        ),
        click.option(
            "--quota-total",
            type=click.IntRange(1, _MOST_CALLS),
            metavar="CALLS",
            help="Calls of all Tradera's methods together in 24 hours, where there is such a limit.",
        ),
        click.option(
            "--quota",
            type=click.IntRange(1, _MOST_CALLS),
            metavar="CALLS",
            help="Calls of each of Tradera's methods in 24 hours, as its Developer Center shows them.",
        ),
    ):
        command = option(command)
    return command
