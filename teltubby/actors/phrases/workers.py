"""How the workers and their sessions stand: `/mtstatus`, and what the admins are told of trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from teltubby.actors.phrases.words import REASON_CHARACTERS, clipped, counted, moment, since, span
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.workers import WorkerStanding

NAME_CHARACTERS = 80
NOBODY_HEARD = (
    "No worker has said anything: large files wait in the queue until one runs (<code>teltubby worker</code>, or "
    "<code>teltubby run</code> for all in one process)."
)
NO_ANSWER = "no worker answers; jobs wait in the queue until one takes them"
BROKER_AWAY = "⚠️ The broker is away, so the workers cannot be asked now; this is what they said before."

_ACCOUNTS = {AccountKind.USER: "user account", AccountKind.BOT: "bot account"}
_STATES = {
    SessionState.DISCONNECTED: "not connected",
    SessionState.CONNECTING: "connecting",
    SessionState.CODE_NEEDED: "being signed in: the code is waited for",
    SessionState.PASSWORD_NEEDED: "being signed in: the password is waited for",
    SessionState.QR_SHOWN: "being signed in: the QR code is shown",
    SessionState.READY: "ready",
    SessionState.FLOOD_WAIT: "told by Telegram to wait",
    SessionState.REVOKED: "revoked: the login is gone",
    SessionState.SUSPENDED: "suspended by Telegram",
}
_SIGN_IN_HERE = "/mtlogin signs in here, with a QR code; on the worker's machine <code>teltubby login</code> does."
_OF_A_PERSON = {
    SessionState.SUSPENDED: (
        "Signing in again does not help: the account's owner has to ask Telegram (@SpamBot, or recover@telegram.org). "
        "/mtlogin can take another account in its place; the bot account goes on meanwhile."
    ),
    SessionState.DISCONNECTED: (
        f"{_SIGN_IN_HERE} Where it is the session file that cannot be used, <code>teltubby doctor</code> there says "
        "what to do."
    ),
}
_OF_THE_BOT = {
    SessionState.SUSPENDED: "Ask Telegram (@BotSupport); the user account, if there is one, goes on meanwhile.",
    SessionState.REVOKED: (
        "On the worker's machine, <code>teltubby doctor</code> checks token, api id and session file, and "
        "<code>teltubby login --bot</code> signs in anew. The worker tries again by itself every 10 minutes."
    ),
}
_WAIT = "Nothing has to be done: the worker goes on by itself. Signing in again would prolong the wait."


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker, when it was heard last by our clock, and whether it was asked and said nothing."""

    standing: WorkerStanding
    heard_at: datetime
    is_silent: bool = False


def workers_text(seen: Sequence[SeenWorker], *, now: datetime, is_reached: bool) -> str:
    """`/mtstatus`."""
    if not seen:
        return NOBODY_HEARD if is_reached else f"{BROKER_AWAY}\n{NOBODY_HEARD}"
    parts = [] if is_reached else [BROKER_AWAY]
    return "\n\n".join([*parts, *(_worker(each, now) for each in seen)])


def in_short(workers: Sequence[WorkerStanding]) -> str:
    """Plain words for one line of `/status`; what came from outside is not escaped yet."""
    if not workers:
        return "no worker has said anything yet; jobs wait in the queue until one takes them"
    accounts = [
        f"{_ACCOUNTS[session.account]} {_STATES[session.state]}"
        for worker in workers
        for session in worker.sessions
        if session.in_use or session.is_trouble
    ]
    return f"{counted(len(workers), 'worker')}; {', '.join(accounts) or 'nobody is signed in'} (/mtstatus)"


def not_collected(worker: WorkerStanding) -> str:
    """Why the worker's collector cannot work, where an operator must act."""
    return (
        f"Channels are not collected (worker {worker_name(worker)}): "
        f"<i>{clipped(worker.collector or '', REASON_CHARACTERS)}</i>"
    )


def mtproto_missing(missing: str) -> str:
    """Why nobody fetches large files in this house, and how that is changed."""
    return (
        f"Large files: {escape(missing)}.\n"
        "MTPROTO_API_ID and MTPROTO_API_HASH come from my.telegram.org; the packages with "
        "<code>pip install 'teltubby[mtproto]'</code>. <code>teltubby doctor</code> checks it."
    )


def trouble_begins(worker: WorkerStanding, session: SessionStanding) -> str:
    """What every admin is told, once."""
    return (
        f"🛑 The worker's {_ACCOUNTS[session.account]}{_named(session)} is {_STATES[session.state]} "
        f"(worker {worker_name(worker)}): <i>{clipped(session.detail, REASON_CHARACTERS)}</i>\n"
        "Large files that need it wait, and none is lost.\n"
        f"{remedy(session)}"
    )


def trouble_is_over(worker: WorkerStanding, session: SessionStanding) -> str:
    """What every admin is told who was told of the trouble."""
    return (
        f"✅ The worker's {_ACCOUNTS[session.account]}{_named(session)} is ready (worker {worker_name(worker)}): "
        "what waited for it goes on."
    )


def remedy(session: SessionStanding) -> str:
    """What an admin or an operator can do about trouble."""
    if session.state is SessionState.FLOOD_WAIT:
        until = "" if session.flood_until is None else f" Telegram asks to wait until {moment(session.flood_until)}."
        return f"{_WAIT}{until}"
    if session.account is AccountKind.USER:
        return _OF_A_PERSON.get(session.state, _SIGN_IN_HERE)
    return _OF_THE_BOT.get(session.state, _OF_THE_BOT[SessionState.REVOKED])


def worker_name(worker: WorkerStanding) -> str:
    return f"<code>{clipped(worker.worker, NAME_CHARACTERS)}</code>"


def account_line(session: SessionStanding) -> str:
    """The account, its masked name and its state, in words."""
    return f"{_ACCOUNTS[session.account]}{_named(session)}: {_STATES[session.state]}"


def _named(session: SessionStanding) -> str:
    return "" if session.name is None else f" {clipped(session.name, NAME_CHARACTERS)}"


def _worker(seen: SeenWorker, now: datetime) -> str:
    standing = seen.standing
    said = "⚠️ does not answer; last heard" if seen.is_silent else "heard"
    lines = [
        f"<b>Worker</b> {worker_name(standing)} ({clipped(standing.place, NAME_CHARACTERS)}), "
        f"{said} {since(seen.heard_at, now)}",
        f"Ways to a file, in order: {_order(standing.routes)}",
    ]
    for session in standing.sessions:
        lines += _session(session, now)
    if standing.collector is not None:
        lines.append(f"❌ {not_collected(standing)}")
    return "\n".join(lines)


def _order(routes: Sequence[FileRoute]) -> str:
    return ", ".join(routes) or "none"


def _session(session: SessionStanding, now: datetime) -> list[str]:
    if not session.in_use and not session.is_trouble:
        hint = " /mtlogin signs somebody in." if session.account is AccountKind.USER else ""
        return [f"▫️ {_ACCOUNTS[session.account]}: not in use.{hint}"]
    mark = "✅" if session.state is SessionState.READY else "❌" if session.is_trouble else "⏳"
    lasting = span(max(now - session.since, timedelta()).total_seconds())
    lines = [f"{mark} <b>{account_line(session)}</b>, since {moment(session.since)} ({lasting})"]
    facts = [counted(session.connections, "connection")]
    if session.data_centre is not None:
        facts.insert(0, f"data centre {session.data_centre}")
    succeeded = session.last_success_at
    facts.append("no success yet" if succeeded is None else f"last success {since(succeeded, now)}")
    if session.flood_until is not None and session.flood_until > now:
        facts.append(f"flood wait until {moment(session.flood_until)}")
    else:
        facts.append("no flood wait")
    lines.append(f"· {', '.join(facts)}")
    if session.state is not SessionState.READY and session.detail:
        lines.append(f"· <i>{clipped(session.detail, REASON_CHARACTERS)}</i>")
    if session.is_trouble:
        lines.append(f"→ {remedy(session)}")
    return lines
