"""The body of a batch and how it is read: every item by itself, so that a bad one never spoils the others.

What one item may say is `wire.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from rheod.api.bodies import BODY_BYTES
from rheod.api.external_id import MAX_CHARACTERS, fault
from rheod.api.strict_json import is_clean
from rheod.api.wire import ItemBody, UrlCheck, read_item
from rheod.api.wire_types import Wire
from rheod.catalog.batch import Entry
from rheod.domain.errors import FieldError, Refused
from rheod.domain.model import ItemSpec

MAX_ITEMS = 500
BATCH_BYTES = 8 * 1024 * 1024
REASONS = 10
"""Wrong fields told of one item."""

REPEATED = "externalId: Given again later in this batch; the last one counts"


class BatchItem(ItemBody):
    """One item of a batch: as the body of a PUT, with its external id."""

    external_id: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]


class BatchBody(Wire):
    """Many items at once."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=MAX_ITEMS)]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the item at this place of the batch (from 0) was not taken; its id is None when it has none to show."""

    place: int
    external_id: str | None
    reason: str


class BatchReader:
    """Takes the elements of a batch one after the other and keeps what can be put and what is wrong."""

    def __init__(self, *, check_url: UrlCheck) -> None:
        self._check_url = check_url
        self._read = 0
        self._entries: dict[str, tuple[int, Entry | None]] = {}
        self.faults: list[Fault] = []

    @property
    def entries(self) -> list[Entry]:
        """What can be put, no two with the same id."""
        return [entry for _, entry in self._entries.values() if entry is not None]

    def take(self, element: Any, characters: int) -> None:
        """Read one element. Refused (VALIDATION_FAILED) when it is one too many for a batch."""
        if self._read == MAX_ITEMS:
            raise _wrong_number()
        place, self._read = self._read, self._read + 1
        external_id, found = _id_of(element)
        if external_id is not None:
            self._forget(external_id)
        try:
            spec = self._spec(element, characters, found)
        except Refused as error:
            self.faults.append(Fault(place, external_id, reason_of(error)))
            entry = None
        else:
            entry = Entry(external_id or "", spec)
        if external_id is not None:
            self._entries[external_id] = (place, entry)

    def end(self) -> None:
        """All were read. Refused (VALIDATION_FAILED) when there were none."""
        if self._read == 0:
            raise _wrong_number()

    def refuse(self, external_id: str, error: Refused) -> None:
        """What was read well was refused after all."""
        place, _ = self._entries[external_id]
        self.faults.append(Fault(place, external_id, reason_of(error)))

    def _spec(self, element: Any, characters: int, found: list[FieldError]) -> ItemSpec:
        if characters > BODY_BYTES:
            raise Refused("PAYLOAD_TOO_LARGE", f"Must be at most {BODY_BYTES // 1024} KiB")
        return read_item(element, check_url=self._check_url, found=found)

    def _forget(self, external_id: str) -> None:
        place, earlier = self._entries.pop(external_id, (0, None))
        if earlier is not None:
            self.faults.append(Fault(place, external_id, REPEATED))


def reason_of(error: Refused) -> str:
    """An error as one sentence, each wrong field named."""
    told = [f"{one.field}: {one.message}" for one in error.details[:REASONS]]
    more = ["…"] if len(error.details) > REASONS else []
    return "; ".join(told + more) or str(error)


def _id_of(element: Any) -> tuple[str | None, list[FieldError]]:
    """The id of an item, None when it cannot be told; and what is wrong with it."""
    given = element.get("externalId") if isinstance(element, dict) else None
    if not isinstance(given, str):
        message = "Required" if given is None else "Must be a string"
        return None, [FieldError("externalId", message)] if isinstance(element, dict) else []
    sentence = fault(given)
    shown = given if is_clean(given) else None
    return shown, [FieldError("externalId", sentence)] if sentence else []


def _wrong_number() -> Refused:
    wrong = FieldError("items", f"Must be a list of 1 to {MAX_ITEMS} items")
    return Refused("VALIDATION_FAILED", "Validation failed", (wrong,))
