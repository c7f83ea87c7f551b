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
    VOID_COUNTS = "the report of an object that was deleted counts"
    KEY_KEPT = "a job is queued again under the key at which an object is being deleted"
    NAMES_IGNORED = "what lies at a doubtful key is deleted, whatever names it"
    FAILED_GOES = "what a job left that failed for good is deleted"
    OWN_DUPLICATE = "the late report of another key of a job that is done counts as that of a copy"
