"""Every message the program can show, read from its source: the arguments of Text, counted, gettext and ngettext.

Run as a program it adds what is missing to the Swedish catalogue, untranslated, and takes out what nobody says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

import rheod

PACKAGE = Path(rheod.__file__).parent
SWEDISH = PACKAGE / "web" / "locale" / "sv.po"

Message = str | tuple[str, ...]
"""A msgid, or the two forms of a text about `{n}` things."""

SINGLE = frozenset({"Text", "gettext"})
COUNTED = frozenset({"counted", "ngettext"})
MAKERS = frozenset({PACKAGE / "domain" / "text.py", PACKAGE / "web" / "language.py"})
"""Where these are made of what is handed in."""

OUTCOMES = frozenset({"Hold", "Pause", "Wait"})
"""What is made of a reason alone."""

HEADER = """\
# Swedish for every sentence that rheod says on its pages.
msgid ""
msgstr ""
"Language: sv\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""


def messages() -> dict[Message, str]:
    """Every message and where it stands first."""
    found: dict[Message, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for place, message in of_module(path):
            found.setdefault(message, f"{path.relative_to(PACKAGE.parent)}:{place}")
    for path in sorted((PACKAGE / "web" / "templates").glob("*.html")):
        with path.open("rb") as file:
            for place, _, given, _ in babel_extract(file, ("_", "gettext", "ngettext"), (), {}):
                texts = (given,) if isinstance(given, str) else tuple(each for each in given or () if each)
                found.setdefault(texts[0] if len(texts) == 1 else texts, f"{path.name}:{place}")
    return found


def of_module(path: Path) -> Iterator[tuple[int, Message]]:
    """The messages of a Python file. A message that is not written as a literal is an error."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        wanted = call.args[:1] if name in SINGLE else call.args[:2] if name in COUNTED else []
        texts = tuple(str(each.value) for each in wanted if isinstance(each, ast.Constant))
        if len(texts) == len(wanted) and texts:
            yield call.lineno, texts[0] if len(texts) == 1 else texts
        elif wanted and path not in MAKERS:
            raise AssertionError(f"{path}:{call.lineno}: write the message as a literal")


def bare_sentences(path: Path) -> list[str]:
    """Sentences that a job, listing or order would keep as plain English: reasons and errors that are no Text."""
    found = []
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call) or ast.unparse(call.func).startswith("_log."):
            continue
        given = [each.value for each in call.keywords if each.arg in {"reason", "error"}]
        given += call.args[:1] if ast.unparse(call.func) in OUTCOMES else []
        found += [
            f"{path}:{each.lineno}"
            for each in given
            if isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and " " in str(each.value))
        ]
    return found


def catalogue() -> Catalog:
    """The Swedish catalogue as it is."""
    with SWEDISH.open("rb") as file:
        return read_po(file, locale="sv", abort_invalid=True)


if __name__ == "__main__":
    kept, wanted = catalogue(), messages()
    for known in [each.id for each in kept if each.id]:
        if (known if isinstance(known, str) else tuple(known)) not in wanted:
            kept.delete(known)
    for message in wanted:
        if kept.get(message if isinstance(message, str) else message[0]) is None:
            kept.add(message)
    with SWEDISH.open("wb") as out:
        out.write(HEADER.encode())
        write_po(out, kept, width=110, sort_output=True, omit_header=True)
