"""What an artifact says that the store holds: the base of rebuilding the ledger, and of checking the archive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from teltubby.archive.artifact import SCHEMA_VERSION
from teltubby.archive.keys import ARTIFACT_NAME, preview_key
from teltubby.archive.timestamps import in_utc
from teltubby.messages.media import ARCHIVED, ItemStatus, JsonObject

ARTIFACT_BYTES_MAX = 8 << 20
"""Of an object that is read as an artifact; one of an album that was edited a thousand times has a megabyte."""

MAJOR_VERSION = SCHEMA_VERSION.partition(".")[0]

_NAME = re.compile(rf"{re.escape(ARTIFACT_NAME)}|message-[^/]*\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT = 200
_INTEGER_MAX = (1 << 63) - 1


class NoArtifact(ValueError):
    """What lies under an artifact's name is none of ours; the text says why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One item of an artifact that names an object; `status` is the item's.

    A queued one names the keys that are planned for it and its preview. `sha256` (hex) and `size_bytes` are None where
    the artifact does not say them.
    """

    key: str
    status: ItemStatus
    sha256: str | None = None
    size_bytes: int | None = None
    mime: str | None = None
    file_unique_id: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadArtifact:
    """A submission as its artifact tells it. `members` are its messages, the first one's id is `message_id`.

    `others` are further keys that it says are in the store: previews, and keys of items that do not name them.
    """

    chat_id: int
    message_id: int
    media_group_id: str | None
    base_path: str
    archived_at: datetime
    members: tuple[int, ...]
    claims: tuple[Claim, ...]
    others: tuple[str, ...]


def is_artifact_key(key: str) -> bool:
    """Whether artifacts have such names: `message.json`, or `message-….json` beside another submission's."""
    return _NAME.fullmatch(key.rpartition("/")[2]) is not None


def read_artifact(key: str, body: bytes) -> ReadArtifact:
    """The artifact that lies under `key`. Raises NoArtifact for what no version of teltubby wrote there."""
    try:
        artifact: JsonValue = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise NoArtifact("it is no JSON") from None
    if not isinstance(artifact, dict) or not isinstance(telegram := artifact.get("telegram"), dict):
        raise NoArtifact("it is no artifact: it has no `telegram`")
    items = telegram.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NoArtifact("it is no artifact: it has no `items`")
    if str(artifact.get("schema_version")).partition(".")[0] != MAJOR_VERSION:
        raise NoArtifact(f"its schema_version is {_short(artifact.get('schema_version'))}, which is not known")
    base_path = key[: key.rindex("/") + 1]
    if artifact.get("base_path") != base_path:
        raise NoArtifact(f"it belongs elsewhere: its base_path is {_short(artifact.get('base_path'))}")
    objects = [item for item in items if isinstance(item, dict)]
    message_id = _number(telegram.get("message_id"), "message_id")
    claims = tuple(claim for item in objects for claim in _claims(item))
    return ReadArtifact(
        chat_id=_number(telegram.get("chat_id"), "chat_id"),
        message_id=message_id,
        media_group_id=_text(telegram.get("media_group_id")),
        base_path=base_path,
        archived_at=_moment(artifact.get("archive_timestamp_utc")),
        members=tuple(dict.fromkeys((message_id, *_members(objects)))),
        claims=claims,
        others=tuple(dict.fromkeys(_others(artifact, objects, {claim.key for claim in claims}))),
    )


def _claims(item: JsonObject) -> Iterator[Claim]:
    """None for what was skipped or failed: it names nothing that is stored. What is queued may get a preview, too."""
    try:
        status = ItemStatus(str(item.get("status")))
    except ValueError:
        raise NoArtifact(f"an item's status is {_short(item.get('status'))}, which is not known") from None
    key = _text(item.get("s3_key"))
    if status is ItemStatus.DUPLICATE:
        key = key or _text(item.get("duplicate_of"))
    if key is None:
        return
    if status is ItemStatus.QUEUED:
        yield Claim(key=key, status=status, job_id=_text(item.get("job_id")))
        if (preview := preview_key(key)) is not None:
            yield Claim(key=preview, status=status)
    elif status in ARCHIVED:
        sha256, size = item.get("sha256"), item.get("size_bytes")
        yield Claim(
            key=key,
            status=status,
            sha256=sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
            size_bytes=size if type(size) is int and 0 <= size <= _INTEGER_MAX else None,
            mime=_text(item.get("mime_type")),
            file_unique_id=_text(item.get("file_unique_id")),
        )


def _members(items: Sequence[JsonObject]) -> Iterator[int]:
    for item in items:
        if (written := item.get("message_id")) is not None:  # older artifacts do not name the messages of their items
            yield _number(written, "message_id")


def _others(artifact: JsonObject, items: Sequence[JsonObject], claimed: set[str]) -> Iterator[str]:
    keys = artifact.get("keys")
    for named in (*(keys if isinstance(keys, list) else ()), *(item.get("preview_key") for item in items)):
        if (key := _text(named)) is not None and key not in claimed:
            yield key


def _number(value: JsonValue, name: str) -> int:
    """Ids are written as text, since JavaScript would round them."""
    try:
        number = int(value) if isinstance(value, str | int) else None
    except ValueError:
        number = None
    if number is None or abs(number) > _INTEGER_MAX:
        raise NoArtifact(f"its {name} is {str(value)[:40]!r}, which is no id")
    return number


def _moment(value: JsonValue) -> datetime:
    try:
        return in_utc(datetime.fromisoformat(str(value)))
    except (ValueError, OverflowError):
        raise NoArtifact(f"its archive_timestamp_utc is {str(value)[:40]!r}, which is no time") from None


def _short(value: JsonValue) -> str:
    """For people: it may be anything, of any length."""
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def _text(value: JsonValue) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NoArtifact("it names half of a surrogate pair, which no key has") from None
    return value
