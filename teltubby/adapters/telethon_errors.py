"""What Telethon's errors mean to the house (telegram.md, "Errors of MTProto and what each means")."""

from __future__ import annotations

import asyncio
import errno

from telethon import errors

from teltubby.errors import (
    BadRequest,
    ConnectionLost,
    FileGone,
    FileMoved,
    FloodWait,
    PartUnavailable,
    ReferenceExpired,
    SessionNotReady,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)

FOREIGN = (
    errors.RPCError,
    errors.InvalidBufferError,
    errors.InvalidChecksumError,
    errors.SecurityError,
    errors.TypeNotFoundError,
    errors.AuthKeyNotFound,
    asyncio.IncompleteReadError,
    ConnectionError,
    TimeoutError,
    OSError,
    ValueError,  # Telethon's "request was unsuccessful N time(s)" after its only try
)

_SIGNED_OUT = (
    errors.AuthKeyDuplicatedError,
    errors.AuthKeyInvalidError,
    errors.AuthKeyNotFound,
    errors.AuthKeyPermEmptyError,
    errors.AuthKeyUnregisteredError,
    errors.FrozenMethodInvalidError,
    errors.PhoneNumberBannedError,
    errors.SessionExpiredError,
    errors.SessionRevokedError,
    errors.UserDeactivatedBanError,
    errors.UserDeactivatedError,
)

_TABLE: tuple[tuple[tuple[type[BaseException], ...], type[TeltubbyError]], ...] = (
    (_SIGNED_OUT, SessionNotReady),
    ((errors.AccessTokenExpiredError, errors.AccessTokenInvalidError), Unauthorised),
    ((errors.ApiIdInvalidError, errors.ApiIdPublishedFloodError), Unauthorised),
    (
        (errors.FileReferenceExpiredError, errors.FileReferenceInvalidError, errors.FileReferenceEmptyError),
        ReferenceExpired,
    ),
    ((errors.LocationInvalidError, errors.FileIdInvalidError, errors.MessageIdInvalidError), FileGone),
    ((errors.ServerError, errors.TimedOutError), TelegramUnavailable),
)

_TRANSIENT_NAMES = frozenset({"LOCATION_NOT_AVAILABLE"})


def translate(error: BaseException) -> TeltubbyError:
    """The house's error for one of `FOREIGN`."""
    if isinstance(error, errors.FloodWaitError | errors.FloodPremiumWaitError):
        return FloodWait(error.seconds)
    text = str(error) or type(error).__name__
    for kinds, meaning in _TABLE:
        if isinstance(error, kinds):
            return meaning(text)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return SpoolFull("the disk of the session file is full")
    if isinstance(error, errors.RPCError) and error.code in (400, 403):
        name = getattr(error, "message", "")
        return TelegramUnavailable(text) if name in _TRANSIENT_NAMES else BadRequest(text)
    return TelegramUnavailable(text)


def is_signed_out(error: BaseException) -> bool:
    """Whether it says that the account is not signed in on the key it was asked under."""
    return isinstance(error, _SIGNED_OUT)


def translate_part(error: BaseException) -> TeltubbyError:
    """As `translate`, for a request about one part: a passing trouble is that part's, or the connection's."""
    if isinstance(error, errors.FileMigrateError):
        return FileMoved(error.new_dc)
    meaning = translate(error)
    if type(meaning) is not TelegramUnavailable:
        return meaning
    if isinstance(error, ConnectionError | asyncio.IncompleteReadError):
        return ConnectionLost(str(meaning))
    return PartUnavailable(str(meaning))
