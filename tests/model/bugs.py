"""Mistakes that the model can make on order: what shows that it would find them."""

from __future__ import annotations

from enum import StrEnum


class Bug(StrEnum):
    """One rule of the protocol that is broken."""

    ACK_EARLY = "a worker acknowledges its message before its report is confirmed"
    REPORT_FORGOTTEN = "the bot acknowledges a report before it has dealt with it"
    OUTBOX_DROPPED = "a job counts as published before the broker has confirmed it"
    LATE_COUNTS = "a late report counts like the newest"
    BOTH_ARE_SECOND = "the first copy is whichever object is found, not the one that the ledger recorded"
