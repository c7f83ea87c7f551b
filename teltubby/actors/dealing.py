"""What is done with what was let in: archived, obeyed, recorded, or told that it cannot be."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from teltubby.actors import phrases
from teltubby.actors.archiving import Archiving
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Desk
from teltubby.actors.door import Door, message_in
from teltubby.actors.edits import Edits
from teltubby.actors.phrases import intake as words
from teltubby.actors.phrases import sign_in
from teltubby.actors.phrases.words import is_answer
from teltubby.archive.live_photos import halves
from teltubby.archive.masks import has_secret
from teltubby.errors import Transient
from teltubby.messages.chat import ButtonPress, EditedMessage, Unreadable
from teltubby.messages.ledger import InboxGroup
from teltubby.messages.media import IncomingMessage
from teltubby.messages.queue import OutboxFilled
from teltubby.supervision import MailboxFull, Ref

_LOG = logging.getLogger(__name__)

EDIT_PATIENCE = 60.0
"""Updates may come out of order: so long the edit of an unknown message waits for the message."""


class Early(Transient):
    """The edit of a message that has not come yet, as far as we can tell."""


class Dealing:
    """Deals with groups of the inbox; with one that was cut off again, and then only with what is not done."""

    def __init__(
        self, *, door: Door, queue: Ref[OutboxFilled], archiving: Archiving, edits: Edits, desk: Desk, chat: Chat
    ) -> None:
        self._door = door
        self._queue = queue
        self._archiving = archiving
        self._edits = edits
        self._desk = desk
        self._chat = chat

    async def deal_with(self, group: InboxGroup, *, age: float) -> bool:
        """New messages first, then what was changed in them, then presses.

        `age` is the seconds since the group was first seen. Answers whether nothing of it is to be kept: all was
        refused, or is of a kind that we did not ask for. Raises Early for an edit, ArchiveFull, NotAnswered at a stop,
        and what asking the ledger, the store and Telegram raises: deal with it again then.
        """
        brought = self._door.brought(group)
        welcome = [incoming for incoming in brought if self._door.welcomes(incoming)]
        if len(welcome) < len(brought):
            self._door.refuse(next(incoming for incoming in brought if not self._door.welcomes(incoming)))
            for message in map(message_in, brought):
                if message is not None and self._door.is_spilled_in_group(message):
                    await self._desk.spilled(message)
        messages = [incoming for incoming in welcome if isinstance(incoming, IncomingMessage)]
        if messages:
            await self._handed_in(sorted(messages, key=lambda message: message.message_id))
        for incoming in welcome:
            match incoming:
                case EditedMessage():
                    await self._edited(incoming, age)
                case ButtonPress():
                    await self._desk.press(incoming)
                case Unreadable():
                    await self._tell_unreadable(incoming)
                case IncomingMessage():
                    pass  # handed in above, with the others of its album
        return not welcome and self._door.can_be_read(group)

    async def _handed_in(self, messages: Sequence[IncomingMessage]) -> None:
        first = messages[0]
        carrying = [message for message in messages if message.media is not None]
        if carrying:
            files = [half for message in carrying for half in halves(message)]
            await self._archiving.archive(files, publish=self._announce_jobs)
            await self._warn_of_captions(carrying)
        elif first.text is not None and first.text.startswith("/"):
            await self._desk.hide(first)
            if await self._chat.has_said(first.chat_id, first.message_id, is_answer):
                return  # a command is not obeyed again long after it was
            answer = await self._desk.answer(first)
            await self._chat.give(first.chat_id, answer, reply_to=first.message_id, said=is_answer)
            return
        elif not any(message.other_files for message in messages):
            await self._chat.say(first.chat_id, phrases.NOTHING_TO_ARCHIVE, reply_to=first.message_id, said=is_answer)
        for message in messages:
            if message.other_files:
                html = words.OUT_OF_REACH if message.media is None else words.PARTLY_OUT_OF_REACH
                await self._say_once(message.chat_id, message.message_id, html)

    async def _edited(self, edit: EditedMessage, age: float) -> None:
        """Record it, or tell that its file is in a message that is not archived; that may be about to come.

        Raises Early while it may.
        """
        message = edit.message
        if message.media is None:
            if has_secret(message.text):
                await self._desk.spilled(message)
            return
        if await self._edits.record(edit):
            await self._warn_of_captions([message])
            return
        if age < EDIT_PATIENCE:
            raise Early("the message that was edited has not come yet")
        _LOG.info("an edit of message %d, which was never archived, brings a file", message.message_id)
        await self._chat.say(message.chat_id, words.FILE_ADDED, reply_to=message.message_id)

    async def _tell_unreadable(self, sent: Unreadable) -> None:
        if sent.press_id is not None:
            await self._chat.answer_press(sent.press_id, words.PRESS_UNREADABLE, alert=True)
            return
        html = words.EDIT_UNREADABLE if sent.edited else words.UNREADABLE
        await self._say_once(sent.chat_id, sent.message_id, html)

    async def _say_once(self, chat_id: int, message_id: int | None, text: str) -> None:
        """Words without markup, which are known again after a crash."""
        await self._chat.say(chat_id, text, reply_to=message_id, said=lambda told: told == text)

    async def _warn_of_captions(self, messages: Sequence[IncomingMessage]) -> None:
        for message in messages:
            if has_secret(message.caption):
                await self._chat.say(message.chat_id, sign_in.IN_CAPTION, reply_to=message.message_id)

    def _announce_jobs(self) -> None:
        try:
            self._queue.tell(OutboxFilled())
        except MailboxFull:
            _LOG.info("the queue was told already")  # a full mailbox holds many of the same news
