"""The ways to a file: where each leads, whether what is there is the file, and what a job is told when none served."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby import errors
from teltubby.archive.routes import (
    REASON_CHARACTERS,
    Outlook,
    ending,
    outlook,
    place_of,
    prove,
    require_account,
    require_open,
    tried,
)
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    ContentMismatch,
    FileGone,
    FloodWait,
    IdentityMismatch,
    NoRouteNow,
    Permanent,
    RouteClosed,
    SessionAway,
    SessionNotReady,
    SessionRevoked,
    TelegramUnavailable,
)
from teltubby.messages.jobs import Job, TelegramContext
from teltubby.messages.questions import RelayTold
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.transfer import ChannelPlace, DialogPlace, FileLocation, MailboxPlace
from teltubby.supervision import ActorCrashed, ActorStopped
from tests.actors.stage import ANNA, large_job
from tests.virtual_time import BEGINNING

BOT_ID = 999
POST = {"type": "channel", "chat": {"id": -1001234567890, "title": "News", "username": "news"}, "message_id": 77}


def forwarded(origin: dict[str, Any] | None) -> Job:
    return replace(large_job(5), telegram_context=TelegramContext(forward_origin=origin))


def standing(state: SessionState, *, account: AccountKind = AccountKind.USER, **more: Any) -> SessionStanding:
    return SessionStanding(account=account, state=state, detail="so it is", since=BEGINNING, **more)


def told(**more: Any) -> RelayTold:
    return RelayTold(job_id=large_job(5).job_id, **more)


# -- where the ways lead


def test_the_bots_mailbox() -> None:
    assert place_of(FileRoute.BOT, large_job(5), bot_id=BOT_ID) == MailboxPlace(chat_id=ANNA, message_id=5)


def test_the_curators_own_dialog() -> None:
    job = large_job(5)
    assert place_of(FileRoute.OWN, job, bot_id=BOT_ID) == DialogPlace(
        peer_id=BOT_ID, document_id=1005, around=job.job_metadata.created_at
    )


def test_what_cannot_be_told_from_others_is_not_looked_for_in_a_dialog() -> None:
    job = large_job(5)
    unknown = replace(job, file_info=replace(job.file_info, file_unique_id="?"))
    with pytest.raises(IdentityMismatch):
        place_of(FileRoute.OWN, unknown, bot_id=BOT_ID)


def test_the_copy_in_the_relay() -> None:
    copy = told(chat_id=-1009, message_id=3)
    assert place_of(FileRoute.RELAY, large_job(5), bot_id=BOT_ID, copy=copy) == ChannelPlace(
        channel_id=-1009, message_id=3
    )
    with pytest.raises(RouteClosed, match="protected"):
        place_of(FileRoute.RELAY, large_job(5), bot_id=BOT_ID, copy=told(reason="its content is protected"))
    with pytest.raises(NoRouteNow, match="to wait"):
        place_of(FileRoute.RELAY, large_job(5), bot_id=BOT_ID, copy=told(reason="asks to wait", passing=True))


@pytest.mark.parametrize("username", ["news", None])
def test_the_post_that_was_forwarded(username: str | None) -> None:
    job = forwarded(POST | {"chat": {"id": -1001234567890, "username": username}})
    require_open(FileRoute.ORIGIN, job, has_relay=False)
    assert place_of(FileRoute.ORIGIN, job, bot_id=BOT_ID) == ChannelPlace(
        channel_id=-1001234567890, message_id=77, username=username
    )


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        (None, "was not forwarded"),
        ({"type": "user", "sender_user": {"id": 3}}, "not forwarded from a channel"),
        ({"type": "hidden_user", "sender_user_name": "x"}, "not forwarded from a channel"),
        ({"type": "chat", "sender_chat": {"id": -1001234567890}}, "not forwarded from a channel"),
        ({"type": "channel"}, "not forwarded from a channel"),
        (POST | {"message_id": None}, "does not name"),
        (POST | {"message_id": "77"}, "does not name"),
        (POST | {"chat": {"id": -5}}, "does not name"),
        (POST | {"chat": {"id": "x"}}, "does not name"),
        (POST | {"chat": 5}, "not forwarded from a channel"),
    ],
)
def test_an_origin_that_is_no_post_leads_nowhere(origin: dict[str, Any] | None, reason: str) -> None:
    with pytest.raises(RouteClosed, match=reason):
        require_open(FileRoute.ORIGIN, forwarded(origin), has_relay=True)


def test_a_relay_that_is_not_configured_leads_nowhere() -> None:
    require_open(FileRoute.RELAY, large_job(), has_relay=True)
    with pytest.raises(RouteClosed, match="MTPROTO_RELAY_CHAT_ID"):
        require_open(FileRoute.RELAY, large_job(), has_relay=False)


# -- its account


@pytest.mark.parametrize("route", FileRoute)
@pytest.mark.parametrize("state", SessionState)
def test_only_an_account_that_is_ready_is_asked(route: FileRoute, state: SessionState) -> None:
    here = standing(state, account=route.account)
    if state is SessionState.READY:
        require_account(route, large_job(), here)
        return
    with pytest.raises(SessionNotReady, match=f"the {route.account} account's MTProto session is {state}: so it is"):
        require_account(route, large_job(), here)
    with pytest.raises(RouteClosed, match=f"the {route.account} account is not in use: so it is"):
        require_account(route, large_job(), replace(here, in_use=False))


def test_an_account_that_is_not_configured_closes_its_ways() -> None:
    with pytest.raises(RouteClosed, match="the user account is not configured"):
        require_account(FileRoute.RELAY, large_job(), None)


@pytest.mark.parametrize(("account_id", "is_curator"), [(ANNA, True), (ANNA + 1, False), (None, True)])
def test_only_the_curators_own_dialog_has_the_file(account_id: int | None, is_curator: bool) -> None:
    """Unless nobody knows whose account it is: then it is looked into."""
    here = standing(SessionState.READY, account_id=account_id)
    for route in (FileRoute.RELAY, FileRoute.ORIGIN):
        require_account(route, large_job(), here)
    if is_curator:
        require_account(FileRoute.OWN, large_job(), here)
    else:
        with pytest.raises(RouteClosed, match="not the curator's"):
            require_account(FileRoute.OWN, large_job(), here)


# -- whether it is the file


def location(document_id: int = 1005, size: int = 9) -> FileLocation:
    return FileLocation(document_id=document_id, access_hash=1, file_reference=b"", data_centre=2, size=size)


def test_it_is_the_file_when_document_and_size_are_the_same() -> None:
    job = large_job(5)
    prove(job, location(), size=9, max_bytes=9)
    prove(job, location(), size=None, max_bytes=9)
    for found, size in ((location(1006), 9), (location(size=8), 9), (location(size=10), 9)):
        with pytest.raises(IdentityMismatch):
            prove(job, found, size=size, max_bytes=99)
    with pytest.raises(IdentityMismatch, match="names no document"):
        prove(large_job(5, unique_id="AQADuwgAAj0d4FE-"), location(), size=9, max_bytes=9)


def test_a_file_over_the_limit_is_refused_whatever_way_it_comes() -> None:
    with pytest.raises(Permanent, match="MAX_FILE_GB") as caught:
        prove(large_job(5), location(), size=9, max_bytes=8)
    assert outlook(caught.value) is None


# -- what a trouble means


@pytest.mark.parametrize(
    ("expected", "names"),
    [
        (
            Outlook.AWAY,
            "SessionNotReady SessionAway SessionRevoked AccountSuspended NotSignedIn Unauthorised",
        ),
        (Outlook.LATER, "NoRouteNow FloodWait"),
        (Outlook.CLOSED, "RouteClosed FileGone ChatUnavailable IdentityMismatch BadRequest Unverifiable"),
        (
            Outlook.FAILED,
            "TelegramUnavailable NotAnswered PartUnavailable ConnectionLost ContentMismatch ReferenceExpired FileMoved",
        ),
        (
            None,
            "SpoolFull SpoolClosed SpoolBusy StoreUnavailable StoreRefused JobStopped ObjectExists BrokerUnavailable "
            "Permanent DatabaseUnavailable",
        ),
    ],
)
def test_what_each_trouble_says_of_its_way(expected: Outlook | None, names: str) -> None:
    for name in names.split():
        kind = getattr(errors, name)
        error = kind(3) if kind in (FloodWait, errors.FileMoved) else kind("so it is")
        assert outlook(error) is expected, name


def test_actors_that_do_not_answer_are_a_failure_and_bugs_are_none() -> None:
    assert outlook(ActorCrashed("x", "y")) is outlook(ActorStopped("x")) is outlook(TimeoutError()) is Outlook.FAILED
    assert outlook(ZeroDivisionError()) is None


@given(st.sampled_from(FileRoute), st.text(max_size=1000))
def test_reasons_are_one_line_of_bounded_length(route: FileRoute, text: str) -> None:
    reason = tried(route, FileGone(text)).reason
    assert reason and len(reason) <= REASON_CHARACTERS and "\n" not in reason


def test_a_reason_that_is_too_long_says_so() -> None:
    reason = tried(FileRoute.BOT, FileGone("x" * 2 * REASON_CHARACTERS)).reason
    assert reason is not None and reason.endswith("x…") and len(reason) == REASON_CHARACTERS


# -- when none served

RELAY, BOT, ORIGIN, OWN = FileRoute
AWAY = SessionAway("connecting")
REVOKED = SessionRevoked("the session was revoked")
GONE = FileGone("message 5 no longer exists")
CLOSED = RouteClosed("the message was not forwarded")
OTHER = IdentityMismatch("document 1 was found where 2 was handed in")
FAILED = TelegramUnavailable("no answer")
FLOOD = FloodWait(70)


@pytest.mark.parametrize("error", [AWAY, REVOKED, GONE, CLOSED, OTHER, FAILED, FLOOD, ContentMismatch("wrong")])
def test_a_single_way_has_its_own_word(error: Exception) -> None:
    assert ending([(BOT, error)], any_ready=False) is error


@pytest.mark.parametrize("error", [FAILED, FLOOD, ContentMismatch("wrong"), NoRouteNow("the bot did not answer")])
@pytest.mark.parametrize("any_ready", [True, False])
def test_the_one_way_that_is_not_closed_has_its_own_word(error: Exception, any_ready: bool) -> None:
    assert ending([(RELAY, CLOSED), (BOT, error), (ORIGIN, GONE)], any_ready=any_ready) is error


def test_a_file_that_is_nowhere_is_lost_for_good_with_every_reason() -> None:
    troubles = [
        (RELAY, ChatUnavailable("not a member")),
        (BOT, GONE),
        (ORIGIN, CLOSED),
        (OWN, BadRequest("PEER_ID_INVALID")),
    ]
    end = ending(troubles, any_ready=True)
    assert type(end) is Permanent
    assert str(end) == (
        "relay: not a member; bot: message 5 no longer exists; origin: the message was not forwarded; "
        "own: PEER_ID_INVALID"
    )


def test_another_file_wherever_one_was_found_is_another_file() -> None:
    assert isinstance(ending([(RELAY, CLOSED), (BOT, OTHER), (ORIGIN, OTHER)], any_ready=True), IdentityMismatch)
    assert type(ending([(RELAY, OTHER), (BOT, GONE)], any_ready=True)) is Permanent
    assert type(ending([(RELAY, CLOSED), (ORIGIN, CLOSED)], any_ready=True)) is Permanent


def test_accounts_that_are_away_are_waited_for() -> None:
    troubles = [(RELAY, REVOKED), (BOT, AWAY), (ORIGIN, CLOSED)]
    assert type(ending(troubles, any_ready=False)) is SessionNotReady
    assert isinstance(ending(troubles, any_ready=True), NoRouteNow), "or it would come back at once, again and again"
    assert isinstance(ending([(RELAY, REVOKED), (BOT, GONE)], any_ready=True), NoRouteNow)
    assert isinstance(ending([(RELAY, REVOKED), (BOT, FAILED)], any_ready=True), NoRouteNow)


def test_several_floods_are_waited_for_as_long_as_the_shortest() -> None:
    assert ending([(RELAY, FloodWait(900)), (BOT, FLOOD), (ORIGIN, GONE)], any_ready=True) is FLOOD
    assert isinstance(ending([(RELAY, FloodWait(900)), (BOT, FAILED)], any_ready=True), NoRouteNow)


def test_what_fails_on_every_way_costs_a_try() -> None:
    assert ending([(RELAY, FAILED), (BOT, ContentMismatch("wrong"))], any_ready=True) is FAILED


ERRORS = st.sampled_from([AWAY, REVOKED, GONE, CLOSED, OTHER, FAILED, FLOOD, NoRouteNow("busy"), FloodWait(5)])


@given(st.permutations(list(FileRoute)), st.lists(ERRORS, min_size=1, max_size=4), st.booleans())
def test_the_end_is_for_good_just_when_every_way_is_closed(
    routes: list[FileRoute], troubles: list[Exception], any_ready: bool
) -> None:
    end = ending(list(zip(routes, troubles, strict=False)), any_ready=any_ready)
    meanings = {outlook(error) for error in troubles}
    assert isinstance(end, Permanent) == (meanings == {Outlook.CLOSED})
    if isinstance(end, SessionNotReady):
        assert Outlook.AWAY in meanings
        assert len(troubles) == 1 or not any_ready
    if meanings & {Outlook.AWAY, Outlook.LATER}:
        assert isinstance(end, SessionNotReady | NoRouteNow | FloodWait), "no try is spent"
