"""What README says of errors and commands is what the program says and takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from rheod.cli.main import root

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLD = re.findall(r"^\| `([^`]+)` \|", README.split("<!-- errors -->")[1], re.MULTILINE)


def words_of_the_program() -> str:
    """Every text in the sources, each in a line of its own."""
    files = sorted((ROOT / "rheod").rglob("*.py"))
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return "\n".join(str(node.value) for node in nodes if isinstance(node.value, str))


def test_the_errors_it_explains_are_the_programs_own_words() -> None:
    """Whoever searches README for the words on the screen finds them."""
    said = words_of_the_program()
    assert len(TOLD) > 15
    assert [words for words in TOLD if words not in said] == []


@pytest.mark.parametrize(
    "line",
    [
        "setup --systemd",
        "setup --dry-run",
        "password",
        "support-bundle rheod.tar.gz",
        "uninstall --keep-data",
        "doctor",
        "healthcheck",
        "config check",
    ],
)
def test_the_commands_of_installing_are_there(line: str) -> None:
    """README names them, and the commands take them."""
    assert f"rheod {line.split(maxsplit=1)[0]}" in README
    name, *words = line.split()
    command = root.get_command(click.Context(root), name)
    assert command is not None
    command.make_context(name, words)
