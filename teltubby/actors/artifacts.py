"""The artifacts of submissions: the ledger has the newest text, and the store is brought to it, one at a time."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import anyio

from teltubby.actors.growth import Growth
from teltubby.archive.artifact import dumps
from teltubby.archive.keys import ARTIFACT_NAME
from teltubby.archive.purged import without
from teltubby.archive.settlement import Settlement, is_true, settle, status_of
from teltubby.archive.slugs import slug
from teltubby.messages.ledger import (
    ArtifactStored,
    ExtendSubmission,
    FindSubmission,
    LedgerMessage,
    SaveArtifact,
    Submission,
)
from teltubby.messages.ledger_jobs import FindJob, JobView
from teltubby.messages.media import ItemStatus, JsonObject
from teltubby.messages.transfer import StoreArtifact, UploadMessage
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 20.0
STORE_SECONDS = 120.0


class Artifacts:
    """Writes artifacts for whoever changes one: the submission itself, and each of its jobs as it ends.

    One lock for all of them: two jobs of an album end at once and each rewrites the same text, and no older text may
    reach the store after a newer one.
    """

    def __init__(self, *, ledger: Ref[LedgerMessage], upload: Ref[UploadMessage]) -> None:
        self._ledger = ledger
        self._upload = upload
        self._writing = anyio.Lock()
        self.growth = Growth()
        """What artifacts added to the store, for whoever keeps the quota."""

    async def store(self, chat_id: int, message_id: int) -> None:
        """Have the store hold the newest artifact of this submission."""
        async with self._writing:
            known = await self._find(chat_id, message_id)
            if known is not None and not known.artifact_stored:
                await self._store(known, known.artifact_json)

    async def settle(self, view: JobView, settlement: Settlement) -> None:
        """Settle the job's file in its submission's artifact, in the ledger and in the store.

        Not when the job went on meanwhile, so that the settlement is no longer true: who moved it settles it then.
        """
        async with self._writing:
            now = await self._ledger.ask(FindJob(job_id=view.job.job_id), within=ASK_SECONDS)
            if now is None or not is_true(settlement, now.state):
                return
            known = await self._find(view.submission_chat_id, view.submission_message_id)
            if known is None:
                _LOG.warning("job %s belongs to no submission; its artifact cannot be completed", view.job.job_id)
                return
            text = dumps(settle(json.loads(known.artifact_json), view.job.job_id, settlement)).decode()
            if text != known.artifact_json:
                save = SaveArtifact(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
                await self._ledger.ask(save, within=ASK_SECONDS)
            elif known.artifact_stored:
                return
            await self._store(known, text)

    async def status(self, view: JobView) -> ItemStatus | None:
        """How the job's file stands in the artifact that the ledger has; None where none belongs to the job."""
        known = await self._find(view.submission_chat_id, view.submission_message_id)
        return None if known is None else status_of(json.loads(known.artifact_json), view.job.job_id)

    async def change(self, chat_id: int, message_id: int, change: Callable[[JsonObject], JsonObject]) -> None:
        """Have `change` make a new artifact of this submission's, for the ledger and the store; none: nothing happens.

        What `change` raises is passed on, and nothing is written then.
        """
        async with self._writing:
            known = await self._find(chat_id, message_id)
            if known is None:
                return
            text = dumps(change(json.loads(known.artifact_json))).decode()
            if text != known.artifact_json:
                save = SaveArtifact(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
                await self._ledger.ask(save, within=ASK_SECONDS)
            if text != known.artifact_json or not known.artifact_stored:
                await self._store(known, text)

    async def extend(self, extension: Callable[[JsonObject], ExtendSubmission], album: Submission) -> Submission:
        """Record what joined an album, by the request that `extension` makes from the newest artifact.

        The ledger has it then; `store` brings it to the store.
        """
        async with self._writing:
            known = await self._find(album.chat_id, album.message_id) or album
            return await self._ledger.ask(extension(json.loads(known.artifact_json)), within=ASK_SECONDS)

    async def _find(self, chat_id: int, message_id: int) -> Submission | None:
        return await self._ledger.ask(FindSubmission(chat_id=chat_id, message_id=message_id), within=ASK_SECONDS)

    async def _store(self, known: Submission, text: str) -> None:
        artifact = json.loads(text)
        beside = f"{known.base_path}message-{slug(artifact['message_timestamp_utc'])}.json"
        # The ledger keeps what was archived once; the store is not to say so of what it has no more.
        body = dumps(without(artifact, known.purged_keys)) if known.purged_keys else text.encode()
        request = StoreArtifact(key=known.base_path + ARTIFACT_NAME, beside=beside, body=body)
        self.growth.add(await self._upload.ask(request, within=STORE_SECONDS))
        stored = ArtifactStored(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
        await self._ledger.ask(stored, within=ASK_SECONDS)
