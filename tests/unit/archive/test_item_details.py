"""`details` of an item: what the file says and Telegram did not, a key more where there is something, else none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from teltubby.archive.artifact import describe_item
from teltubby.archive.settlement import (
    DuplicateItem,
    FailedItem,
    QueuedItem,
    Settlement,
    SkippedItem,
    StoredItem,
    settle,
)
from teltubby.messages.details import FileDetails
from teltubby.messages.media import ItemOutcome, ItemStatus, MediaKind, Route
from tests.unit.archive.samples import media, message

SEEN = FileDetails(duration=9.25, width=640, height=360, codec="avc1", taken_at=datetime(2024, 5, 6, tzinfo=UTC))
STORED = StoredItem(s3_key="teltubby/k", size_bytes=5, sha256="0" * 64, route=Route.MTPROTO_BOT)
DUPLICATE = DuplicateItem(duplicate_of="teltubby/first", size_bytes=5, sha256="0" * 64, route=Route.MTPROTO_BOT)
ALL = {
    "duration": 9.25,
    "width": 640,
    "height": 360,
    "codec": "avc1",
    "taken_at": "2024-05-06T00:00:00Z",
}


def item(details: FileDetails | None, **fields: Any) -> dict[str, Any]:
    """Of a document that is stored."""
    sent = message(media=media(MediaKind.DOCUMENT, **fields))
    return describe_item(ItemOutcome(ordinal=1, message=sent, status=ItemStatus.STORED, details=details))


def settled(before: dict[str, Any], *settlements: Settlement) -> dict[str, Any]:
    artifact: Any = {"telegram": {"items": [before | {"job_id": "job"}]}}
    for settlement in settlements:
        artifact = settle(artifact, "job", settlement)
    found: dict[str, Any] = artifact["telegram"]["items"][0]
    return found


def test_what_telegram_did_not_say() -> None:
    plain = item(None, width=None, height=None, duration=None)
    seen = item(SEEN, width=None, height=None, duration=None)
    assert "details" not in plain
    assert seen == plain | {"details": ALL} and list(seen)[:-1] == list(plain)


def test_what_telegram_said_is_not_repeated() -> None:
    told = item(SEEN, width=1280, height=720, duration=9)
    assert (told["width"], told["height"], told["duration"]) == (1280, 720, 9)
    assert told["details"] == {"codec": "avc1", "taken_at": "2024-05-06T00:00:00Z"}
    assert "details" not in item(FileDetails(width=5, height=5), width=1280, height=720)


@pytest.mark.parametrize("settlement", [STORED, DUPLICATE])
def test_a_job_brings_them(settlement: StoredItem | DuplicateItem) -> None:
    queued = item(None, width=640, height=360, duration=None)
    found = settled(queued, replace(settlement, details=SEEN))
    assert found["details"] == {"duration": 9.25, "codec": "avc1", "taken_at": "2024-05-06T00:00:00Z"}
    assert "details" not in settled(queued, settlement)
    assert settled(queued, replace(settlement, details=SEEN), settlement) == found, "who does not know takes none away"
    assert settled(queued, settlement, replace(settlement, details=SEEN)) == found
    other = FileDetails(codec="hvc1")
    assert settled(queued, replace(settlement, details=SEEN), replace(settlement, details=other))["details"] == {
        "codec": "hvc1"
    }


def test_a_preview_is_named_where_there_is_one() -> None:
    sent = message(media=media(MediaKind.PHOTO))
    outcome = ItemOutcome(ordinal=1, message=sent, status=ItemStatus.STORED, s3_key="teltubby/k")
    plain, seen = describe_item(outcome), describe_item(replace(outcome, preview_key="teltubby/p"))
    assert "preview_key" not in plain and seen == plain | {"preview_key": "teltubby/p"}


def test_a_job_brings_its_preview_and_only_what_is_stored_has_one() -> None:
    with_preview = replace(STORED, preview_key="teltubby/p")
    found = settled(item(None), with_preview)
    assert found["preview_key"] == "teltubby/p"
    assert settled(item(None), with_preview, STORED) == found, "who does not know it takes nothing away"
    gone: list[Settlement] = [DUPLICATE, FailedItem(reason="gone"), SkippedItem(), QueuedItem(s3_key="teltubby/k")]
    for settlement in gone:
        assert "preview_key" not in settled(item(None), with_preview, settlement)


@pytest.mark.parametrize("settlement", [FailedItem(reason="gone"), SkippedItem(), QueuedItem(s3_key="teltubby/k")])
def test_without_a_file_there_are_none(settlement: Settlement) -> None:
    assert "details" not in settled(item(None), replace(STORED, details=SEEN), settlement)
