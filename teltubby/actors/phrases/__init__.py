"""What the bot says, as Telegram HTML; pure, and everything that came from outside is escaped."""

from __future__ import annotations

from teltubby.actors.phrases.hand_in import (
    COMMANDS,
    INTERNAL_ERROR,
    NOT_UNDERSTOOD,
    NOTHING_TO_ARCHIVE,
    WAITING_FOR_STORAGE,
    acknowledgement,
    greeting,
    help_text,
)
from teltubby.actors.phrases.job_lines import (
    MARKS,
    job_completed,
    job_completed_late,
    job_duplicate,
    job_failed,
    job_progress,
    job_queued,
    job_retrying,
    job_started,
)
from teltubby.actors.phrases.words import PAGE_CHARACTERS, is_followed, page_end, pages, size, span

__all__ = [
    "COMMANDS",
    "INTERNAL_ERROR",
    "MARKS",
    "NOTHING_TO_ARCHIVE",
    "NOT_UNDERSTOOD",
    "PAGE_CHARACTERS",
    "WAITING_FOR_STORAGE",
    "acknowledgement",
    "greeting",
    "help_text",
    "is_followed",
    "job_completed",
    "job_completed_late",
    "job_duplicate",
    "job_failed",
    "job_progress",
    "job_queued",
    "job_retrying",
    "job_started",
    "page_end",
    "pages",
    "size",
    "span",
]
