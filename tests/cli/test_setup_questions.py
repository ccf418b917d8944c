"""What `rheod setup` asks for a new settings file: only what is answered is written, and nobody is asked who is not there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rheod.cli.setup import Answers, ask_questions, category
from rheod.config.loading import load_settings
from rheod.domain.budget import METHODS
from rheod.sandbox.demo_daemon import clean_environment
from tests.cli.installing import Machine

CONFIG = "/etc/rheod/rheod.toml"
ALL = ("--quota", "5000", "--quota-total", "300", "--freight", "66", "--category", "automotive_part=302410")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty system."""
    root = tmp_path / "root"
    root.mkdir()
    return Machine(root)


def answered(*typed: str) -> tuple[Answers, list[str]]:
    """What comes of these lines, and what was told of those that were wrong."""
    lines, told = iter(typed), list[str]()
    answers = ask_questions(lambda _question: next(lines), told.append)
    assert next(lines, None) is None
    return answers, [line for line in told if line.startswith("  ")]


def test_only_what_is_answered_is_written() -> None:
    """Nothing gives nothing; each answer is one line of its table."""
    assert answered("", "", "", "") == (Answers(), [])
    assert Answers().toml() == ""
    answers, wrong = answered("5 000", "", "66", "Bildelar=302410, bocker=302619")
    assert wrong == []
    assert tomllib.loads(answers.toml()) == {
        "tradera": {
            "quota": {"default": 5000},
            "shipping": {"shipping_cost": 66},
            "defaults": {"category_id": {"auto_parts": 302410, "books": 302619}},
        }
    }


def test_a_wrong_answer_is_told_and_asked_for_again() -> None:
    """What a number or a kind of goods is; the dialogue goes on with the next answer."""
    answers, wrong = answered("many", "0", "-5", "900", "", "9" * 99, "", "cars=x", "rockets=5", "books", "")
    assert (answers, len(wrong)) == (Answers(quota=900), 7)
    assert "from 1 to" in wrong[0]
    assert "auto_parts" in wrong[-1]
    for text in ("", "=5", "books=0"):
        with pytest.raises(ValueError, match="must be"):
            category(text)


def test_options_answer_in_advance(machine: Machine) -> None:
    """The settings that rheod reads then are those; a file that is there is kept, and its owner told what to write."""
    ended = machine.run("setup", *ALL)
    assert (ended.returncode, ended.stderr) == (0, "")
    settings = load_settings(config_file=machine.file(CONFIG), environ={}, credentials_dir=None)
    quota = settings.tradera.quota
    assert (quota.default, settings.tradera.total) == (5000, 300)
    assert settings.tradera.shipping.shipping_cost == 66
    assert settings.tradera.defaults.category_id == {"auto_parts": 302410}
    assert set(settings.tradera.limits) <= set(METHODS)
    before = machine.state()
    again = machine.run("setup", *ALL)
    assert (again.returncode, machine.state()) == (2, before)
    assert "is kept: set it there" in again.stderr
    assert "shipping_cost = 66" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ask",), "this is no terminal"),
        (("--category", "rockets=5"), "must be KIND=NUMBER"),
        (("--quota", "0"), "not in the range"),
    ],
)
def test_what_cannot_be_asked_or_written_is_refused(
    machine: Machine, words: tuple[str, ...], said: str
) -> None:
    """With the exit status of wrong usage, and before anything is made."""
    ended = machine.run("setup", *words)
    assert (ended.returncode, machine.state()) == (2, {})
    assert said in ended.stderr


def test_at_a_terminal_it_asks(machine: Machine) -> None:
    """The typed answers are written; with nothing more to read nothing is done."""
    ours, theirs = pty.openpty()
    os.write(ours, b"7000\n\nfree\n49\n\n")
    command = [sys.executable, "-m", "rheod", "setup", "--root", str(machine.root)]
    with os.fdopen(ours), os.fdopen(theirs) as terminal:
        ended = subprocess.run(
            command,
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment(os.environ),
            cwd=Path(__file__).parents[2],
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Developer Center" in ended.stdout
    assert "must be a whole number" in ended.stdout
    assert tomllib.loads(machine.file(CONFIG).read_text(encoding="utf-8")) == {
        "tradera": {"quota": {"default": 7000}, "shipping": {"shipping_cost": 49}}
    }
