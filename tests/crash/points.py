"""The crash points of the source, read from the source itself, so that a new one cannot be left out of the sweep."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from rheod.domain.model import JobKind
from rheod.tradera.contact import ABOUT_THE_ACCOUNT, READINGS

SOURCE = Path(__file__).parents[2] / "rheod"


def crash_points(source: Path = SOURCE) -> list[str]:
    """Every name a crash point can have; ValueError for a computed name whose values are not known here."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(source.rglob("*.py"))]
    parts = {"operation": sorted(_operations(trees)), "kind": [kind.value for kind in JobKind]}
    names: set[str] = set()
    for tree in trees:
        for argument in _arguments(tree, "crashpoint"):
            names.update(_names(argument, parts))
    return sorted(names)


def _arguments(tree: ast.AST, function: str) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
            yield node.args[0]


def _operations(trees: list[ast.Module]) -> set[str]:
    """The operation of every booked call; of those about an account nothing is stored that a kill could tear."""
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr != "book" or len(node.args) < 2:
                    continue
                if isinstance(node.args[1], ast.Constant):
                    found.add(str(node.args[1].value))
    return found - (ABOUT_THE_ACCOUNT - READINGS)


def _names(argument: ast.expr, parts: dict[str, list[str]]) -> list[str]:
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    if isinstance(argument, ast.JoinedStr) and len(argument.values) == 2:
        what, moment = argument.values
        if isinstance(what, ast.FormattedValue) and isinstance(what.value, ast.Attribute):
            return [each + str(ast.literal_eval(moment)) for each in parts[what.value.attr]]
    raise ValueError(f"a crash point has a name the sweep cannot know: {ast.unparse(argument)}")
