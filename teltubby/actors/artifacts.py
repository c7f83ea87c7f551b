"""The artifacts of submissions: the ledger has the newest text, and the store is brought to it, one at a time."""

from __future__ import annotations

import json
import logging

import anyio

from teltubby.archive.artifact import dumps
from teltubby.archive.keys import ARTIFACT_NAME
from teltubby.archive.settlement import Settlement, settle
from teltubby.archive.slugs import slug
from teltubby.messages.ledger import ArtifactStored, FindSubmission, JobView, LedgerMessage, SaveArtifact, Submission
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

    async def store(self, chat_id: int, message_id: int) -> None:
        """Have the store hold the newest artifact of this submission."""
        async with self._writing:
            known = await self._find(chat_id, message_id)
            if known is not None and not known.artifact_stored:
                await self._store(known, known.artifact_json)

    async def settle(self, view: JobView, settlement: Settlement) -> None:
        """Settle the job's file in its submission's artifact, in the ledger and in the store."""
        async with self._writing:
            known = await self._find(view.submission_chat_id, view.submission_message_id)
            if known is None:
                _LOG.warning("job %s belongs to no submission; its artifact cannot be completed", view.job.job_id)
                return
            text = dumps(settle(json.loads(known.artifact_json), view.job.job_id, settlement)).decode()
            save = SaveArtifact(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
            await self._ledger.ask(save, within=ASK_SECONDS)
            await self._store(known, text)

    async def _find(self, chat_id: int, message_id: int) -> Submission | None:
        return await self._ledger.ask(FindSubmission(chat_id=chat_id, message_id=message_id), within=ASK_SECONDS)

    async def _store(self, known: Submission, text: str) -> None:
        written = json.loads(text)["message_timestamp_utc"]
        beside = f"{known.base_path}message-{slug(written)}.json"
        request = StoreArtifact(key=known.base_path + ARTIFACT_NAME, beside=beside, body=text.encode())
        await self._upload.ask(request, within=STORE_SECONDS)
        stored = ArtifactStored(chat_id=known.chat_id, message_id=known.message_id, artifact_json=text)
        await self._ledger.ask(stored, within=ASK_SECONDS)
