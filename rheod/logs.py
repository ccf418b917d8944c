"""Sets logging up, once: one pipeline for our own and the libraries' lines, redacted, as JSON or text.

Logging must never hold up the event loop: a line is made by its caller and written by a thread; when the reader of
the stream stalls, lines are dropped and counted. No other module configures logging or writes to standard output
while the daemon runs.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from queue import SimpleQueue
from typing import Any, Literal, TextIO

import structlog
from structlog.processors import ExceptionRenderer, format_exc_info
from structlog.stdlib import LoggerFactory, ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

MAX_LINE_BYTES = 8_000
MAX_WAITING_LINES = 1_000
MIN_LITERAL_CHARS = 6
"""Shorter values are not redacted by their text: they would tear holes into innocent lines."""

_MASK = "***"
# These bound the work of the patterns. A longer text is joined from its ends before redaction; the seam, where half a
# secret could stand, never reaches a line, since a text over MAX_LINE_BYTES is cut to far shorter ends.
_MAX_TEXT_CHARS = 16_000
_MAX_ITEMS = 100
_MAX_DEPTH = 8
_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_COLOUR = {"critical": 31, "error": 31, "warning": 33, "info": 32, "debug": 2}
_CORE = ("timestamp", "level", "logger", "event")
# These write credentials, statements with their values, or noise below WARNING, whatever level the owner wants.
_TALKATIVE = ("aiobotocore", "aiosqlite", "asyncio", "botocore", "PIL", "urllib3")
_CONTROLS = {
    code: f"\\u{code:04x}"
    for span in ((0, 0x20), (0x7F, 0xA0), (0x200E, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A))
    for code in range(*span)
} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}

_HEADERS = ("authorization", "x-api-key", "x-app-key", "x-user-token", "cookie")
# Each pattern with the lower-case words one of which a text must hold for it to be worth trying: most lines hold none.
_PATTERNS = tuple(
    (hints, re.compile(pattern, re.IGNORECASE), replacement)
    for hints, pattern, replacement in (
        # userinfo, query and fragment of any address; its path stays, it is what one looks for in a log
        (("://",), r"\b([a-z][a-z0-9+.-]{0,15}://)[^\s/?#\"'<>]*@", rf"\1{_MASK}@"),
        (("://",), r"\b([a-z][a-z0-9+.-]{0,15}://[^\s?#\"'<>]*[?#])[^\s\"'<>]+", rf"\1{_MASK}"),
        # a header with its value, as text, as a pair or in a mapping's repr
        (
            _HEADERS,
            rf"({'|'.join(_HEADERS)})(['\"]?\s*[:=]\s*(?:b?['\"])?|['\"]\s*,\s*b?['\"])[^'\"\r\n]+",
            rf"\1\2{_MASK}",
        ),
        (("bearer", "basic"), r"\b(bearer|basic)\s+[\w.~+/=-]{12,}", rf"\1 {_MASK}"),
        (("x-amz-",), r"\b(x-amz-[a-z-]+)(['\"]?\s*[:=]\s*['\"]?)[^&\s'\"]+", rf"\1\2{_MASK}"),
        (("rheo_live_",), r"(rheo_live_)[a-z0-9]+", rf"\1{_MASK}"),
        (("whsec_",), r"(whsec_)[^\s'\",;&)}\]]+", rf"\1{_MASK}"),
        (("akia", "asia"), r"\b(AKIA|ASIA)[A-Z0-9]{12,}", rf"\1{_MASK}"),
        # pydantic's errors repeat what was sent
        (("input_value=",), r"(input_value=).*?(?=, input_type=)", rf"\1{_MASK}"),
    )
)
_SECRET_KEY = re.compile(r"(?:.*_)?(?:authorization|cookie|password|secret|token|(?:access|api|app)_key)")


class _Literals:
    """The secret values this process knows, as one pattern; longest first, so that none is left in part."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """Values already known stay; the pattern is swapped in one step, so no lock is needed to read it."""
        self._values |= {value for value in values if len(value) >= MIN_LITERAL_CHARS}
        if self._values:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        """The text without them."""
        return self._pattern.sub(_MASK, text) if self._pattern else text


_literals = _Literals()


def redact_values(values: Iterable[str]) -> None:
    """From now on these secret values appear in no line, whatever writes them."""
    _literals.add(values)


def redact(text: str) -> str:
    """The text without known secrets, credentials of known shapes, and the user part and query of addresses."""
    if len(text) > _MAX_TEXT_CHARS:
        text = f"{text[: _MAX_TEXT_CHARS // 2]}…{text[-_MAX_TEXT_CHARS // 2 :]}"
    text = _literals.mask(text)
    lowered = text.lower()
    for hints, pattern, replacement in _PATTERNS:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(replacement, text)
    return text


def _redact_any(value: Any, depth: int = 0) -> Any:
    """The same for any value; what JSON does not know becomes text first, so that nothing is rendered unseen."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        pairs = islice(value.items(), _MAX_ITEMS)
        return {redact(str(key)): _redact_pair(key, item, depth) for key, item in pairs}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_redact_any(item, depth + 1) for item in islice(value, _MAX_ITEMS)]
    return redact(str(value))


def _redact_pair(key: object, value: Any, depth: int) -> Any:
    return _MASK if value is not None and _is_secret_name(str(key)) else _redact_any(value, depth + 1)


@lru_cache(maxsize=1_000)
def _is_secret_name(key: str) -> bool:
    return _SECRET_KEY.fullmatch(key.lower().replace("-", "_")) is not None


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last processor before rendering: what it has not seen is not written."""
    return {key: _redact_pair(key, value, 0) for key, value in event.items()}


def _describe(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The core fields from the record, for our own lines and the libraries' alike, then context, then the rest."""
    record = event.pop("_record")
    del event["_from_structlog"]
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    core = {
        "timestamp": moment.removesuffix("+00:00") + "Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event.pop("event", ""),
    }
    rest = {**structlog.contextvars.get_contextvars(), **event}
    return core | {key: value for key, value in rest.items() if key not in core}


def _cut(value: Any, limit: int) -> Any:
    """The value with long texts cut in the middle and long lists to their ends: both ends of a traceback matter."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[: limit // 2]}…{value[-limit // 2 :]}"
    if isinstance(value, dict):
        return {_cut(key, limit): _cut(item, limit) for key, item in list(value.items())[:40]}
    if isinstance(value, list):
        return [_cut(item, limit) for item in (value if len(value) <= 10 else value[:5] + value[-5:])]
    return value


class _Renderer:
    """Turns an event into its line or lines: never over `MAX_LINE_BYTES`, never with a raw control character."""

    def __init__(self, *, text: bool, colour: bool, journald: bool) -> None:
        self._render = self._text if text else self._json
        self._colour = colour
        self._journald = journald

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        line = self._prefixed(event)
        for limit in (2_000, 400, 80):
            if len(line.encode(errors="backslashreplace")) <= MAX_LINE_BYTES:
                return line
            line = self._prefixed(_cut(event, limit) | {"truncated": True})
        if len(line.encode(errors="backslashreplace")) <= MAX_LINE_BYTES:
            return line
        return self._prefixed({key: _cut(event[key], 80) for key in _CORE} | {"truncated": True})

    def _prefixed(self, event: Mapping[str, Any]) -> str:
        """With journald's priority in front of every line: to journald each line is an entry of its own."""
        line = self._render(event)
        if not self._journald:
            return line
        prefix = f"<{_PRIORITY.get(event['level'], 6)}>"
        return prefix + line.replace("\n", "\n" + prefix)

    def _json(self, event: Mapping[str, Any]) -> str:
        return json.dumps(event, ensure_ascii=False).translate(_CONTROLS)

    def _text(self, event: Mapping[str, Any]) -> str:
        level = f"{event['level']:<8}"
        if self._colour:
            level = f"\x1b[{_COLOUR.get(event['level'], 0)}m{level}\x1b[0m"
        words = [str(event["timestamp"]), level, str(event["event"]).translate(_CONTROLS)]
        words += [
            f"{key}={_word(value)}".translate(_CONTROLS)
            for key, value in event.items()
            if key not in {"timestamp", "level", "event", "exception"}
        ]
        # each line of a traceback is marked, so that no message can pass for a line of its own
        trace = str(event.get("exception", "")).splitlines()
        return "\n".join([" ".join(words), *(f"  | {line.translate(_CONTROLS)}" for line in trace)])


def _word(value: Any) -> str:
    plain = isinstance(value, str) and value and not set(value) & set(" \"'=")
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


class LogOutput:
    """The writing side: a bounded queue and one thread; `stream` must be a real file, pipe or terminal."""

    def __init__(self, *, stream: TextIO, notice: Callable[[int], str]) -> None:
        self._descriptor = os.dup(stream.fileno())
        self._notice = notice
        # SimpleQueue, since a finalizer may log while the same thread is inside put()
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._closed = False
        self._dropped = 0  # written by callers under the handler's lock
        self._told = 0  # written by the thread
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were dropped since the start."""
        return self._dropped

    def put(self, line: str) -> None:
        """Queue a line, or count it as dropped when the reader stalls; never waits."""
        if self._closed:
            return
        if self._lines.qsize() >= MAX_WAITING_LINES:
            self._dropped += 1
        else:
            self._lines.put(line)

    def close(self, *, deadline_s: float = 2.0) -> bool:
        """Write what waits, for at most so many seconds; whether all of it went out. Later lines are ignored."""
        if not self._closed:
            self._closed = True
            self._lines.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)
            if self._lines.qsize() < MAX_WAITING_LINES // 2:
                self._tell_dropped()
        os.close(self._descriptor)

    def _tell_dropped(self) -> None:
        if count := self._dropped - self._told:
            self._told += count
            self._write(self._notice(count))

    def _write(self, line: str) -> None:
        data = memoryview((line + "\n").encode(errors="backslashreplace"))
        with suppress(OSError):  # the reader is gone: there is nobody left to tell
            while data:
                data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # somebody made the shared pipe non-blocking
            waiting = select.poll()
            waiting.register(self._descriptor, select.POLLOUT)
            waiting.poll()
            return 0


class _Handler(logging.Handler):
    """The one handler of the root logger; a line that cannot be made must not hurt the code that logs."""

    def __init__(self, *, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.output = LogOutput(stream=stream, notice=self._dropped_notice)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - any object's __str__ may raise anything
            line = self._own("log line could not be made", source=record.name, error=type(error).__name__)
        self.output.put(line)

    def _dropped_notice(self, count: int) -> str:
        return self._own("log lines dropped, the reader stalled", count=count)

    def _own(self, event: str, **fields: Any) -> str:
        own = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
        as_structlog = {"msg": {"event": event, **fields}, "_logger": None, "_name": "warning"}
        return self.format(logging.makeLogRecord(own | as_structlog))


def configure(
    *,
    format: Literal["auto", "json", "text"],  # noqa: A002 - the setting's own name
    level: str,
    stream: TextIO,
    journald: bool,
) -> LogOutput:
    """Send structlog and stdlib logging through the pipeline to `stream`; the caller closes what it returns.

    `auto` is text on a terminal, JSON otherwise. `journald` puts `<3>`-like priorities in front (when JOURNAL_STREAM
    is set). Called again, it replaces what it set up before.
    """
    terminal = stream.isatty()
    text = format == "text" or (format == "auto" and terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    plain_dicts = ExceptionRenderer(
        ExceptionDictTransformer(show_locals=False, use_rich=False, max_frames=20)
    )
    renderer = _Renderer(text=text, colour=terminal, journald=journald)
    formatter = ProcessorFormatter(
        processors=[_describe, format_exc_info if text else plain_dicts, _redact_event, renderer]
    )
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    handler = _Handler(stream=stream, formatter=formatter)
    root.addHandler(handler)
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[ProcessorFormatter.wrap_for_formatter],
        logger_factory=LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
    return handler.output
