"""What an attempt's time went by with, as the column `job_attempts.stages_json` has it: `{"queue": 12.5, …}`."""

from __future__ import annotations

import json

from teltubby.adapters.json_column import object_in
from teltubby.messages.stages import Stages, known_stages

MERGED = "json_patch(CASE WHEN json_valid(stages_json) THEN stages_json ELSE '{}' END, coalesce(?, '{}'))"
"""What the column becomes: what was known, and over it what `to_json` made of what is told now."""


def to_json(stages: Stages) -> str | None:
    """None where nothing was measured; milliseconds are as fine as anybody reads."""
    return json.dumps({stage: round(seconds, 3) for stage, seconds in stages.items()}) if stages else None


def from_json(text: str | None) -> Stages:
    """Of attempts of an older program nothing is known."""
    return known_stages(object_in(text))
