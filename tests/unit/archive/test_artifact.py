"""message.json: its fields and their order, its truth at every moment, and its bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from teltubby.archive.artifact import build, dumps
from teltubby.archive.plain_json import plain
from teltubby.archive.settlement import (
    DuplicateItem,
    FailedItem,
    QueuedItem,
    Settlement,
    StoredItem,
    settle,
)
from teltubby.messages.media import (
    DedupReason,
    IncomingMessage,
    ItemOutcome,
    ItemStatus,
    MediaKind,
    Route,
    SkipReason,
)
from teltubby.messages.routes import FileRoute
from tests.unit.archive.samples import ANY_TEXT, albums, media, message

BASE = "teltubby/2025/01/curator/5/"
NOW = datetime(2025, 1, 27, 10, 12, 0, 999, tzinfo=UTC)
SHA = "ab" * 32
TOP_LEVEL = [
    "schema_version",
    "archive_timestamp_utc",
    "message_timestamp_utc",
    "bucket",
    "base_path",
    "files_count",
    "total_bytes_uploaded",
    "keys",
    "duplicate_of",
    "dedup_reason",
    "notes",
    "telegram",
]
TELEGRAM = [
    "message_id",
    "media_group_id",
    "chat_id",
    "chat_title",
    "chat_username",
    "sender_id",
    "sender_username",
    "forward_origin",
    "caption_plain",
    "caption_entities",
    "entities",
    "bot_api_max_file_size_bytes",
    "items",
]
ITEM = [
    "ordinal",
    "type",
    "mime_type",
    "size_bytes",
    "width",
    "height",
    "duration",
    "file_id",
    "file_unique_id",
    "original_filename",
    "sha256",
    "s3_key",
    "status",
    "reason",
    "duplicate_of",
    "dedup_reason",
    "job_id",
    "route",
    "via",
    "message_id",
]


def stored(one: IncomingMessage, ordinal: int = 1, **fields: Any) -> ItemOutcome:
    """An outcome; without further word a file of 10 bytes that the Bot API served."""
    return ItemOutcome(
        ordinal=ordinal,
        message=one,
        **{
            "status": ItemStatus.STORED,
            "s3_key": f"{BASE}{ordinal}.jpg",
            "sha256": SHA,
            "size_bytes": 10,
            "route": Route.BOT_API,
            **fields,
        },
    )


def queued(one: IncomingMessage, ordinal: int = 1, job_id: str = "job") -> ItemOutcome:
    return ItemOutcome(
        ordinal=ordinal, message=one, status=ItemStatus.QUEUED, s3_key=f"{BASE}{ordinal}.mp4", job_id=job_id
    )


def duplicate(one: IncomingMessage, ordinal: int = 1, of: str = "teltubby/first") -> ItemOutcome:
    return stored(
        one,
        ordinal,
        status=ItemStatus.DUPLICATE,
        s3_key=None,
        duplicate_of=of,
        dedup_reason=DedupReason.FILE_UNIQUE_ID,
        route=None,
    )


def describe(messages: list[IncomingMessage], outcomes: list[ItemOutcome], notes: str | None = None) -> Any:
    return build(
        messages,
        outcomes,
        bucket="archive",
        base_path=BASE,
        archived_at=NOW,
        bot_api_max_file_size_bytes=50_000_000,
        notes=notes,
    )


def test_a_photo_in_full() -> None:
    photo = message(
        caption="Привет",
        caption_entities=({"type": "bold", "offset": 0, "length": 6},),
        forward_origin={"type": "hidden_user", "sender_user_name": "Anna", "date": 1737972000},
        media=media(size_bytes=11, width=1280, height=720),
    )
    artifact = describe([photo], [stored(photo)])
    assert artifact == {
        "schema_version": "1.0",
        "archive_timestamp_utc": "2025-01-27T10:12:00Z",
        "message_timestamp_utc": "2025-01-27T10:11:12Z",
        "bucket": "archive",
        "base_path": BASE,
        "files_count": 1,
        "total_bytes_uploaded": 10,
        "keys": [f"{BASE}1.jpg"],
        "duplicate_of": None,
        "dedup_reason": None,
        "notes": None,
        "telegram": {
            "message_id": "5",
            "media_group_id": None,
            "chat_id": "42",
            "chat_title": None,
            "chat_username": None,
            "sender_id": "42",
            "sender_username": "curator",
            "forward_origin": {"type": "hidden_user", "sender_user_name": "Anna", "date": 1737972000},
            "caption_plain": "Привет",
            "caption_entities": [{"type": "bold", "offset": 0, "length": 6}],
            "entities": [],
            "bot_api_max_file_size_bytes": 50_000_000,
            "items": [
                {
                    "ordinal": 1,
                    "type": "photo",
                    "mime_type": None,
                    "size_bytes": 10,
                    "width": 1280,
                    "height": 720,
                    "duration": None,
                    "file_id": "BAAD",
                    "file_unique_id": "AgAD",
                    "original_filename": None,
                    "sha256": SHA,
                    "s3_key": f"{BASE}1.jpg",
                    "status": "stored",
                    "reason": None,
                    "duplicate_of": None,
                    "dedup_reason": None,
                    "job_id": None,
                    "route": "bot_api",
                    "via": None,
                    "message_id": "5",
                }
            ],
        },
    }
    assert list(artifact) == TOP_LEVEL
    assert list(artifact["telegram"]) == TELEGRAM
    assert list(artifact["telegram"]["items"][0]) == ITEM


def test_an_album_with_every_outcome() -> None:
    album = [message(number, media_group_id="1") for number in range(1, 6)]
    outcomes = [
        stored(album[0], 1),
        duplicate(album[1], 2),
        queued(album[2], 3),
        stored(album[3], 4, status=ItemStatus.SKIPPED, reason=SkipReason.EXCEEDS_CFG_LIMIT, sha256=None),
        stored(album[4], 5, status=ItemStatus.FAILED, reason=SkipReason.DOWNLOAD_FAILED, sha256=None),
    ]
    artifact = describe(album[::-1], outcomes[::-1])
    assert artifact["keys"] == [f"{BASE}1.jpg", "teltubby/first"]
    assert artifact["files_count"] == 2
    assert artifact["total_bytes_uploaded"] == 10
    assert artifact["duplicate_of"] is None
    items = artifact["telegram"]["items"]
    assert [item["ordinal"] for item in items] == [1, 2, 3, 4, 5]
    assert [item["status"] for item in items] == ["stored", "duplicate", "queued", "skipped", "failed"]
    assert [item["s3_key"] for item in items] == [f"{BASE}1.jpg", "teltubby/first", f"{BASE}3.mp4", None, None]
    assert items[3]["reason"] == "exceeds_cfg_limit"


def test_a_submission_of_nothing_but_duplicates_says_so_at_the_top() -> None:
    album = [message(5), message(6)]
    one = describe(album[:1], [duplicate(album[0])])
    assert (one["duplicate_of"], one["dedup_reason"]) == ("teltubby/first", "file_unique_id")
    assert (one["files_count"], one["total_bytes_uploaded"], one["keys"]) == (1, 0, ["teltubby/first"])
    two = describe(album, [duplicate(album[0]), duplicate(album[1], 2, of="teltubby/second")])
    assert (two["duplicate_of"], two["keys"]) == ("teltubby/first", ["teltubby/first", "teltubby/second"])
    mixed = describe(album, [duplicate(album[0]), stored(album[1], 2)])
    assert (mixed["duplicate_of"], mixed["dedup_reason"]) == (None, None)


def test_what_came_with_the_media_is_kept_and_overwrites_nothing() -> None:
    first = message(5, caption="one", extras={"location": {"latitude": 1.5, "longitude": 2.5}, "message_id": "9"})
    second = message(6, caption="two", extras={"poll": {"question": "?"}})
    telegram = describe([second, first], [stored(first), stored(second, 2)])["telegram"]
    assert list(telegram) == [*TELEGRAM, "captions", "location", "poll"]
    assert telegram["message_id"] == "5"
    assert telegram["location"] == {"latitude": 1.5, "longitude": 2.5}
    assert telegram["caption_plain"] == "one"
    assert [caption["caption_plain"] for caption in telegram["captions"]] == ["one", "two"]


def test_the_caption_of_an_album_may_stand_under_any_of_its_messages() -> None:
    album = [message(5), message(6, caption="here", caption_entities=({"type": "bold"},))]
    telegram = describe(album, [stored(album[0]), stored(album[1], 2)])["telegram"]
    assert (telegram["caption_plain"], telegram["caption_entities"]) == ("here", [{"type": "bold"}])
    assert "captions" not in telegram


def test_a_message_without_sender_or_media() -> None:
    bare = message(sender_id=None, media=None)
    outcome = ItemOutcome(ordinal=1, message=bare, status=ItemStatus.SKIPPED, reason=SkipReason.NO_MEDIA)
    telegram = describe([bare], [outcome])["telegram"]
    assert telegram["sender_id"] is None
    assert telegram["items"][0]["type"] is None
    with pytest.raises(ValueError, match="nothing to describe"):
        describe([], [])


VIDEO = message(media=media(MediaKind.VIDEO, size_bytes=99, file_name="v.mp4"))
STORED = StoredItem(s3_key=f"{BASE}1.mp4", size_bytes=100, sha256=SHA, route=Route.MTPROTO_BOT)
DUPLICATE = DuplicateItem(
    duplicate_of="teltubby/first", size_bytes=100, sha256=SHA, route=Route.MTPROTO_USER, via=FileRoute.ORIGIN
)
SETTLEMENTS: list[Settlement] = [STORED, DUPLICATE, FailedItem(reason="gone"), QueuedItem(s3_key=f"{BASE}1.mp4")]


def test_a_queued_file_is_in_no_list_until_it_is_stored() -> None:
    before = describe([VIDEO], [queued(VIDEO)])
    assert (before["files_count"], before["total_bytes_uploaded"], before["keys"]) == (0, 0, [])
    assert before["telegram"]["items"][0]["s3_key"] == f"{BASE}1.mp4"
    after: Any = settle(before, "job", STORED)
    assert (after["files_count"], after["total_bytes_uploaded"], after["keys"]) == (1, 100, [f"{BASE}1.mp4"])
    item = after["telegram"]["items"][0]
    assert (item["status"], item["sha256"], item["size_bytes"], item["route"]) == ("stored", SHA, 100, "mtproto_bot")
    assert before["keys"] == []


@pytest.mark.parametrize("via", [*FileRoute, None])
def test_the_item_says_by_which_way_its_file_came(via: FileRoute | None) -> None:
    queued_item = describe([VIDEO], [queued(VIDEO)])
    settled: Any = settle(queued_item, "job", replace(STORED, via=via))
    assert settled["telegram"]["items"][0]["via"] == via
    again: Any = settle(settled, "job", DUPLICATE)
    assert (again["telegram"]["items"][0]["route"], again["telegram"]["items"][0]["via"]) == ("mtproto_user", "origin")
    forgotten: Any = settle(again, "job", QueuedItem(s3_key=f"{BASE}1.mp4"))
    assert forgotten["telegram"]["items"][0]["via"] is None


def test_a_stored_file_can_turn_out_to_be_a_duplicate() -> None:
    artifact: Any = settle(settle(describe([VIDEO], [queued(VIDEO)]), "job", STORED), "job", DUPLICATE)
    assert (artifact["duplicate_of"], artifact["dedup_reason"]) == ("teltubby/first", "sha256")
    assert (artifact["keys"], artifact["total_bytes_uploaded"]) == (["teltubby/first"], 0)


def test_a_failed_file_has_no_key_and_can_be_queued_again() -> None:
    before = describe([VIDEO], [queued(VIDEO)])
    failed: Any = settle(before, "job", FailedItem(reason="gone"))
    item = failed["telegram"]["items"][0]
    assert (item["status"], item["reason"], item["s3_key"], item["size_bytes"]) == ("failed", "gone", None, 99)
    assert settle(failed, "job", QueuedItem(s3_key=f"{BASE}1.mp4")) == before


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_settling_touches_one_item_keeps_the_order_and_repeats(settlement: Settlement) -> None:
    album = [message(5), message(6), message(7)]
    before = describe(album, [stored(album[0]), queued(album[1], 2, "job"), queued(album[2], 3, "other")])
    once: Any = settle(json.loads(dumps(before)), "job", settlement)
    assert settle(once, "job", settlement) == once
    assert list(once) == TOP_LEVEL
    assert [list(item) for item in once["telegram"]["items"]] == [ITEM] * 3
    assert once["telegram"]["items"][0] == before["telegram"]["items"][0]
    assert once["telegram"]["items"][2] == before["telegram"]["items"][2]


@pytest.mark.parametrize("artifact", [{}, {"telegram": None}, {"telegram": {"items": "x"}}, describe([VIDEO], [])])
def test_what_has_no_item_of_the_job_cannot_be_settled(artifact: dict[str, JsonValue]) -> None:
    with pytest.raises(ValueError, match="artifact"):
        settle(artifact, "job", STORED)


def test_bytes() -> None:
    assert dumps({"a": "Привет 😀", "b": ["\ud83d", "\\ud83d", "\x00"]}) == (
        '{\n  "a": "Привет 😀",\n  "b": [\n    "\\ud83d",\n    "\\\\ud83d",\n    "\\u0000"\n  ]\n}\n'.encode()
    )


@given(albums(), st.lists(ANY_TEXT, max_size=3))
def test_bytes_give_the_artifact_back(album: list[IncomingMessage], notes: list[str]) -> None:
    outcomes = [stored(one, ordinal) for ordinal, one in enumerate(album, start=1)]
    artifact = describe(album, outcomes, notes=" ".join(notes))
    body = dumps(artifact)
    assert body.endswith(b"}\n")
    again = json.loads(body.decode("utf-8"))
    assert dumps(again) == dumps(json.loads(dumps(again)))
    assert again["keys"] == artifact["keys"]
    assert list(again) == TOP_LEVEL
    assert len(again["telegram"]["items"]) == len(album)


def test_plain_values() -> None:
    assert plain({"a": (1, 2.5, float("nan"), float("-inf"), True, None, {"b": "c"})}) == {
        "a": [1, 2.5, None, None, True, None, {"b": "c"}]
    }
    with pytest.raises(TypeError, match="no JSON value: object"):
        plain(object())
