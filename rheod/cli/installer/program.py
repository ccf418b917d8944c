"""Where the installed program lies, and a copy of it where the service may read it.

The unit hides home folders (ProtectHome=) and has a /tmp of its own (PrivateTmp=): a program that `pipx` or `uv` put
there is copied to /opt/rheod, with its libraries and without the network.
"""

from __future__ import annotations

import compileall
import re
import shutil
import stat
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import rheod
from rheod.cli import CommandFailed
from rheod.cli.installer.steps import InstallPaths, Step

COPY = "/opt/rheod"
_MARK = "made-by-rheod-setup"
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what the unit hides, not what we use
_SCRIPT = "#!{python}\nimport sys\n\nfrom rheod.cli.main import main\n\nsys.exit(main())\n"
_ALL_MAY_READ = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An installed rheod: its environment, the command in it, its libraries, the package, Python's own binary."""

    prefix: Path
    command: Path
    libraries: Path
    package: Path
    python: Path

    @classmethod
    def running(cls) -> Program:
        """The one that runs now."""
        python = getattr(sys, "_base_executable", sys.executable)
        return cls(
            prefix=Path(sys.prefix),
            command=Path(sysconfig.get_path("scripts"), "rheod"),
            libraries=Path(sysconfig.get_path("purelib")),
            package=Path(rheod.__file__).parent,
            python=Path(python).resolve(),
        )


def place_program(program: Program, place: InstallPaths) -> tuple[str, list[Step]]:
    """The command that the unit starts, and what must be done for it. CommandFailed with the way out."""
    if _is_hidden(program.python):
        raise CommandFailed(
            f"The service cannot reach Python at {program.python}: its unit hides home folders and /tmp. Install"
            " rheod with the system's Python: pipx install --python /usr/bin/python3 rheod, or"
            " uv tool install --python /usr/bin/python3 rheod"
        )
    if any(_is_hidden(path) for path in (program.command, program.package, program.libraries)):
        if not program.package.is_relative_to(program.libraries):
            raise CommandFailed(
                f"rheod runs from its sources in {program.package.parent}, which the service cannot reach. Install it:"
                f" python3 -m venv {COPY} && {COPY}/bin/pip install {program.package.parent}"
            )
        target = place.at(COPY)
        if target.exists() and not (target / _MARK).exists():
            raise CommandFailed(
                f"{COPY} is there and was not made by rheod setup. Use that one: {COPY}/bin/rheod setup --systemd;"
                " or move it away first"
            )
        return f"{COPY}/bin/rheod", [
            Step(
                f"copy the program from {program.prefix} to {COPY}: the unit hides home folders and /tmp",
                lambda: copy_program(program, target, shown=Path(COPY)),
            )
        ]
    _require_reach(program)
    return str(program.command), []


def _is_hidden(path: Path) -> bool:
    found = (path, path.resolve())
    return any(one.is_relative_to(hidden) for one in found for hidden in _HIDDEN)


def _require_reach(program: Program) -> None:
    if not program.command.is_file():
        raise CommandFailed(f"There is no command {program.command}: install rheod with pipx, uv or pip")
    if not re.fullmatch(r"[\w./+@-]+", str(program.command)):
        raise CommandFailed(f"A unit cannot name {program.command}: install rheod under a plainer path")
    for path in (program.command, *program.command.parents):
        if path.stat().st_mode & _ALL_MAY_READ != _ALL_MAY_READ:
            raise CommandFailed(
                f"The service's own user may not read {path}: run chmod -R a+rX {path}, or install elsewhere"
            )


def copy_program(program: Program, target: Path, *, shown: Path) -> None:
    """A copy of the environment at `target`, whole or not at all, which all may read; `shown` is its path for the service."""
    fresh, former = target.with_name(target.name + ".fresh"), target.with_name(target.name + ".former")
    for left in (fresh, former):
        shutil.rmtree(left, ignore_errors=True)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(fresh)
    libraries = next((fresh / "lib").glob("python*")) / "site-packages"
    shutil.copytree(program.libraries, libraries, symlinks=True, dirs_exist_ok=True)
    script = fresh / "bin" / "rheod"
    script.write_text(_SCRIPT.format(python=shown / "bin" / "python"), encoding="utf-8")
    script.chmod(0o755)
    # the service may not write here, and would compile everything anew at each start
    compileall.compile_dir(libraries, quiet=2, stripdir=str(fresh), prependdir=str(shown))
    (fresh / _MARK).write_text(f"{rheod.__version__} from {program.prefix}\n", encoding="utf-8")
    for path in (fresh, *fresh.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode) | stat.S_IROTH | stat.S_IRGRP
        if path.is_dir() or mode & stat.S_IXUSR:
            mode |= stat.S_IXOTH | stat.S_IXGRP
        path.chmod(mode)
    if target.exists():
        target.replace(former)
    fresh.replace(target)
    shutil.rmtree(former, ignore_errors=True)


def remove_copy(place: InstallPaths) -> list[Step]:
    """What takes the copy away again, if there is one."""
    target = place.at(COPY)
    if not (target / _MARK).exists():
        return []
    return [Step(f"remove the copy of the program {COPY}", lambda: shutil.rmtree(target))]
