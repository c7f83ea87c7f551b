"""Updates of a newer Telegram: what is not read of them may be of any shape, and what cannot be read is somebody's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.bot_updates import parse_update
from teltubby.errors import MalformedMessage
from teltubby.messages.chat import ButtonPress, EditedMessage, Unreadable
from teltubby.messages.media import IncomingMessage, MediaKind
from tests.fuzz.shapes import JSON
from tests.unit.test_bot_updates import FILE, MESSAGE, QUERY, THUMB, parse

SIZES = [{**FILE, "file_id": "still", "file_unique_id": "su", "width": 9, "height": 9}]
LIVE = {**FILE, "file_id": "live", "file_unique_id": "lu", "width": 9, "height": 9, "duration": 3}
UNREAD = ("reply_to_message", "external_reply", "quote", "gift", "rich_message", "link_preview_options", "of_tomorrow")


def read(**kinds: Any) -> object:
    return parse_update(json.dumps({"update_id": 1, **kinds}))


@given(name=st.sampled_from(UNREAD), value=JSON)
def test_of_what_is_not_read_nothing_is_demanded(name: str, value: Any) -> None:
    message = parse(document=FILE, **{name: value})
    assert message.media is not None and message.media.file_id == "f"


@pytest.mark.parametrize("origin", [{"type": "community", "date": 1}, {"type": "channel"}])
def test_an_origin_of_tomorrow_is_kept_as_it_is(origin: dict[str, Any]) -> None:
    message = parse(document=FILE, forward_origin=origin)
    assert message.media is not None and message.forward_origin == origin


@pytest.mark.parametrize("part", ["thumbnail", "cover", "qualities", "start_timestamp_of_tomorrow"])
@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}]], ids=["object", "list"])
def test_what_a_file_holds_beside_itself_is_not_needed(part: str, value: Any) -> None:
    message = parse(video={**FILE, "width": 1, "height": 1, "duration": 1, part: value})
    assert message.media is not None and message.media.kind is MediaKind.VIDEO


def test_a_press_is_read_whatever_the_message_answers() -> None:
    under = {**QUERY["message"], "reply_to_message": {"a": 1}, "reply_markup": 7}
    assert isinstance(read(callback_query={**QUERY, "message": under}), ButtonPress)


# -- live photos


def test_a_live_photo_is_its_still_picture_and_its_video() -> None:
    message = parse(photo=SIZES, live_photo=LIVE)
    assert message.media is not None and message.moving is not None
    assert (message.media.kind, message.media.file_id) == (MediaKind.PHOTO, "still")
    assert (message.moving.kind, message.moving.file_id, message.moving.duration) == (MediaKind.VIDEO, "live", 3)
    assert not message.other_files


def test_a_live_photo_has_the_still_picture_inside_too() -> None:
    message = parse(live_photo={**LIVE, "photo": SIZES})
    assert message.media is not None and message.moving is not None
    assert (message.media.file_id, message.moving.file_id) == ("still", "live")


def test_a_live_photo_without_a_picture_is_a_video() -> None:
    message = parse(live_photo=LIVE)
    assert message.media is not None and message.moving is None
    assert (message.media.kind, message.media.file_id) == (MediaKind.VIDEO, "live")


# -- files that bots cannot reach


@pytest.mark.parametrize(
    "fields",
    [
        {"paid_media": {"star_count": 1, "paid_media": [{"type": "preview"}]}},
        {"rich_message": {"blocks": [{"type": "list", "items": [{"blocks": [{"document": FILE}]}]}]}},
        {"story": {"chat": {"id": 1, "type": "private"}, "id": 2}},
        {"of_tomorrow": {"file_id": "f", "file_unique_id": "tomorrow"}},
        {"document": FILE, "of_tomorrow": [{"file_id": "g", "file_unique_id": "another"}]},
    ],
    ids="+".join,
)
def test_other_files_are_seen(fields: dict[str, Any]) -> None:
    assert parse(**fields).other_files


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "hello"},
        {"document": {**FILE, "thumbnail": THUMB}},
        {"rich_message": {"blocks": [{"type": "paragraph", "text": "hello"}]}},
        {"paid_media": None, "story": None},
        {"document": FILE, "rich_message": {"blocks": [{"document": FILE}]}},
        {"text": "hello", "reply_to_message": {**MESSAGE, "document": FILE}},
        {"text": "hello", "external_reply": {"document": FILE}},
        {"text": "done", "suggested_post_refunded": {"suggested_post_message": {**MESSAGE, "document": FILE}}},
    ],
    ids="+".join,
)
def test_files_of_other_messages_are_not_this_ones(fields: dict[str, Any]) -> None:
    assert not parse(**fields).other_files


# -- what cannot be read


@pytest.mark.parametrize(
    ("kinds", "edited", "press_id"),
    [
        ({"message": {**MESSAGE, "document": {"file_id": 7}}}, False, None),
        ({"message": {**MESSAGE, "photo": {"a": 1}}}, False, None),
        ({"message": {**MESSAGE, "date": "tomorrow"}}, False, None),
        ({"edited_message": {**MESSAGE, "edit_date": 10**18}}, True, None),
        (
            {"callback_query": {**QUERY, "message": {**QUERY["message"], "message_id": 11}, "data": 7}},
            False,
            QUERY["id"],
        ),
    ],
)
def test_what_cannot_be_read_is_somebodys(kinds: dict[str, Any], edited: bool, press_id: str | None) -> None:
    found = read(**kinds)
    assert isinstance(found, Unreadable) and found.why
    assert (found.sender_id, found.chat_id, found.chat_type, found.message_id) == (7, 7, "private", 11)
    assert (found.edited, found.press_id) == (edited, press_id)


@pytest.mark.parametrize("number", [None, "x", 2**63, True])
def test_without_a_number_it_is_somebodys_still(number: Any) -> None:
    found = read(message={**MESSAGE, "message_id": number, "document": {}})
    assert isinstance(found, Unreadable) and found.message_id is None


@pytest.mark.parametrize("fields", [{"from": None}, {"from": {"id": "7"}}, {"chat": 7}, {"chat": {"id": 7, "type": 1}}])
def test_what_is_nobodys_is_malformed(fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        read(message={**MESSAGE, "document": {}, **fields})


@given(kind=st.sampled_from(["message", "edited_message"]), name=st.sampled_from(sorted({*MESSAGE, "video", "photo"})))
def test_whatever_a_message_is_it_is_its_senders(kind: str, name: str) -> None:
    found = read(**{kind: {**MESSAGE, name: MESSAGE.get(name) if name in ("from", "chat") else {"of": "tomorrow"}}})
    assert isinstance(found, IncomingMessage | EditedMessage | Unreadable)
