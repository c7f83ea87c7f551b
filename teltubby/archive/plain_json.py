"""JSON values as JSON itself would give them back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue


def plain(value: object) -> JsonValue:
    """A copy of `value` in dict, list, str, int, float, bool and None; a number that JSON lacks (NaN) becomes null.

    Raises TypeError for what is no JSON value.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case Sequence():
            return [plain(inner) for inner in value]
        case _:
            raise TypeError(f"no JSON value: {type(value).__name__}")
