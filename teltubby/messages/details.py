"""What a file of media says of itself, as reports and artifacts have it: only what can be true, and little of it.

Files are strangers': what is read from one may be any number and any text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

LONGEST_SECONDS = 10_000_000
"""Of any film or sound: some months."""
MOST_PIXELS = 1_000_000
"""Of any side of a picture."""
NAME_CHARACTERS = 64
_FIRST_YEAR, _LAST_YEAR = 1900, 9000
"""Far from where a change of zone leaves the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDetails:
    """`duration` in seconds; `width` and `height` in pixels, of a picture as it is shown; codecs by their formats'
    own names. `taken_at` is in UTC, or without a zone where the camera told none; to the second.
    """

    duration: float | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    audio_codec: str | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A small picture that the store has under `key`, in so many bytes."""

    key: str
    size_bytes: int


def file_details(said: Mapping[str, object]) -> FileDetails | None:
    """What of this can be true, None when that is nothing; what cannot is left out, and no error."""
    found = FileDetails(
        duration=_seconds(said.get("duration")),
        width=_pixels(said.get("width")),
        height=_pixels(said.get("height")),
        codec=_name(said.get("codec")),
        audio_codec=_name(said.get("audio_codec")),
        taken_at=_moment(said.get("taken_at")),
    )
    return None if found == FileDetails() else found


def detail_fields(details: FileDetails) -> dict[str, JsonValue]:
    """What is known, as JSON has it; `file_details` reads it again."""
    fields: dict[str, JsonValue] = {name: value for name, value in asdict(details).items() if value is not None}
    if details.taken_at is not None:
        fields["taken_at"] = details.taken_at.isoformat().replace("+00:00", "Z")
    return fields


def _seconds(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= LONGEST_SECONDS:
        return None
    return round(float(value), 3) or None


def _pixels(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MOST_PIXELS:
        return None
    return value


def _name(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join(filter(str.isprintable, value[: 4 * NAME_CHARACTERS])).strip()[:NAME_CHARACTERS].strip() or None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(moment, datetime) or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).replace(microsecond=0)
