"""What becomes of edits: those of archived messages are written into the artifact."""

from __future__ import annotations

import json
import logging

from teltubby.actors.artifacts import Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.phrases import intake as words
from teltubby.actors.trail import Trail
from teltubby.archive.edits import edited, knows_file, replaces_file
from teltubby.messages.chat import EditedMessage
from teltubby.messages.ledger import FindSubmission, LedgerMessage, Submission
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0


class Edits:
    """Records edits; the same one may be recorded again, and in any order."""

    def __init__(self, *, ledger: Ref[LedgerMessage], artifacts: Artifacts, chat: Chat, trail: Trail) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._chat = chat
        self._trail = trail

    async def record(self, edit: EditedMessage) -> bool:
        """Record the edit; answers whether its message is archived at all.

        A curator who replaced a file is told that the new one is not archived; and that the edit is not recorded, where
        the ledger's artifact is damaged: that stays so until an operator mends it. Raises what asking the ledger and
        the store raises.
        """
        message = edit.message
        request = FindSubmission(chat_id=message.chat_id, message_id=message.message_id)
        known = await self._ledger.ask(request, within=ASK_SECONDS)
        if known is None:
            return False
        try:
            artifact = json.loads(known.artifact_json)
            edited(artifact, edit)
            replaced = replaces_file(artifact, edit) and not knows_file(artifact, edit)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            await self._tell_damaged(known, edit, error)
            return True
        if replaced:
            await self._chat.say(message.chat_id, words.FILE_REPLACED, reply_to=message.message_id)
        await self._artifacts.change(known.chat_id, known.message_id, lambda newest: edited(newest, edit))
        return True

    async def _tell_damaged(self, known: Submission, edit: EditedMessage, error: Exception) -> None:
        chat_id, message_id = edit.message.chat_id, edit.message.message_id
        _LOG.error("an edit is not recorded: the artifact of %s is damaged in the ledger: %r", known.base_path, error)
        self._trail.decided("damaged", f"the artifact of {known.base_path}: an edit of message {message_id} is lost")
        await self._chat.say(chat_id, words.RECORD_DAMAGED, reply_to=message_id)
