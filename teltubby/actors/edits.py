"""What becomes of edits: those of archived messages are written into the artifact."""

from __future__ import annotations

from teltubby.actors.artifacts import DAMAGED, Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.phrases import intake as words
from teltubby.actors.trail import Trail
from teltubby.archive.edits import edited, knows_file, replaces_file
from teltubby.errors import RecordDamaged
from teltubby.messages.chat import EditedMessage
from teltubby.messages.ledger import FindSubmission, LedgerMessage
from teltubby.messages.media import JsonObject
from teltubby.supervision import Ref

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
            if await self._artifacts.read(known, lambda artifact: _brings_a_file(artifact, edit)):
                await self._chat.say(message.chat_id, words.FILE_REPLACED, reply_to=message.message_id)
            await self._artifacts.change(known.chat_id, known.message_id, lambda newest: edited(newest, edit))
        except RecordDamaged as error:
            self._trail.decided(DAMAGED, f"{error}: an edit of message {message.message_id} is lost")
            await self._chat.say(message.chat_id, words.EDIT_OF_DAMAGED, reply_to=message.message_id)
        return True


def _brings_a_file(artifact: JsonObject, edit: EditedMessage) -> bool:
    """Whether the file is another one, of which its curator was not told. Raises what `edited` does, too."""
    edited(artifact, edit)
    return replaces_file(artifact, edit) and not knows_file(artifact, edit)
