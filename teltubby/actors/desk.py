"""Answers to commands; every answer is one message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from teltubby.actors import phrases
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import FindJob, LedgerMessage, ListJobs, ReadOverview
from teltubby.supervision import Ref

ASK_SECONDS = 30.0
LISTED_JOBS = 20
OPEN_STATES = (JobState.PENDING, JobState.PROCESSING, JobState.RETRYING)

Describe = Callable[[], Awaitable[str]]
"""Says in words how a part of the house stands now."""


class Desk:
    """Knows the commands; `large_files` says how the MTProto side stands, as far as this process can tell."""

    def __init__(
        self, *, ledger: Ref[LedgerMessage], storage: str, quota_bytes: int, mode: str, large_files: Describe
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._quota_bytes = quota_bytes
        self._mode = mode
        self._large_files = large_files

    async def answer(self, text: str) -> str:
        """The answer to `/command arguments`, as HTML."""
        command, _, arguments = text.strip().partition(" ")
        match command.lstrip("/").partition("@")[0].lower():
            case "start":
                return phrases.greeting()
            case "help":
                return phrases.help_text()
            case "status":
                overview = await self._ledger.ask(ReadOverview(), within=ASK_SECONDS)
                return phrases.status_text(overview, large_files=await self._large_files(), storage=self._storage)
            case "queue":
                request = ListJobs(states=OPEN_STATES, limit=LISTED_JOBS)
                return phrases.queue_text(await self._ledger.ask(request, within=ASK_SECONDS))
            case "jobs":
                return await self._job(arguments.strip())
            case "quota":
                overview = await self._ledger.ask(ReadOverview(), within=ASK_SECONDS)
                return phrases.quota_text(overview, quota_bytes=self._quota_bytes)
            case "mode":
                return f"Updates arrive by {self._mode}."
            case "mtstatus":
                return phrases.mtproto_text(await self._large_files())
            case _:
                return phrases.NOT_UNDERSTOOD

    async def _job(self, wanted: str) -> str:
        view = await self._ledger.ask(FindJob(job_id=wanted), within=ASK_SECONDS) if wanted else None
        return phrases.job_unknown(wanted) if view is None else phrases.job_details(view)
