"""The artifacts of submissions: the ledger has the newest text, and the store is brought to it, one at a time."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import anyio

from teltubby.actors.growth import Growth
from teltubby.archive.artifact import dumps
from teltubby.archive.keys import ARTIFACT_NAME
from teltubby.archive.purged import without
from teltubby.archive.settlement import (
    DuplicateItem,
    Settlement,
    StoredItem,
    is_true,
    settle,
    status_of,
)
from teltubby.archive.slugs import slug
from teltubby.errors import RecordDamaged
from teltubby.messages.ledger import (
    ArtifactStored,
    ExtendSubmission,
    FindSubmission,
    LedgerMessage,
    SaveArtifact,
    Submission,
)
from teltubby.messages.ledger_jobs import FindJob, JobView
from teltubby.messages.media import ARCHIVED, ItemStatus, JsonObject
from teltubby.messages.trail import RecordTrail, TrailEntry, TrailKind
from teltubby.messages.transfer import StoreArtifact, UploadMessage
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 20.0
STORE_SECONDS = 120.0
DAMAGED = "damaged"
"""What the audit trail calls it."""

T = TypeVar("T")


class Artifacts:
    """Writes artifacts for whoever changes one: the submission itself, and each of its jobs as it ends.

    One lock for all of them: two jobs of an album end at once and each rewrites the same text, and no older text may
    reach the store after a newer one. An artifact that the ledger has, and that is none, stops nothing else: who wanted
    it learns that it is damaged, and the audit trail has a line of it.
    """

    def __init__(self, *, ledger: Ref[LedgerMessage], upload: Ref[UploadMessage]) -> None:
        self._ledger = ledger
        self._upload = upload
        self._writing = anyio.Lock()
        self.growth = Growth()
        """What artifacts added to the store, for whoever keeps the quota."""
        self._damaged: set[tuple[int, int]] = set()
        """Submissions of which it is told."""

    async def read(self, known: Submission, work: Callable[[JsonObject], T]) -> T:
        """What `work` makes of the artifact. Raises RecordDamaged where it is none, after the trail has been told."""
        try:
            return work(json.loads(known.artifact_json))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            damage = f"the artifact of {known.base_path} is damaged in the ledger"
            if (known.chat_id, known.message_id) not in self._damaged:
                _LOG.error("%s: %r", damage, error)
                line = TrailEntry(at=datetime.now(UTC), kind=TrailKind.DECISION, command=DAMAGED, detail=damage)
                await self._ledger.ask(RecordTrail(entries=(line,)), within=ASK_SECONDS)
                self._damaged.add((known.chat_id, known.message_id))
            raise RecordDamaged(damage) from error

    async def store(self, chat_id: int, message_id: int) -> None:
        """Have the store hold the newest artifact of this submission. Raises RecordDamaged."""
        async with self._writing:
            known = await self._find(chat_id, message_id)
            if known is not None and not known.artifact_stored:
                await self._store(known)

    async def settle(self, view: JobView, settlement: Settlement) -> bool:
        """Settle the job's file in its submission's artifact, in the ledger and in the store.

        Not when the job went on meanwhile, so that the settlement is no longer true: who moved it settles it then. Nor
        is a file that is archived ever settled as one that is not: no job undoes that, but `teltubby reindex` may have
        read it from the store, and the job may be as it was when a backup was made. Answers False where the artifact is
        damaged in the ledger: the job is as it is all the same, and whoever mends it has this done later.
        """
        try:
            await self._settle(view, settlement)
        except RecordDamaged:
            return False
        return True

    async def _settle(self, view: JobView, settlement: Settlement) -> None:
        async with self._writing:
            now = await self._ledger.ask(FindJob(job_id=view.job.job_id), within=ASK_SECONDS)
            if now is None or not is_true(settlement, now.state):
                return
            known = await self._find(view.submission_chat_id, view.submission_message_id)
            if known is None:
                _LOG.warning("job %s belongs to no submission; its artifact cannot be completed", view.job.job_id)
                return
            text = await self.read(known, lambda artifact: _settled(artifact, view.job.job_id, settlement))
            if text != known.artifact_json:
                save = SaveArtifact(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
                await self._ledger.ask(save, within=ASK_SECONDS)
            elif known.artifact_stored:
                return
            await self._store(replace(known, artifact_json=text))

    async def status(self, view: JobView) -> ItemStatus | None:
        """How the job's file stands in the artifact that the ledger has; None where none belongs to the job."""
        known = await self._find(view.submission_chat_id, view.submission_message_id)
        if known is None:
            return None
        try:
            return await self.read(known, lambda artifact: status_of(artifact, view.job.job_id))
        except RecordDamaged:
            return None

    async def change(self, chat_id: int, message_id: int, change: Callable[[JsonObject], JsonObject]) -> None:
        """Have `change` make a new artifact of this submission's, for the ledger and the store; none: nothing happens.

        Raises RecordDamaged where `change` cannot make one, and nothing is written then.
        """
        async with self._writing:
            known = await self._find(chat_id, message_id)
            if known is None:
                return
            text = await self.read(known, lambda artifact: dumps(change(artifact)).decode())
            if text != known.artifact_json:
                save = SaveArtifact(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
                await self._ledger.ask(save, within=ASK_SECONDS)
            if text != known.artifact_json or not known.artifact_stored:
                await self._store(replace(known, artifact_json=text))

    async def extend(self, extension: Callable[[JsonObject], ExtendSubmission], album: Submission) -> Submission:
        """Record what joined an album, by the request that `extension` makes from the newest artifact.

        The ledger has it then; `store` brings it to the store. Raises RecordDamaged.
        """
        async with self._writing:
            known = await self._find(album.chat_id, album.message_id) or album
            return await self._ledger.ask(await self.read(known, extension), within=ASK_SECONDS)

    async def _find(self, chat_id: int, message_id: int) -> Submission | None:
        return await self._ledger.ask(FindSubmission(chat_id=chat_id, message_id=message_id), within=ASK_SECONDS)

    async def _store(self, known: Submission) -> None:
        request = await self.read(known, partial(_stored, known))
        self.growth.add(await self._upload.ask(request, within=STORE_SECONDS))
        stored = ArtifactStored(chat_id=known.chat_id, message_id=known.message_id, artifact_json=known.artifact_json)
        await self._ledger.ask(stored, within=ASK_SECONDS)


def _settled(artifact: JsonObject, job_id: str, settlement: Settlement) -> str:
    is_kept = status_of(artifact, job_id) in ARCHIVED and not isinstance(settlement, StoredItem | DuplicateItem)
    return dumps(artifact if is_kept else settle(artifact, job_id, settlement)).decode()


def _stored(known: Submission, artifact: JsonObject) -> StoreArtifact:
    beside = f"{known.base_path}message-{slug(str(artifact['message_timestamp_utc']))}.json"
    # The ledger keeps what was archived once; the store is not to say so of what it has no more.
    body = dumps(without(artifact, known.purged_keys)) if known.purged_keys else known.artifact_json.encode()
    return StoreArtifact(key=known.base_path + ARTIFACT_NAME, beside=beside, body=body)
