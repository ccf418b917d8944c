"""The small reader of the admin socket's place agrees with the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from rheod.cli.daemon_client import InDoubtError, find_admin_socket
from rheod.config.loading import load_settings
from rheod.domain.errors import RheodError

PLACES: list[dict[str, str]] = [
    {},
    {"STATE_DIRECTORY": "/state:/other"},
    {"STATE_DIRECTORY": "/state", "file": '[storage]\npath = "/file"'},
    {"file": '[storage]\npath = "/file"', "RHEOD_STORAGE__PATH": "/environment"},
    {"file": '[server]\nadmin_socket = "/run/file.sock"', "RHEOD_STORAGE__PATH": "/environment"},
    {"file": '[server]\nadmin_socket = "/run/file.sock"', "server__admin_socket": "/run/credential.sock"},
    {"storage__path": "/credential\n", "RHEOD_STORAGE__PATH": "/environment"},
    {"storage__path": "/credential", "STATE_DIRECTORY": "/state"},
    {"server__admin_socket": "/run/credential.sock", "RHEOD_SERVER__ADMIN_SOCKET": "/run/environment.sock"},
    {"file": '[server]\nadmin_socket = "/run/file.sock"', "RHEOD_SERVER__ADMIN_SOCKET": ""},
    {"server__admin_socket": "", "file": '[storage]\npath = "/file"'},
    {"file": "[storage"},
    {"file": '[storage]\npath = "relative"'},
    {"file": "[storage]\npath = 7"},
    {"file": "storage = 7"},
    {"RHEOD_STORAGE__PATH": ""},
    {"RHEOD_SERVER__ADMIN_SOCKET": "relative.sock"},
    {"RHEOD_CONFIG": "/nonexistent/rheod.toml"},
]


@pytest.mark.parametrize("given", PLACES)
def test_the_small_reader_finds_the_same_socket_as_the_settings(
    given: dict[str, str], tmp_path: Path
) -> None:
    """Same layers, same order; where the settings are wrong the small reader leaves the word to the full one."""
    file = tmp_path / "rheod.toml"
    file.write_text(given.get("file", ""))
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("storage__path", "server__admin_socket"):
        if name in given:
            (credentials / name).write_text(given[name])
    environ = {name: value for name, value in given.items() if name.isupper()}
    environ = {"RHEOD_CONFIG": str(file), "CREDENTIALS_DIRECTORY": str(credentials)} | environ
    found: Path | None
    try:
        found = find_admin_socket(config_file=None, environ=environ)
    except InDoubtError:
        found = None
    try:
        right = load_settings(config_file=None, environ=environ, credentials_dir=None).admin_socket
    except RheodError:
        assert found is None
    else:
        assert found == right
