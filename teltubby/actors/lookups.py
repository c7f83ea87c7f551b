"""What curators look up: pages of jobs and of search results, and the history of one job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from teltubby.actors import keyboards
from teltubby.actors.chat import Answer
from teltubby.actors.phrases import lists
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import ReadOverview, SearchArchive
from teltubby.messages.ledger_jobs import FindJob, JobView, ListJobs, ReadHistory
from teltubby.supervision import Ref

ASK_SECONDS = 30.0
JOBS_PAGE = 8
FIND_PAGE = 5
OPEN_STATES = (JobState.PENDING, JobState.PROCESSING, JobState.RETRYING)


class Lookups:
    """Answers from the ledger, each one message with buttons; a page that is no more is answered with the first."""

    def __init__(
        self, *, ledger: Ref[LedgerMessage], location: Callable[[str], str], clock: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._location = location
        self._clock = clock

    async def queue(self, offset: int = 0) -> Answer:
        """The open jobs: what runs, then what waits, in its turn."""
        views, more = await self._jobs(OPEN_STATES, offset, in_turn=True)
        if not views and offset:
            return await self.queue()
        overview = await self._ledger.ask(ReadOverview(), within=ASK_SECONDS)
        total = max(sum(overview.jobs.get(state, 0) for state in OPEN_STATES), offset + len(views))
        return Answer(
            html=lists.queue_text(views, offset=offset, total=total, now=self._clock()),
            keyboard=keyboards.queue_keyboard(views, offset=offset, page=JOBS_PAGE, more=more),
        )

    async def jobs(self, user_id: int, offset: int = 0) -> Answer:
        """A curator's own jobs, newest first."""
        views, more = await self._jobs(tuple(JobState), offset, user_id)
        if not views and offset:
            return await self.jobs(user_id)
        return Answer(
            html=lists.jobs_text(views, offset=offset, now=self._clock()),
            keyboard=keyboards.jobs_keyboard(views, offset=offset, page=JOBS_PAGE, more=more),
        )

    async def history(self, wanted: str) -> Answer:
        """Everything about the job whose id is, or begins with, `wanted`."""
        view = await self._ledger.ask(FindJob(job_id=wanted), within=ASK_SECONDS)
        if view is None:
            return Answer(html=lists.job_unknown(wanted))
        history = await self._ledger.ask(ReadHistory(job_id=view.job.job_id), within=ASK_SECONDS)
        if history is None:
            return Answer(html=lists.job_unknown(wanted))
        return Answer(
            html=lists.job_history(view, history, location=self._location(view.job.target.key)),
            keyboard=keyboards.job_keyboard(view.job.job_id, view.state),
        )

    async def popup(self, job_id: str) -> str:
        """Where a job stands, as plain text for a popup."""
        view = await self._ledger.ask(FindJob(job_id=job_id), within=ASK_SECONDS)
        return "There is no such job." if view is None else lists.job_popup(view, self._clock())

    async def find(self, words: str, offset: int = 0) -> Answer:
        """Submissions that hold all these words, best first."""
        request = SearchArchive(words=words, limit=FIND_PAGE + 1, offset=offset)
        hits = await self._ledger.ask(request, within=ASK_SECONDS)
        if not hits and offset:
            return await self.find(words)
        return Answer(
            html=lists.find_text(words, hits[:FIND_PAGE], offset=offset),
            keyboard=keyboards.find_keyboard(words, offset=offset, page=FIND_PAGE, more=len(hits) > FIND_PAGE),
        )

    async def _jobs(
        self, states: tuple[JobState, ...], offset: int, user_id: int | None = None, *, in_turn: bool = False
    ) -> tuple[tuple[JobView, ...], bool]:
        request = ListJobs(states=states, limit=JOBS_PAGE + 1, offset=offset, user_id=user_id, in_turn=in_turn)
        views = await self._ledger.ask(request, within=ASK_SECONDS)
        return views[:JOBS_PAGE], len(views) > JOBS_PAGE


def search_words(text: str) -> str:
    """What somebody searches for, on one line and without what cannot be seen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
