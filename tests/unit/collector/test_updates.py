"""What a pushed change is for a channel, by its pts: the laws of core.telegram.org/api/updates."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from teltubby.collector.updates import Step, last_id, nothing_wanted, page_by_id, step_of
from teltubby.messages.channels import PushedChange
from teltubby.messages.collected import AbsentMessage, CollectedMessage, UnreadableMessage
from tests.unit.collector.world import CHANNEL, NOON, post


def change(pts: int, count: int = 1) -> PushedChange:
    return PushedChange(channel_id=CHANNEL, pts=pts, pts_count=count)


@given(
    counts=st.lists(st.integers(0, 4), max_size=12),
    beginning=st.integers(1, 100),
    rng=st.randoms(use_true_random=False),
)
def test_pushes_in_any_order_are_taken_in_theirs_and_once(
    counts: list[int], beginning: int, rng: random.Random
) -> None:
    """Whoever takes the next one only, and looks again until there is none, has all that move the pts."""
    pushes, pts = [], beginning
    for count in counts:
        pts += count
        pushes.append(change(pts, count))
    moving = [each for each in pushes if each.pts_count]
    shuffled = [*moving, *moving]
    rng.shuffle(shuffled)
    at, taken = beginning, []
    while nexts := [each for each in shuffled if step_of(each, at) is Step.NEXT]:
        taken.append(nexts[0])
        at = nexts[0].pts
    assert taken == moving and at == pts
    assert all(step_of(each, at) is Step.KNOWN for each in moving), "each of them is known then"


@given(pts=st.integers(1, 50), pushed=st.integers(1, 60), count=st.integers(0, 9))
def test_whatever_is_not_known_whole_and_not_next_is_a_gap(pts: int, pushed: int, count: int) -> None:
    step = step_of(change(pushed, count), pts)
    if step is Step.NEXT:
        assert pts + count == pushed
    elif step is Step.KNOWN:
        assert pushed <= pts
    else:
        assert pushed > pts


def test_without_a_state_everything_is_a_gap() -> None:
    assert step_of(change(1), None) is Step.GAP


def test_what_is_absent_is_gone_when_it_was_asked_for_by_id() -> None:
    messages = (
        CollectedMessage(post=post(3), metrics=None),
        AbsentMessage(channel_id=CHANNEL, msg_id=9),
        UnreadableMessage(channel_id=CHANNEL, msg_id=5, reason="new"),
    )
    page = page_by_id(CHANNEL, messages, NOON, nothing_wanted)
    assert (page.deleted, [each.msg_id for each in page.unreadable], page.cursor) == ((9,), [5], None)
    assert [each.post.msg_id for each in page.messages] == [3]
    assert (last_id(messages), last_id(())) == (9, None)
