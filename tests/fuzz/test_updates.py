"""Updates that are nearly those of the Bot API: what is read of them can be kept, and none stops the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.adapters.bot_updates import parse_update, raw_update
from teltubby.errors import MalformedMessage
from teltubby.messages.media import RawUpdate
from tests.actors.bot_wing import bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import SENT_AT, sent, update
from tests.actors.world import World, assert_true
from tests.fuzz.owed import unanswered
from tests.fuzz.quiet import assert_for_people, no_tracebacks
from tests.fuzz.shapes import JSON, damaged, examples, nearly

WHO = {"id": ANNA, "is_bot": False, "first_name": "A", "username": "anna"}
CHAT = {"id": ANNA, "type": "private", "username": "anna"}
PLAIN: dict[str, Any] = {"message_id": 11, "date": SENT_AT, "chat": CHAT, "from": WHO}
FILE = {"file_id": "f", "file_unique_id": "u", "file_size": 100}
ORIGIN = {"type": "channel", "chat": {"id": -100, "type": "channel", "title": "t"}, "message_id": 3, "date": 1}
BOLD = [{"type": "bold", "offset": 0, "length": 1}]
DOCUMENT = {
    **PLAIN,
    "document": {**FILE, "file_name": "a.pdf", "mime_type": "application/pdf"},
    "caption": "c",
    "caption_entities": BOLD,
    "forward_origin": ORIGIN,
    "location": {"latitude": 1.0, "longitude": 2.0},
}
PHOTO = {**PLAIN, "photo": [{**FILE, "width": 9, "height": 6}], "media_group_id": "13"}
VIDEO = {**PLAIN, "video": {**FILE, "width": 6, "height": 3, "duration": 9, "file_name": "v.mp4"}}
LIVE = {**PHOTO, "live_photo": {**FILE, "file_unique_id": "l", "width": 9, "height": 6, "duration": 3}}
PAID = {**PLAIN, "paid_media": {"star_count": 1, "paid_media": [{"type": "preview"}]}}
QUERY = {"id": "1", "from": WHO, "chat_instance": "1", "message": {**PLAIN, "text": "x"}, "data": "queue:0"}
BODIES: list[dict[str, Any]] = [
    {"message": DOCUMENT},
    {"message": PHOTO},
    {"message": VIDEO},
    {"message": {**PLAIN, "text": "/find x", "entities": BOLD}},
    {"message": LIVE},
    {"message": PAID},
    {"edited_message": {**DOCUMENT, "edit_date": SENT_AT + 5}},
    {"callback_query": QUERY},
]
HOSTILE = st.sampled_from(BODIES).flatmap(nearly)


def holding(field: str, value: object) -> dict[str, Any]:
    """A document whose message says this."""
    return {"message": {**DOCUMENT, field: value}}


def numbered(number: int, body: dict[str, Any]) -> RawUpdate:
    """The update of this number; its message has that number too, unless somebody changed it."""
    message = next(iter(body.values()), None)
    if isinstance(message, dict) and message.get("message_id") == PLAIN["message_id"]:
        body = {name: {**message, "message_id": number} for name in list(body)[:1]}
    return raw_update({"update_id": number, **body})


def keepable(kept: RawUpdate) -> bool:
    """Whether a database can hold it."""
    numbers = (kept.update_id, kept.chat_id or 0, kept.message_id or 0)
    texts = (kept.payload, kept.media_group_id or "")
    return all(-(2**63) <= number < 2**63 for number in numbers) and all(text.encode() for text in texts if text)


@examples(80)
@given(HOSTILE | JSON)
@example(holding("media_group_id", "\ud83d"))
@example(holding("message_id", 2**63))
def test_what_is_kept_of_an_update_can_be_kept(body: Any) -> None:
    try:
        kept = raw_update({"update_id": 1, **body} if isinstance(body, dict) else body)
    except MalformedMessage:
        return
    assert keepable(kept)
    try:
        parse_update(kept.payload)
    except MalformedMessage as error:
        assert str(error)


@examples(40)
@given(st.sampled_from(BODIES).map(lambda body: json.dumps({"update_id": 1, **body}).encode()).flatmap(damaged))
def test_a_payload_that_the_disk_damaged_is_read_or_malformed(payload: bytes) -> None:
    try:
        parse_update(payload.decode(errors="surrogateescape"))
    except MalformedMessage as error:
        assert str(error)


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
@examples(3, shrunk=False)
@given(st.lists(HOSTILE, min_size=15, max_size=15))
@example([holding("media_group_id", "\ud83d"), holding("message_id", 2**63), holding("message_id", 10**30)])
@example([holding("chat", {**CHAT, "id": 10**30}), {"edited_message": {**DOCUMENT, "message_id": -(2**63) - 1}}])
@example(
    [holding("document", {**FILE, "file_unique_id": "\ud83d"}), holding("document", {**FILE, "mime_type": "\ud83d"})]
)
@example(
    [holding("forward_origin", {"type": "community"}), holding("reply_to_message", 7), holding("document", {"a": 1})]
)
@example([{"edited_message": DOCUMENT}, {"edited_message": {**DOCUMENT, "date": "x"}}, holding("message_id", "x")])
@example([{"callback_query": {**QUERY, "id": "2", "data": 7}}, {"message": {**DOCUMENT, "from": {"id": ANNA}}}])
@example([holding("media_group_id", "13"), {"message": {**PHOTO, "photo": 7}}, {"message": {**LIVE, "photo": []}}])
async def test_none_stops_the_next_one(tmp_path_factory: pytest.TempPathFactory, bodies: list[dict[str, Any]]) -> None:
    world = World(folder=tmp_path_factory.mktemp("world"))
    world.telegram.files["f"] = b"x" * 100
    photo = sent(world.telegram, "photo", 1)
    with no_tracebacks():
        async with bot_wing(world) as wing:
            updates = [numbered(10 + number, body) for number, body in enumerate(bodies)]
            await wing.receives(*updates, update(900, photo))
            assert [body for body in world.objects.values() if body == photo.body], "it is archived"
            assert list(unanswered(world, updates)) == []
            assert restarts(wing.tree) == {}
            assert_for_people(wing.said())
            assert_true(world)
