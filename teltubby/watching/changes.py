"""What happened to a process, read from supervisord's events (supervisord.org/events.html)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from teltubby.exit_codes import EX_CONFIG

PREFIX = "PROCESS_STATE_"
SIGNALLED = -1
"""supervisord's exit status of a process that a signal ended."""

ExitStatus = Callable[[str], int | None]
"""Asks supervisord with which status `group:name` ended last; None where it does not say."""


class Turn(Enum):
    """What a process came to."""

    DIED = auto()  # it ran, and ended by itself with a code that is not expected: it is started again
    STUMBLED = auto()  # it ended just after its start: it is tried again
    GAVE_UP = auto()  # supervisord does not try any more
    MISCONFIGURED = auto()  # it ended by itself, as wrong settings end it: it is not started again
    RAN = auto()  # it runs, and has for as long as supervisord wants to see
    ENDED = auto()  # by an order


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One turn of one process; `cause` says what is known of an end, or is empty."""

    process: str
    turn: Turn
    at: datetime
    cause: str = ""


def read_change(
    event: str, fields: Mapping[str, str], *, exit_status: ExitStatus, now: datetime, own_name: str
) -> Change | None:
    """The change that an event tells; None for those that say nothing of interest, or are about the listener itself.

    `fields` are those of the event's payload.
    """
    name, group = fields.get("processname", ""), fields.get("groupname", "")
    full_name = f"{group}:{name}"
    if not event.startswith(PREFIX) or full_name == own_name:
        return None
    turn, cause = _turn(event.removeprefix(PREFIX), fields, lambda: exit_status(full_name))
    if turn is None:
        return None
    return Change(process=name if name == group else full_name, turn=turn, at=now, cause=cause)


def _turn(state: str, fields: Mapping[str, str], status: Callable[[], int | None]) -> tuple[Turn | None, str]:
    match state:
        case "EXITED":
            code = status()
            if fields.get("expected") != "1":
                return Turn.DIED, _cause(code)
            return (Turn.MISCONFIGURED if code == EX_CONFIG else Turn.ENDED), ""
        case "BACKOFF":
            return Turn.STUMBLED, "at its start"
        case "FATAL":
            return Turn.GAVE_UP, ""
        case "RUNNING":
            return Turn.RAN, ""
        case "STOPPED":
            return Turn.ENDED, ""
        case _:
            return None, ""


def _cause(code: int | None) -> str:
    if not code:  # it is started again already, and supervisord has forgotten
        return ""
    return "by a signal" if code == SIGNALLED else f"with exit code {code}"
