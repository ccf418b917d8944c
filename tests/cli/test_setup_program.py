"""Where the service finds the program: in place where it may read it, else a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

import rheod
from rheod.cli import CommandFailed
from rheod.cli.setup_steps import InstallPaths, Program, copy_program, place_program, remove_copy

PYTHON = Path("/usr/bin/python3")


@pytest.fixture
def place(tmp_path: Path) -> InstallPaths:
    """A system without systemd."""
    return InstallPaths(root=tmp_path / "root", systemctl=None)


def hidden(libraries: Path = Path("/root/venv/lib/site-packages")) -> Program:
    """A program as pipx installs it for root."""
    return Program(
        prefix=Path("/root/venv"),
        command=Path("/root/venv/bin/rheod"),
        libraries=libraries,
        package=libraries / "rheod",
        python=PYTHON,
    )


def test_a_program_that_the_service_can_read_stays_where_it_is(tmp_path: Path, place: InstallPaths) -> None:
    """The unit starts that very command; nothing needs to be done."""
    libraries = Path("/usr/lib/python3/dist-packages")
    command = Path(shutil.which("true") or "/usr/bin/true")
    seen = Program(
        prefix=tmp_path, command=command, libraries=libraries, package=libraries / "rheod", python=PYTHON
    )
    assert place_program(seen, place) == (str(command), [])


def test_a_program_in_a_home_folder_is_copied(place: InstallPaths) -> None:
    """The unit hides home folders, so the service gets a copy, and the step says why."""
    command, steps = place_program(hidden(), place)
    assert command == "/opt/rheod/bin/rheod"
    assert "copy the program from /root/venv to /opt/rheod" in steps[0].says


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"python": Path("/root/.local/share/uv/python/bin/python3.12")}, "--python /usr/bin/python3"),
        ({"package": Path("/root/src/rheod")}, "runs from its sources in /root/src"),
    ],
)
def test_what_cannot_be_copied_is_refused_with_the_way_out(
    change: dict[str, Path], says: str, place: InstallPaths
) -> None:
    """A Python in a home folder, and sources that are not installed."""
    with pytest.raises(CommandFailed, match=says):
        place_program(replace(hidden(), **change), place)


def test_an_opt_rheod_of_somebody_else_is_left_alone(place: InstallPaths) -> None:
    """The sentence names the program in it."""
    place.at("/opt/rheod").mkdir(parents=True)
    with pytest.raises(CommandFailed, match="/opt/rheod/bin/rheod setup --systemd"):
        place_program(hidden(), place)
    assert remove_copy(place) == []


def test_a_copy_runs_and_is_replaced_by_the_next(tmp_path: Path, place: InstallPaths) -> None:
    """The copied interpreter finds the copied package, all may read it, and no half of an older copy is left."""
    libraries = tmp_path / "site-packages"
    shutil.copytree(
        Path(rheod.__file__).parent, libraries / "rheod", ignore=shutil.ignore_patterns("sandbox")
    )
    shutil.copytree(Path(click.__file__).parent, libraries / "click")
    (libraries / "rheod" / "old.py").write_text("")
    (libraries / "rheod").chmod(0o700)
    target = place.at("/opt/rheod")
    target.parent.mkdir(parents=True)
    copy_program(hidden(libraries), target, shown=target)
    (libraries / "rheod" / "old.py").unlink()
    copy_program(hidden(libraries), target, shown=target)
    assert not list(target.rglob("old.py"))
    assert [path.name for path in target.parent.iterdir()] == ["rheod"]
    said = subprocess.run(
        [target / "bin" / "rheod", "version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout == f"rheod {rheod.__version__}\n"
    closed = [path for path in target.rglob("*") if not path.is_symlink() and not path.stat().st_mode & 0o004]
    assert closed == []
    place_program(hidden(libraries), place)
    for step in remove_copy(place):
        step.do()
    assert not target.exists()


def test_the_running_program_is_this_one() -> None:
    """It knows its environment and its package."""
    found = Program.running()
    assert found.package == Path(rheod.__file__).parent
    assert found.prefix == Path(sys.prefix)
