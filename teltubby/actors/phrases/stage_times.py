"""What an attempt waited for, and what its time went by with, on one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teltubby.actors.phrases.words import span
from teltubby.messages.stages import Stage, Stages

_SHORTEST = 0.05
"""Seconds; what took less is not worth a word, for nobody waited."""
_TENTHS_BELOW = 9.95

_SHOWN: Mapping[Stage, tuple[str, Sequence[Stage]]] = {
    Stage.OUTBOX: ("outbox", ()),
    Stage.PARKED: ("parked", ()),
    Stage.QUEUE: ("queue", ()),
    Stage.TURN: ("its turn", ()),
    Stage.WAY: ("finding it", ()),
    Stage.FETCH_LARGE: ("download", (Stage.FLOOD,)),
    Stage.STORE: ("upload", (Stage.HASH, Stage.FIRST_COPY, Stage.COMPLETE)),
    Stage.DETAILS: ("details", ()),
    Stage.ARTIFACT: ("artifact", ()),
    Stage.TELL: ("telling you", ()),
}
"""In the order in which they happen, with what is a part of them."""
_WITHIN: Mapping[Stage, str] = {
    Stage.FLOOD: "flood waits",
    Stage.HASH: "hashing",
    Stage.FIRST_COPY: "duplicate check",
    Stage.COMPLETE: "completing",
}


def stage_line(stages: Stages) -> str:
    """`⏱ queue 2 min · download 31 s (flood waits 5.0 s)`, or nothing, where nothing took long."""
    told = []
    for stage, (words, within) in _SHOWN.items():
        if stages.get(stage, 0.0) >= _SHORTEST:
            parts = [f"{_WITHIN[part]} {_time(stages[part])}" for part in within if stages.get(part, 0.0) >= _SHORTEST]
            told.append(f"{words} {_time(stages[stage])}" + (f" ({', '.join(parts)})" if parts else ""))
    return f"⏱ {' · '.join(told)}" if told else ""


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _TENTHS_BELOW else span(seconds)
