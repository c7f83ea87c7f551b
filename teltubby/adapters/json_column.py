"""JSON in a column that a person, a repair or a newer program may have written: what cannot be read is not known."""

from __future__ import annotations

import json

from pydantic import JsonValue


def object_in(text: object) -> dict[str, JsonValue]:
    """The object that the column holds; an empty one where it holds none."""
    found = _value(text)
    return found if isinstance(found, dict) else {}


def list_in(text: object) -> list[JsonValue]:
    """The list that the column holds; an empty one where it holds none."""
    found = _value(text)
    return found if isinstance(found, list) else []


def texts_in(text: object) -> tuple[str, ...]:
    """The texts in the list that the column holds."""
    return tuple(each for each in list_in(text) if isinstance(each, str))


def _value(text: object) -> JsonValue:
    try:
        found: JsonValue = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found
