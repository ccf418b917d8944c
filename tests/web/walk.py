"""Every page of a shop that has something of everything, as a reader and a hand meet them: what is readable, where links lead, what forms send."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from rheod.domain.ad_text import Part, Template
from rheod.domain.calendar import EndChoice
from rheod.domain.categories import AttributeDefinition, Category, CategoryTree, LeafAttributes
from rheod.domain.errors import Text
from rheod.domain.model import EventType, ItemType
from rheod.domain.placement import CategoryRule
from rheod.domain.relist import RelistRule
from rheod.health.findings import Finding
from rheod.store import reference_data
from rheod.usecases.endpoints import NewEndpoint
from tests.health.test_rules import troubles
from tests.stores import NOW_MS
from tests.usecases.selling import spec
from tests.web.running import SEE_OTHER
from tests.web.stocked import HOUR_MS, WISH, Stocked, stocked
from tests.web.test_sales_page import doubt
from tests.web.test_today import planned

UNREAD = {"script", "style", "code", "pre", "bdi", "textarea", "svg", "address", "dd"}
"""What holds no words of ours: programs, what others wrote, charts whose figures stand in a table."""
VOID = {"input", "img", "br", "meta", "link", "hr"}
SHOWN = {"aria-label", "placeholder", "alt", "title", "data-label"}
CONTROLS = {"input", "select", "textarea"}
UNNAMED = {"hidden", "submit"}
FIRST = (
    "/dashboard",
    "/dashboard/new",
    "/dashboard/nowhere",
    "/dashboard/items/D-1/dry-run",
    "/dashboard/sales/pick",
    "/dashboard/ends/of/W%2F1",
    "/dashboard?account=member-1",
    "/dashboard/items?account=member-1",
)
MEMBER = "member-1"
MOST_OF_A_SHAPE = 3


@dataclass
class Press:
    """A button of a form that is sent: what it adds, and where the form goes by it."""

    action: str
    name: str = ""
    value: str = ""


@dataclass
class Form:
    """A form as a browser without a script sends it: what stands in it, and what can be typed (name and kind)."""

    page: str
    action: str
    is_sent: bool
    has_files: bool
    fields: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    presses: list[Press] = field(default_factory=list)
    ticks: list[tuple[str, str]] = field(default_factory=list)

    def leads_to(self) -> list[str]:
        """Where a form that only asks goes, by each of its buttons, with two of its boxes ticked."""
        asked = [*self.fields.items(), *self.ticks[:2]]
        pressed = ([*asked, (each.name, each.value)] if each.name else asked for each in self.presses)
        return [] if self.is_sent else [f"{path_of(self.action)}?{urlencode(each)}" for each in pressed]


class Read(HTMLParser):
    """The words of a page, where its links lead, its forms, and what no page may have."""

    def __init__(self, page: str = "") -> None:
        super().__init__()
        self.page = page
        self.words: list[str] = []
        self.links: set[str] = set()
        self.forms: list[Form] = []
        self.faults: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._labels: set[str] = set()
        self._controls: list[dict[str, str]] = []
        self._select: tuple[str, bool] | None = None
        self._area = ""

    @classmethod
    def of(cls, html: str, page: str = "") -> Read:
        """A page that has been read."""
        read = cls(page)
        read.feed(html)
        read.faults += [
            f"a field without a label: {each.get('name') or each}"
            for each in read._controls
            if each.get("id", "") not in read._labels and not {"aria-label", "aria-labelledby"} & each.keys()
        ]
        return read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that are shown are read too; a fold for the server holds commands."""
        given = {name: value or "" for name, value in attrs}
        hidden = tag in UNREAD or given.get("class") in {"behind", "photo"} or "data-unread" in given
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        self.faults += [
            f"inline: {name} of {tag}" for name in given if name == "style" or name.startswith("on")
        ]
        if tag == "style":
            self.faults.append("inline: a style sheet")
        if tag == "label" and "for" in given:
            self._labels.add(given["for"])
        self._note_form(tag, given)
        if not self._is_hidden() and not hidden:
            self.words += [value for name, value in given.items() if name in SHOWN and value]
        if tag not in VOID:
            self._open.append((tag, hidden))

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened by this tag."""
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag == "form" and self.forms and not self.forms[-1].presses:
            self.forms[-1].presses.append(Press(self.forms[-1].action))
        self._area = "" if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        """A piece of text between two tags."""
        if self._area:
            self.forms[-1].fields[self._area] += data
        if data.strip() and not self._is_hidden():
            self.words.append(" ".join(data.split()))

    def _is_hidden(self) -> bool:
        return any(hidden for _, hidden in self._open)

    def _note_form(self, tag: str, given: dict[str, str]) -> None:
        names = [name for name, _ in self._open]
        if tag in CONTROLS and given.get("type", "text") not in UNNAMED and "label" not in names:
            self._controls.append(given)
        if tag == "form":
            action = urljoin(self.page, given.get("action", ""))
            is_sent = given.get("method") == "post"
            self.forms.append(Form(self.page, action, is_sent, "enctype" in given))
        elif "form" in names and given.get("name", "") + tag != tag:
            self._note_field(self.forms[-1], tag, given)
        if tag == "button" and "form" in names and given.get("type", "submit") == "submit":
            form = self.forms[-1]
            action = urljoin(self.page, given.get("formaction", form.action))
            form.presses.append(Press(action, given.get("name", ""), given.get("value", "")))
        if tag == "option" and self._select is not None and self.forms:
            name, has_chosen = self._select
            if "selected" in given or not has_chosen:
                self.forms[-1].fields[name] = given.get("value", "")
                self._select = name, True

    def _note_field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given["name"], given.get("type", "text") if tag == "input" else tag
        if tag not in CONTROLS or kind == "file":
            return
        if kind == "textarea":
            self._area = name
        self._select = (name, False) if kind == "select" else self._select
        if kind not in {"radio", "checkbox"} or "checked" in given:
            form.fields[name] = given.get("value", "")
        if kind == "checkbox":
            form.ticks.append((name, given.get("value", "")))
        if kind != "hidden" and "readonly" not in given:
            form.typed.setdefault(name, kind)


@asynccontextmanager
async def everything(folder: Path, **changes: Any) -> AsyncIterator[Stocked]:
    """A shop with something of everything, of the owner's own account and of a member's; signed in. `changes` as for `pages`."""

    async def found() -> list[Finding]:
        return troubles()

    async with stocked(folder, **{"found": found} | changes) as one:
        shop, api = one.shop, one.pages.parts.api
        await shop.put("VIN-2", title="Volvo 240 1988", type=ItemType.CONTAINER)
        await shop.put("N-1", title="Nedtagen spegel", tradera=WISH)
        await api.items.change_status(shop.account_id, "N-1", "not_listed")
        await shop.put_live("E-1", title="Osåld fälg", tradera=WISH)
        await shop.database.write(
            lambda db: db.execute("UPDATE items SET tradera_status = 'ended' WHERE external_id = 'E-1'")
        )
        await shop.database.write(
            lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE state = 'live'", (NOW_MS + HOUR_MS,))
        )
        why = Text("No picture could be used: {why}", why=Text("no answer in time"))
        await shop.database.write(
            lambda db: db.execute("UPDATE items SET last_error = ? WHERE last_error IS NOT NULL", (why,))
        )
        await shop.database.write(
            lambda db: db.execute("UPDATE calls SET outcome = ? WHERE outcome <> 'ok'", (why,))
        )
        await planned(one, "E-1")
        await shop.ended(await shop.put_live("E-2", title="Osåld fälg", tradera=WISH))
        await doubt(one)
        await _fill_accounts(one)
        await one.pages.sign_in(one.token)
        await one.pages.pressed("/dashboard/items/D-1", "/dashboard/items/D-1/publish")
        yield one


async def _fill_accounts(one: Stocked) -> None:
    """What both accounts have: a key, a receiver, a template, a rule; the member an item waiting and one that is taken down."""
    api, context = one.pages.parts.api, one.pages.parts
    for account in (one.shop.account_id, context.accounts[MEMBER]):
        await api.keys.create(account, "affär")
        await api.endpoints.add(
            account, NewEndpoint(url="https://erp.example/hook", event_types=(EventType.ITEM_SOLD,))
        )
    for number, title in (("M-1", "Kopp Rörstrand"), ("M-2", "Nedtagen spegel")):
        await api.items.put_item(
            context.accounts[MEMBER], number, spec(title=title, tradera=WISH, auto_publish=number == "M-1")
        )
    await api.items.change_status(context.accounts[MEMBER], "M-2", "not_listed")


def _tree(db: Any) -> None:
    tree = CategoryTree(
        (Category(1, "Hem"), Category(10, "Koppar", 1), Category(302571, "Övrigt hem", 1)), read_at=1
    )
    skick = AttributeDefinition(id=7, name="Skick", min_values=1, terms=("Nytt", "Gott skick"))
    reference_data.save_tree(db, tree)
    for leaf in (10, 302571):
        reference_data.save_definitions(db, LeafAttributes(leaf, (skick,), 1))


async def decided(one: Stocked) -> None:
    """Tradera's categories are known, and the owner has decided what can be decided: windows, a rule for returns, words of ads, categories."""
    await one.shop.database.write(_tree)
    api, context = one.pages.parts.api, one.pages.parts
    await api.ending.change(lambda _: EndChoice(windows=("Sun 19:00-21:30", "Mon 19:00-21:30")))
    await api.relisting.change_rule(lambda _: RelistRule(enabled=True, floor=0.5))
    await context.templates.put(Template(part=Part.FOOTER, text="Fin lampa"))
    for words in ("kopp", "fat"):
        await context.choices.add_rule(CategoryRule(id=0, category_id=10, words=words))
    await context.choices.set_default("art", 10)


async def walked(
    one: Stocked, language: str, first: Iterable[str] = FIRST
) -> AsyncIterator[tuple[str, Read]]:
    """Every page that a link leads to; of those that differ by a number alone a few."""
    to_see, seen, shapes = list(first), set[str](), dict[str, int]()
    while to_see:
        path = to_see.pop()
        shape = re.sub(r"(?<!do)=[^&]*|[0-9a-f-]{36}|(?<=/items/)[^/]+(?=/)", "", path)
        shapes[shape] = shapes.get(shape, 0) + 1
        if path in seen or shapes[shape] > MOST_OF_A_SHAPE:
            continue
        seen.add(path)
        status, html, headers = await one.pages.get(path, **{"Accept-Language": language})
        assert status in {200, 303, 400, 404}, (path, status)
        if status == SEE_OTHER or "html" not in headers["Content-Type"]:
            continue
        read = Read.of(html, path)
        yield path, read
        for link in (*sorted(read.links), *(each for form in read.forms for each in form.leads_to())):
            parts = urlsplit(urljoin(path, link))
            if not parts.netloc and parts.path.startswith("/dashboard") and "/static/" not in parts.path:
                to_see.append(parts.path + (f"?{parts.query}" if parts.query else ""))


NEVER_SHOWN_AGAIN = {"password", "current", "secret"}


def form_like(read: Read, form: Form) -> Form | None:
    """The form of a page that is sent to the same place with the same fields filled in by us."""
    return next(
        (each for each in read.forms if each.is_sent and path_of(each.action) == path_of(form.action)), None
    )


def path_of(address: str) -> str:
    """Without what follows the question mark."""
    return urlsplit(address).path


def shape_of(address: str) -> str:
    """The path of an address without what names the one thing that it is about."""
    return re.sub(
        r"(/(?:items|sales|returns|of|webhooks|keys|rules|quarantine)/)[^/?]+", r"\1*", path_of(address)
    )
