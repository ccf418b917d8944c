"""The owner's use cases about the words above and below every ad."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.domain.ad_text import (
    Template,
    ad_description,
    ad_title,
    choose_template,
    template_fault,
    whole_kronor,
)
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import Item
from rheod.store import accounts, choices, items
from rheod.usecases.ad_words import TEMPLATES, AdDresser, stored_templates
from rheod.usecases.transaction import Store

MOST_TEMPLATES = 200


@dataclass(frozen=True, slots=True)
class KnownTemplate:
    """A template; `locked`: it stands in the settings file and is changed there."""

    template: Template
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdPreview:
    """An item's ad as it would be sent now: `source` is its text with the markup that counts in Tradera's limit.

    `applies` is false where the ad has other words than those of the template that is tried.
    """

    title: str
    source: str
    price_kr: int
    category: str
    notes: tuple[Text, ...]
    applies: bool = True


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

    async def preview(self, item: Item, tried: Template | None = None) -> AdPreview:
        """The item's ad with the templates that apply, or as if `tried` were one of them. Nothing is kept."""
        return await self._store.read(lambda db: self._preview(db, item, tried))

    def _preview(self, db: sqlite3.Connection, item: Item, tried: Template | None) -> AdPreview:
        placing = self._store.placer.placing(db)
        account = accounts.reference(db, item.account_id)
        placement = placing.place(item.spec, account, items.moved_category(db, item.id))
        within = placing.within(placement.category_id)
        every = self._dresser.templates(db)
        if tried is not None:
            every = [*(each for each in every if each.place != tried.place), tried]
        dressed = self._dresser.dressed(db, item, placement, account=account, within=within, templates=every)
        tree, leaf = placing.chooser.tree, dressed.category_id
        path = "" if tree is None or leaf is None else tree.path_text(leaf)
        return AdPreview(
            title=ad_title(item.spec.title),
            source=ad_description(item.spec, header=dressed.header, footer=dressed.footer),
            price_kr=whole_kronor(item.spec.price_ore or 100),
            category=path or str(leaf or ""),
            notes=(*(() if dressed.fault is None else (dressed.fault,)), *dressed.warnings),
            applies=tried is None
            or choose_template(every, tried.part, account=account, categories=within) is tried,
        )

    async def put(self, template: Template) -> None:
        """Keep a template in place of the one for its place; an empty text takes that one away.

        Raises Refused: CONFLICT where the settings file says it, VALIDATION_FAILED for one that cannot be used.
        """
        if template.place in self._fixed:
            raise Refused(
                "CONFLICT",
                Text("The settings file says this one (ad.{part}): change it there", part=template.part),
            )
        if fault := template_fault(template.text):
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
