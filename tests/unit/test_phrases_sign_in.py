"""What is said of sessions and of signing in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from teltubby.actors import phrases
from teltubby.actors.chat import CAPTION_CHARACTERS
from teltubby.actors.phrases import sign_in, workers
from teltubby.actors.phrases.workers import SeenWorker
from teltubby.archive.login_codes import CodeRefusal
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.workers import WorkerStanding
from tests.unit.phrase_samples import DAY, NASTY, assert_telegram_takes

NOW = DAY + timedelta(hours=2)
WORDS = {name: value for name, value in vars(sign_in).items() if name.isupper() and isinstance(value, str)}


def session(state: SessionState, text: str = "why", **more: object) -> SessionStanding:
    fields: dict[str, object] = {"account": AccountKind.USER, "is_trouble": state is SessionState.REVOKED, **more}
    return SessionStanding(state=state, detail=text, since=DAY, name=text, **fields)  # type: ignore[arg-type]


def worker(*sessions: SessionStanding, text: str = "box") -> WorkerStanding:
    return WorkerStanding(
        worker=text, place=text, at=DAY, public_key="k", routes=(FileRoute.RELAY, FileRoute.BOT), sessions=sessions
    )


@given(text=NASTY)
def test_what_comes_from_outside_is_escaped(text: str) -> None:
    sessions = [session(state, text, account=account) for state in SessionState for account in AccountKind]
    nasty = worker(*sessions, text=text)
    for html in (
        workers.workers_text([SeenWorker(standing=nasty, heard_at=DAY, is_silent=True)], now=NOW, is_reached=False),
        workers.mtproto_missing(text),
        *(workers.trouble_begins(nasty, each) for each in sessions),
        workers.trouble_is_over(nasty, sessions[0]),
        sign_in.begun(nasty, by_code=True),
        sign_in.choose([nasty, nasty]),
        sign_in.ready_already(nasty, text),
        sign_in.run_by_another(text),
        sign_in.code_wanted(text),
        sign_in.code_wanted_again(text),
        sign_in.password_wanted(text),
        sign_in.password_wanted_again(text),
        sign_in.on_the_way(text),
        sign_in.signed_in(nasty, text),
        sign_in.given_up(nasty, text),
        sign_in.nobody_answered(nasty, seconds=15),
        sign_in.fell_silent(nasty),
        sign_in.restarted(nasty),
        sign_in.took_too_long(nasty),
    ):
        assert_telegram_takes(html)


@pytest.mark.parametrize("name", sorted(WORDS))
def test_fixed_texts_are_taken(name: str) -> None:
    assert_telegram_takes(WORDS[name])


def test_other_texts_are_taken() -> None:
    for html in (
        *map(sign_in.code_refused, CodeRefusal),
        sign_in.no_such_number(1),
        sign_in.too_often("mtpass", seconds=600, times=5),
        workers.NOBODY_HEARD,
        workers.BROKER_AWAY,
    ):
        assert_telegram_takes(html)
    assert len(assert_telegram_takes(sign_in.qr_caption(seconds=30))) <= CAPTION_CHARACTERS


def test_a_refused_code_says_why_and_what_to_do() -> None:
    bare = assert_telegram_takes(sign_in.code_refused(CodeRefusal.BARE))
    for part in ("Telegram makes a login code invalid", "/mtlogin code", "1-2-3-4-5", "< 54321"):
        assert part in bare, part
    assert "12345" in bare and "/mtcode" in assert_telegram_takes(phrases.help_text())


def test_the_status_names_everything_of_a_session() -> None:
    ready = session(
        SessionState.READY,
        data_centre=4,
        connections=5,
        last_success_at=NOW - timedelta(minutes=2),
        flood_until=NOW + timedelta(minutes=1),
    )
    unused = session(SessionState.DISCONNECTED, in_use=False)
    lost = session(SessionState.REVOKED, "AUTH_KEY_UNREGISTERED", account=AccountKind.BOT)
    seen = SeenWorker(standing=worker(ready, unused, lost), heard_at=NOW - timedelta(seconds=2))
    text = assert_telegram_takes(workers.workers_text([seen], now=NOW, is_reached=True))
    assert text.split("\n") == [
        "Worker box (box), heard 2 s ago",
        "Ways to a file, in order: relay, bot",
        "✅ user account why: ready, since 2026-11-20 12:00:00 UTC (2 h)",
        "· data centre 4, 5 connections, last success 2 min ago, flood wait until 2026-11-20 14:01:00 UTC",
        "▫️ user account: not in use. /mtlogin signs somebody in.",
        "❌ bot account AUTH_KEY_UNREGISTERED: revoked: the login is gone, since 2026-11-20 12:00:00 UTC (2 h)",
        "· 0 connections, no success yet, no flood wait",
        "· AUTH_KEY_UNREGISTERED",
        "→ On the worker's machine, teltubby doctor checks token, api id and session file, and teltubby login --bot "
        "signs in anew. The worker tries again by itself every 10 minutes.",
    ]


@pytest.mark.parametrize(
    ("account", "state", "part"),
    [
        (AccountKind.USER, SessionState.REVOKED, "/mtlogin"),
        (AccountKind.USER, SessionState.DISCONNECTED, "/mtlogin"),
        (AccountKind.USER, SessionState.SUSPENDED, "recover@telegram.org"),
        (AccountKind.USER, SessionState.FLOOD_WAIT, "until 2026-11-20 12:00:00 UTC"),
        (AccountKind.BOT, SessionState.REVOKED, "teltubby login --bot"),
        (AccountKind.BOT, SessionState.DISCONNECTED, "teltubby doctor"),
        (AccountKind.BOT, SessionState.SUSPENDED, "@BotSupport"),
        (AccountKind.BOT, SessionState.FLOOD_WAIT, "Nothing has to be done"),
    ],
)
def test_every_trouble_has_a_remedy(account: AccountKind, state: SessionState, part: str) -> None:
    here = session(state, account=account, is_trouble=True, flood_until=DAY)
    assert part in assert_telegram_takes(workers.trouble_begins(worker(here), here))


def test_one_line_of_the_house_counts_workers_and_their_accounts() -> None:
    two = [worker(session(SessionState.READY)), worker(session(SessionState.DISCONNECTED, in_use=False))]
    assert workers.in_short(two) == "2 workers; user account ready (/mtstatus)"
    assert "nobody is signed in" in workers.in_short(two[1:])
    assert "wait in the queue" in workers.in_short([])
