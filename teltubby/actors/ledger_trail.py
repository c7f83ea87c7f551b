"""What the ledger answers about the audit trail."""

from __future__ import annotations

from typing import assert_never

from teltubby.actors.ledger_access import LedgerAccess
from teltubby.messages.trail import PruneTrail, RecordTrail, TrailMessage


async def answer_about_the_trail(access: LedgerAccess, message: TrailMessage) -> object:
    """The answer to one request, of the type that the request names. Raises DatabaseUnavailable."""
    trail = access.ledger.trail
    match message:
        case RecordTrail():
            return await access.write(trail.record, message.entries)
        case PruneTrail():
            return await access.write(trail.prune, message.before)
        case _:
            assert_never(message)
