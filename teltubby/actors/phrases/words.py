"""Words that all phrases share: sizes, times, names. What they return may stand in HTML as it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import escape

from teltubby.messages.jobs import Job

PAGE_CHARACTERS = 3500
"""Telegram takes 4096 after parsing; lines of ours are far shorter than the difference."""
REASON_CHARACTERS = 300
NAME_CHARACTERS = 80
FOLLOWED = "📊"
"""Begins the words of an answer that a file follows, and no others."""
_CONTINUED = re.compile(r"\n[0-9]+ of [0-9]+ ↓\Z")
"""Ends a message that others follow."""
_TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Characters that set the direction of what follows (Unicode's bidirectional controls)."""
_NEXT_UNIT = 999.95
"""What is more would be rounded up to 1000.0."""


def pages(html: str) -> list[str]:
    """The text in messages that Telegram takes; lines stay whole, so tags do."""
    found = [""]
    for line in html.split("\n"):
        if len(found[-1]) + len(line) > PAGE_CHARACTERS and found[-1]:
            found.append("")
        found[-1] += ("\n" if found[-1] else "") + line
    return found


def page_end(number: int, count: int) -> str:
    """The last line of one of the messages of a long text, by which it is known after a crash which of them were sent:
    `2 of 3`, with an arrow where more follow.
    """
    return f"\n{number} of {count}" + (" ↓" if number < count else "")


def size(count: int | None) -> str:
    """Bytes for people: `0 B`, `1.5 MB`, `2.0 GB` (powers of 1000, as Telegram shows them)."""
    if count is None:
        return "size unknown"
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < _NEXT_UNIT or unit == "GB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit takes everything")


def span(seconds: float) -> str:
    """A time for people, in its two largest units: `less than 1 s`, `8 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    left = max(round(seconds), 0)
    for large, in_seconds, small, in_larger in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= in_seconds:
            rest = left % in_seconds // in_larger
            return f"{left // in_seconds} {large}" + (f" {rest} {small}" if rest else "")
    return f"{left} s" if left else "less than 1 s"


def moment(at: datetime) -> str:
    """`2026-11-20 12:00:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def short_moment(at: datetime) -> str:
    """`11-20 12:00:05`, in UTC, where the year and the zone are plain."""
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}"


def since(at: datetime, now: datetime) -> str:
    """`3 min 20 s ago`."""
    return f"{span(max(now - at, timedelta()).total_seconds())} ago"


def names_job(text: str, job_id: str) -> bool:
    """Whether a plain text of ours is the line of this job."""
    return f"job {job_id[:8]}" in text


def is_acknowledgement(text: str) -> bool:
    """Whether a plain text of ours says what became of files that were handed in."""
    return text.startswith(("✅ Archived", "⏳ Item", "♻️ Item", "⚠️ Item", "➕ Item"))


def is_answer(text: str) -> bool:
    """Whether a plain text of ours is an answer (or its end), and not the word that one has to wait for it."""
    return not text.startswith("⏸") and not is_followed(text) and _CONTINUED.search(text) is None


def is_followed(text: str) -> bool:
    """Whether a plain text of ours is the first part of an answer of which a file is the last."""
    return text.startswith(FOLLOWED)


def files(count: int) -> str:
    return counted(count, "file")


def jobs(count: int) -> str:
    return counted(count, "job")


def counted(count: int, thing: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def clipped(text: str, characters: int) -> str:
    """The text on one line, at most so long, as HTML, without what would turn the rest of the line around."""
    flat = " ".join(text.translate(_TURNING).split())
    return escape(flat if len(flat) <= characters else flat[: characters - 1] + "…")


def file_name(job: Job) -> str:
    return clipped(job.file_info.file_name or job.file_info.file_type, NAME_CHARACTERS) or job.file_info.file_type


def short_id(job_id: str) -> str:
    """As much of the id as commands need."""
    return f"<code>{escape(job_id[:8])}</code>"


def job_line(job: Job) -> str:
    return f"{file_name(job)}, {size(job.file_info.file_size)} · job {short_id(job.job_id)}"
