"""Reading stored updates: what the Bot API documents, and whatever else may lie in the inbox."""

from __future__ import annotations

import contextlib
import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.bot_updates import parse_update, raw_update
from teltubby.errors import MalformedMessage
from teltubby.messages.chat import ButtonPress, EditedMessage, Unreadable
from teltubby.messages.media import IncomingMessage, MediaKind, RawUpdate, StickerFormat

FILE = {"file_id": "f", "file_unique_id": "u", "file_size": 100}
THUMB = {"file_id": "t", "file_unique_id": "tu", "width": 9, "height": 9}
MESSAGE: dict[str, Any] = {
    "message_id": 11,
    "date": 1_795_000_000,
    "chat": {"id": 7, "type": "private", "username": "anna", "first_name": "A"},
    "from": {"id": 7, "is_bot": False, "first_name": "A", "username": "anna"},
}
QUERY: dict[str, Any] = {
    "id": "4382bfdwdsb323b2d9",
    "from": {"id": 7, "is_bot": False, "first_name": "A"},
    "chat_instance": "-1",
    "message": {"message_id": 12, "date": 1_795_000_000, "chat": {"id": 7, "type": "private"}, "text": "job"},
    "data": "job:cancel:a1b2",
}


def parse(**fields: Any) -> IncomingMessage:
    message = parse_update(json.dumps({"update_id": 1, "message": {**MESSAGE, **fields}}))
    assert isinstance(message, IncomingMessage)
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


@pytest.mark.parametrize("kind", ["channel_post", "edited_channel_post", "my_chat_member", "of_tomorrow"])
def test_what_we_did_not_ask_for_is_none(kind: str) -> None:
    body: dict[str, Any] = {"update_id": 1}
    if kind in ("channel_post", "edited_channel_post"):
        body[kind] = {**MESSAGE, "edit_date": 1}
    elif kind == "of_tomorrow":
        body[kind] = {"a": 1}
    assert parse_update(json.dumps(body)) is None


def test_an_edited_message_says_what_it_reads_now_and_since_when() -> None:
    fields = {**MESSAGE, "edit_date": 1_795_000_100, "document": FILE, "caption": "новое", "media_group_id": "13"}
    edited = parse_update(json.dumps({"update_id": 1, "edited_message": fields}))
    assert isinstance(edited, EditedMessage)
    assert edited.edited_at == datetime.fromtimestamp(1_795_000_100, UTC)
    assert (edited.message.message_id, edited.message.caption, edited.message.media_group_id) == (11, "новое", "13")
    assert edited.message.media is not None and edited.message.media.kind is MediaKind.DOCUMENT
    del fields["edit_date"]
    edited = parse_update(json.dumps({"update_id": 1, "edited_message": fields}))
    assert isinstance(edited, EditedMessage) and edited.edited_at == edited.message.date


def test_a_press_says_who_pressed_what_and_where() -> None:
    press = parse_update(json.dumps({"update_id": 1, "callback_query": QUERY}))
    assert press == ButtonPress(
        press_id="4382bfdwdsb323b2d9",
        user_id=7,
        chat_id=7,
        chat_type="private",
        message_id=12,
        data="job:cancel:a1b2",
    )


def test_a_press_on_what_telegram_no_longer_has() -> None:
    inaccessible = {"chat": {"id": 7, "type": "private"}, "message_id": 12, "date": 0}
    press = parse_update(json.dumps({"update_id": 1, "callback_query": {**QUERY, "message": inaccessible}}))
    assert isinstance(press, ButtonPress) and (press.chat_id, press.message_id) == (7, 12)
    without = {name: value for name, value in QUERY.items() if name != "message"}
    press = parse_update(json.dumps({"update_id": 1, "callback_query": without}))
    assert isinstance(press, ButtonPress)
    assert (press.chat_id, press.chat_type, press.message_id) == (None, None, None)


def test_a_press_without_data_is_none_of_ours() -> None:
    game = {name: value for name, value in QUERY.items() if name != "data"} | {"game_short_name": "chess"}
    assert parse_update(json.dumps({"update_id": 1, "callback_query": game})) is None


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
        '{"update_id": 1, "edited_message": {}}',
        '{"update_id": 1, "callback_query": {}}',
        '{"update_id": 1, "message": {}}',
        '{"update_id": 1, "message": {"message_id": 1}}',
        json.dumps({"update_id": 1, "message": {**MESSAGE, "chat": {}}}),
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


UPDATES: dict[str, dict[str, Any]] = {
    "message": MESSAGE,
    "edited_message": {**MESSAGE, "edit_date": 1_795_000_100},
    "callback_query": QUERY,
}
PLACES = [
    *[(kind, *path) for kind in ("message", "edited_message") for path in PATHS],
    ("edited_message", "edit_date"),
    *[("callback_query", name) for name in QUERY],
    *[("callback_query", "message", name) for name in ("message_id", "date", "chat")],
    *[(kind,) for kind in UPDATES],
    ("update_id",),
]


@given(kind=st.sampled_from(sorted(UPDATES)), path=st.sampled_from(PLACES), value=JSON)
def test_whatever_stands_in_a_field_it_is_read_or_malformed(kind: str, path: tuple[str, ...], value: Any) -> None:
    update: dict[str, Any] = {"update_id": 1, kind: copy.deepcopy(UPDATES[kind])}
    place = update
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value
    try:
        kept = raw_update(update)
    except MalformedMessage:
        assert path == ("update_id",)
        return
    assert json.loads(kept.payload) == update
    try:
        read = parse_update(kept.payload)
    except MalformedMessage:
        return
    if isinstance(read, EditedMessage) or (isinstance(read, Unreadable) and read.edited):
        assert kept.media_group_id is None
    about = read.message if isinstance(read, EditedMessage) else read
    if about is not None:  # a number written as a text is read as one, but not kept
        assert kept.chat_id in (about.chat_id, None) and kept.message_id in (about.message_id, None)


@given(JSON)
def test_whatever_the_json_it_is_read_or_malformed(value: Any) -> None:
    with contextlib.suppress(MalformedMessage):
        parse_update(json.dumps(value))
    with contextlib.suppress(MalformedMessage):
        assert json.loads(raw_update(value).payload) == value


@given(st.text(max_size=20))
def test_whatever_the_text_it_is_read_or_malformed(text: str) -> None:
    with contextlib.suppress(MalformedMessage):
        parse_update(text)


# -- what the inbox keeps


def keep(**kinds: Any) -> RawUpdate:
    return raw_update({"update_id": 5, **kinds})


def test_the_inbox_is_ordered_and_grouped_by_what_an_update_is_about() -> None:
    album = {**MESSAGE, "media_group_id": "13"}
    new, edited, press = keep(message=album), keep(edited_message=album), keep(callback_query=QUERY)
    assert (new.update_id, new.chat_id, new.message_id, new.media_group_id) == (5, 7, 11, "13")
    assert (edited.chat_id, edited.message_id, edited.media_group_id) == (7, 11, None), "it does not join its album"
    assert (press.chat_id, press.message_id, press.media_group_id) == (7, 12, None)
    assert json.loads(press.payload) == {"update_id": 5, "callback_query": QUERY} and press.payload.isascii()


@pytest.mark.parametrize("message", [None, 7, [], {}, {"chat": None}, {"chat": 7}, {"chat": {"id": 2**64}}])
def test_of_an_update_of_another_shape_the_inbox_keeps_the_text(message: Any) -> None:
    for kind in UPDATES:
        kept = keep(**{kind: message})
        assert (kept.chat_id, kept.message_id, kept.media_group_id) == (None, None, None)
        assert json.loads(kept.payload) == {"update_id": 5, kind: message}


@pytest.mark.parametrize(
    "update", [None, 7, "x", [], {}, {"update_id": "5"}, {"update_id": True}, {"update_id": 2**63}]
)
def test_the_inbox_keeps_nothing_without_an_update_id(update: Any) -> None:
    with pytest.raises(MalformedMessage):
        raw_update(update)


SECRETS = ["/mtpass hunter2", "/MTPASS@bot  hunter2 too", " /mtpass\nhunter2", "/mtcode h-u-n-t-e-r-2 hunter2"]


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("kind", ["message", "edited_message"])
def test_a_secret_is_never_written_down(kind: str, text: str) -> None:
    """Neither in the message itself nor in one that answers it; that there was one stays visible."""
    message = {"message_id": 5, "chat": {"id": 7}, "text": text, "entities": [{"type": "url"}]}
    answer = {"message_id": 6, "chat": {"id": 7}, "text": "oops", "reply_to_message": message}
    for shown in (message, answer):
        kept = raw_update({"update_id": 1, kind: shown})
        assert "hunter2" not in kept.payload + repr(kept) and "/mt" in kept.payload.lower() and kept.secret is None
    assert json.loads(raw_update({"update_id": 1, kind: message}).payload)[kind]["text"].split()[-1] == "…"


@pytest.mark.parametrize(
    ("text", "secret"), [("/mtpass hunter2 ", "hunter2 "), ("/mtcode@bot\n1 2 3", "1 2 3"), ("/mtpass:hunter2", None)]
)
def test_the_secret_of_a_new_private_message_is_handed_on(text: str, secret: str | None) -> None:
    message = {**MESSAGE, "text": text}
    kept = raw_update({"update_id": 1, "message": message})
    assert kept.secret == secret and "hunter2" not in kept.payload + repr(kept)
    read = parse_update(kept.payload)
    assert isinstance(read, IncomingMessage) and (read.text or "").endswith("…")


@pytest.mark.parametrize(
    "update",
    [
        {"message": {**MESSAGE, "chat": {"id": -100, "type": "supergroup"}, "text": "/mtpass hunter2"}},
        {"message": {**MESSAGE, "photo": [], "caption": "/mtpass hunter2"}},
        {"edited_message": {**MESSAGE, "text": "/mtpass hunter2"}},
        {"callback_query": {**QUERY, "message": {**MESSAGE, "text": "/mtpass hunter2"}}},
        {"message": {**MESSAGE, "text": "x", "reply_to_message": {**MESSAGE, "text": "/mtpass hunter2"}}},
        {"message": {**MESSAGE, "pinned_message": {**MESSAGE, "text": "/mtpass hunter2"}}},
    ],
)
def test_secrets_from_elsewhere_are_masked_and_not_handed_on(update: dict[str, Any]) -> None:
    kept = raw_update({"update_id": 1, **update})
    assert kept.secret is None and "hunter2" not in kept.payload and "/mtpass" in kept.payload


@pytest.mark.parametrize("text", ["/mtpass", "/mtstatus now", "say /mtpass hunter2"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    update = {"update_id": 1, "message": {"message_id": 5, "chat": {"id": 7}, "text": text}}
    assert json.loads(raw_update(update).payload) == update
