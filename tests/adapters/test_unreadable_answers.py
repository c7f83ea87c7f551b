"""Messages of a newer layer than ours, which spoil every answer that they are in, against the simulated server."""

from __future__ import annotations

import pytest

from teltubby.errors import FloodWait
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collected import CollectedMessage, UnreadableMessage
from tests.adapters.house import House
from tests.adapters.newsroom import Newsroom, id_of, newsroom, read, text_of

pytestmark = pytest.mark.anyio

ALWAYS = 10**6
POSTS = 230


@pytest.fixture
async def room(house: House) -> Newsroom:
    return await newsroom(house)


def newer(room: Newsroom, *ids: int, method: str = "*") -> None:
    """These messages come in a constructor that nobody knows."""
    room.house.fault(method, times=ALWAYS, effects={"newer": frozenset(ids)})


async def way_through(room: Newsroom, ref: ChannelRef, *, back: bool) -> list[int]:
    """All ids, as they come; those that cannot be read are negative."""
    ids: list[int] = []
    place = 10**6 if back else 0
    while True:
        ask = room.session.posts_before if back else room.session.posts_after
        page = await ask(ref, place, 100)
        ids += [-id_of(each) if isinstance(each, UnreadableMessage) else id_of(each) for each in await read(page)]
        if page.is_end:
            return ids
        place = page.ids[-1]


@pytest.mark.parametrize("back", [True, False], ids=["back", "forward"])
async def test_history_goes_on_past_what_cannot_be_read(room: Newsroom, back: bool) -> None:
    chat = room.seeded(POSTS)
    ids = room.ids(chat)
    spoiled = {ids[0], ids[80], *ids[150:153], ids[190], ids[-1]}
    gone = [*ids[70:80], *ids[81:110], *ids[186:190]]  # so that ids do not tell which of them is next
    room.remove(*room.call(lambda: [chat.mailbox.messages[msg_id] for msg_id in gone]))
    ids = [msg_id for msg_id in ids if msg_id not in gone]
    newer(room, *spoiled)
    before = room.house.calls("messages.getHistory")
    told = await way_through(room, room.ref(chat), back=back)
    expected = [-msg_id if msg_id in spoiled else msg_id for msg_id in ids]
    assert told == (expected[::-1] if back else expected)
    assert room.house.calls("messages.getHistory") - before < 130, "it is found in halves"


@pytest.mark.parametrize("back", [True, False], ids=["back", "forward"])
async def test_a_channel_of_which_nothing_can_be_read_has_an_end(room: Newsroom, back: bool) -> None:
    chat = room.seeded(4)
    ids = room.ids(chat)
    newer(room, *ids)
    assert await way_through(room, room.ref(chat), back=back) == [-msg_id for msg_id in (ids[::-1] if back else ids)]


async def test_of_messages_by_id_only_those_are_unreadable(room: Newsroom) -> None:
    chat = room.seeded(POSTS)
    ids = room.ids(chat)[:100]
    spoiled = {ids[3], ids[4], ids[99]}
    newer(room, *spoiled)
    told = await room.session.posts_by_id(room.ref(chat), ids)
    assert [*map(id_of, told)] == ids
    assert {id_of(each) for each in told if isinstance(each, UnreadableMessage)} == spoiled
    assert all(isinstance(each, CollectedMessage) for each in told if id_of(each) not in spoiled)


async def test_a_flood_while_it_is_looked_for_loses_nothing(room: Newsroom) -> None:
    chat = room.seeded(40)
    ids = room.ids(chat)
    house = room.house
    house.fault("messages.getHistory", times=5, effects={"newer": frozenset({ids[10]})})
    house.fault("messages.getHistory", message="FLOOD_WAIT_3", times=ALWAYS)
    page = await room.session.posts_before(room.ref(chat), None, 100)
    assert 0 < len(page.ids) < 40 and [*page.ids] == ids[: -len(page.ids) - 1 : -1] and not page.is_end
    with pytest.raises(FloodWait):
        await room.session.posts_before(room.ref(chat), page.ids[-1], 100)


async def test_a_channel_is_found_though_its_newest_message_cannot_be_read(room: Newsroom) -> None:
    chat = room.seeded(30)
    ids = room.ids(chat)
    newer(room, *ids[-3:])
    found = await room.session.find_channel("@space")
    assert found.newest is not None and ids[0] <= found.newest < ids[-3]


async def test_a_difference_that_cannot_be_read_counts_as_too_long(room: Newsroom) -> None:
    chat = room.seeded(10)
    before = room.pts(chat)
    spoiled, after = room.post(chat, "in new words"), room.post(chat, "in old ones")
    newer(room, spoiled.id)
    difference = await room.session.difference(room.ref(chat), before)
    assert difference.too_long and difference.pts == room.pts(chat)
    assert [*map(id_of, difference.messages)][:2] == [after.id, spoiled.id]
    assert isinstance(difference.messages[1], UnreadableMessage) and text_of(difference.messages[0]) == "in old ones"
    assert room.house.calls("updates.getChannelDifference") == 2


async def test_a_difference_that_can_be_read_the_second_time_is(room: Newsroom) -> None:
    chat = room.seeded(10)
    before = room.pts(chat)
    said = room.post(chat, "hello")
    room.house.fault("updates.getChannelDifference", effects={"newer": frozenset({said.id})})
    difference = await room.session.difference(room.ref(chat), before)
    assert not difference.too_long and [*map(text_of, difference.messages)] == ["hello"]
