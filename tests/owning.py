"""The owner of a rheod, who writes its settings where they may stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rheod.config.loading import SettingsError, load_settings
from rheod.config.settings import Settings


class Owner:
    """Somebody who writes the three places settings come from, in a temporary folder."""

    def __init__(self, *, folder: Path) -> None:
        self.file = folder / "rheod.toml"
        self.file.write_text("")
        self.credentials = folder / "credentials"
        self.credentials.mkdir()

    def load(self, environ: Mapping[str, str] | None = None) -> Settings:
        """What rheod makes of it."""
        return load_settings(config_file=self.file, environ=environ or {}, credentials_dir=self.credentials)

    def refusal(self, environ: Mapping[str, str] | None = None) -> list[str]:
        """The lines of the error."""
        with pytest.raises(SettingsError) as caught:
            self.load(environ)
        return str(caught.value).splitlines()
