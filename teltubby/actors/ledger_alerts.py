"""What the ledger answers about alerts and the starts of processes."""

from __future__ import annotations

from typing import assert_never

from teltubby.actors.ledger_access import LedgerAccess
from teltubby.messages.alerts import (
    AlertsMessage,
    CountStarts,
    LastFailure,
    NoteEnd,
    NoteStart,
    ReadAlerts,
    ReadFailures,
    WriteAlerts,
)


async def answer_about_alerts(access: LedgerAccess, message: AlertsMessage) -> object:
    """The answer to one request, of the type that the request names. Raises DatabaseUnavailable."""
    alerts = access.ledger.alerts
    match message:
        case ReadAlerts():
            return await access.read(alerts.book)
        case WriteAlerts():
            return await access.write(alerts.write, message.book)
        case NoteStart():
            return await access.write(alerts.note_start, message.process, message.incarnation)
        case NoteEnd():
            return await access.write(alerts.note_end, message.process, message.incarnation)
        case CountStarts():
            return await access.read(alerts.starts, message.since)
        case ReadFailures():
            return await access.read(alerts.failures, message.after, message.limit)
        case LastFailure():
            return await access.read(alerts.last_failure)
        case _:
            assert_never(message)
