"""What curators were told in the end: each message once, of each job what became of it, in the product's own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from teltubby.actors import phrases
from teltubby.actors.phrases import intake, ordered, sign_in
from teltubby.actors.phrases.words import is_acknowledgement, is_answer
from teltubby.messages.jobs import JobCancelled, JobState, Priority
from teltubby.messages.ledger_jobs import CommandAnswer
from teltubby.messages.media import ItemStatus, MediaKind
from teltubby.simulator.bot_html import parse_html
from teltubby.simulator.curator import ChatLine, Curator
from tests.chaos.crowd import JOB, HandedIn
from tests.unit.phrase_samples import DAY, job, outcome, progress, view

Jobs = Sequence[tuple[str, str]]
"""Of each job its id and its state, as the ledger has them."""
SHORT = 8
"""Characters of a job's id that people read."""


def head(*html: str) -> str:
    """How the first line begins that these have in common, as a curator reads it."""
    lines = [parse_html(text)[0].partition("\n")[0] for text in html]
    return "".join(each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*lines, strict=False)))


def _completed(phrase: Callable[..., str]) -> str:
    return head(*(phrase(job(), location="x", sha256="y", size_bytes=size, seconds=size) for size in (1, 2_000_000)))


def _order(state: JobState, *, accepted: bool) -> str:
    answer = CommandAnswer(view=replace(view(), previous=state), accepted=accepted)
    return head(ordered.cancelled_line(answer))


def _acknowledged(status: ItemStatus) -> str:
    photo = outcome(1, status, size_bytes=1)
    assert photo.message.media is not None
    voice = replace(photo, message=replace(photo.message, media=replace(photo.message.media, kind=MediaKind.VOICE)))
    return head(*(phrases.acknowledgement([one], location="x") for one in (photo, voice)))


_STOPPED = JobCancelled(job_id=job().job_id, worker="w", attempt=1, at=DAY)
PASSING = (
    head(phrases.job_queued(job())),
    head(phrases.job_started(job(), 1), phrases.job_started(job(), 2)),
    *(
        head(*(phrases.job_progress(job(), progress(downloaded=down, uploaded=up)) for down, up in moments))
        for moments in (((0, 0), (990, 0)), ((1000, 0), (1000, 990)))
    ),
    head(*(phrases.job_retrying(job(), reason="r", delay=delay) for delay in (1, 20))),
    head(ordered.requeued_line(job())),
    head(*(ordered.prioritised_line(job(priority=priority)) for priority in Priority)),
    _order(JobState.PROCESSING, accepted=True),
)
"""How a job's line begins that another one follows."""
ENDS: Mapping[JobState, tuple[str, ...]] = {
    JobState.COMPLETED: (
        _completed(phrases.job_completed),
        _completed(phrases.job_completed_late),
        head(phrases.job_duplicate(job(), location="x", sha256="y")),
    ),
    JobState.FAILED: (head(phrases.job_failed(job(), reason="r")),),
    JobState.CANCELLED: (
        _order(JobState.PENDING, accepted=True),
        _order(JobState.PENDING, accepted=False),
        head(*(ordered.stopped_line(job(), replace(_STOPPED, transferred_bytes=sent)) for sent in (1, 2_000_000))),
    ),
}
"""And how it begins for good."""
ACKNOWLEDGED: Mapping[str, str] = {
    status.value: _acknowledged(status)
    for status in (ItemStatus.STORED, ItemStatus.DUPLICATE, ItemStatus.SKIPPED, ItemStatus.FAILED)
}
"""How it begins what is said of a file that was dealt with at once, by what its item says."""
BESIDE = tuple(head(text) for text in (intake.FILE_REPLACED, intake.EDIT_OF_DAMAGED, sign_in.IN_CAPTION))
"""How a word begins that answers no message, but something that was done to it."""


class Conversations:
    """What the bot said in reply to what was handed in, and is no promise: read once, at one moment."""

    def __init__(self, handed_in: Sequence[HandedIn]) -> None:
        self._handed_in = handed_in
        self._lines: dict[tuple[Curator, int], list[ChatLine]] = {}
        for curator in dict.fromkeys(one.curator for one in handed_in):
            for line in curator.conversation():
                if line.from_bot and line.reply_to is not None and is_answer(line.text):
                    self._lines.setdefault((curator, line.reply_to), []).append(line)

    def unanswered(self) -> list[HandedIn]:
        """What nobody answered for good."""
        return [one for one in self._handed_in if not any(self.answers(one, number) for number in one.message_ids)]

    def passing(self) -> list[str]:
        """Lines of jobs that are not at their end."""
        return [line.text for _, line in self._of_jobs() if line.text.startswith(PASSING)]

    def untrue(self, jobs: Jobs) -> Iterator[str]:
        """Jobs whose line does not tell what became of them, and those that have none."""
        lines: dict[str, list[str]] = {}
        for short, line in self._of_jobs():
            lines.setdefault(short, []).append(line.text)
        for job_id, state in jobs:
            told = lines.pop(job_id[:SHORT], [])
            if not told:
                yield f"job {job_id} is {state}, and no line tells of it"
            for text in told:
                if text.startswith(PASSING) or not text.startswith(ENDS.get(JobState(state), ())):
                    yield f"job {job_id} is {state}, and its curator reads {text!r}"
        if lines:
            yield f"lines of jobs that nobody knows: {lines}"

    def twice(self) -> Iterator[str]:
        """What a message was told twice: one answer is enough for a message, for the first of an album or of its part
        an acknowledgement, and a line for each job.
        """
        jobs = Counter(short for short, _ in self._of_jobs())
        yield from (f"job {short} has {count} lines" for short, count in jobs.items() if count > 1)
        for one in self._handed_in:
            for number in one.message_ids:
                texts = [line.text for line in self.answers(one, number)]
                others = [text for text in texts if JOB.search(text) is None] if one.files else texts
                acknowledged = [text for text in others if is_acknowledgement(text)]
                is_single = len(one.message_ids) == 1
                if len(texts if is_single else others) > 1 or len(acknowledged) > 1 or len(texts) > len(others) + 1:
                    yield f"{one.curator.user.first_name}: message {number} was answered {len(texts)} times: {texts}"

    def acknowledgement(self, one: HandedIn) -> str | None:
        """What was said of the files of a single message that were dealt with at once; None of a job's."""
        (number,) = one.message_ids
        texts = [line.text for line in self.answers(one, number) if JOB.search(line.text) is None]
        return texts[0] if texts else None

    def answers(self, one: HandedIn, number: int) -> list[ChatLine]:
        """What was said to that message for good."""
        lines = self._lines.get((one.curator, number), [])
        return [line for line in lines if not line.text.startswith(BESIDE)]

    def _of_jobs(self) -> Iterator[tuple[str, ChatLine]]:
        """The lines that grow, each with the beginning of the job's id; what commands are answered is none."""
        for one in self._handed_in:
            for number in one.message_ids if one.files else ():
                for line in self.answers(one, number):
                    if (named := JOB.search(line.text)) is not None:
                        yield named.group(1), line
