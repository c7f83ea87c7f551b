"""The backlog: every group is begun once, in its turn, and never too many at once."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.actors.backlog import AT_ONCE, Backlog, Lane
from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming
from teltubby.messages.ledger import InboxGroup
from tests.unit.archive.samples import MOMENT, media, message

ALBUM_SECONDS = 2.0


def look(payload: str) -> Incoming | None:
    """`file 7 5`: a file in chat 7 as message 5; likewise `text`, `edit`, `press`; else nothing."""
    kind, *numbers = payload.split()
    if kind not in ("file", "text", "edit", "press"):
        return None
    chat_id, message_id = map(int, numbers)
    if kind == "press":
        return ButtonPress(
            press_id="1", user_id=chat_id, chat_id=chat_id, chat_type="private", message_id=1, data="queue:0"
        )
    one = message(message_id, chat_id=chat_id, media=None if kind == "text" else media())
    return EditedMessage(message=one, edited_at=MOMENT) if kind == "edit" else one


def group(*updates: tuple[int, str], album: str | None = None) -> InboxGroup:
    return InboxGroup(
        update_ids=tuple(number for number, _ in updates),
        payloads=tuple(payload for _, payload in updates),
        newest_received_at=MOMENT,
        media_group_id=album,
    )


def backlog() -> Backlog:
    return Backlog(look, album_seconds=ALBUM_SECONDS)


def place_of(one: InboxGroup) -> tuple[Lane, str]:
    kind, chat, _ = one.payloads[0].split()
    lane = {"file": Lane.FILES, "edit": Lane.EDITS}.get(kind, Lane.QUICK)
    return lane, "" if kind == "nothing" else chat


def begun(waiting: Backlog, now: float, *, full: bool = False) -> list[tuple[int, ...]]:
    return [one.update_ids for one in waiting.begin(now, full=full)[0]]


@given(
    st.lists(st.tuples(st.sampled_from(["file", "text", "press", "edit", "nothing"]), st.integers(1, 3)), max_size=150),
    st.integers(0, 2**32),
)
def test_all_are_begun_once_and_never_too_many_of_a_lane(kinds: list[tuple[str, int]], seed: int) -> None:
    rng = random.Random(seed)
    still_open = {
        number: group((number, f"{kind} {chat} {number}")) for number, (kind, chat) in enumerate(kinds, start=1)
    }
    waiting, running, done = backlog(), list[InboxGroup](), Counter[int]()
    waiting.asking()
    waiting.learn(list(still_open.values()), 0.0)
    while still_open:
        more, _ = waiting.begin(0.0, full=False)
        running += more
        done.update(one.update_ids[0] for one in more)
        assert all(count <= AT_ONCE[place[0]] for place, count in Counter(map(place_of, running)).items())
        assert running, "something goes on as long as something is open"
        over = running.pop(rng.randrange(len(running)))
        del still_open[over.update_ids[0]]
        waiting.end(over)
        if rng.random() < 0.2:
            waiting.asking()
            waiting.learn(list(still_open.values()), 0.0)
    assert all(count == 1 for count in done.values()) and len(done) == len(kinds)


def test_lanes_and_chats_do_not_wait_for_each_other() -> None:
    waiting = backlog()
    files = [group((number, f"file 1 {number}")) for number in range(1, 101)]
    others = [group((200, "text 1 200")), group((201, "press 1 0")), group((202, "file 2 202")), group((203, "junk"))]
    waiting.learn([*files, *others], 0.0)
    found = begun(waiting, 0.0)
    assert len([ids for ids in found if ids < (101,)]) == AT_ONCE[Lane.FILES]
    assert {(200,), (201,), (202,), (203,)} <= set(found)


def test_an_album_gathers_since_its_newest_item_was_seen() -> None:
    waiting = backlog()
    waiting.learn([group((1, "file 1 1"), album="g")], 10.0)
    assert waiting.begin(10.0, full=False) == ([], ALBUM_SECONDS)
    waiting.learn([group((1, "file 1 1"), (2, "file 1 2"), album="g")], 11.0)
    assert begun(waiting, 12.0) == []
    assert begun(waiting, 13.0) == [(1, 2)]


def test_more_of_a_group_that_is_under_way_is_asked_for_when_it_ends() -> None:
    waiting = backlog()
    waiting.learn([group((1, "file 1 1"))], 0.0)
    (one,), _ = waiting.begin(0.0, full=False)
    assert not waiting.learn([group((1, "file 1 1"), (2, "file 1 2"), album="g")], 1.0)
    assert begun(waiting, 9.0) == []
    assert waiting.end(one), "the inbox has more of it"


def test_an_answer_that_was_overtaken_is_asked_for_again() -> None:
    waiting = backlog()
    waiting.learn([group((1, "file 1 1"))], 0.0)
    (one,), _ = waiting.begin(0.0, full=False)
    waiting.asking()
    assert not waiting.end(one)
    assert not waiting.learn([group((1, "file 1 1"))], 0.0), "it is over, and nothing came to it"
    assert begun(waiting, 9.0) == []
    assert waiting.learn([group((1, "file 1 1"), (2, "file 1 2"), album="g")], 0.0)


@pytest.mark.parametrize("edit_first", [False, True])
def test_an_edit_waits_for_its_message(edit_first: bool) -> None:
    waiting = backlog()
    edit, original = group((2, "edit 1 5")), group((1, "file 1 5"))
    waiting.learn([edit, original] if edit_first else [original, edit], 0.0)
    assert begun(waiting, 0.0) == [(1,)]
    waiting.end(original)
    assert begun(waiting, 0.0) == [(2,)]


def test_an_edit_waits_for_no_other_message() -> None:
    waiting = backlog()
    waiting.learn([group((1, "file 1 5")), group((2, "edit 1 6")), group((3, "edit 2 5"))], 0.0)
    assert set(begun(waiting, 0.0)) == {(1,), (2,), (3,)}


def test_what_is_held_waits_for_room_and_what_is_delayed_for_its_time() -> None:
    waiting = backlog()
    held, delayed = group((1, "file 1 1")), group((2, "edit 1 2"))
    waiting.learn([held, delayed], 0.0)
    waiting.begin(0.0, full=True)
    waiting.hold(held.update_ids)
    waiting.delay(delayed.update_ids, 5.0)
    assert waiting.end(held) and waiting.end(delayed)
    waiting.asking()
    waiting.learn([held, delayed], 1.0)
    assert waiting.begin(1.0, full=True) == ([], 4.0)
    assert begun(waiting, 1.0, full=False) == [(1,)]
    assert begun(waiting, 5.0) == [(2,)]
    assert waiting.begin(5.0, full=False)[1] == math.inf
    assert waiting.age((2,), 7.0) == 7.0
