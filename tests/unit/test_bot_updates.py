"""Reading stored updates: what the Bot API documents, and whatever else may lie in the inbox."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.bot_updates import parse_update
from teltubby.errors import MalformedMessage
from teltubby.messages.media import IncomingMessage, MediaKind, StickerFormat

FILE = {"file_id": "f", "file_unique_id": "u", "file_size": 100}
THUMB = {"file_id": "t", "file_unique_id": "tu", "width": 9, "height": 9}
MESSAGE: dict[str, Any] = {
    "message_id": 11,
    "date": 1_795_000_000,
    "chat": {"id": 7, "type": "private", "username": "anna", "first_name": "A"},
    "from": {"id": 7, "is_bot": False, "first_name": "A", "username": "anna"},
}


def parse(**fields: Any) -> IncomingMessage:
    message = parse_update(json.dumps({"update_id": 1, "message": {**MESSAGE, **fields}}))
    assert message is not None
    return message


@pytest.mark.parametrize(
    ("field", "more", "kind", "expected"),
    [
        ("document", {"mime_type": "a/b", "file_name": "x.bin"}, MediaKind.DOCUMENT, {"file_name": "x.bin"}),
        ("video", {"width": 6, "height": 3, "duration": 9}, MediaKind.VIDEO, {"width": 6, "height": 3, "duration": 9}),
        ("audio", {"duration": 9, "title": "T"}, MediaKind.AUDIO, {"duration": 9}),
        ("voice", {"duration": 9, "mime_type": "audio/ogg"}, MediaKind.VOICE, {"mime_type": "audio/ogg"}),
        ("video_note", {"duration": 9, "length": 240}, MediaKind.VIDEO_NOTE, {"width": 240, "height": 240}),
        ("animation", {"width": 6, "height": 3, "duration": 1}, MediaKind.ANIMATION, {"width": 6}),
    ],
)
def test_every_kind_of_media(field: str, more: dict[str, Any], kind: MediaKind, expected: dict[str, Any]) -> None:
    media = parse(**{field: {**FILE, **more, "thumbnail": THUMB}}).media
    assert media is not None
    assert (media.kind, media.file_id, media.file_unique_id, media.size_bytes) == (kind, "f", "u", 100)
    assert {name: getattr(media, name) for name in expected} == expected


def test_an_animation_is_no_document() -> None:
    animation = {**FILE, "width": 6, "height": 3, "duration": 1}
    media = parse(animation=animation, document=FILE).media
    assert media is not None and media.kind is MediaKind.ANIMATION


@pytest.mark.parametrize(
    ("animated", "video", "expected"),
    [
        (False, False, StickerFormat.STATIC),
        (True, False, StickerFormat.ANIMATED),
        (False, True, StickerFormat.VIDEO),
    ],
)
def test_stickers_say_how_they_are_stored(animated: bool, video: bool, expected: StickerFormat) -> None:
    sticker = {**FILE, "type": "regular", "width": 5, "height": 5, "is_animated": animated, "is_video": video}
    media = parse(sticker=sticker).media
    assert media is not None and media.kind is MediaKind.STICKER and media.sticker_format is expected


def test_the_largest_photo_is_taken() -> None:
    sizes = [{"file_id": f"{n}", "file_unique_id": f"u{n}", "width": n, "height": n} for n in (90, 1280, 320)]
    media = parse(photo=sizes).media
    assert media is not None and (media.kind, media.file_id, media.size_bytes) == (MediaKind.PHOTO, "1280", None)


def test_what_is_missing_is_none() -> None:
    bare = parse(video={"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1, "duration": 1})
    assert bare.media is not None
    assert (bare.media.size_bytes, bare.media.mime_type, bare.media.file_name) == (None, None, None)
    channel = parse(**{"from": None})
    assert (channel.sender_id, channel.sender_username) == (None, None)


def test_context_is_kept_as_telegram_gave_it() -> None:
    origin = {"type": "channel", "chat": {"id": -100, "type": "channel", "title": "Т"}, "message_id": 5, "date": 1}
    entities = [{"type": "bold", "offset": 0, "length": 2, "of_tomorrow": 1}]
    location = {"latitude": 59.93, "longitude": 30.31}
    message = parse(
        document=FILE,
        caption="Отчёт 😀",
        caption_entities=entities,
        forward_origin=origin,
        media_group_id="13",
        has_protected_content=True,
        location=location,
    )
    assert message.caption == "Отчёт 😀" and message.caption_entities == tuple(entities)
    assert message.forward_origin == origin and message.media_group_id == "13" and message.protected
    assert message.extras == {"location": location}
    assert message.date == datetime.fromtimestamp(1_795_000_000, UTC)


@pytest.mark.parametrize("kind", ["edited_message", "channel_post", "callback_query", "my_chat_member", "of_tomorrow"])
def test_what_is_no_new_message_is_none(kind: str) -> None:
    body: dict[str, Any] = {"update_id": 1}
    if kind in ("edited_message", "channel_post"):
        body[kind] = {**MESSAGE, "edit_date": 1}
    elif kind == "of_tomorrow":
        body[kind] = {"a": 1}
    assert parse_update(json.dumps(body)) is None


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "not json",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"update_id": "x"}',
        '{"update_id": 1, "message": 7}',
        '{"update_id": 1, "message": {}}',
        '{"update_id": 1, "message": {"message_id": 1}}',
        json.dumps({"update_id": 1, "message": {**MESSAGE, "chat": {}}}),
        json.dumps({"update_id": 1, "message": {**MESSAGE, "document": {"file_id": 7}}}),
        json.dumps({"update_id": 1, "message": {**MESSAGE, "photo": {"a": 1}}}),
        "[" * 100_000,
    ],
)
def test_what_is_no_update_is_malformed(payload: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_update(payload)


@pytest.mark.parametrize(
    "fields",
    [
        {"entities": None},
        {"caption_entities": None},
        {"forward_origin": None},
        {"photo": []},
        {"photo": None},
        {"location": None},
        {"document": None},
        {"has_protected_content": None},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_null_is_as_good_as_absent(fields: dict[str, Any]) -> None:
    message = parse(**fields)
    assert (message.entities, message.caption_entities, message.media, message.protected) == ((), (), None, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
PATHS = [
    *[(name,) for name in MESSAGE],
    ("chat", "id"),
    ("chat", "type"),
    ("from", "id"),
    *[(n,) for n in ("photo", "document", "entities", "caption", "media_group_id", "forward_origin", "text")],
]


@given(path=st.sampled_from(PATHS), value=JSON)
def test_whatever_stands_in_a_field_it_is_read_or_malformed(path: tuple[str, ...], value: Any) -> None:
    message = copy.deepcopy(MESSAGE)
    place = message
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    try:
        read = parse_update(json.dumps({"update_id": 1, "message": message}))
    except MalformedMessage:
        return
    assert read is None or isinstance(read.message_id, int)
