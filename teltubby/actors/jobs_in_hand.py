"""The jobs whose messages this worker holds: which deliveries are one message's, and which of them are lost or spare.

RabbitMQ takes a delivery back from whoever holds it for too long, and all of them when the connection is lost; the job
goes on, and its message comes again: here, or to another worker.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from teltubby.actors.effort import Effort
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import Delivery
from teltubby.messages.jobs import Job
from teltubby.messages.questions import Turn
from teltubby.supervision import Signal

REMEMBERED = 1000
"""Messages that are known to be settled, although the broker may not know it yet."""


@dataclass(slots=True, eq=False)
class JobInHand:
    """A job of which this worker has a message; `delivery` is None while that is lost, and came from `lender`.

    `verdict` says why it has to stop, `effort` what its attempt did.
    """

    job: Job
    delivery: Delivery | None
    lender: object
    verdict: Turn | None = None
    effort: Effort = field(default_factory=Effort)
    nudged: Wakeup = field(default_factory=Wakeup)

    @property
    def attempt(self) -> int:
        """Numbered over the whole life of the job."""
        metadata = self.job.job_metadata
        return metadata.retry_count + metadata.times_parked + 1

    @property
    def number(self) -> tuple[int, int]:
        """Which message of its job it has: a later one makes the earlier ones void."""
        return self.job.job_metadata.ticket, self.attempt

    def stop(self, verdict: Turn) -> None:
        """Its message is void: let go of it, running or not."""
        self.verdict = verdict
        self.effort.stop()
        self.nudged.ring()


class JobsInHand:
    """`changed` is notified when a job is let go of or a delivery found again or lost."""

    def __init__(self, changed: Signal) -> None:
        self._changed = changed
        self._jobs: list[JobInHand] = []
        self._settled: OrderedDict[tuple[str, int, int], None] = OrderedDict()
        self._given_back: OrderedDict[str, None] = OrderedDict()
        self.leaving = False

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def adrift(self) -> int:
        """How many have lost their delivery."""
        return sum(hand.delivery is None for hand in self._jobs)

    def lent_by(self, lender: object) -> bool:
        """Whether a delivery of its is in hand."""
        return any(hand.lender is lender and hand.delivery is not None for hand in self._jobs)

    def of(self, job_id: str) -> list[JobInHand]:
        """Those of this job: one that runs, and maybe later messages that wait for its end."""
        return [hand for hand in self._jobs if hand.job.job_id == job_id]

    def take(self, job: Job, delivery: Delivery, lender: object) -> tuple[JobInHand | None, Delivery | None]:
        """The job that is to be run for this delivery, if any, and a delivery that is to be acknowledged, if any.

        A message that is in hand already is not run again: the newer delivery is kept, and the older one is spare, if
        it is not lost. Nor is one that was settled, or for which there is a later one.
        """
        new = JobInHand(job, delivery, lender)
        others = self.of(job.job_id)
        if self._key(new) in self._settled or any(hand.number > new.number for hand in others):
            return None, delivery
        for hand in others:
            if hand.number == new.number:
                spare, hand.delivery, hand.lender = hand.delivery, delivery, lender
                self._changed.notify()
                return None, spare
        self._jobs.append(new)
        return new, None

    def is_first(self, hand: JobInHand) -> bool:
        """Whether no earlier message of its job is in hand."""
        return self.of(hand.job.job_id)[0] is hand

    def remember(self, hand: JobInHand) -> None:
        """All that its message asked for is done and durable: whenever it comes again, it can be acknowledged."""
        self._settled[self._key(hand)] = None
        if len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)

    def give_back(self, hand: JobInHand) -> None:
        """An attempt of its has begun, and its end is not told: that is for whoever gets its message next."""
        self._given_back[hand.job.job_id] = None
        if len(self._given_back) > REMEMBERED:
            self._given_back.popitem(last=False)

    def take_back(self, hand: JobInHand) -> bool:
        """Whether the end of an attempt is still to be told, which is the caller's to do from here on."""
        if was_given_back := hand.job.job_id in self._given_back:
            del self._given_back[hand.job.job_id]
        return was_given_back

    def let_go(self, hand: JobInHand) -> None:
        """Nothing happens with it any more."""
        self._jobs.remove(hand)
        for other in self.of(hand.job.job_id):
            other.nudged.ring()
        self._changed.notify()

    def lose(self) -> None:
        """All deliveries are lost."""
        for hand in self._jobs:
            hand.delivery = None
            hand.nudged.ring()

    def leave(self) -> None:
        """This worker is about to stop: what has not begun does not begin."""
        self.leaving = True
        for hand in self._jobs:
            hand.nudged.ring()

    @staticmethod
    def _key(hand: JobInHand) -> tuple[str, int, int]:
        return hand.job.job_id, *hand.number
