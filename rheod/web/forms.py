"""Forms of the pages: read, carried out once however often they are sent, shown again with what was typed when refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from rheod.api.json_body import ask_to_go_on, collect
from rheod.api.pictures import UPLOAD_S, within
from rheod.domain.errors import FieldError, Refused, Text, Transient

if TYPE_CHECKING:
    from rheod.web.language import Language

FORM_BYTES = 64 * 1024
"""More than any form of ours; a longer one is refused."""
ANSWERS = 5000
"""So many forms are remembered; the oldest are forgotten first."""
SHOWN_S = 600.0
"""So long an answer is given again to the same form, and a message shown: a secret must not stay here for long."""
OURS = frozenset({"form_token", "once"})
UNKEPT = OURS | {"password", "current", "secret"}
"""Fields that are never shown again."""


async def read_form(request: web.Request, *, deadline_s: float) -> dict[str, str]:
    """The fields of a sent form, the first value of each. Refused with 415, 413 or 400."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("UNSUPPORTED_MEDIA_TYPE", Text("Send the form as application/x-www-form-urlencoded"))
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            await collect(request, body, FORM_BYTES)
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (TimeoutError, ConnectionError, ValueError) as error:
        raise Refused("BAD_REQUEST", UNREADABLE) from error
    return dict(reversed(pairs))


PICTURE_FAULTS = web.RequestKey("picture_faults", list[str])
"""Why pictures of a form could not be taken, a sentence each."""
MOST_FILES = 20
UNREADABLE = Text("The form could not be read")


Take = Callable[[AsyncIterator[bytes]], Awaitable[str]]
"""Takes a file, and gives its address. Raises Refused."""


async def read_parts(
    request: web.Request, *, take: Take, may: Callable[[Mapping[str, str]], bool], deadline_s: float
) -> dict[str, str]:
    """The fields of a form with files, read to its end; a plain one is taken too.

    A file is handed to `take`, where `may` says so of the fields before it, and its address added to `pictures`; why
    one cannot be taken stands in the request's `PICTURE_FAULTS`. Refused with 415, 413 or 400.
    """
    if request.content_type != "multipart/form-data":
        return await read_form(request, deadline_s=deadline_s)
    form: dict[str, str] = {}
    faults = request[PICTURE_FAULTS] = []
    files = 0
    await ask_to_go_on(request)
    async with within(UPLOAD_S), _readable():
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise Refused("BAD_REQUEST", UNREADABLE)
            if part.filename is None:
                room = FORM_BYTES - sum(map(len, form.values()))
                form.setdefault(part.name, await _text_of(part, room))
            elif part.filename:
                files += 1
                await _take_file(part, form, faults, take if may(form) and files <= MOST_FILES else None)
    return form


@asynccontextmanager
async def _readable() -> AsyncIterator[None]:
    """Raise Refused for what is no form."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise Refused("BAD_REQUEST", UNREADABLE) from error


async def _text_of(part: BodyPartReader, room: int) -> str:
    text = bytearray()
    while chunk := await part.read_chunk():
        text += chunk
        if len(text) > room:
            raise Refused("PAYLOAD_TOO_LARGE", Text("The form is too long"))
    return text.decode().replace("\r\n", "\n")


async def _take_file(
    part: BodyPartReader, form: dict[str, str], faults: list[str], take: Take | None
) -> None:
    """Take one file of a form, or read past it."""

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await part.read_chunk(65_536):
            yield chunk

    if take is not None:
        try:
            url = await take(chunks())
            form["pictures"] = f"{form.get('pictures', '')} {url}".strip()
        except Refused as error:
            faults += [str(each.message) for each in error.details] or [str(error)]
    while await part.read_chunk(65_536):
        pass


def form_token(cookie: str) -> str:
    """What every form of a session carries, so that no other site can send one."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), b"rheod form", hashlib.sha256).hexdigest()


def check_token(form: Mapping[str, str], cookie: str) -> None:
    """Raise Refused unless the form was shown to this session: another site's was not, nor one from before a sign-in."""
    if not hmac.compare_digest(form.get("form_token", "").encode(), form_token(cookie).encode()):
        raise Refused("BAD_REQUEST", Text("This form was too old, and nothing is done: send it anew"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedForm:
    """A form that was refused: where it was sent, why in the reader's language, and what stood in it."""

    action: str
    sentence: str
    of_fields: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


def failed_form(
    action: str, typed: Mapping[str, str], error: Refused | Transient, language: Language
) -> FailedForm:
    """What the page of a refused form shows; passwords are not shown again."""
    details = error.details if isinstance(error, Refused) else ()
    return FailedForm(
        action=action,
        sentence=sentence(error, language),
        of_fields={one.field: language.say(one.message) for one in details},
        typed={name: value for name, value in typed.items() if name not in UNKEPT},
    )


def seen_mark(action: str, now: str, form: Mapping[str, str], failed: FailedForm | None) -> str:
    """The mark that a form carries when it is shown: of now, unless its reader has not been told yet of another state than the one seen."""
    if failed is None:
        return form.get("seen", now)
    told = failed.action != action or "seen" in failed.of_fields
    return now if told else failed.typed.get("seen", now)


def sentence(error: Refused | Transient, language: Language) -> str:
    """The error's sentence, or those of its fields; the fields' names are the API's and stay out of it."""
    details = error.details if isinstance(error, Refused) else ()
    return "; ".join(language.say(one.message) for one in details) or language.say(str(error))


def mark_of(*state: object) -> str:
    """What a form carries of the state that it shows, so that another one is noticed when it is sent."""
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def refuse_changed(form: Mapping[str, str], now: str, *state: object) -> None:
    """Raise Refused (CONFLICT) where the form was shown with another state than this one, which `now` puts into words."""
    if form.get("seen") not in {None, mark_of(*state)}:
        said = Text(
            "This has been changed elsewhere since the page was loaded. It is now: {now} What you chose still stands below: send it again to replace that.",
            now=now,
        )
        raise Refused("CONFLICT", said, (FieldError("seen", said),))


def wrong_field(field: str, sentence: Text) -> Refused:
    """That one field of a form cannot be so."""
    return Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError(field, sentence),))


class _Form:
    """A form of one number: whoever sends it again waits for the first answer."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.lock = asyncio.Lock()
        self.answer: tuple[int, bytes, dict[str, str]] | None = None
        self.has_begun = False


class SentForms:
    """Answers by the forms' one-time numbers, in memory; numbers of an earlier life of the daemon are refused."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._life = secrets.token_hex(4)
        self._forms: OrderedDict[str, _Form] = OrderedDict()

    def new_number(self) -> str:
        """A number for a form that is about to be shown."""
        return f"{self._life}.{secrets.token_urlsafe(9)}"

    def redirect_of(self, cookie: str, number: str) -> web.Response | None:
        """Where a form has led already, also when its session is over since: it may be what ended it."""
        form = self._forms.get(form_token(cookie) + number)
        if form is None or form.answer is None or form.answer[0] != web.HTTPSeeOther.status_code:
            return None
        return _again(form.answer)

    async def once(
        self, cookie: str, number: str, answer: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        """The answer to the form of this number, made once. Raises Refused for a number that is none or too old."""
        if not number.startswith(f"{self._life}."):
            sentence = Text(
                "rheod has been started anew since this page was loaded: look whether it is done, else send it again"
            )
            raise Refused("CONFLICT", sentence)
        key = form_token(cookie) + number
        form = self._forms.setdefault(key, _Form(self._monotonic()))
        while len(self._forms) > ANSWERS:
            self._forms.popitem(last=False)
        async with form.lock:
            if form.answer is not None and self._monotonic() - form.at > SHOWN_S:
                form.answer = None
            if form.answer is None:
                if form.has_begun:
                    raise Refused(
                        "CONFLICT", Text("This form has been sent already: look whether it is done")
                    )
                form.has_begun = True
                made = await answer()
                body = made.body if isinstance(made.body, bytes) else b""
                form.answer = (made.status, body, dict(made.headers))
            return _again(form.answer)


def _again(answer: tuple[int, bytes, dict[str, str]]) -> web.Response:
    status, body, headers = answer
    return web.Response(status=status, body=body, headers=headers)
