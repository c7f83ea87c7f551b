"""The lines of a log that are about one job: JSON or text, of any size, broken ones too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from teltubby.messages.wire_fields import moment, shown

BLOCK_BYTES = 1 << 20
"""What is read at once, and looked into line by line only where the job's id is in it."""
LONGEST_LINE = 1 << 20
"""Bytes; what is longer is taken for several lines."""
MOST_CHARACTERS = 4000
MOST_MORE = 60
"""Lines of a traceback that are kept."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_TEXT = re.compile(rf"({_TIME})\s*(?:\[(\w+)\s*\])?\s*(.*)", re.ASCII)
_BEGINS = re.compile(rb".{0,80}?(?:\{\"|\d{4}-\d\d-\d\d[T ]\d\d:)", re.DOTALL)
"""A line of its own, maybe with a container's name before it; what begins otherwise goes on with the line before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """What one log says of the job; `at` is None where the line has no time that can be read. `more` is what follows
    it: a traceback.
    """

    at: datetime | None
    text: str
    level: str | None = None
    actor: str | None = None
    more: tuple[str, ...] = field(default=())


def lines_about(stream: BinaryIO, job_id: str) -> Iterator[LogLine]:
    """In their order, with memory for some of them only. Raises what the stream raises."""
    needle, found = job_id.encode(), None
    while block := stream.read(BLOCK_BYTES) + stream.readline(LONGEST_LINE):
        if found is None and needle not in block:
            continue
        for raw in filter(None, block.split(b"\n")):
            if found is not None:
                if needle not in raw and not _BEGINS.match(raw):
                    if len(found.more) < MOST_MORE:
                        found = replace(found, more=(*found.more, _readable(raw)))
                    continue
                yield found
                found = None
            if needle in raw:
                found = line_of(raw)
    if found is not None:
        yield found


def line_of(raw: bytes) -> LogLine:
    """One line, whatever it is."""
    text = raw.decode(errors="replace")
    return _from_json(text) or _from_text(text)


def _from_json(text: str) -> LogLine | None:
    """What the pipeline of `teltubby.logs` writes, maybe with something before it (`bot-1 | {…}`)."""
    try:
        told = json.loads(text[text.index("{") :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("message"), str):
        return None
    more = told.get("exception")
    return LogLine(
        at=_moment(told.get("timestamp")),
        text=shown(told["message"], MOST_CHARACTERS),
        level=_word(told.get("level")),
        actor=_word(told.get("actor")),
        more=tuple(shown(line, MOST_CHARACTERS) for line in str(more).splitlines()[:MOST_MORE]) if more else (),
    )


def _from_text(text: str) -> LogLine:
    flat = _COLOURS.sub("", text)
    match = _TEXT.search(flat)
    if match is None:
        return LogLine(at=None, text=_clean(flat))
    return LogLine(at=_moment(match[1]), text=_clean(match[3]), level=match[2])


def _moment(value: object) -> datetime | None:
    try:
        return moment(value)
    except ValueError:
        return None


def _word(value: object) -> str | None:
    return shown(value) if isinstance(value, str) else None


def _readable(raw: bytes) -> str:
    return _clean(_COLOURS.sub("", raw.decode(errors="replace")), strip=False)


def _clean(text: str, *, strip: bool = True) -> str:
    text = text.replace("\t", " ")
    return shown(text.strip() if strip else text.rstrip(), MOST_CHARACTERS)
