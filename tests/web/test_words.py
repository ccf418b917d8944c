"""The languages: every English text of the pages has its Swedish, and numbers and times read as people write them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rheod.domain import lifecycle
from rheod.health import rules
from rheod.web import words_sv
from rheod.web.words import Words, chosen, iso
from tests.stores import NOW_MS

WEB = Path(words_sv.__file__).parent
CALLED = re.compile(r"""\bt\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
SOURCES = [*sorted(WEB.glob("templates/**/*.html")), *sorted(WEB.glob("*.py"))]


PLACE = re.compile(r"\{\w+\}")
RAISED = {"Refused", "Permanent", "Transient", "StoreUnavailable", "FieldError", "kind"}
BEHIND = [
    WEB.parent / name
    for name in (
        *(f"usecases/{use}.py" for use in ("connect_account", "containers", "endpoints", "events", "items")),
        *(f"usecases/{use}.py" for use in ("resolve_doubt", "shipping", "sales")),
        *(f"pictures/{module}.py" for module in ("download", "decoder")),
        *(f"tradera/{module}.py" for module in ("ad_builder", "budgeted_client", "login")),
        *(f"web/{page}.py" for page in ("integration", "items_page", "sales_page", "site", "tradera")),
        "webhooks/client.py",
        "api/authenticator.py",
        "domain/effects.py",
        "store/engine/database.py",
        "store/keys.py",
    )
]
"""Whose sentences reach a page by a button pressed there or as what failed last."""


def refusals(module: ast.Module) -> list[str]:
    """The sentences a module raises, written in the call or in a name, each filled-in place as `{}`."""
    named = {
        target.id: node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    said = [
        named.get(argument.id, argument) if isinstance(argument, ast.Name) else argument
        for call in ast.walk(module)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in RAISED
        for argument in call.args
    ]
    return [text for text in map(written, said) if " " in text]


def written(value: ast.expr) -> str:
    """A text of the source as it stands, or with its filled-in places as `{}`; empty when it is something else."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Text":
        return PLACE.sub("{}", written(value.args[0]))
    if isinstance(value, ast.JoinedStr):
        return "".join(map(written, value.values))
    if isinstance(value, ast.Constant):
        return str(value.value)
    return "{}" if isinstance(value, ast.FormattedValue) else ""


def texts(path: Path) -> list[str]:
    """The English texts that a template or module hands to `t`."""
    return [first or second for first, second in CALLED.findall(path.read_text())]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_has_its_swedish(path: Path) -> None:
    """A text without translation would show English in a Swedish page."""
    assert [text for text in texts(path) if text not in words_sv.SWEDISH] == []


def test_every_finding_has_its_swedish() -> None:
    """The sentences of the rules, which the pages translate when they show them."""
    tree = ast.parse(Path(rules.__file__).read_text())
    said = [
        ast.literal_eval(keyword.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg in {"text", "fix"}
    ]
    assert len(said) > 20
    assert [text for text in said if text not in words_sv.SWEDISH] == []


@pytest.mark.parametrize("path", BEHIND, ids=lambda path: path.name)
def test_every_refusal_a_page_may_show_has_its_swedish(path: Path) -> None:
    """What the use cases and workers behind the pages raise, with the places that are filled in."""
    known = {PLACE.sub("{}", text) for text in words_sv.SWEDISH}
    found = refusals(ast.parse(path.read_text()))
    assert found
    assert [text for text in found if text not in known] == []


def test_no_refusal_of_the_lifecycle_is_english() -> None:
    """Its reasons stand in a table."""
    assert [text for text in lifecycle.REFUSALS.values() if text not in words_sv.SWEDISH] == []


@pytest.mark.parametrize(
    ("english", "swedish"),
    [
        ("Nothing is in doubt about this item's ad", "Inget är osäkert med artikelns annons"),
        (
            "The item is sold; its price can no longer be changed",
            "Artikeln är såld; priset kan inte ändras längre",
        ),
        (
            "No picture could be used: shop.se answered 404 for the picture",
            "Ingen bild kunde användas: shop.se svarade 404 på bilden",
        ),
        (
            "Must be an HTTPS URL (webhooks.allow_http allows it)",
            "Måste vara en HTTPS-URL (webhooks.allow_http tillåter det)",
        ),
        ("the picture cannot be read: {0} {why}\n", "bilden går inte att läsa: {0} {why}\n"),
        ("Tradera answered 400 to create: Bad", "Tradera answered 400 to create: Bad"),
    ],
)
def test_a_sentence_from_behind_the_pages_is_said_in_swedish(english: str, swedish: str) -> None:
    """Also what it cites; what nobody foresaw, and everything for an English reader, stays as it is."""
    assert Words("sv", now=lambda: NOW_MS).said(english) == swedish
    assert Words("en", now=lambda: NOW_MS).said(english) == english


def test_translations_fill_the_same_places() -> None:
    """A `{name}` missing from a translation would lose a figure."""
    places = re.compile(r"\{\w+\}")
    for english, swedish in words_sv.SWEDISH.items():
        assert sorted(places.findall(english)) == sorted(places.findall(swedish)), english


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "sv"),
        ("en", "en"),
        ("sv;q=0.3, en;q=0.8", "en"),
        ("en;q=0, sv", "sv"),
        ("da, en;q=0.9", "sv"),
        (";;q=x", "sv"),
    ],
)
def test_the_browser_chooses(header: str, language: str) -> None:
    """Accept-Language with its weights; nonsense gives Swedish."""
    assert chosen(header) == language


def test_numbers_and_times_read_naturally() -> None:
    """Spaces between thousands, a decimal comma in Swedish, the clock alone for today, Swedish time."""
    swedish, english = (Words(language, now=lambda: NOW_MS) for language in ("sv", "en"))
    assert swedish.kr(123_456_50) == "123\N{NO-BREAK SPACE}456,50\N{NO-BREAK SPACE}kr"
    assert english.kr(110_000) == "1\N{NO-BREAK SPACE}100\N{NO-BREAK SPACE}kr"
    assert swedish.when(NOW_MS) == "12:00"
    assert swedish.when(NOW_MS - 86_400_000) == "25 maj 12:00"
    assert english.ago(NOW_MS - 3 * 3_600_000) == "3\N{NO-BREAK SPACE}h ago"
    assert swedish.ago(NOW_MS + 3 * 86_400_000) == "om 3 dagar"
    assert swedish.ago(None) == "aldrig"
    assert swedish.when(253_402_300_799_000) == "1 jan 9999 01:00"
    assert iso(253_402_300_799_000).startswith("9999-01-01T01:00")
