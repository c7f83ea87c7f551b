"""The ways to a large file: where each leads for a job, and what it means for the job that some did not serve. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import assert_never

from teltubby.archive.channel_posts import is_channel_post
from teltubby.archive.identity import document_id, photo_id
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    ContentMismatch,
    FileGone,
    FileMoved,
    FloodWait,
    IdentityMismatch,
    NoRouteNow,
    NotAnswered,
    Permanent,
    ReferenceExpired,
    RouteClosed,
    SessionNotReady,
    TelegramUnavailable,
    Unauthorised,
    Unverifiable,
)
from teltubby.messages.jobs import Job
from teltubby.messages.questions import RelayTold
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.transfer import ChannelPlace, DialogPlace, FileLocation, MailboxPlace, Place
from teltubby.supervision import ActorCrashed, ActorStopped, MailboxFull

REASON_CHARACTERS = 200
"""What is kept of the reason why one way did not serve."""

_CHANNEL_IDS = -1_000_000_000_000
"""Ids of channels and supergroups are below, in the Bot API's form (core.telegram.org/api/bots/ids)."""


class Outlook(Enum):
    """What the trouble of a way says of the next time.

    CLOSED: it will be the same. AWAY: its account cannot be used until somebody or something brings it back. LATER: it
    may serve later, and the job did nothing wrong. FAILED: it may serve the next time, and trying is what is limited.
    """

    CLOSED = "closed"
    AWAY = "away"
    LATER = "later"
    FAILED = "failed"


_OUTLOOKS: tuple[tuple[Outlook, tuple[type[Exception], ...]], ...] = (
    (Outlook.AWAY, (SessionNotReady, Unauthorised)),
    (Outlook.LATER, (FloodWait, NoRouteNow)),
    (Outlook.CLOSED, (RouteClosed, FileGone, ChatUnavailable, IdentityMismatch, BadRequest, Unverifiable)),
    (Outlook.FAILED, (TelegramUnavailable, NotAnswered, ReferenceExpired, FileMoved, ContentMismatch)),
    (Outlook.FAILED, (ActorCrashed, ActorStopped, MailboxFull, TimeoutError)),
)


def outlook(error: Exception) -> Outlook | None:
    """What this trouble says of the way that met it; None: it is not the way's, and every other would meet it too."""
    return next((meaning for meaning, kinds in _OUTLOOKS if isinstance(error, kinds)), None)


def tried(route: FileRoute, error: Exception) -> RouteTry:
    """The way and why it did not serve, in one line of bounded length."""
    words = " ".join(str(error).split()) or "there was no answer in time"
    if len(words) > REASON_CHARACTERS:
        words = words[: REASON_CHARACTERS - 1] + "…"
    return RouteTry(route=route, reason=words)


# -- where the ways lead


def routes_of(job: Job, configured: Sequence[FileRoute]) -> tuple[FileRoute, ...]:
    """The ways that are tried for the job, in order: a channel's own post is in the channel, whatever is configured."""
    return (FileRoute.ORIGIN,) if is_channel_post(job) else tuple(configured)


def require_open(route: FileRoute, job: Job, *, has_relay: bool) -> None:
    """Raises RouteClosed where the job and the configuration say already that this way leads nowhere."""
    if route is not FileRoute.ORIGIN and is_channel_post(job):
        raise RouteClosed("the file is a post of a channel that is collected, and is fetched there")
    if route is FileRoute.RELAY and not has_relay:
        raise RouteClosed("no relay channel is configured (MTPROTO_RELAY_CHAT_ID)")
    if route is FileRoute.ORIGIN:
        _origin(job)


def require_account(route: FileRoute, job: Job, standing: SessionStanding | None) -> None:
    """Raises RouteClosed where the way's account (None: it is not configured) is none for this job, SessionNotReady
    where it cannot be used now, NoRouteNow where only another worker has it.
    """
    if standing is None and is_channel_post(job):
        raise NoRouteNow("this worker has no user account; one that collects channels has to fetch the file")
    if standing is None:
        raise RouteClosed(f"the {route.account} account is not configured")
    if standing.state is not SessionState.READY:
        if not standing.in_use:
            raise RouteClosed(f"the {route.account} account is not in use: {standing.detail}")
        raise SessionNotReady(f"the {route.account} account's MTProto session is {standing.state}: {standing.detail}")
    if route is FileRoute.OWN and standing.account_id not in (None, job.user_id):
        raise RouteClosed("the account that is signed in is not the curator's")


def place_of(route: FileRoute, job: Job, *, bot_id: int, copy: RelayTold | None = None) -> Place:
    """Where this way looks for the job's file; `copy` is what the bot told of the relay's. Raises RouteClosed, and
    NoRouteNow where the relay has no copy now.
    """
    match route:
        case FileRoute.RELAY:
            return _copied(copy)
        case FileRoute.BOT:
            return MailboxPlace(chat_id=job.chat_id, message_id=job.message_id)
        case FileRoute.ORIGIN:
            return _origin(job)
        case FileRoute.OWN:
            expected = document_id(job.file_info.file_unique_id)
            if expected is None:
                raise IdentityMismatch(UNPROVABLE)
            return DialogPlace(peer_id=bot_id, document_id=expected, around=job.job_metadata.created_at)
        case _:
            assert_never(route)


def _copied(copy: RelayTold | None) -> ChannelPlace:
    if copy is None or copy.chat_id is None or copy.message_id is None:
        reason = (copy and copy.reason) or "the bot made no copy"
        raise NoRouteNow(reason) if copy is None or copy.passing else RouteClosed(reason)
    return ChannelPlace(channel_id=copy.chat_id, message_id=copy.message_id)


def _origin(job: Job) -> ChannelPlace:
    """Only the origin of a channel's post names a message (core.telegram.org/bots/api#messageorigin)."""
    origin = job.telegram_context.forward_origin
    if origin is None:
        raise RouteClosed("the message was not forwarded")
    chat = origin.get("chat")
    if origin.get("type") != "channel" or not isinstance(chat, Mapping):
        raise RouteClosed("it was not forwarded from a channel, and only a channel's posts can be asked for")
    channel_id, message_id, username = chat.get("id"), origin.get("message_id"), chat.get("username")
    if not isinstance(channel_id, int) or channel_id >= _CHANNEL_IDS or not isinstance(message_id, int):
        raise RouteClosed("the forward does not name the channel's post")
    return ChannelPlace(
        channel_id=channel_id, message_id=message_id, username=username if isinstance(username, str) else None
    )


# -- whether it is the file

UNPROVABLE = "the job's file_unique_id names no document and no photo, so no file can be proved to be it"


def is_provable(job: Job) -> bool:
    """Whether a file can be proved to be the job's."""
    unique_id = job.file_info.file_unique_id
    return document_id(unique_id) is not None or photo_id(unique_id) is not None


def prove(job: Job, found: FileLocation, *, size: int | None, max_bytes: int) -> None:
    """Return if this is the file that was handed in: the document's id (the photo's) is the same for every account
    (telegram.md).

    `size` is what Telegram announced or another way found. Raises IdentityMismatch, and Permanent for more than
    `max_bytes`, which no other way would change.
    """
    document, photo = document_id(job.file_info.file_unique_id), photo_id(job.file_info.file_unique_id)
    expected = document if photo is None else photo
    if expected is None:
        raise IdentityMismatch(UNPROVABLE)
    thing, wanted = "photo" if found.is_photo else "document", "document" if photo is None else "photo"
    if (found.document_id, thing) != (expected, wanted):
        handed_in = expected if thing == wanted else f"{wanted} {expected}"
        raise IdentityMismatch(f"{thing} {found.document_id} was found where {handed_in} was handed in")
    if size is not None and found.size != size:
        raise IdentityMismatch(f"the {thing} has {found.size} bytes, {size} were announced")
    if found.size > max_bytes:
        raise Permanent(f"{found.size} bytes are more than this archive accepts (MAX_FILE_GB)")


# -- when none served


def ending(troubles: Sequence[tuple[FileRoute, Exception]], *, any_ready: bool) -> Exception:
    """What the job is told when every way was in trouble, in the order in which they were tried.

    What one way alone says is its own word: a flood wait has its seconds, a failure costs a try. Where nothing may
    serve later it is over for good. Else the job did nothing wrong: SessionNotReady when there is no account for
    anything now (`any_ready`: another one is in use), NoRouteNow otherwise; and when all ways failed, their first word.
    """
    hopeful = [(error, meaning) for _, error in troubles if (meaning := outlook(error)) is not Outlook.CLOSED]
    if not hopeful:
        return _never(troubles)
    (first, meaning), *others = hopeful
    if not others and meaning is not Outlook.AWAY:
        return first
    floods = [error for error, _ in hopeful if isinstance(error, FloodWait)]
    if len(floods) == len(hopeful):
        return min(floods, key=lambda flood: flood.seconds)
    meanings = {meaning for _, meaning in hopeful}
    if meanings == {Outlook.FAILED}:
        return first
    if Outlook.AWAY in meanings and not any_ready:
        return first if not others and isinstance(first, SessionNotReady) else SessionNotReady(_words(troubles))
    return NoRouteNow(_words(troubles))


def _never(troubles: Sequence[tuple[FileRoute, Exception]]) -> Exception:
    if len(troubles) == 1:
        return troubles[0][1]
    answers = [error for _, error in troubles if not isinstance(error, RouteClosed)]
    others = answers and all(isinstance(error, IdentityMismatch) for error in answers)
    return (IdentityMismatch if others else Permanent)(_words(troubles))


def _words(troubles: Sequence[tuple[FileRoute, Exception]]) -> str:
    if len(troubles) == 1:
        return str(troubles[0][1])
    return "; ".join(f"{route}: {tried(route, error).reason}" for route, error in troubles)
