"""Buttons under the bot's messages, and what their data says when it comes back: it can be forged, so it is checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from teltubby.messages.chat import Button, Keyboard
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_jobs import JobView

DATA_BYTES = 64
"""Bot API, callback_data."""
MAX_OFFSET = 999_999
_IN_A_ROW = 5
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OFFSET = r"0|[1-9][0-9]{0,5}"
_DATA = re.compile(
    rf"job:(?P<action>status|cancel|retry):(?P<job_id>{_UUID})"
    rf"|(?P<list>queue|jobs):(?P<offset>{_OFFSET})"
    rf"|find:(?P<find_offset>{_OFFSET}):(?P<words>[^\n\r]+)"
    r"|purge:(?P<code>[0-9a-f]{8})"
)


class JobAction(StrEnum):
    """What a button does to its job."""

    STATUS = "status"
    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobButton:
    """Something about one job."""

    action: JobAction
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueButton:
    """Another page of the open jobs."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsButton:
    """Another page of one's own jobs."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindButton:
    """Another page of what a search found."""

    offset: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeButton:
    """The second confirmation of `/purge`."""

    code: str


Pressed = JobButton | QueueButton | JobsButton | FindButton | PurgeButton

_BY_STATE: dict[JobState, tuple[JobAction, ...]] = {
    JobState.PENDING: (JobAction.STATUS, JobAction.CANCEL),
    JobState.PROCESSING: (JobAction.STATUS, JobAction.CANCEL),
    JobState.RETRYING: (JobAction.STATUS, JobAction.CANCEL),
    JobState.COMPLETED: (JobAction.STATUS,),
    JobState.FAILED: (JobAction.STATUS, JobAction.RETRY),
    JobState.CANCELLED: (JobAction.STATUS, JobAction.RETRY),
}
_LABELS = {JobAction.STATUS: "ℹ️ Status", JobAction.CANCEL: "🚫 Cancel", JobAction.RETRY: "🔁 Retry"}


def job_keyboard(job_id: str, state: JobState) -> Keyboard:
    """What can be done to a job in this state."""
    return [[Button(text=_LABELS[action], data=f"job:{action}:{job_id}") for action in _BY_STATE[state]]]


def queue_keyboard(views: Sequence[JobView], *, offset: int, page: int, more: bool) -> Keyboard:
    """The jobs of this page by their numbers, and the way to the pages beside it."""
    return [*_numbers(views, offset), *_pager("queue:{}", offset, page, more)]


def jobs_keyboard(views: Sequence[JobView], *, offset: int, page: int, more: bool) -> Keyboard:
    """As `queue_keyboard`, for one's own jobs."""
    return [*_numbers(views, offset), *_pager("jobs:{}", offset, page, more)]


def find_keyboard(words: str, *, offset: int, page: int, more: bool) -> Keyboard:
    """The pages beside this one; none where the words are too many for a button."""
    fits = len(f"find:{MAX_OFFSET}:{words}".encode()) <= DATA_BYTES and words.isprintable()
    return _pager("find:{}:" + words.replace("{", "{{").replace("}", "}}"), offset, page, more) if fits else ()


def purge_keyboard(code: str) -> Keyboard:
    """The button that deletes everything."""
    return [[Button(text="🗑 Yes, delete everything", data=f"purge:{code}")]]


def pressed(data: str) -> Pressed | None:
    """What a button of ours says, or None where no button of ours says so."""
    found = _DATA.fullmatch(data)
    if found is None or not data.isprintable() or len(data.encode()) > DATA_BYTES:
        return None
    match found.groupdict():
        case {"action": str(action), "job_id": str(job_id)}:
            return JobButton(action=JobAction(action), job_id=job_id)
        case {"list": "queue", "offset": str(offset)}:
            return QueueButton(offset=int(offset))
        case {"list": "jobs", "offset": str(offset)}:
            return JobsButton(offset=int(offset))
        case {"find_offset": str(offset), "words": str(words)}:
            return FindButton(offset=int(offset), words=words)
        case {"code": str(code)}:
            return PurgeButton(code=code)
        case _:
            raise AssertionError("the pattern has no other alternative")


def _numbers(views: Sequence[JobView], offset: int) -> list[list[Button]]:
    buttons = [
        Button(text=str(number), data=f"job:{JobAction.STATUS}:{view.job.job_id}")
        for number, view in enumerate(views, start=offset + 1)
    ]
    return [buttons[begin : begin + _IN_A_ROW] for begin in range(0, len(buttons), _IN_A_ROW)]


def _pager(data: str, offset: int, page: int, more: bool) -> list[list[Button]]:
    row = []
    if offset > 0:
        row.append(Button(text="◀️ Back", data=data.format(max(offset - page, 0))))
    if more and offset + page <= MAX_OFFSET:
        row.append(Button(text="More ▶️", data=data.format(offset + page)))
    return [row] if row else []
