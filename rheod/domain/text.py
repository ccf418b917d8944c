"""Sentences for people as templates with values, so that each can be shown in more than one language.

The template is the message id of the Swedish catalogue (`web/locale/sv.po`); English is what it says by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

Value = str | int | float


class Text(str):
    """An English sentence that remembers its template and values; wherever a `str` is wanted it is that sentence.

    The template is written as a literal, for the catalogue's test reads it from the source. A value may be a Text or an
    error too; what is no number is kept as its text.
    `plural` is the template for every `n` but 1 (see `counted`).
    """

    __slots__ = ("plural", "template", "values")
    template: str
    plural: str | None
    values: dict[str, Value]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """Raises LookupError when the template names a value that is not given."""
        return cls.made(template, values)

    @classmethod
    def made(cls, template: str, values: Mapping[str, object], *, plural: str | None = None) -> Self:
        """For what is not written in the source: stored sentences. Raises LookupError or ValueError on a bad template."""
        kept = {
            name: each if isinstance(each, str | int | float) else str(each) for name, each in values.items()
        }
        wanted = template if plural is None or kept["n"] == 1 else plural
        text = super().__new__(cls, wanted.format(**kept))
        text.template, text.plural, text.values = template, plural, kept
        return text

    @classmethod
    def of(cls, sentence: str) -> Text:
        """A sentence that somebody else wrote, as it stands; one of ours stays what it is."""
        return sentence if isinstance(sentence, Text) else Text("{text}", text=sentence)

    def __str__(self) -> str:
        return self  # `str(error)` and `str(text)` keep template and values; a plain copy would lose them

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.template, self.values, self.plural)


def counted(one: str, many: str, n: int, **values: object) -> Text:
    """A sentence about `{n}` things: `one` for exactly one of them, `many` otherwise."""
    return Text.made(one, {"n": n, **values}, plural=many)


def _again(template: str, values: Mapping[str, object], plural: str | None) -> Text:
    return Text.made(template, values, plural=plural)
