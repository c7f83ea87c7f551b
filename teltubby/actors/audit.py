"""Commands that are about no job: who gave them, and how often they may be given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from teltubby.actors.trail import Trail, clean
from teltubby.messages.ledger_sessions import CountCommands, RecordCommand
from teltubby.messages.media import IncomingMessage
from teltubby.supervision import Ref

ASK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Limit:
    """So many times within that time, whoever gives the command."""

    times: int
    within: timedelta


LIMITS = {
    "mtlogin": Limit(5, timedelta(hours=1)),
    "mtcode": Limit(5, timedelta(minutes=10)),
    "mtpass": Limit(5, timedelta(minutes=10)),
    "track": Limit(30, timedelta(hours=1)),
    "untrack": Limit(30, timedelta(hours=1)),
    "report": Limit(30, timedelta(hours=1)),
}
"""Telegram locks out accounts with too many attempts to sign in, and lets one look up some 200 names in a day; what was
refused here did not count as one."""


class Audit:
    """Writes commands that change something to the ledger's trail, before they are begun: what cannot be written down
    is not done, and the command waits for the ledger as every other work does. A `detail` never holds a secret.

    `trail` is told, so that it writes no line of its own. Raises what the ledger does.
    """

    def __init__(
        self, *, ledger: Ref[RecordCommand | CountCommands], clock: Callable[[], datetime], trail: Trail
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._trail = trail

    async def accept(self, message: IncomingMessage, command: str, detail: str) -> None:
        """It is obeyed."""
        await self._record(message, command, accepted=True, detail=detail)

    async def refuse(self, message: IncomingMessage, command: str, detail: str) -> None:
        """It is not, and why."""
        await self._record(message, command, accepted=False, detail=detail)

    async def passed_limit(self, message: IncomingMessage, command: str) -> Limit | None:
        """The limit that this command would pass, which is recorded then; None where it may be given."""
        limit = LIMITS[command]
        request = CountCommands(command=command, since=self._clock() - limit.within)
        if await self._ledger.ask(request, within=ASK_SECONDS) < limit.times:
            return None
        await self.refuse(message, command, "too often")
        return limit

    async def _record(self, message: IncomingMessage, command: str, *, accepted: bool, detail: str) -> None:
        request = RecordCommand(user_id=user_of(message), command=command, accepted=accepted, detail=clean(detail))
        await self._ledger.ask(request, within=ASK_SECONDS)
        self._trail.wrote(message)


def user_of(message: IncomingMessage) -> int:
    """Who wrote it; a private chat has the number of its user."""
    return message.chat_id if message.sender_id is None else message.sender_id
