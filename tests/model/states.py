"""What the model of the job protocol is made of: everything that a crash, or a late message, could make disagree."""

from __future__ import annotations

from typing import NamedTuple

from teltubby.messages.jobs import JobCommand, JobState

REPORTS = ("started", "retrying", "failed", "completed", "cancelled")
MAX_RETRIES = 1


class Message(NamedTuple):
    """A job's message, as the broker has it."""

    job: int
    ticket: int
    tries: int
    parked: int

    @property
    def attempt(self) -> int:
        """Numbered as `JobInHand.attempt` does."""
        return self.tries + self.parked + 1


class Report(NamedTuple):
    """What a worker told of a job; `duplicate_of` is the job whose object has the same bytes, -1 for none.

    A completion has the `ticket` of its message, which says under which of the job's keys the object lies.
    """

    kind: str
    job: int
    attempt: int
    worker: int
    duplicate_of: int = -1
    ticket: int = 0


class Row(NamedTuple):
    """A job in the ledger; `attempts` are (number, worker, has ended), `failed`: it did so for good, at some time."""

    state: JobState = JobState.PENDING
    attempt: int = 0
    ticket: int = 0
    tries: int = 0
    parked: int = 0
    published: bool = False
    attempts: frozenset[tuple[int, int, bool]] = frozenset()
    failed: bool = False


class Hand(NamedTuple):
    """A message that a worker has; not `held`, its delivery is lost and the broker gives the message to somebody else.

    The steps: taken, running, stored, then `told` when only the acknowledgement is missing; by the side roads `parking`
    (the same or another message is to be published first) and `burying`.
    """

    message: Message
    held: bool = True
    step: str = "taken"
    next: Message | None = None
    duplicate_of: int = -1


class Worker(NamedTuple):
    """A worker's process; one that was killed comes back under another name."""

    name: int
    hand: Hand | None = None


class Reading(NamedTuple):
    """A report that the bot deals with, and how far it is: what the ledger said of it and what was decided.

    `void`: it tells of an object that is deleted.
    """

    report: Report
    step: str = "settle"
    state: JobState = JobState.PENDING
    duplicate_of: int = -1
    void: bool = False


class Order(NamedTuple):
    """What a curator ordered and the ledger did; the artifact and the line follow."""

    command: JobCommand
    step: str = "artifact"


class State(NamedTuple):
    """All of it. One entry per job in `rows`, `artifacts`, `lines`, `objects`, `doubtful`, `void`, `debris`,
    `readings` and `orders`.

    An artifact is (what it says, whose object), a line the last word that the curator read; `first` says of each
    content whose object is its first copy. `doubtful`: nobody may name what lies, or will lie, under the job's key.
    Messages up to the ticket `void` (-1: none) lead to keys whose objects are deleted, and `debris` says that something
    lies there. `budget` counts what may still go wrong.
    """

    rows: tuple[Row, ...]
    artifacts: tuple[tuple[str, int], ...]
    lines: tuple[str, ...]
    objects: tuple[bool, ...]
    doubtful: tuple[bool, ...]
    void: tuple[int, ...]
    debris: tuple[bool, ...]
    readings: tuple[Reading | None, ...]
    orders: tuple[Order | None, ...]
    first: tuple[int, ...]
    queue: tuple[Message, ...]
    reports: tuple[Report, ...]
    workers: tuple[Worker, ...]
    budget: int


def beginning(*, jobs: int, workers: int, budget: int, same_bytes: bool) -> State:
    """Handed in, and nothing else happened."""
    return State(
        rows=(Row(),) * jobs,
        artifacts=(("queued", -1),) * jobs,
        lines=("queued",) * jobs,
        objects=(False,) * jobs,
        doubtful=(False,) * jobs,
        void=(-1,) * jobs,
        debris=(False,) * jobs,
        readings=(None,) * jobs,
        orders=(None,) * jobs,
        first=(-1,) * (1 if same_bytes else jobs),
        queue=(),
        reports=(),
        workers=tuple(Worker(name) for name in range(workers)),
        budget=budget,
    )


def cut_off(*, budget: int) -> State:
    """A job was cancelled; its worker, which is cut off from the broker, has stored the file and not told it yet."""
    row = Row(state=JobState.CANCELLED, attempt=1, published=True, attempts=frozenset({(1, 0, False)}))
    lost = Hand(Message(0, 0, 0, 0), held=False, step="stored")
    return beginning(jobs=1, workers=2, budget=budget, same_bytes=False)._replace(
        rows=(row,),
        artifacts=(("skipped", -1),),
        lines=(JobState.CANCELLED,),
        objects=(True,),
        doubtful=(True,),
        workers=(Worker(0, lost), Worker(1)),
    )
