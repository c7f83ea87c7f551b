"""The ways that an attempt tried, as the column `job_attempts.routes_json` has them: `[{"route": …, "reason": …}]`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from teltubby.messages.routes import FileRoute, RouteTry


def to_json(tries: Sequence[RouteTry]) -> str | None:
    """None for none: nothing is known of the ways then."""
    if not tries:
        return None
    return json.dumps([{"route": each.route, "reason": each.reason} for each in tries], ensure_ascii=False)


def from_json(text: str | None) -> tuple[RouteTry, ...]:
    """Of attempts of an older program there are none."""
    listed = json.loads(text) if text else []
    return tuple(RouteTry(route=FileRoute(each["route"]), reason=each["reason"]) for each in listed)
