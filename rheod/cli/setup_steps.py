"""What `setup` and `uninstall` are about to do, as a list of steps: shown by `--dry-run`, else done one by one.

A list is made by looking only; nothing changes before its first step is done. The unit hides home folders (ProtectHome=)
and has a /tmp of its own (PrivateTmp=): a program that `pipx` or `uv` put there is copied to /opt/rheod, with its libraries
and without the network. The units are written for where the program really lies, and an owner's edits are kept: each
written file begins with a line that holds the sum of the rest, and a file whose sum is right is ours to replace.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

import rheod
from rheod.cli import WRONG_USAGE, CommandFailed
from rheod.cli.main import Options, note, say

CONFIG = "/etc/rheod/rheod.toml"
_SYSTEMCTL_TIMEOUT_S = 120

with_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
with_root = click.option("--root", metavar="DIR", default="/", hidden=True)
"""For tests: a folder that stands for the system."""
with_systemctl = click.option("--systemctl", metavar="PROGRAM", hidden=True)


def require_default_config(options: Options) -> None:
    """CommandFailed for another settings file: the units that setup writes name /etc/rheod/rheod.toml."""
    if options.config is not None and options.config != Path(CONFIG):
        raise CommandFailed(f"The service's settings are in {CONFIG}: leave --config out", status=WRONG_USAGE)
    if os.environ.get("RHEOD_CONFIG") not in {None, "", CONFIG}:
        note(f"RHEOD_CONFIG is not looked at here: the service's settings are in {CONFIG}")


def _nothing() -> None:
    """A step that is only said."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: how it is said after `would`, and how it is done."""

    says: str
    do: Callable[[], None] = _nothing


def take(steps: Iterable[Step], *, dry_run: bool) -> None:
    """Do them in order, each said first; with `dry_run` only say them. CommandFailed where one cannot be done."""
    for step in steps:
        say(f"{'would ' if dry_run and step.do is not _nothing else ''}{step.says}")
        if dry_run:
            continue
        try:
            step.do()
        except OSError as error:
            raise CommandFailed(f"Could not {step.says}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPaths:
    """A system to install into: `root` is `/`, or a folder that stands for it; `systemctl` None where no systemd runs."""

    root: Path
    systemctl: str | None

    @classmethod
    def of(cls, root: str, systemctl: str | None) -> InstallPaths:
        """The running system for `/`, whose systemctl is used if it runs systemd; a folder has none unless named."""
        here = root == "/" and Path("/run/systemd/system").is_dir()
        return cls(root=Path(root), systemctl=systemctl or ("systemctl" if here else None))

    def at(self, path: str | Path) -> Path:
        """Where an absolute path of the system is."""
        return self.root / str(path).lstrip("/")

    def require_root(self) -> None:
        """CommandFailed, exit status 2, unless this process may write there."""
        if self.root == Path("/") and os.geteuid() != 0:
            again = " ".join([str(Path(sys.argv[0]).absolute()), *sys.argv[1:]])
            raise CommandFailed(
                f"This changes /etc and needs root. Run: sudo {again}\n(--dry-run shows what it would do)",
                status=WRONG_USAGE,
            )

    def control(self, *arguments: str) -> Step:
        """A step that runs systemctl, or leaves that to the owner where no systemd runs."""
        line, systemctl = " ".join(["systemctl", *arguments]), self.systemctl
        if systemctl is None:
            return Step(f"leave to you, since systemd does not run here: {line}")

        def run() -> None:
            try:
                ended = subprocess.run(  # noqa: S603 - systemctl with our own arguments
                    [systemctl, *arguments],
                    capture_output=True,
                    text=True,
                    timeout=_SYSTEMCTL_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise CommandFailed(f"{line} took over {_SYSTEMCTL_TIMEOUT_S} s") from error
            if ended.returncode != 0:
                reason = [*ended.stderr.strip().splitlines(), f"exit status {ended.returncode}"][0]
                raise CommandFailed(f"{line} failed: {reason}. See: journalctl -u rheod -n 20")

        return Step(f"run {line}", run)


def folder_step(folder: Path, shown: str, mode: int) -> list[Step]:
    """Make a folder, or give it the right mode; nothing where it is right."""

    def make() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)

    if not folder.is_dir():
        return [Step(f"make the folder {shown} (mode {mode:04o})", make)]
    if folder.stat().st_mode & 0o7777 != mode:
        return [Step(f"give the folder {shown} mode {mode:04o}", make)]
    return []


def write_file(file: Path, text: str, mode: int) -> None:
    """Write a whole file or none: beside it first, on the disk, then in its place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.fresh")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    fresh.replace(file)


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
    if not program.command.is_file():
        raise CommandFailed(f"There is no command {program.command}: install rheod with pipx, uv or pip")
    if not re.fullmatch(r"[\w./+@-]+", str(program.command)):
        raise CommandFailed(f"A unit cannot name {program.command}: install rheod under a plainer path")
    for path in (program.command, *program.command.parents):
        if path.stat().st_mode & _ALL_MAY_READ != _ALL_MAY_READ:
            raise CommandFailed(
                f"The service's own user may not read {path}: run chmod -R a+rX {path}, or install elsewhere"
            )
    return str(program.command), []


def _is_hidden(path: Path) -> bool:
    found = (path, path.resolve())
    return any(one.is_relative_to(hidden) for one in found for hidden in _HIDDEN)


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


FOLDER = "/etc/systemd/system"
SERVICE = "rheod.service"
CREDENTIALS = f"{FOLDER}/{SERVICE}.d/50-credentials.conf"
SECRETS = "/etc/rheod/secrets"
_STAMP = "# Written by rheod setup; changes belong into a drop-in (systemctl edit rheod). Sum "
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]+__[A-Za-z0-9_.-]+")


def shipped(name: str) -> Path:
    """A file of the top level that comes with the program: in an installed package, or in the sources."""
    package = Path(rheod.__file__).parent
    inside = package / "shipped" / name
    return inside if inside.exists() else package.parent / name


def unit_names() -> list[str]:
    """The units there are, the service first."""
    found = {file.name for file in shipped("systemd").iterdir() if file.suffix in {".service", ".timer"}}
    return [SERVICE, *sorted(found - {SERVICE})]


def unit_text(name: str, command: str) -> str:
    """A unit for the program at `command`, stamped."""
    text = (shipped("systemd") / name).read_text(encoding="utf-8")
    return stamped(text.replace(f"{COPY}/bin/rheod", command))


def stamped(text: str) -> str:
    """The text below a line with its sum."""
    return f"{_STAMP}{_sum(text)}\n{text}"


def is_ours(text: str) -> bool:
    """Whether setup wrote it and nobody has edited it since."""
    head, _, rest = text.partition("\n")
    return head == f"{_STAMP}{_sum(rest)}"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_units(place: InstallPaths, command: str) -> Iterator[Step]:
    """A step for every unit; one that its owner has edited is kept, and this version's is put beside it."""
    for name in unit_names():
        shown = f"{FOLDER}/{name}"
        file, wanted = place.at(shown), unit_text(name, command)
        found, write = _read(file), partial(write_file, file, wanted, 0o644)
        if found is None:
            yield Step(f"write the unit {shown}", write)
        elif found == wanted:
            yield Step(f"keep the unit {shown}: it is right")
        elif is_ours(found) or found == wanted.partition("\n")[2]:
            yield Step(f"replace the unit {shown} by this version's", write)
        else:
            # the names of the settings that differ, never their values: those may be secrets
            names = {line.partition("=")[0] + "=" for line in _settings(found) ^ _settings(wanted)}
            yield Step(
                f"keep the unit {shown}: you have edited it ({', '.join(sorted(names)) or 'remarks only'});"
                f" put this version's beside it as {name}.new",
                partial(write_file, file.with_name(f"{name}.new"), wanted, 0o644),
            )


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _settings(text: str) -> set[str]:
    return {line for line in text.splitlines() if "=" in line and not line.startswith(("#", ";"))}


def write_credentials(place: InstallPaths) -> list[Step]:
    """The drop-in that hands the service every secret in /etc/rheod/secrets; their modes are put right."""
    names = secret_names(place)
    steps = [
        Step(f"give {SECRETS}/{file.name} mode 0600", partial(file.chmod, 0o600))
        for file in (place.at(SECRETS) / name for name in names)
        if file.stat().st_mode & 0o777 != 0o600
    ]
    lines = [f"LoadCredential={name}:{SECRETS}/{name}" for name in names]
    wanted = stamped("\n".join(["[Service]", *lines, ""]))
    file = place.at(CREDENTIALS)
    if _read(file) != wanted:
        handed = ", ".join(names) or "none yet"
        steps.append(
            Step(f"hand the secrets to the service ({handed})", lambda: write_file(file, wanted, 0o644))
        )
    return steps


def secret_names(place: InstallPaths) -> list[str]:
    """The files in /etc/rheod/secrets that are named as a setting is."""
    folder = place.at(SECRETS)
    if not folder.is_dir():
        return []
    return sorted(file.name for file in folder.iterdir() if _CREDENTIAL.fullmatch(file.name))


def remove_units(place: InstallPaths) -> Iterator[Step]:
    """Stop, disable and remove every unit that is there."""
    names = [name for name in unit_names() if place.at(f"{FOLDER}/{name}").exists()]
    if names:
        yield place.control("disable", "--now", *names)
    files = [f"{FOLDER}/{name}{end}" for name in unit_names() for end in ("", ".new")] + [CREDENTIALS]
    for shown in files:
        file = place.at(shown)
        if file.exists():
            yield Step(f"remove {shown}", file.unlink)
    if names:
        yield place.control("daemon-reload")


def service_steps(place: InstallPaths, program: str | None) -> Iterator[Step]:
    """Everything of systemd. A restart brings in a new version, new settings and new secrets."""
    command, steps = (program, []) if program else place_program(Program.running(), place)
    yield from steps
    yield from write_units(place, command)
    yield from write_credentials(place)
    yield place.control("daemon-reload")
    yield place.control("enable", SERVICE)
    yield place.control("restart", SERVICE)
    for name in unit_names():
        if name.endswith(".timer"):
            yield place.control("enable", "--now", name)


def remove_settings(place: InstallPaths, *, keep: bool) -> Iterator[Step]:
    """What takes settings and secrets away; with `keep` they stay, for the data cannot be read without them."""
    if keep:
        yield Step("keep /etc/rheod: the data is sealed with storage.key, or the settings could not be read")
        return
    folder = place.at("/etc/rheod")

    def remove_if_empty() -> None:
        if not any(folder.iterdir()):
            folder.rmdir()

    for shown in (CONFIG, SECRETS):
        target = place.at(shown)
        if target.is_dir():
            yield Step(f"remove {shown} and the secrets in it", partial(shutil.rmtree, target))
        elif target.exists():
            yield Step(f"remove {shown}", target.unlink)
    if folder.is_dir():
        yield Step("remove /etc/rheod if nothing else is in it", remove_if_empty)
