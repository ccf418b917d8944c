"""What the owner makes and mends by hand, beside the ERP: drafts, an item made of one, its words changed.

An item goes through the same door as a PUT, so that every guard of a PUT holds for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rheod.domain.ad_text import ad_description, ad_title
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.freight import Freight, choose, parcel_of
from rheod.domain.model import Item, ItemSpec
from rheod.domain.pictures import uploaded_file
from rheod.domain.placement import Placement
from rheod.store import items, key_value, picture_files, reference_data
from rheod.store.key_value import Draft
from rheod.usecases.items import publish_now
from rheod.usecases.placement import REFUSAL_MS
from rheod.usecases.put_item import put
from rheod.usecases.transaction import Store, Transaction

FIRST_NUMBER = 1001
_NUMBER = "own_items.number"
_CATEGORIES = "own_items.categories"
_REMEMBERED = 4
_SHOWN_DRAFTS = 5


@dataclass(frozen=True, slots=True)
class Made:
    """The item that a draft became; `message` says what is done with it, `again`: it had become that before."""

    external_id: str
    message: Text
    again: bool = False


@dataclass(frozen=True, slots=True)
class AdPreview:
    """What an ad would be: its title and text (HTML), its place with what is missing, its freight."""

    title: str
    text: str
    placement: Placement
    freight: Freight


class OwnItems:
    """The use cases of items made by hand."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def draft(self, account_id: str, draft_id: str) -> Draft | None:
        """A draft as it was last kept."""
        return await self._store.read(lambda db: key_value.draft(db, account_id, draft_id))

    async def open_drafts(self, account_id: str, *, but: str) -> list[Draft]:
        """The latest drafts that have become no item, without those whose id begins so."""
        return await self._store.read(
            lambda db: key_value.open_drafts(db, account_id, but=but, limit=_SHOWN_DRAFTS)
        )

    async def keep_draft(
        self, account_id: str, draft_id: str, fields: Mapping[str, str], pictures: Sequence[str]
    ) -> None:
        """Keep what was typed, and the pictures that were sent for it for another day."""

        def keep(tx: Transaction) -> None:
            key_value.keep_draft(tx.db, account_id, draft_id, fields, now=tx.now)
            files = [file for url in pictures if (file := uploaded_file(url)) is not None]
            picture_files.hold_uploads(tx.db, files, now=tx.now)

        await self._store.write(keep)

    async def drop_draft(self, account_id: str, draft_id: str) -> None:
        """Forget a draft."""
        await self._store.write(lambda tx: key_value.drop_draft(tx.db, account_id, draft_id))

    async def still_there(self, pictures: Sequence[str]) -> list[str]:
        """Those of these sent pictures that have not been dropped."""

        def there(db: sqlite3.Connection) -> list[str]:
            files = {url: uploaded_file(url) for url in pictures}
            return [url for url, file in files.items() if file is None or picture_files.upload(db, file)]

        return await self._store.read(there)

    async def remembered(self, account_id: str) -> list[int]:
        """The categories of the last items made by hand, the latest first."""
        kept = await self._store.read(lambda db: key_value.get(db, f"{_CATEGORIES}:{account_id}"))
        return [] if kept is None else json.loads(kept)

    async def make(
        self, account_id: str, spec: ItemSpec, *, number: str, draft_id: str, publish: bool
    ) -> Made:
        """Make an item of a draft, once: under this article number, else under the next free one.

        Raises Refused as a PUT does, and for a number that another item has.
        """

        def use_case(tx: Transaction) -> Made:
            draft = key_value.draft(tx.db, account_id, draft_id)
            if draft is not None and draft.made is not None:
                return Made(draft.made, Text("It had been made already"), again=True)
            if number and items.find(tx.db, account_id, number) is not None:
                taken = FieldError("externalId", Text("Another item has this number"))
                raise Refused("VALIDATION_FAILED", Text("Validation failed"), (taken,))
            external_id = number or _next_number(tx, account_id)
            put(tx, account_id, external_id, replace(spec, made_here=True, auto_publish=publish))
            message = Text("Kept. It is not published yet.")
            if publish:
                message = publish_now(tx, account_id, external_id)
            _remember(tx, account_id, spec)
            if draft_id:
                key_value.draft_became(tx.db, account_id, draft_id, external_id, now=tx.now)
            return Made(external_id, message)

        return await self._store.write(use_case)

    async def mend(
        self, account_id: str, external_id: str, version: int, change: Callable[[Item], ItemSpec]
    ) -> str:
        """Change an item by the owner's hand: `change` makes its new words of the item as it stands.

        Raises Refused as a PUT does, and (CONFLICT) when the item is no longer of the `version` that was looked at.
        """

        def mend(tx: Transaction) -> str:
            item = items.find(tx.db, account_id, external_id)
            if item is None:
                raise Refused("NOT_FOUND", Text("No item found with this external ID"))
            if item.version != version:
                raise Refused(
                    "CONFLICT",
                    Text("The item has changed since you opened it: look at it, and change it anew"),
                )
            spec = change(item)
            _remember(tx, account_id, spec)
            return put(tx, account_id, external_id, spec).message

        return await self._store.write(mend)

    async def preview(self, account_id: str, spec: ItemSpec) -> AdPreview:
        """The ad of an item of these words, were it made now; nobody is called."""
        item = Item(id="", account_id=account_id, external_id="", spec=spec)
        placer, since = self._store.placer, self._store.now() - REFUSAL_MS
        placement, table, refused = await self._store.read(
            lambda db: (
                placer.place(db, item),
                reference_data.shipping_table(db),
                reference_data.refused_products(db, since=since),
            )
        )
        return AdPreview(
            title=ad_title(spec.title),
            text=ad_description(spec, header=placement.header, footer=placement.footer),
            placement=placement,
            freight=choose(parcel_of(spec), placer.fixed.freight, table, refused=refused),
        )


def _next_number(tx: Transaction, account_id: str) -> str:
    """`R-1001` and on; a number once given is never given again."""
    name = f"{_NUMBER}:{account_id}"
    number = int(key_value.get(tx.db, name) or FIRST_NUMBER - 1) + 1
    while items.find(tx.db, account_id, f"R-{number}") is not None:
        number += 1
    key_value.put(tx.db, name, str(number))
    return f"R-{number}"


def _remember(tx: Transaction, account_id: str, spec: ItemSpec) -> None:
    category = spec.tradera and spec.tradera.category_id
    if not category:
        return
    name = f"{_CATEGORIES}:{account_id}"
    before = json.loads(key_value.get(tx.db, name) or "[]")
    key_value.put(
        tx.db, name, json.dumps([category, *(each for each in before if each != category)][:_REMEMBERED])
    )
