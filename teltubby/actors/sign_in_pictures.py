"""Pictures of QR codes in the chats: one that a process left behind when it ended is taken away by the next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import anyio

from teltubby.actors.chat import Answer, Chat
from teltubby.actors.lines import Line
from teltubby.errors import NotAnswered
from teltubby.messages.ledger_sessions import ForgetPicture, KeepPicture, ListPictures
from teltubby.supervision import Ref, Request, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 5.0
AGAIN_SECONDS = 5.0


class SignInPictures:
    """What is shown is noted in the ledger until it is gone; a ledger that is away keeps nobody from signing in.

    Every method but `sweep` raises NotAnswered when a stop ends the waiting for Telegram.
    """

    def __init__(self, *, ledger: Ref[KeepPicture | ForgetPicture | ListPictures], chat: Chat) -> None:
        self._ledger = ledger
        self._chat = chat
        self._shown: set[Line] = set()

    async def show(self, chat_id: int, picture: bytes, caption: str, *, instead: Line | None) -> Line | None:
        """Show a picture (PNG), in the place of another where that can be done; None when nobody can be shown it."""
        if instead is not None:
            if await self._chat.replace_picture(instead, picture, caption):
                return instead
            await self.take_away(instead)
        sent = await self._chat.give(chat_id, Answer(html=caption, picture=picture))
        if sent is None:
            return None
        line = (chat_id, sent)
        self._shown.add(line)
        with anyio.CancelScope(shield=True):  # at a stop, too, or it stays for ever
            await self._note(KeepPicture(chat_id=chat_id, message_id=sent))
        return line

    async def take_away(self, line: Line) -> None:
        """It is of no use any more."""
        await self._chat.delete(line)
        self._shown.discard(line)
        await self._note(ForgetPicture(chat_id=line[0], message_id=line[1]))

    async def sweep(self) -> None:
        """Take away what earlier processes left; what a stop leaves is the next one's."""
        with suppress(NotAnswered):
            for line in await self._left():
                if line not in self._shown:
                    await self.take_away(line)

    async def _left(self) -> Sequence[Line]:
        while True:
            try:
                return await self._ledger.ask(ListPictures(), within=ASK_SECONDS)
            except (SupervisionError, TimeoutError) as error:
                _LOG.info("which QR codes were left behind is not known yet: %s", error)
                await anyio.sleep(AGAIN_SECONDS)

    async def _note(self, request: Request[None]) -> None:
        try:
            await self._ledger.ask(request, within=ASK_SECONDS)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("a QR code may be left in a chat, should this process die: %s", error)
