"""The owner's use cases about the words above and below every ad."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.domain.ad_templates import Template, fault_of
from rheod.domain.errors import FieldError, Refused, Text
from rheod.store import choices
from rheod.usecases.ad_words import TEMPLATES, AdDresser, stored_templates
from rheod.usecases.transaction import Store

MOST_TEMPLATES = 200


@dataclass(frozen=True, slots=True)
class KnownTemplate:
    """A template; `locked`: it stands in the settings file and is changed there."""

    template: Template
    locked: bool


class AdTemplates:
    """The owner's use cases about templates."""

    def __init__(self, *, store: Store, dresser: AdDresser) -> None:
        self._store = store
        self._fixed = {each.place for each in dresser.fixed.templates}
        self._dresser = dresser

    async def listing(self) -> list[KnownTemplate]:
        """All that apply, those for every ad first."""
        every = await self._store.read(self._dresser.templates)
        every.sort(key=lambda each: (each.part, each.account or "", each.category or 0))
        return [KnownTemplate(each, each.place in self._fixed) for each in every]

    async def put(self, template: Template) -> None:
        """Keep a template in place of the one for its place; an empty text takes that one away.

        Raises Refused: CONFLICT where the settings file says it, VALIDATION_FAILED for one that cannot be used.
        """
        if template.place in self._fixed:
            raise Refused(
                "CONFLICT",
                Text("The settings file says this one (ad.{part}): change it there", part=template.part),
            )
        if fault := fault_of(template.text):
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError("text", fault),))
        await self._store.write(lambda tx: _put(tx.db, template, now=tx.now))


def _put(db: sqlite3.Connection, template: Template, *, now: int) -> None:
    kept = [each for each in stored_templates(db) if each.place != template.place]
    kept += [template] if template.text else []
    if len(kept) > MOST_TEMPLATES:
        raise Refused("CONFLICT", Text("There are {n} templates already: remove one", n=MOST_TEMPLATES))
    rows = [
        {"part": each.part, "text": each.text, "account": each.account, "category": each.category}
        for each in kept
    ]
    choices.put(db, TEMPLATES, rows or None, now=now)
