"""Artifacts that fell behind: the store has an older one, or a job ended and its artifact does not say so."""

from __future__ import annotations

import logging
from datetime import datetime

from teltubby.actors.artifacts import Artifacts
from teltubby.archive.settlement import (
    OPEN,
    DuplicateItem,
    FailedItem,
    QueuedItem,
    Settlement,
    SkippedItem,
    StoredItem,
)
from teltubby.errors import Permanent
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import FindFile, LedgerMessage, UnstoredArtifacts
from teltubby.messages.ledger_jobs import JobView, ListJobs, ReadHistory
from teltubby.messages.media import ARCHIVED, ItemStatus
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
UNSTORED_AT_ONCE = 100
PAGE = 200
NEWEST_JOBS = 2000
"""Older jobs were compared when they were newer."""

_SAYS = {
    JobState.COMPLETED: ARCHIVED,
    JobState.FAILED: (ItemStatus.FAILED, *ARCHIVED),
    JobState.CANCELLED: (ItemStatus.SKIPPED, *ARCHIVED),
} | dict.fromkeys(OPEN, (ItemStatus.QUEUED, *ARCHIVED))
"""What an artifact may say of a file whose job is in this state; one that is archived after a backup was restored and
the ledger was brought to what the store says, whatever its job is by the backup.
"""


class ArtifactRepair:
    """Makes up for what a crash, or a store that was away, left undone. Raises what the ledger and the store raise."""

    def __init__(self, *, ledger: Ref[LedgerMessage], artifacts: Artifacts) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._compared: dict[str, datetime] = {}
        """Jobs whose artifact agreed with them, and when they had moved last by then."""

    async def store_missing(self) -> None:
        """Store artifacts that the store does not have in their newest state."""
        unstored = await self._ledger.ask(UnstoredArtifacts(limit=UNSTORED_AT_ONCE), within=ASK_SECONDS)
        for submission in unstored:
            try:
                await self._artifacts.store(submission.chat_id, submission.message_id)
            except Permanent as error:
                _LOG.error("an artifact of %s cannot be stored: %s", submission.base_path, error)

    async def settle_ended(self) -> None:
        """Have artifacts say of every job's file how the job stands."""
        compared: dict[str, datetime] = {}
        for offset in range(0, NEWEST_JOBS, PAGE):
            page = await self._ledger.ask(
                ListJobs(states=tuple(JobState), limit=PAGE, offset=offset), within=ASK_SECONDS
            )
            for view in page:
                job_id = view.job.job_id
                if self._compared.get(job_id) == view.updated_at or await self._agrees(view):
                    compared[job_id] = view.updated_at
            if len(page) < PAGE:
                break
        self._compared = compared

    async def _agrees(self, view: JobView) -> bool:
        """Whether the artifact says of the job's file what is true; if not, it is settled as far as that is known."""
        says = await self._artifacts.status(view)
        if says is None or says in _SAYS[view.state]:
            return True
        settlement = await self._settlement(view)
        if settlement is not None:
            _LOG.warning("job %s is %s, its artifact said %s", view.job.job_id, view.state, says)
            await self._artifacts.settle(view, settlement)
        return False

    async def _settlement(self, view: JobView) -> Settlement | None:
        """What the artifact should say, None when the ledger does not know (its report is still on its way)."""
        match view.state:
            case JobState.COMPLETED:
                return await self._completed(view)
            case JobState.FAILED:
                return FailedItem(reason=view.last_error or "no reason is known")
            case JobState.CANCELLED:
                return SkippedItem()
            case JobState.PENDING | JobState.PROCESSING | JobState.RETRYING:
                return QueuedItem(s3_key=view.job.target.key)

    async def _completed(self, view: JobView) -> Settlement | None:
        job = view.job
        known = await self._ledger.ask(FindFile(file_unique_id=job.file_info.file_unique_id), within=ASK_SECONDS)
        history = await self._ledger.ask(ReadHistory(job_id=job.job_id), within=ASK_SECONDS)
        done = [] if history is None else [attempt for attempt in history.attempts if attempt.success]
        if known is None or not done or (route := done[-1].route) is None:
            return None
        size, sha256, via, details = known.size_bytes, known.sha256, done[-1].via, done[-1].details
        if known.s3_key == job.target.key:
            return StoredItem(
                s3_key=known.s3_key,
                size_bytes=size,
                sha256=sha256,
                route=route,
                via=via,
                details=details,
                preview_key=next((one.preview_key for one in reversed(done) if one.preview_key is not None), None),
            )
        return DuplicateItem(
            duplicate_of=known.s3_key, size_bytes=size, sha256=sha256, route=route, via=via, details=details
        )
