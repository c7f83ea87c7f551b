"""What a file says of itself: of anything only what can be true is kept, and what is kept is read again as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters import sqlite_details
from teltubby.adapters.media_details import MediaDetails, details_of
from teltubby.messages.details import (
    LONGEST_SECONDS,
    MOST_PIXELS,
    NAME_CHARACTERS,
    FileDetails,
    detail_fields,
    file_details,
)
from tests.unit.wire_samples import DETAILS

ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(1, 10**12)
    | st.floats()
    | st.text(st.characters())
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.lists(st.integers(), max_size=2)
)
SAID = st.dictionaries(st.sampled_from([*FileDetails.__dataclass_fields__, "of_the_future"]), ANYTHING)


@given(SAID)
def test_whatever_is_said_is_kept_within_bounds(said: dict[str, object]) -> None:
    found = file_details(said)
    if found is None:
        return
    assert found.duration is None or 0 < found.duration <= LONGEST_SECONDS
    assert all(side is None or 0 < side <= MOST_PIXELS for side in (found.width, found.height))
    for name in (found.codec, found.audio_codec):
        assert name is None or (0 < len(name) <= NAME_CHARACTERS and name.isprintable() and name == name.strip())
    assert found.taken_at is None or found.taken_at.tzinfo in (None, UTC)
    assert len(json.dumps(detail_fields(found))) < 2000


@given(DETAILS.filter(lambda details: details is not None))
def test_what_is_kept_is_read_again(details: FileDetails) -> None:
    assert file_details(detail_fields(details)) == details
    assert file_details(json.loads(json.dumps(detail_fields(details)))) == details
    assert sqlite_details.from_json(sqlite_details.to_json(details)) == details


def test_only_what_is_known_is_written() -> None:
    known = FileDetails(width=5, taken_at=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC))
    assert detail_fields(known) == {"width": 5, "taken_at": "2024-05-06T07:08:09Z"}
    assert sqlite_details.to_json(None) is None and sqlite_details.from_json(None) is None


def test_numbers_that_nothing_can_hold_end_no_reading() -> None:
    said = json.dumps({"duration": 10**400, "width": 10**400, "codec": "JPEG"}).encode()
    read = details_of(said)
    assert read is not None and read.duration is None
    assert read.facts == FileDetails(codec="JPEG")
    assert MediaDetails(preview=b"x").facts is None
