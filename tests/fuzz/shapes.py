"""What an enemy, a newer version or a dying disk may bring: JSON of any kind, or nearly right, and broken bytes."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

USUAL = 100
"""The examples of a profile that says nothing of their number."""

WORDS = st.sampled_from(
    [
        *(
            "",
            " ",
            "..",
            "/",
            "../../etc/passwd",
            "\\",
            "\0",
            "\n",
            "%2e%2e%2f",
            "a" * 300,
            "-1",
            "0x10",
            "NaN",
            "null",
        ),
        *(
            "\u202egnp.exe",
            "\ufeff",
            "\ud83d",
            "e\u0301" * 40,
            "日本語",
            "😀" * 70,
            "<b>&</i>",
            "'; DROP TABLE jobs;--",
        ),
        *("{}", "[]", "1" * 400, "٣", "private", "message", "1970-01-01T00:00:00Z", "+00:00", "9999-12-31", "true"),
    ]
)
TEXTS = WORDS | st.text(st.characters(), max_size=40)
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]) | st.integers()
LEAVES = st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)

Path = tuple[str | int, ...]


def examples(few: int, *, shrunk: bool = True) -> settings:
    """So many examples in `make test`, and as many times more as the profile asks for.

    What is found is not `shrunk` where each try takes a whole tree of actors.
    """
    phases = settings().phases if shrunk else set(settings().phases) - {Phase.shrink, Phase.explain}
    return settings(max_examples=max(1, few * settings().max_examples // USUAL), phases=tuple(phases))


def places(value: Any) -> list[Path]:
    """The ways to everything in it, but not to itself."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(name, *way) for name, inner in members for way in ((), *places(inner))]


@st.composite
def nearly(draw: st.DrawFn, whole: Any, *, changes: int = 3) -> Any:
    """`whole` with something else, or nothing, in some of its places."""
    changed = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, changes))):
        ways = places(changed)
        if not ways:
            break
        *way, last = draw(st.sampled_from(ways))
        holder = changed
        for name in way:
            holder = holder[name]
        match draw(st.sampled_from(["of its kind"] * 5 + ["anything", "nothing"])):
            case "of its kind":
                holder[last] = draw(_like(holder[last]))
            case "anything":
                holder[last] = draw(JSON)
            case _:
                del holder[last]
    return changed


def _like(value: Any) -> st.SearchStrategy[Any]:
    """What gets past those who look at the type only."""
    match value:
        case bool():
            return st.booleans()
        case int():
            return NUMBERS
        case str():
            return TEXTS
        case _:
            return JSON


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with bytes changed, left out, put in or doubled, or its end cut off."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at, length = draw(st.integers(0, len(body))), draw(st.integers(0, 64))
        match draw(st.sampled_from(["change", "cut", "leave out", "put in", "double"])):
            case "change":
                body[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del body[at:]
            case "leave out":
                del body[at : at + length]
            case "put in":
                body[at:at] = draw(st.binary(max_size=64))
            case _:
                body[at:at] = body[at : at + length]
    return bytes(body)
