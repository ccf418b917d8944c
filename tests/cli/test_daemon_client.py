"""Which settings the commands work with."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_cli import run


def test_commands_know_the_secrets_beside_the_settings_file(tmp_path: Path) -> None:
    """What setup hands to the service as credentials, root's commands read there; real credentials come before them."""
    settings, secrets = tmp_path / "rheod.toml", tmp_path / "secrets"
    settings.touch()
    secrets.mkdir()
    (secrets / "tradera__app_key").write_text("test-secret\n")
    place = {"RHEOD_CONFIG": str(settings)}
    shown = json.loads(run("config", "show", "--json", environ=place).stdout)
    assert shown["tradera.app_key"] == {"value": "********", "from": "credential tradera__app_key"}
    other = tmp_path / "other"
    other.mkdir()
    given = place | {"CREDENTIALS_DIRECTORY": str(other)}
    shown = json.loads(run("config", "show", "--json", environ=given).stdout)
    assert shown["tradera.app_key"]["value"] is None
