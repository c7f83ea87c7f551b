"""What the ledger answers about the archive as a whole."""

from __future__ import annotations

from typing import assert_never

from teltubby.actors.ledger_access import LedgerAccess
from teltubby.messages.ledger_archive import (
    ArchiveMessage,
    CountUsage,
    ForgetArchive,
    MaintainDatabase,
    ReadOverview,
    ReadQuotaAlert,
    ReadStatistics,
    ReadUsage,
    SearchArchive,
    SetQuotaAlert,
    SetUsage,
)


async def answer_about_archive(access: LedgerAccess, message: ArchiveMessage) -> object:
    """The answer to one request, of the type that the request names. Raises DatabaseUnavailable."""
    ledger = access.ledger
    match message:
        case SearchArchive():
            return await access.read(ledger.search.find, message.words, message.limit, message.offset)
        case ReadStatistics():
            return await access.read(ledger.archived.statistics, message.days)
        case ReadUsage():
            return await access.read(ledger.room.usage)
        case SetUsage():
            return await access.write(ledger.room.listed, message.used_bytes, message.objects, message.listed_at)
        case CountUsage():
            return await access.write(ledger.room.count, message.used_bytes, message.objects)
        case ReadQuotaAlert():
            return await access.read(ledger.room.alert)
        case SetQuotaAlert():
            return await access.write(ledger.room.set_alert, message.alert)
        case ForgetArchive():
            return await access.write(ledger.files.forget, message.user_id)
        case MaintainDatabase():
            return await access.read(ledger.maintenance.maintain)
        case ReadOverview():
            return await access.read(ledger.overview)
        case _:
            assert_never(message)
