"""The house rules that a machine can check (sizes, nesting, forbidden words)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "rheod").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES = 500
MOST_FUNCTION_LINES = 60
MOST_ARGUMENTS = 6
MOST_NESTING = 3
VAGUE = {"utils", "helpers", "common", "base", "manager", "service"}
BROAD_EXCEPTS = {
    "jobs/queue.py",
    "store/engine/connection.py",
    "api/server.py",
    "push/poller.py",
    "logs.py",
    "cli/serve.py",
}
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def depth(node: ast.AST, level: int = 0) -> int:
    """The deepest nesting of blocks below a node; `elif` is no nesting, a function within starts anew."""
    deepest = level
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deeper = level + (isinstance(child, BLOCKS) and not is_elif)
        deepest = max(deepest, depth(child, deeper))
    return deepest


def has_broad_except(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return any(
        handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id == "Exception")
        for handler in handlers
    )


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_files_are_short_and_say_what_they_are_for(path: Path) -> None:
    """No file is over 500 lines, none has a vague name, every module begins with a docstring."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    assert path.stem not in VAGUE
    if text.strip():
        assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short_and_flat(path: Path) -> None:
    """No function is over 60 lines, takes more than six arguments by position or nests deeper than three blocks."""
    for function in functions(path):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MOST_FUNCTION_LINES, f"{function.name} has {lines} lines"
        assert len(function.args.args) <= MOST_ARGUMENTS + 1, function.name
        assert depth(function) <= MOST_NESTING, f"{function.name} nests {depth(function)} deep"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_broad_excepts_stand_where_the_design_allows_them(path: Path) -> None:
    """Only the queue, the writer, the error middleware, the poller, the logger and the command line catch everything."""
    if str(path.relative_to(ROOT / "rheod")) not in BROAD_EXCEPTS:
        assert not has_broad_except(path)


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_tests_use_no_mocks_and_do_not_skip(path: Path) -> None:
    """Tests patch nothing, skip nothing and expect no failure."""
    if path == Path(__file__):
        return
    text = path.read_text(encoding="utf-8")
    for word in ("unittest.mock", "monkeypatch", "pytest.skip", "mark.skip", "xfail", "time.sleep("):
        assert word not in text, word
