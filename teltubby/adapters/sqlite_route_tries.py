"""The ways that an attempt tried, as the column `job_attempts.routes_json` has them: `[{"route": …, "reason": …}]`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from teltubby.adapters.json_column import list_in
from teltubby.messages.routes import FileRoute, RouteTry

_ROUTES = frozenset(route.value for route in FileRoute)


def to_json(tries: Sequence[RouteTry]) -> str | None:
    """None for none: nothing is known of the ways then."""
    if not tries:
        return None
    return json.dumps([{"route": each.route, "reason": each.reason} for each in tries], ensure_ascii=False)


def from_json(text: str | None) -> tuple[RouteTry, ...]:
    """Of attempts of an older program there are none; a way that only a newer one knows is left out."""
    return tuple(each for told in list_in(text) if (each := _tried(told)) is not None)


def _tried(told: JsonValue) -> RouteTry | None:
    match told:
        case {"route": str(route), "reason": str() | None as reason} if route in _ROUTES:
            return RouteTry(route=FileRoute(route), reason=reason)
        case _:
            return None
