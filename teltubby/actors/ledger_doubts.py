"""What the ledger answers about doubtful keys."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from teltubby.actors.ledger_access import LedgerAccess
from teltubby.messages.ledger_doubts import ClaimLeftover, DoubtLooked, DoubtsMessage, DueDoubts


async def answer_about_doubts(access: LedgerAccess, message: DoubtsMessage) -> object:
    """The answer to one request, of the type that the request names. Raises DatabaseUnavailable."""
    doubts = access.ledger.doubts
    match message:
        case DueDoubts():
            return await access.read(doubts.due, message.limit)
        case ClaimLeftover():
            return await access.write(partial(doubts.claim, named=message.named, size=message.size), message.key)
        case DoubtLooked():
            return await access.write(partial(doubts.looked, counts=message.counts), message.key)
        case _:
            assert_never(message)
