"""Sets logging up, once: one chain of structlog's processors for our own and the libraries' lines, as JSON or text.

Logging must never hold up the event loop: a line is made by its caller and written by a thread; when the reader of the stream
stalls, lines are dropped and counted. No other module configures logging or writes to standard output while the daemon runs.

What no line may show is masked first: known secrets, credentials of known shapes, the private parts of addresses.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from queue import SimpleQueue
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import merge_contextvars
from structlog.dev import Column, ConsoleRenderer
from structlog.processors import ExceptionRenderer, JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

MIN_LITERAL_CHARS = 6
"""Shorter values are not redacted by their text: they would tear holes into innocent lines."""

_SHORT_CHARS = 64
"""Texts up to this length come again and again (routes, methods, names of queues): their answer is remembered."""

_MASK = "***"
# These bound the work of the patterns. A longer text is joined from its ends before redaction; the seam, where half a
# secret could stand, never reaches a line, since a text over MAX_LINE_BYTES is cut to far shorter ends.
_MAX_TEXT_CHARS = 16_000
_MAX_ITEMS = 100
_MAX_DEPTH = 8

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
_ANY_HINT = re.compile("|".join(re.escape(hint) for hints, _, _ in _PATTERNS for hint in hints))
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
    _redact_short.cache_clear()


def redact(text: str) -> str:
    """The text without known secrets, credentials of known shapes, and the user part and query of addresses."""
    return _redact_short(text) if len(text) <= _SHORT_CHARS else _redact(text)


@lru_cache(maxsize=1_000)
def _redact_short(text: str) -> str:
    return _redact(text)


def _redact(text: str) -> str:
    if len(text) > _MAX_TEXT_CHARS:
        text = f"{text[: _MAX_TEXT_CHARS // 2]}…{text[-_MAX_TEXT_CHARS // 2 :]}"
    text = _literals.mask(text)
    lowered = text.lower()
    if _ANY_HINT.search(lowered) is None:
        return text
    for hints, pattern, replacement in _PATTERNS:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(replacement, text)
    return text


def redact_any(value: Any, depth: int = 0) -> Any:
    """The same for any value; what JSON does not know becomes text first, so that nothing is rendered unseen."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        pairs = islice(value.items(), _MAX_ITEMS)
        return {redact(str(key)): _redact_pair(key, item, depth) for key, item in pairs}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [redact_any(item, depth + 1) for item in islice(value, _MAX_ITEMS)]
    return redact(str(value))


def _redact_pair(key: object, value: Any, depth: int) -> Any:
    return _MASK if value is not None and _is_secret_name(str(key)) else redact_any(value, depth + 1)


@lru_cache(maxsize=1_000)
def _is_secret_name(key: str) -> bool:
    return _SECRET_KEY.fullmatch(key.lower().replace("-", "_")) is not None


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: the fields of a line, whose names are ours, with every value redacted."""
    redacted: dict[str, Any] = {}
    for key, value in event.items():
        if key == "timestamp" or value is None:
            redacted[key] = value
        elif _is_secret_name(key):
            redacted[key] = _MASK
        elif type(value) is str and len(value) <= _SHORT_CHARS:
            redacted[key] = _redact_short(value)
        elif type(value) is int or type(value) is float:
            redacted[key] = value
        else:
            redacted[key] = redact_any(value, 1)
    return redacted


MAX_WAITING_LINES = 1_000
LINES_AT_ONCE = 256
"""What has gathered while a line was written goes out with one write."""
MAX_LINE_BYTES = 8_000
_MOST_BYTES = 6
"""Of a character: those of a lone surrogate's escape."""

GATHER_S = 0.005
"""While lines come as fast as this, the thread lets them gather: each time it wakes it takes a turn from the event loop."""

_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_COLOUR = {"critical": 31, "error": 31, "warning": 33, "info": 32, "debug": 2}
_CORE_FIELDS = ("timestamp", "level", "logger", "event")
# These write credentials, statements with their values, or noise below WARNING, whatever level the owner wants.
_TALKATIVE = ("aiobotocore", "aiosqlite", "asyncio", "botocore", "PIL", "urllib3")
_CONTROLS = {
    code: f"\\u{code:04x}"
    for span in ((0, 0x20), (0x7F, 0xA0), (0x200E, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A))
    for code in range(*span)
} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}
_NEEDS_ESCAPES = re.compile("[" + re.escape("".join(map(chr, _CONTROLS))) + "]")
_encode = json.JSONEncoder(ensure_ascii=False).encode


class LogOutput:
    """The writing side: a bounded queue and one thread; `stream` must be a real file, pipe or terminal.

    `dropped_line` makes the line that says how many lines were dropped.
    """

    def __init__(self, *, stream: TextIO, dropped_line: Callable[[int], str]) -> None:
        self._descriptor = os.dup(stream.fileno())
        self._dropped_line = dropped_line
        # SimpleQueue, since a finalizer may log while the same thread is inside put()
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._closed = False
        self._dropped = 0
        self._dropping = threading.Lock()  # callers are in several threads
        self._reported = 0  # written by the thread
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
            with self._dropping:
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
        going_on = True
        wrote_at = 0.0
        while going_on:
            lines = [self._lines.get()]
            if time.monotonic() - wrote_at < GATHER_S and lines[0] is not None:
                time.sleep(GATHER_S)
            lines += [self._lines.get() for _ in range(min(self._lines.qsize(), LINES_AT_ONCE))]
            going_on = None not in lines
            if waiting := [line for line in lines if line is not None]:
                self._write("\n".join(waiting))
                wrote_at = time.monotonic()
            dropped = self._dropped - self._reported
            if dropped and self._lines.qsize() < MAX_WAITING_LINES // 2:
                self._reported += dropped
                self._write(self._dropped_line(dropped))
        os.close(self._descriptor)

    def _write(self, line: str) -> None:
        data = memoryview((line + "\n").encode(errors="backslashreplace"))
        with suppress(OSError):  # the reader is gone: there is nobody left to write to
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:  # somebody made the shared pipe non-blocking
                    waiting = select.poll()
                    waiting.register(self._descriptor, select.POLLOUT)
                    waiting.poll()


@lru_cache(maxsize=8)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the core fields first, with the time of now or of a library's record: ISO, in UTC, with milliseconds."""
    record: logging.LogRecord | None = event.get("_record")
    at_s, at_ms = divmod(int((time.time() if record is None else record.created) * 1000), 1000)
    stamp = f"{_second(at_s)}.{at_ms:03d}Z"
    core = {
        "timestamp": stamp,
        "level": event["level"],
        "logger": event["logger"],
        "event": event.get("event", ""),
    }
    stamped = {**core, **event, "timestamp": stamp}
    if record is not None:
        del stamped["_record"], stamped["_from_structlog"]
    return stamped


class _Chain:
    """Runs processors one after the other; a line that cannot be made must not hurt the code that logs."""

    def __init__(self, *processors: Processor) -> None:
        self._processors = processors

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        source: str = logger.name if (record := event.get("_record")) is None else record.name
        try:
            made: Any = event
            for processor in self._processors:
                made = processor(logger, method, made)
        except Exception as error:  # noqa: BLE001 - any object's __str__ may raise anything
            return self.spoilt(error, source=source)
        return str(made)

    def spoilt(self, error: Exception, *, source: str) -> str:
        """The line in the place of one of `source` that could not be made."""
        return self.warning("log line could not be made", source=source, error=type(error).__name__)

    def warning(self, event: str, **fields: str | int) -> str:
        """A line of the log's own."""
        return self(logging.getLogger(__name__), "warning", {"event": event, **fields})


class _Renderer:
    """The last processor: an event becomes its line or lines, never over `MAX_LINE_BYTES`.

    With `journald`, its priority stands before every line: to journald each line is an entry of its own.
    """

    def __init__(self, render: Processor, *, journald: bool) -> None:
        self._render = render
        self._journald = journald

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = self._line(logger, method, event)
        for limit in (2_000, 400, 80):
            if _fits(line):
                return line
            line = self._line(logger, method, _cut(event, limit) | {"truncated": True})
        if _fits(line):
            return line
        return self._line(
            logger, method, {key: _cut(event[key], 80) for key in _CORE_FIELDS} | {"truncated": True}
        )

    def _line(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = str(self._render(logger, method, event))
        if not self._journald:
            return line
        prefix = f"<{_PRIORITY.get(event['level'], 6)}>"
        return prefix + line.replace("\n", "\n" + prefix)


def _fits(line: str) -> bool:
    if len(line) * _MOST_BYTES <= MAX_LINE_BYTES:
        return True
    return len(line.encode(errors="backslashreplace")) <= MAX_LINE_BYTES


def _cut(value: Any, limit: int) -> Any:
    """The value with long texts cut in the middle and long lists to their ends: both ends of a traceback matter."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[: limit // 2]}…{value[-limit // 2 :]}"
    if isinstance(value, dict):
        return {_cut(key, limit): _cut(item, limit) for key, item in list(value.items())[:40]}
    if isinstance(value, list):
        return [_cut(item, limit) for item in (value if len(value) <= 10 else value[:5] + value[-5:])]
    return value


def _as_json(event: EventDict, **_options: object) -> str:
    line = _encode(event)
    # none of the controls is printable, and most lines are all printable, which is told faster
    return line if line.isprintable() or not _NEEDS_ESCAPES.search(line) else line.translate(_CONTROLS)


def _console(*, colour: bool) -> Processor:
    """Lines for people: time, level, event, then the fields as `key=value`, then a traceback."""

    def level(key: str, value: object) -> str:  # noqa: ARG001 - a column is asked by these names
        padded = f"{value:<8}"
        return f"\x1b[{_COLOUR.get(str(value), 0)}m{padded}\x1b[0m" if colour else padded

    def plain(key: str, value: object) -> str:  # noqa: ARG001 - as above
        return str(value).translate(_CONTROLS)

    def pair(key: str, value: object) -> str:
        is_word = isinstance(value, str) and value and not set(value) & set(" \"'=")
        return f"{key}={value if is_word else _encode(value)}".translate(_CONTROLS)

    core = [Column("timestamp", plain), Column("level", level), Column("event", plain)]
    render = ConsoleRenderer(columns=[*core, Column("", pair)], sort_keys=False)

    def render_safely(logger: WrappedLogger, method: str, event: EventDict) -> str:
        event = dict(event)
        for name in ("stack", "exception"):
            if name in event:  # each line of it is marked, so that no message can pass for a line of its own
                lines = str(event[name]).splitlines()
                event[name] = "\n".join(f"  | {line.translate(_CONTROLS)}" for line in lines)
        return render(logger, method, event)

    return render_safely


class _Target:
    """What our loggers write to: the lines are made already, and go to the output."""

    def __init__(self, *, name: str, output: LogOutput) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = output.put


class _Handler(logging.Handler):
    """The one handler of the root logger: what libraries say goes the way of our own lines."""

    def __init__(self, *, chain: _Chain, output: LogOutput) -> None:
        super().__init__()
        self.setFormatter(ProcessorFormatter(foreign_pre_chain=[merge_contextvars], processors=[chain]))
        self._chain = chain
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - the arguments of its message may be anything
            line = self._chain.spoilt(error, source=record.name)
        self._output.put(line)


def configure(
    *,
    format: Literal["auto", "json", "text"],  # noqa: A002 - the setting's own name
    level: str,
    stream: TextIO,
    journald: bool,
) -> LogOutput:
    """Send structlog and stdlib logging through the chain to `stream`; the caller closes what it returns.

    `auto` is text on a terminal, JSON otherwise. `journald` puts `<3>`-like priorities in front (when JOURNAL_STREAM
    is set). Called again, it replaces what it set up before.
    """
    terminal = stream.isatty()
    text = format == "text" or (format == "auto" and terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    frames = ExceptionDictTransformer(show_locals=False, use_rich=False, max_frames=20)
    chain = _Chain(
        add_log_level,
        add_logger_name,
        _stamp,
        format_exc_info if text else ExceptionRenderer(frames),
        redact_event,
        _Renderer(
            _console(colour=terminal) if text else JSONRenderer(serializer=_as_json), journald=journald
        ),
    )
    output = LogOutput(
        stream=stream,
        dropped_line=lambda count: chain.warning("log lines dropped, the reader stalled", count=count),
    )
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    root.addHandler(_Handler(chain=chain, output=output))
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[merge_contextvars, chain],
        logger_factory=lambda name="": _Target(name=name, output=output),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
    return output
