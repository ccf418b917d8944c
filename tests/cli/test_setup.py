"""`rheod setup` on a folder that stands for a system: what it writes, what it keeps, what it asks of systemd."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rheod.cli import setup_steps as steps
from rheod.sandbox.demo_daemon import clean_environment
from tests import warm
from tests.cli.installing import PROGRAM, Machine

TOP = Path(__file__).parents[2]
CONFIG = "/etc/rheod/rheod.toml"
UNIT = "/etc/systemd/system/rheod.service"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty system."""
    root = tmp_path / "root"
    root.mkdir()
    return Machine(root)


def test_setup_writes_everything_with_the_right_modes(machine: Machine) -> None:
    """Settings that the service may read, secrets that only root may, the units for the real program."""
    ended = machine.run("setup", "--systemd")
    assert (ended.returncode, ended.stderr) == (0, "")
    state = machine.state()
    mode, written = state["etc/rheod/rheod.toml"]
    assert mode == 0o644
    assert tomllib.loads(written) == {"tradera": {"quota": {}}}
    assert str(TOP / "rheod.toml.example") in written
    assert state["etc/rheod/secrets"][0] == 0o700
    for name in steps.unit_names():
        mode, text = state[f"etc/systemd/system/{name}"]
        assert mode == 0o644
        assert steps.is_ours(text)
    assert f"ExecStart={PROGRAM} serve\n" in state["etc/systemd/system/rheod.service"][1]
    assert "systemctl enable rheod.service" in ended.stdout


def test_a_dry_run_says_every_step_and_changes_nothing(machine: Machine) -> None:
    """The same steps as the real run; not even a folder is made, and systemctl is not called."""
    dry = machine.run("setup", "--systemd", "--dry-run", systemd=True)
    assert dry.returncode == 0
    assert (machine.state(), machine.systemctl_calls()) == ({}, [])
    said = [line.removeprefix("would ") for line in dry.stdout.splitlines()]
    real = machine.run("setup", "--systemd").stdout
    assert said[:4] == real.splitlines()[:4]


def test_a_second_setup_changes_nothing(machine: Machine) -> None:
    """Everything is kept and said to be right."""
    machine.run("setup", "--systemd")
    before = machine.state()
    ended = machine.run("setup", "--systemd")
    assert (ended.returncode, machine.state()) == (0, before)
    assert f"keep your {CONFIG}" in ended.stdout
    assert f"keep the unit {UNIT}: it is right" in ended.stdout


def test_edited_settings_and_units_are_kept_and_shown(machine: Machine) -> None:
    """What the owner set is named, secrets as stars; an edited unit stays and the new one lies beside it."""
    machine.run("setup", "--systemd")
    machine.write(CONFIG, '[server]\nport = 9090\n[tradera]\napp_key = "test-secret"\n')
    edited = machine.file(UNIT).read_text(encoding="utf-8").replace("MemoryMax=1G", "MemoryMax=2G")
    machine.write(UNIT, edited)
    ended = machine.run("setup", "--systemd")
    assert ended.returncode == 0
    assert "it sets server.port to 9090 (the example: 8080)" in ended.stdout
    assert "/etc/rheod/secrets/tradera__app_key, where only root reads it" in ended.stdout
    assert "test-secret" not in ended.stdout
    assert "you have edited it (MemoryMax=)" in ended.stdout
    assert machine.file(UNIT).read_text(encoding="utf-8") == edited
    assert "MemoryMax=1G" in machine.file(f"{UNIT}.new").read_text(encoding="utf-8")


def test_a_unit_of_an_earlier_version_is_replaced(machine: Machine) -> None:
    """What setup wrote and nobody touched is brought up to date."""
    machine.write(UNIT, steps.stamped("[Service]\nExecStart=/old/rheod serve\n"))
    ended = machine.run("setup", "--systemd")
    assert f"replace the unit {UNIT} by this version's" in ended.stdout
    assert f"ExecStart={PROGRAM} serve" in machine.file(UNIT).read_text(encoding="utf-8")


def test_secrets_are_handed_to_the_service(machine: Machine) -> None:
    """Each file that is named as a setting becomes a credential, readable by root alone; others are left out."""
    secret = machine.write("/etc/rheod/secrets/tradera__app_key", "test-secret\n")
    machine.write("/etc/rheod/secrets/notes.txt", "mine")
    ended = machine.run("setup", "--systemd")
    assert ended.returncode == 0
    drop_in = machine.file(steps.CREDENTIALS).read_text(encoding="utf-8")
    assert drop_in.splitlines()[1:] == [
        "[Service]",
        "LoadCredential=tradera__app_key:/etc/rheod/secrets/tradera__app_key",
    ]
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "tradera.app_key" not in ended.stdout.partition("Next:")[2]


def test_wrong_settings_stop_it_before_anything_is_done(machine: Machine) -> None:
    """Exit status 2 with the key's name, and nothing else was written."""
    machine.write(CONFIG, "[server]\nprot = 1\n")
    before = machine.state()
    ended = machine.run("setup", "--systemd", systemd=True)
    assert ended.returncode == 2
    assert "server.prot" in ended.stderr
    assert (machine.state(), machine.systemctl_calls()) == (before, [])


def test_without_systemd_it_makes_the_data_folder(machine: Machine) -> None:
    """Settings and folders alone; no unit."""
    ended = machine.run("setup")
    assert ended.returncode == 0
    assert machine.file("/var/lib/rheod").stat().st_mode & 0o777 == 0o700
    assert not machine.file("/etc/systemd").exists()
    assert "rheod serve" in ended.stdout


@pytest.mark.parametrize("command", ["setup", "uninstall"])
def test_without_being_root_it_says_so(command: str, tmp_path: Path) -> None:
    """Exit status 2 and the line to run instead. Another user than root cannot be had in every place: Python asks it."""
    code = (
        "import os, sys; os.getuid() or os.setuid(65534); os.chdir('/')\n"
        f"from rheod.cli.main import main; sys.argv = ['rheod', '{command}']; sys.exit(main())"
    )
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import rheod.cli.main, rheod.cli.setup, rheod.config.loading\n{code}",
        ],
        env=clean_environment(os.environ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "needs root. Run: sudo " in ended.stderr
    assert f"rheod {command}" in ended.stderr


async def test_the_service_comes_up_and_one_password_is_shown(machine: Machine) -> None:
    """The calls of systemctl are in order, the daemon is waited for, its first password printed; a second run prints none."""
    machine.data.mkdir(parents=True)
    daemon = warm.daemon(folder=machine.data, settings={})
    async with daemon.running():
        address = await daemon.address()
        ended = machine.run("setup", "--systemd", systemd=True)
        assert (ended.returncode, ended.stderr) == (0, "")
        calls = machine.systemctl_calls()
        assert calls[:3] == ["daemon-reload", "enable rheod.service", "restart rheod.service"]
        before, _, after = ended.stdout.partition("shown this once")
        assert before
        password = after.splitlines()[1]
        assert len(password) == 24
        assert await _signs_in(address, password)
        again = machine.run("setup", "--systemd", systemd=True)
        assert again.returncode == 0
        assert "shown this once" not in again.stdout
        assert await _signs_in(address, password)


async def _signs_in(address: str, password: str) -> bool:
    import aiohttp  # noqa: PLC0415 - the other tests here need none

    async with (
        aiohttp.ClientSession() as browser,
        browser.post(
            f"{address}/dashboard/sign-in",
            data={"secret": password, "next": ""},
            headers={"Origin": address},
            allow_redirects=False,
        ) as answer,
    ):
        return answer.status == 303


def test_a_service_that_does_not_start_is_reported(machine: Machine) -> None:
    """What systemctl said, and where to look."""
    failing = machine.write("/systemctl", '#!/bin/sh\necho "Job for rheod.service failed" >&2; exit 1\n')
    failing.chmod(0o755)
    ended = machine.run("setup", "--systemd", "--systemctl", str(failing))
    assert ended.returncode == 1
    assert "failed: Job for rheod.service failed. See: journalctl -u rheod" in ended.stderr


def test_the_wheel_carries_what_setup_writes() -> None:
    """pyproject.toml puts the example and the units where an installed package looks for them."""
    wheel = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert wheel["targets"]["wheel"]["force-include"] == {
        "rheod.toml.example": "rheod/shipped/rheod.toml.example",
        "systemd": "rheod/shipped/systemd",
    }
    assert steps.shipped("rheod.toml.example") == TOP / "rheod.toml.example"
