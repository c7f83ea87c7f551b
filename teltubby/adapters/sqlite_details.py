"""What a file says of itself, as the column `job_attempts.details_json` has it: the fields that are known."""

from __future__ import annotations

import json

from teltubby.adapters.json_column import object_in
from teltubby.messages.details import FileDetails, detail_fields, file_details


def to_json(details: FileDetails | None) -> str | None:
    """None where nothing is known."""
    return None if details is None else json.dumps(detail_fields(details), ensure_ascii=False)


def from_json(text: str | None) -> FileDetails | None:
    """Of attempts of an older program nothing is known."""
    return file_details(object_in(text))
