"""One visit to a page: who comes, in which language, about which account; and what a page or an action answers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from rheod.store.sessions import Session
from rheod.web.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request of somebody signed in; `form` is the sent form of an action, empty for a page."""

    request: web.Request
    session: Session
    form_token: str
    words: Words
    account: str
    account_id: str
    form: Mapping[str, str] = field(default_factory=dict)

    def t(self, text: str, **values: object) -> str:
        """The text in the visitor's language."""
        return self.words.t(text, **values)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an action: a sentence, shown on the page the visitor is sent to.

    `subject` names what it was done to, for the audit log. `shown_once` is a secret that the next page shows and then
    forgets; it is never logged. `detail` is what somebody answered, shown as it is and not logged; `bad`: it was not done.
    """

    sentence: str
    to: str
    subject: str = ""
    shown_once: str | None = None
    detail: str = ""
    bad: bool = False


def form_token(cookie: str) -> str:
    """What every form of a session carries, so that no other site can send one."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), b"rheod form", hashlib.sha256).hexdigest()
