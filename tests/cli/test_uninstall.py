"""`rheod uninstall`: what it takes away, what it leaves, and that data goes only at the owner's word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import warm
from tests.cli.installing import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A system with rheod set up and some data."""
    root = tmp_path / "root"
    root.mkdir()
    one = Machine(root)
    one.write("/etc/rheod/secrets/tradera__app_key", "test-secret")
    assert one.run("setup", "--systemd").returncode == 0
    one.data.mkdir(parents=True)
    (one.data / "rheod.db").touch()
    return one


def left(machine: Machine) -> list[str]:
    """The files there still are, without the data."""
    return [path for path in machine.state() if machine.file(path).is_file() and "var/lib" not in path]


def test_everything_goes_at_the_owners_word(machine: Machine) -> None:
    """Stopped and disabled first, then units, data, settings and secrets."""
    ended = machine.run("uninstall", systemd=True, typed="delete everything\n")
    assert ended.returncode == 0
    calls = machine.systemctl_calls()
    assert calls[0].startswith("disable --now rheod.service")
    assert calls[-1] == "daemon-reload"
    assert (left(machine), machine.data.exists()) == ([], False)
    assert not machine.file("/etc/rheod").exists()


@pytest.mark.parametrize("typed", ["", "yes\n"])
def test_another_word_changes_nothing(machine: Machine, typed: str) -> None:
    """Only the whole sentence will do."""
    before = machine.state()
    ended = machine.run("uninstall", systemd=True, typed=typed)
    assert ended.returncode == 1
    assert "Nothing was changed" in ended.stderr
    assert (machine.state(), machine.systemctl_calls()) == (before, [])
    assert machine.data.exists()


def test_the_data_is_kept_on_request(machine: Machine) -> None:
    """Units and settings go, nothing is asked, the database stays."""
    assert machine.run("uninstall", "--keep-data").returncode == 0
    assert left(machine) == []
    assert (machine.data / "rheod.db").exists()


def test_settings_stay_with_data_that_is_sealed_by_them(machine: Machine) -> None:
    """Without storage.key the kept data could not be opened again."""
    machine.write("/etc/rheod/secrets/storage__key", "test-key-of-thirty-two-characters")
    ended = machine.run("uninstall", "--keep-data")
    assert "keep /etc/rheod" in ended.stdout
    assert sorted(left(machine)) == [
        "etc/rheod/rheod.toml",
        "etc/rheod/secrets/storage__key",
        "etc/rheod/secrets/tradera__app_key",
    ]


def test_a_dry_run_changes_nothing(machine: Machine) -> None:
    """Every step in words, without a question."""
    before = machine.state()
    ended = machine.run("uninstall", "--dry-run", systemd=True)
    assert ended.returncode == 0
    assert "would remove the data in /var/lib/rheod" in ended.stdout
    assert (machine.state(), machine.systemctl_calls(), machine.data.exists()) == (before, [], True)


async def test_a_running_daemons_data_is_not_removed(machine: Machine) -> None:
    """A daemon that systemd did not stop is named; data and settings stay."""
    (machine.data / "rheod.db").unlink()
    daemon = warm.daemon(folder=machine.data, settings={})
    async with daemon.running():
        await daemon.address()
        ended = machine.run("uninstall", "--yes")
        assert ended.returncode == 1
        assert "rheod still runs" in ended.stderr
        assert (machine.data / "rheod.db").exists()
        assert machine.file("/etc/rheod/rheod.toml").exists()
