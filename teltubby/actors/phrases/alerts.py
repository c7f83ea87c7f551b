"""What the admins are told of trouble, and what `/alerts` answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from teltubby.actors.phrases.words import REASON_CHARACTERS, clipped, counted, moment, since, span
from teltubby.archive.alerts import Telling
from teltubby.archive.conditions import place_of
from teltubby.messages.alerts import AlertKind, Period

SHOWN = 15
"""Lines of a kind in one message; what is left out is counted."""
USAGE = (
    "/alerts shows what is not as it should be, and what was lately. <code>/alerts mute 2h</code> has nothing told for "
    "2 hours (30m, 2h, 1d; 7 days at most), <code>/alerts unmute</code> tells again, also what was held back."
)
OFF = "Nothing is watched: ALERTS_ENABLE is false."
UNMUTED = "🔔 Alerts are told again."

TITLES: Mapping[AlertKind, str] = {
    AlertKind.JOB_FAILED: "A large file could not be archived",
    AlertKind.QUEUE_DEPTH: "Many large files wait",
    AlertKind.QUEUE_AGE: "A large file has waited for long",
    AlertKind.STORE: "The object store is away",
    AlertKind.BROKER: "The broker is away",
    AlertKind.LEDGER: "The ledger cannot be used",
    AlertKind.TELEGRAM: "Telegram's Bot API is away",
    AlertKind.DISK: "A disk has little room, or hangs",
    AlertKind.OPERATOR: "An operator must act",
    AlertKind.ACTOR_CRASHES: "A part of the program crashes again and again",
    AlertKind.PROCESS_STARTS: "A process starts again and again",
    AlertKind.WORKER_SILENT: "A worker says nothing",
}
REMEDIES: Mapping[AlertKind, str] = {
    AlertKind.JOB_FAILED: "/jobs with the id says why, /retry tries again",
    AlertKind.QUEUE_DEPTH: "does a worker run? /mtstatus; more workers fetch more",
    AlertKind.QUEUE_AGE: "does a worker run, and can it? /mtstatus, /queue",
    AlertKind.STORE: "teltubby doctor says what is wrong; files are kept meanwhile",
    AlertKind.BROKER: "is RabbitMQ up? jobs are kept meanwhile",
    AlertKind.LEDGER: "look at its disk and permissions; nothing is taken in meanwhile",
    AlertKind.TELEGRAM: "look at the network; nothing is lost for 24 hours",
    AlertKind.DISK: "make room",
    AlertKind.OPERATOR: "the line says what to do",
    AlertKind.ACTOR_CRASHES: "the log has the reason; the process ends if it goes on",
    AlertKind.PROCESS_STARTS: "its log says why it ends",
    AlertKind.WORKER_SILENT: "is its process up, and its broker? A worker that was taken away is forgotten in a day",
}


def alert_text(telling: Telling, *, now: datetime) -> str:
    """One message for all of it."""
    failed = [period for period in telling.begun if period.kind is AlertKind.JOB_FAILED]
    begun = [period for period in telling.begun if period.kind is not AlertKind.JOB_FAILED]
    parts = []
    if begun:
        parts.append(_part("🚨 <b>Trouble</b>", [_line(period, now, remedy=True) for period in begun]))
    if failed:
        parts.append(_failures(failed))
    if telling.lasting:
        parts.append(_part("⏳ <b>Still so</b>", [_line(period, now, remedy=True) for period in telling.lasting]))
    if telling.over:
        parts.append(_part("✅ <b>Over</b>", [_line(period, now) for period in telling.over]))
    return "\n\n".join(parts)


def alerts_text(open_: Sequence[Period], over: Sequence[Period], *, muted_until: datetime | None, now: datetime) -> str:
    """What `/alerts` answers: what is open, what was lately (the newest first), and whether it is told."""
    parts = [
        _part("🚨 <b>Open</b>", [_line(period, now, remedy=True) for period in open_], where="")
        if open_
        else "✅ There is no open alert."
    ]
    if over:
        newest = sorted(over, key=lambda period: period.ended_at or period.since, reverse=True)
        parts.append(_part("<b>Of the last 7 days</b>", [_line(period, now) for period in newest], where=""))
    parts.append(muted(muted_until) if muted_until is not None else USAGE)
    return "\n\n".join(parts)


def muted(until: datetime) -> str:
    return f"🔕 Nothing is told until {moment(until)}; /alerts unmute ends that. What happens meanwhile is told then."


def open_alert(period: Period, now: datetime) -> str:
    """One line of what needs attention."""
    return f"🚨 {_line(period, now).removeprefix('· ')}; /alerts"


def _failures(failed: Sequence[Period]) -> str:
    """Some by name, and how many there are."""
    count = sum(period.times for period in failed)
    named = [f"· {clipped(period.detail, REASON_CHARACTERS)}" for period in failed if period.times == 1][:SHOWN]
    more = [f"· and {count - len(named)} more: /status"] if count > len(named) else []
    title = f"❌ <b>{counted(count, 'large file')} could not be archived</b>"
    return "\n".join([title, *named, *more, f"→ {REMEDIES[AlertKind.JOB_FAILED]}"])


def _part(title: str, lines: Sequence[str], *, where: str = ": /alerts") -> str:
    more = [f"· and {len(lines) - SHOWN} more{where}"] if len(lines) > SHOWN else []
    return "\n".join([title, *lines[:SHOWN], *more])


def _line(period: Period, now: datetime, *, remedy: bool = False) -> str:
    place = place_of(period.subject)
    where = f" (worker at {clipped(place, 80)})" if place else ""
    detail = f": {clipped(period.detail, REASON_CHARACTERS)}" if period.detail else ""
    if period.times > 1:
        title = f"{period.times} large files could not be archived"
        return f"· {title}, {since(period.since, now)}; the last{detail}"
    if period.kind is AlertKind.JOB_FAILED:
        return f"· {TITLES[period.kind]}, {since(period.since, now)}{detail}"
    if period.until is None:
        when = f"since {moment(period.since)}"
    else:
        lasted = span((period.until - period.since).total_seconds())
        when = f"from {moment(period.since)}, for {lasted}"
    what_to_do = f"\n  → {REMEDIES[period.kind]}" if remedy and period.is_open else ""
    return f"· {TITLES[period.kind]}{where}, {when}{detail}{what_to_do}"
