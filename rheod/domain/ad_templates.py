"""The owner's words above and below every ad's text: which apply to an item, and how its values are put into them. Pure.

A template is plain text with fields in braces; markup is escaped with everything else where the ad's text is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rheod.domain.ad_text import ad_title, printable
from rheod.domain.errors import Text
from rheod.domain.model import Item

MAX_CHARS = 2000
_FIELD = re.compile(r"\{([^{}\n]{0,80})\}")
_METADATA = "metadata."
_CONDITIONS = {"new": "Ny", "used": "Begagnad"}
WITHDRAWAL = (
    "Säljaren är ett företag. Du har 14 dagars ångerrätt enligt lagen om distansavtal: meddela oss inom 14 dagar från det"
    " att du fått varan och skicka tillbaka den inom 14 dagar därefter. Du betalar returfrakten. Vid fel på varan gäller"
    " konsumentköplagen, och du har tre års reklamationsrätt."
)
"""What a business has to say of the right to withdraw and to complain, as the field `{withdrawalRight}`."""


class Part(StrEnum):
    """Where a template stands."""

    HEADER = "header"
    FOOTER = "footer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Words for one account (its reference; None: for all) and one category (a leaf or what it lies in; None: all)."""

    part: Part
    text: str
    account: str | None = None
    category: int | None = None

    @property
    def place(self) -> tuple[Part, str | None, int | None]:
        """What it is for: there is one template for each place."""
        return self.part, self.account, self.category


def _condition(item: Item, default: str) -> str:
    attributes = item.spec.attributes or {}
    wished = item.spec.tradera.condition if item.spec.tradera is not None else None
    said = printable(attributes.get("conditionGrade")) or printable(attributes.get("condition"))
    word = wished or said or default
    return _CONDITIONS.get(word.lower(), word)


_FIELDS: Mapping[str, Callable[[Item, str], str]] = {
    "externalId": lambda item, _: item.external_id,
    "title": lambda item, _: ad_title(item.spec.title),
    "condition": _condition,
    "weightKg": lambda item, _: printable(item.spec.weight_kg),
    "externalReference": lambda item, _: item.spec.external_reference or "",
    "parentExternalId": lambda item, _: item.spec.parent_external_id or "",
    "withdrawalRight": lambda _item, _: WITHDRAWAL,
}


def fault_of(text: str) -> Text | None:
    """What is wrong with a template; None when it can be used."""
    if len(text) > MAX_CHARS:
        return Text("Must be at most {n} characters", n=MAX_CHARS)
    for name in _FIELD.findall(text):
        if name not in _FIELDS and not (name.startswith(_METADATA) and name != _METADATA):
            known = ", ".join(f"{{{each}}}" for each in (*_FIELDS, "metadata.…"))
            return Text("{field} is none of its fields: {known}", field=f"{{{name}}}", known=known)
    return None


def filled(text: str, item: Item, *, condition: str) -> str:
    """The template with the item's values; `condition` is the default one. A field without a value is empty."""

    def value(field: re.Match[str]) -> str:
        name = field[1]
        if name.startswith(_METADATA):
            return printable((item.spec.metadata or {}).get(name.removeprefix(_METADATA)))
        return _FIELDS[name](item, condition) if name in _FIELDS else field[0]

    return _FIELD.sub(value, text)


def chosen(
    templates: Iterable[Template], part: Part, *, account: str, categories: Sequence[int]
) -> Template | None:
    """The template that applies: the account's before that of all, a nearer category before a wider one.

    `categories` are the item's leaf and what it lies in, the leaf first.
    """

    def rank(template: Template) -> tuple[bool, int] | None:
        if template.part is not part or template.account not in {None, account}:
            return None
        if template.category is not None and template.category not in categories:
            return None
        wide = len(categories) if template.category is None else categories.index(template.category)
        return template.account is None, wide

    ranked = [(found, template) for template in templates if (found := rank(template)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None
