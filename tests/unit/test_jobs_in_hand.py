"""JobsInHand: which deliveries are one message's, and which of them are lost, spare or void."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.actors.jobs_in_hand import REMEMBERED, JobInHand, JobsInHand
from teltubby.adapters.base import Destination, HeaderValue
from teltubby.messages.jobs import Job
from teltubby.messages.questions import Turn
from teltubby.supervision import Signal
from tests.actors.stage import large_job


class Lent:
    """A delivery of which only its identity matters."""

    body = b""
    type = message_id = ""
    headers: Mapping[str, HeaderValue] = {}
    source = Destination.JOBS

    async def ack(self) -> None: ...

    async def requeue(self) -> None: ...

    async def dead_letter(self, reason: str, *, attempt: int) -> None: ...


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


def message(number: int = 1, *, ticket: int = 0, parked: int = 0) -> Job:
    job = large_job(number)
    return replace(job, job_metadata=replace(job.job_metadata, ticket=ticket, times_parked=parked))


def taken(hands: JobsInHand, job: Job, delivery: Lent, lender: object = "stream") -> JobInHand:
    hand, spare = hands.take(job, delivery, lender)
    assert hand is not None and spare is None
    return hand


async def test_a_message_that_comes_again_takes_the_place_of_the_lost_delivery() -> None:
    hands, first, second = JobsInHand(Signal()), Lent(), Lent()
    hand = taken(hands, message(), first, "old")
    hands.lose()
    assert (hand.delivery, hands.adrift, len(hands), hands.lent_by("old")) == (None, 1, 1, False)
    assert hands.take(message(), second, "new") == (None, None)
    assert (hand.delivery, hands.adrift, len(hands)) == (second, 0, 1)
    assert hands.lent_by("new") and not hands.lent_by("old")


async def test_of_two_deliveries_the_newer_is_kept_for_the_older_may_be_lost_unknown_to_us() -> None:
    hands, first, second = JobsInHand(Signal()), Lent(), Lent()
    hand = taken(hands, message(), first)
    assert hands.take(message(), second, "stream") == (None, first)
    assert hand.delivery is second and len(hands) == 1


async def test_what_was_settled_is_spare_whenever_it_comes() -> None:
    hands, again = JobsInHand(Signal()), Lent()
    hand = taken(hands, message(), Lent())
    hands.remember(hand)
    assert hands.take(message(), again, "stream") == (None, again), "its job is in hand still, and done"
    hands.let_go(hand)
    assert hands.take(message(), again, "stream") == (None, again)
    assert len(hands) == 0
    taken(hands, message(ticket=1), Lent())
    taken(hands, message(2), Lent())


async def test_what_was_let_go_of_unsettled_is_taken_again() -> None:
    hands = JobsInHand(Signal())
    hands.let_go(taken(hands, message(), Lent()))
    taken(hands, message(), Lent())


async def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    hands = JobsInHand(Signal())
    for number in range(1, REMEMBERED + 2):
        hand = taken(hands, message(number), Lent())
        hands.remember(hand)
        hands.let_go(hand)
    again = Lent()
    assert hands.take(message(2), again, "stream") == (None, again)
    taken(hands, message(1), Lent())


async def test_a_later_message_waits_behind_and_an_earlier_one_is_void() -> None:
    hands, void = JobsInHand(Signal()), Lent()
    running = taken(hands, message(ticket=1), Lent())
    later = taken(hands, message(ticket=2), Lent())
    assert hands.is_first(running) and not hands.is_first(later)
    for earlier in (message(ticket=0, parked=7), message(ticket=1, parked=-1)):
        assert hands.take(earlier, void, "stream") == (None, void)
    assert hands.of(running.job.job_id) == [running, later]
    hands.let_go(running)
    assert hands.is_first(later)


async def test_a_verdict_stops_what_runs_and_what_waits() -> None:
    hands = JobsInHand(Signal())
    hand = taken(hands, message(), Lent())
    before = hand.effort.stopping, hand.verdict
    hand.stop(Turn.CANCELLED)
    assert (before, hand.effort.stopping, hand.verdict) == ((False, None), True, Turn.CANCELLED)
    await hand.nudged.wait(at_most=1e9)


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(0, 2)), max_size=12), st.data())
async def test_a_message_is_run_once_and_its_last_delivery_is_never_given_away(
    arrivals: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Whatever comes in whatever order, whenever the connection is lost: one hand per message, and it has the newest
    delivery that is not lost.
    """
    hands = JobsInHand(Signal())
    newest: dict[tuple[str, int, int], Lent] = {}
    for number, ticket, parked in arrivals:
        job, delivery = message(number, ticket=ticket, parked=parked), Lent()
        hand, spare = hands.take(job, delivery, "stream")
        key = (job.job_id, ticket, parked)
        if hand is not None or spare is not delivery:
            newest[key] = delivery
        assert spare is None or spare is delivery or spare not in newest.values()
        if data.draw(st.booleans()):
            hands.lose()
            newest.clear()
        held = [(one.job.job_id, *one.number) for one in hands.of(job.job_id)]
        assert len(held) == len(set(held)) and held == sorted(held)
        assert {one.delivery for one in [*hands.of(message(1).job_id), *hands.of(message(2).job_id)]} - {None} == set(
            newest.values()
        )
