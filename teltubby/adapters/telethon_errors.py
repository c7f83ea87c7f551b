"""What Telethon's errors mean to the house (telegram.md, "Errors of MTProto and what each means")."""

from __future__ import annotations

import asyncio
import errno
import struct

from python_socks import ProxyError
from telethon import errors

from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    ChatUnavailable,
    CodeExpired,
    CodeRejected,
    ConnectionLost,
    FileGone,
    FileMoved,
    FloodWait,
    PartUnavailable,
    PasswordNeeded,
    PasswordRejected,
    ReferenceExpired,
    SessionNotReady,
    SessionRevoked,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
    UnreadableAnswer,
)

_UNREADABLE = (errors.TypeNotFoundError, BufferError, struct.error)
"""What Telethon makes of an answer in which a constructor is unknown, or is longer than it was."""

FOREIGN = (
    errors.RPCError,
    errors.InvalidBufferError,
    errors.InvalidChecksumError,
    errors.SecurityError,
    *_UNREADABLE,
    errors.AuthKeyNotFound,
    asyncio.IncompleteReadError,
    ConnectionError,
    TimeoutError,
    OSError,
    ProxyError,
    ValueError,  # Telethon's "request was unsuccessful N time(s)", and what it cannot make of an answer
)

DEAD_KEYS = (
    errors.AuthKeyDuplicatedError,
    errors.AuthKeyInvalidError,
    errors.AuthKeyNotFound,
    errors.AuthKeyPermEmptyError,
)
"""The key is good for nothing any more; with any other loss of a login it can sign in again."""

_SUSPENDED = (
    errors.FrozenMethodInvalidError,
    errors.FrozenParticipantMissingError,
    errors.PhoneNumberBannedError,
    errors.UserDeactivatedBanError,
    errors.UserDeactivatedError,
)

_UNSEEN = (
    errors.ChannelBannedError,
    errors.ChannelIdInvalidError,
    errors.ChannelInvalidError,
    errors.ChannelPrivateError,
    errors.ChannelPublicGroupNaError,
    errors.ChatForbiddenError,
    errors.ChatIdInvalidError,
    errors.InviteHashEmptyError,
    errors.InviteHashExpiredError,
    errors.InviteHashInvalidError,
    errors.InputUserDeactivatedError,
    errors.PeerIdInvalidError,
    errors.UserBannedInChannelError,
    errors.UsernameInvalidError,
    errors.UsernameNotOccupiedError,
)

_TABLE: tuple[tuple[tuple[type[BaseException], ...], type[TeltubbyError]], ...] = (
    (_SUSPENDED, AccountSuspended),
    ((*DEAD_KEYS, errors.UnauthorizedError), SessionRevoked),
    ((errors.AccessTokenExpiredError, errors.AccessTokenInvalidError), Unauthorised),
    ((errors.ApiIdInvalidError, errors.ApiIdPublishedFloodError), Unauthorised),
    (
        (errors.FileReferenceExpiredError, errors.FileReferenceInvalidError, errors.FileReferenceEmptyError),
        ReferenceExpired,
    ),
    (
        (
            errors.LocationInvalidError,
            errors.FileIdInvalidError,
            errors.MessageIdInvalidError,
            errors.MsgIdInvalidError,
        ),
        FileGone,
    ),
    (_UNSEEN, ChatUnavailable),
    (
        (
            errors.ServerError,
            errors.TimedOutError,
            errors.RpcCallFailError,
            errors.RpcMcgetFailError,
            errors.InterdcCallErrorError,
            errors.InterdcCallRichErrorError,
            errors.SrpIdInvalidError,
            errors.SrpPasswordChangedError,
        ),
        TelegramUnavailable,
    ),
)

_IN_OUR_WORDS: tuple[tuple[tuple[type[BaseException], ...], type[TeltubbyError], str], ...] = (
    ((errors.UsernameNotOccupiedError,), ChatUnavailable, "nobody has this name"),
    ((errors.UsernameInvalidError,), ChatUnavailable, "Telegram takes this for no name"),
    ((errors.InviteHashExpiredError,), ChatUnavailable, "the invite link has expired, or was withdrawn"),
    ((errors.InviteHashInvalidError, errors.InviteHashEmptyError), ChatUnavailable, "there is no such invite link"),
    (
        (errors.ChannelInvalidError, errors.ChatIdInvalidError, errors.PeerIdInvalidError),
        ChatUnavailable,
        "Telegram shows this account no chat with this id",
    ),
    ((errors.PhoneCodeInvalidError, errors.PhoneCodeEmptyError), CodeRejected, "the code is wrong"),
    (
        (errors.PhoneCodeExpiredError, errors.PhoneCodeHashEmptyError),
        CodeExpired,
        "the code is no longer good; Telegram voids a code that is sent in any chat",
    ),
    ((errors.PasswordHashInvalidError,), PasswordRejected, "the password is wrong"),
    (
        (errors.PhonePasswordFloodError, errors.PhoneNumberFloodError),
        BadRequest,
        "Telegram had too many attempts to sign in with this number; wait some hours",
    ),
    ((errors.UpdateAppToLoginError,), BadRequest, "Telegram wants an official app to sign in first"),
    (_UNREADABLE, UnreadableAnswer, "Telegram answered in words of a newer layer than the installed Telethon knows"),
)

"""Where Telethon's words say nothing to people, or something else: a name that nobody has is "not in use by anyone else
yet"."""

_NAMES: tuple[tuple[str, type[TeltubbyError]], ...] = (
    ("FROZEN_", AccountSuspended),
    ("USER_DEACTIVATED", AccountSuspended),
    ("AUTH_KEY_", SessionRevoked),
    ("SESSION_", SessionRevoked),
    ("LOCATION_NOT_AVAILABLE", TelegramUnavailable),
)
"""How errors begin that Telethon has no class of their own for (with one, `message` is that of its base).

FROZEN_* has the code of a flood wait, but nothing to wait for.
"""


_REQUEST = " (caused by "
"""Where Telethon names the request, which says nothing to people."""


def translate(error: BaseException) -> TeltubbyError:
    """The house's error for one of `FOREIGN`."""
    if isinstance(error, errors.FloodWaitError | errors.FloodPremiumWaitError | errors.FloodTestPhoneWaitError):
        return FloodWait(error.seconds)
    if isinstance(error, errors.SessionPasswordNeededError):
        return PasswordNeeded()
    text = str(error).partition(_REQUEST)[0] or type(error).__name__
    if isinstance(error, errors.AuthKeyNotFound):
        text = "Telegram does not know the session's key"  # Telethon writes an essay about it
    if isinstance(error, ProxyError):
        return TelegramUnavailable(f"the proxy does not connect us: {text}")
    for kinds, meaning, words in _IN_OUR_WORDS:
        if isinstance(error, kinds):
            return meaning(words)
    if isinstance(error, errors.RPCError):
        for beginning, meaning in _NAMES:
            if (error.message or "").startswith(beginning):
                return meaning(text)
    for kinds, meaning in _TABLE:
        if isinstance(error, kinds):
            return meaning(text)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return SpoolFull("the disk of the session file is full")
    if isinstance(error, errors.RPCError) and error.code in (400, 403):
        return BadRequest(text)
    return TelegramUnavailable(text)


def is_signed_out(error: BaseException) -> bool:
    """Whether it says that the account is not signed in on the key it was asked under."""
    return isinstance(translate(error), SessionNotReady)


def translate_part(error: BaseException) -> TeltubbyError:
    """As `translate`, for a request about one part: a passing trouble is that part's, or the connection's."""
    if isinstance(error, errors.FileMigrateError):
        return FileMoved(error.new_dc)
    meaning = translate(error)
    if type(meaning) not in (TelegramUnavailable, UnreadableAnswer):
        return meaning
    if isinstance(error, ConnectionError | asyncio.IncompleteReadError):
        return ConnectionLost(str(meaning))
    return PartUnavailable(str(meaning))
