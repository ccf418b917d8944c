"""The manifest of a backup: what the folder holds, so that a restore can prove it before it touches anything.

It only reads and writes the one JSON file; what stands in it is not believed before it was compared.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rheod.domain.errors import RheodError
from rheod.store.copies import Contents, read

NAME = "manifest.json"
DATABASE = "rheod.db"
IMAGES = "images"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A backup's own description. `key` is whether the key file lies in it; `pictures` None: none were wanted."""

    made_at: int
    rheod: str
    schema: int
    counts: dict[str, int]
    size_bytes: int
    sha256: str
    key: bool
    pictures: tuple[str, ...] | None

    def write(self, folder: Path) -> Path:
        """Put it into the backup."""
        file = folder / NAME
        file.write_text(json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
        return file

    @classmethod
    def of(cls, folder: Path) -> Manifest:
        """The manifest of a backup. Raises RheodError when there is none to be understood."""
        try:
            found = json.loads((folder / NAME).read_text(encoding="utf-8"))
            if found.pop("format") != _FORMAT:
                raise RheodError(f"{folder} was made by a newer rheod: install that one first")
            pictures = found.pop("pictures")
            return cls(**found, pictures=None if pictures is None else tuple(pictures))
        except OSError as error:
            raise RheodError(f"{folder} is no backup of rheod: its {NAME}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RheodError(f"{folder} has a damaged {NAME}") from error

    def prove(self, folder: Path) -> Contents:
        """The contents of the backup's database. Raises RheodError when it is not the one described here, or damaged."""
        contents = read(folder / DATABASE)
        if (contents.sha256, contents.size_bytes) != (self.sha256, self.size_bytes):
            raise RheodError(f"{folder / DATABASE} is not what was put there: its SHA-256 differs")
        if (contents.schema, contents.counts) != (self.schema, self.counts):
            raise RheodError(f"{folder / NAME} does not describe {DATABASE} beside it")
        return contents
