"""Structured logging on stderr: one pipeline for our lines and those of libraries, with secrets taken out.

Modules log through the standard library (`logging.getLogger(__name__)`, lazy arguments). Here the lines get what is
bound (the actor's path, a job's id), lose their secrets, and become JSON or console text.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from teltubby.config import LogFormat, LogLevel, LogSettings
from teltubby.supervision import SupervisionError, current_path, current_trace

MASK = "****"
SHORTEST_SECRET = 4
"""Characters; shorter secrets are not looked for, since they would blacken ordinary words."""
MOST_QUOTED = 8
"""Backslashes that one may become: what is quoted three times."""

_TOKEN = re.compile(r"\d{6,}(?::|%3A)[A-Za-z0-9_-]{30,}", re.IGNORECASE)
_TOKEN_IN_URL = re.compile(r"(/bot)\d+(?::|%3A)[A-Za-z0-9_-]+", re.IGNORECASE)
_CREDENTIALS_IN_URL = re.compile(r"(://)[^/@\s:]*:[^/@\s]+@")
_BOT_TOKEN = re.compile(r"\d+:([A-Za-z0-9_-]+)")
_PHONE_NUMBER = re.compile(r"\+?(\d{5,15})")

_logger = logging.getLogger("teltubby")


class Redaction:
    """Takes secrets out of text: what looks like a bot token, credentials in URLs, and every string it was told."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {part for secret in secrets for part in _parts(secret) if len(part) >= SHORTEST_SECRET}
        # The longest first: a secret may contain another one.
        alternatives = "|".join(_pattern(secret) for secret in sorted(known, key=len, reverse=True))
        self._known = re.compile(alternatives) if alternatives else None

    def text(self, text: str) -> str:
        """The text with **** in place of every secret."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _TOKEN_IN_URL.sub(rf"\1{MASK}", text)
        text = _TOKEN.sub(MASK, text)
        return _CREDENTIALS_IN_URL.sub(rf"\1{MASK}@", text)

    def value(self, value: object) -> object:
        """The same for a value of any kind; what is neither a number nor a container becomes text first."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.value(item) for key, item in value.items()}
            case bytes() | bytearray():
                return self.text(repr(value))
            case Sequence() | set() | frozenset():
                return [self.value(item) for item in value]
            case _:
                return self.text(str(value))

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        """The structlog processor; it runs after tracebacks became text and before anything is rendered."""
        del logger, name
        return {self.text(key): self.value(value) for key, value in event.items()}


def configure(settings: LogSettings, secrets: Iterable[str] = (), *, stream: TextIO | None = None) -> None:
    """Send all logging of this process through the pipeline to `stream` (stderr by default); may be called again.

    Our loggers write from LOG_LEVEL on; those of libraries from WARNING on, or INFO when LOG_LEVEL is DEBUG: some print
    every byte they send at DEBUG. Uncaught exceptions and warnings take the same way, so that they are redacted too. So
    is the text of every error of ours from now on, wherever it goes: chats, the ledger, artifacts, the terminal.
    """
    target = sys.stderr if stream is None else stream
    redaction = Redaction(secrets)
    SupervisionError.scrub = redaction.text
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                _add_origin,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                redaction,
                *_renderer(settings.format, target),
            ],
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO if settings.level is LogLevel.DEBUG else logging.WARNING)
    _logger.setLevel(settings.level.value)
    for noisy in ("aiormq", "aio_pika"):  # every failed connect with its traceback: our own loop says it in a line
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def bound(**values: str) -> AbstractContextManager[None]:
    """Adds values (`channel=…`) to every line that is logged inside the block, in this task and those it starts."""
    return structlog.contextvars.bound_contextvars(**values)


def _parts(secret: str) -> set[str]:
    """What of it is a secret by itself: the key in a bot's token, and a phone number as Telegram has it, without +."""
    found = (pattern.fullmatch(secret) for pattern in (_BOT_TOKEN, _PHONE_NUMBER))
    return {secret, *(match[1] for match in found if match is not None)}


def _pattern(secret: str) -> str:
    """Matches the secret as it stands in text, URLs, forms, HTML, JSON, XML, and the representations of it; also
    where only some of its characters are written in such a way: each library leaves others as they are.
    """
    pieces = re.findall(r"\\+|[^\\]", secret)
    return "".join(map(_spellings, pieces)) + "".join(f"|{re.escape(whole)}" for whole in _wholes(secret))


def _spellings(char: str) -> str:
    """Of one character, or of several backslashes in a row: what quotes what is quoted already doubles them."""
    if char.startswith("\\"):
        return rf"(?:\\|%5[Cc]){{{len(char)},{MOST_QUOTED * len(char)}}}"
    if char.isascii() and char.isalnum():  # nobody writes these in another way
        return char
    raw = char.encode(errors="surrogatepass")  # the environment may hold bytes that are not UTF-8
    ways = {char, quote(raw, safe=""), json.dumps(char)[1:-1], repr(char)[1:-1], repr(raw)[2:-1], html.escape(char)}
    ways |= {"".join(f"%{byte:02{case}}" for byte in raw) for case in "xX"}
    ways |= {"\\" + char} if char in "\"'" else set()
    ways |= {"+"} if char == " " else set()
    alternatives = "|".join(re.escape(way) for way in sorted(ways, key=len, reverse=True))
    return f"(?:{alternatives})".replace(r"\\", rf"\\{{1,{MOST_QUOTED}}}")


def _wholes(secret: str) -> set[str]:
    """What a whole value becomes where it is encoded at once; padding is left out at times, and may stay."""
    raw = secret.encode(errors="surrogatepass")
    return {encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}


def _renderer(chosen: LogFormat, target: TextIO) -> list[Processor]:
    terminal = target.isatty()
    if chosen is LogFormat.CONSOLE or (chosen is LogFormat.AUTO and terminal):
        return [structlog.dev.ConsoleRenderer(colors=terminal)]
    return [
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _add_origin(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    del logger, name
    if (path := current_path.get()) is not None:
        event.setdefault("actor", path)
    if (trace := current_trace.get()) is not None:
        event.setdefault("job_id", trace)
    return event


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    _logger.critical("uncaught %s", kind.__name__, exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread else "unknown"
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        _logger.critical("uncaught %s in thread %s", args.exc_type.__name__, name, exc_info=info)
