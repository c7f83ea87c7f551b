"""What a file of media tells of itself, read by a child process with little memory and time: files are strangers'.

A file can be made so that reading it takes for ever, or all memory, or crashes what reads it. Then nothing is known of
it, which is no error.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import anyio

from teltubby.messages.details import LONGEST_SECONDS, FileDetails, file_details

_LOG = logging.getLogger(__name__)

READER = "teltubby.adapters.media_reader"
READ_SECONDS = 30.0
"""Of the clock; media_reader has a limit of its own for the processor's time."""
NOT_INSTALLED = 3
PREVIEW = "--preview"
PREVIEW_PIXELS = 320
"""Of a preview's longer side, at most."""
PREVIEW_BYTES = 1 << 18
"""What is more is no picture of that size."""
MOST_SAID = 1 << 20
"""Bytes; a reader that says more is in the hands of its file."""
JPEG = b"\xff\xd8\xff"
"""How every JPEG begins."""

_PASSED_ON = ("PATH", "HOME", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
_TEXT_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDetails:
    """What the file says: `duration` in seconds, `width` and `height` in pixels; a picture's as it is shown.

    `taken_at` is without a zone where the camera told none. `preview` is a JPEG of at most PREVIEW_PIXELS.
    """

    duration: float | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    """Of a picture or film; the name that its format has for it (`JPEG`, `avc1`, `V_VP9`)."""
    audio_codec: str | None = None
    taken_at: datetime | None = None
    preview: bytes | None = field(default=None, repr=False)

    @property
    def facts(self) -> FileDetails | None:
        """What reports and artifacts have of it."""
        return file_details({name: getattr(self, name) for name in FileDetails.__dataclass_fields__})


async def read_details(path: Path, *, preview: bool = True) -> MediaDetails | None:
    """The details of a picture, film or sound; None where nothing can be known, for whatever reason.

    Without `preview` most pictures need not be decoded, which takes more than all the rest.
    """
    command = [sys.executable, "-m", READER, str(path), *((PREVIEW,) if preview else ())]
    # Nothing but what Python needs to start: the child has no business with tokens and keys.
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        with anyio.fail_after(READ_SECONDS):
            said, code = await _run(command, environment)
    except TimeoutError:
        _LOG.info("nothing is known of %s: reading it took more than %.0f s", path.name, READ_SECONDS)
        return None
    except OSError as error:
        _LOG.warning("the reader of media does not start: %s", error)
        return None
    if code == NOT_INSTALLED:
        _LOG.info("details of media are not read: pip install 'teltubby[media]'")
        return None
    if code != 0:
        _LOG.info("of %s not everything is known: its reader ended with %d", path.name, code)
    return details_of(said)


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[bytes, int]:
    """What it says, MOST_SAID at most, and how it ended. Raises OSError when it does not start."""
    said = bytearray()
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as reader:
        assert reader.stdout is not None, "it is a pipe"
        async for more in reader.stdout:
            said += more
            if len(said) > MOST_SAID:
                reader.kill()
                break
        return bytes(said[:MOST_SAID]), await reader.wait()


def details_of(said: bytes) -> MediaDetails | None:
    """Read what media_reader wrote, as far as it came: an object with facts, then one with the preview."""
    facts: dict[str, object] = {}
    for line in said.splitlines():
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            break
        if isinstance(told, dict):
            facts.update(told)
    width, height = _count(facts.get("width")), _count(facts.get("height"))
    if facts.get("lies"):
        width, height = height, width
    found = MediaDetails(
        duration=_number(facts.get("duration")),
        width=width,
        height=height,
        codec=_text(facts.get("codec")),
        audio_codec=_text(facts.get("audio_codec")),
        taken_at=_moment(facts.get("taken_at")),
        preview=_picture(facts.get("preview")),
    )
    return None if found == MediaDetails() else found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value <= LONGEST_SECONDS else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join(filter(str.isprintable, value)).strip()[:_TEXT_CHARACTERS] or None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _picture(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if content.startswith(JPEG) and len(content) <= PREVIEW_BYTES else None
