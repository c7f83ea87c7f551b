"""What Telethon's errors become: every one something of ours, and those that matter what telegram.md says."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest
from python_socks import ProxyError
from telethon import errors
from telethon.errors import rpcerrorlist
from telethon.tl.types import RpcError

from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    ChatUnavailable,
    CodeExpired,
    CodeRejected,
    FileGone,
    FloodWait,
    PasswordNeeded,
    PasswordRejected,
    Permanent,
    ReferenceExpired,
    SessionRevoked,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Transient,
    Unauthorised,
    UnreadableAnswer,
)


def rpc(code: int, name: str) -> BaseException:
    """The error of this answer, as Telethon's own table makes it."""
    made: BaseException = errors.rpc_message_to_error(RpcError(error_code=code, error_message=name), None)
    return made


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (401, "AUTH_KEY_UNREGISTERED", SessionRevoked),
        (401, "AUTH_KEY_INVALID", SessionRevoked),
        (401, "AUTH_KEY_PERM_EMPTY", SessionRevoked),
        (401, "SESSION_REVOKED", SessionRevoked),
        (401, "SESSION_EXPIRED", SessionRevoked),
        (401, "USER_DEACTIVATED", AccountSuspended),
        (401, "USER_DEACTIVATED_BAN", AccountSuspended),
        (401, "AUTH_KEY_UNSYNCHRONIZED", SessionRevoked),
        (406, "AUTH_KEY_DUPLICATED", SessionRevoked),
        (406, "AUTH_KEY_SOMETHING_NEW", SessionRevoked),
        (406, "SESSION_SOMETHING_NEW", SessionRevoked),
        (420, "FROZEN_METHOD_INVALID", AccountSuspended),
        (420, "FROZEN_SOMETHING_NEW", AccountSuspended),
        (400, "FROZEN_PARTICIPANT_MISSING", AccountSuspended),
        (401, "USER_DEACTIVATED_SOMEHOW", AccountSuspended),
        (400, "PHONE_NUMBER_BANNED", AccountSuspended),
        (400, "ACCESS_TOKEN_INVALID", Unauthorised),
        (400, "ACCESS_TOKEN_EXPIRED", Unauthorised),
        (400, "API_ID_INVALID", Unauthorised),
        (400, "API_ID_PUBLISHED_FLOOD", Unauthorised),
        (400, "FILE_REFERENCE_EXPIRED", ReferenceExpired),
        (400, "FILE_REFERENCE_INVALID", ReferenceExpired),
        (400, "FILE_REFERENCE_EMPTY", ReferenceExpired),
        (400, "LOCATION_INVALID", FileGone),
        (400, "FILE_ID_INVALID", FileGone),
        (400, "MESSAGE_ID_INVALID", FileGone),
        (400, "LOCATION_NOT_AVAILABLE", TelegramUnavailable),
        (500, "INTERNAL", TelegramUnavailable),
        (500, "AUTH_RESTART", TelegramUnavailable),
        (503, "Timeout", TelegramUnavailable),
        (-503, "Timeout", TelegramUnavailable),
        (400, "LIMIT_INVALID", BadRequest),
        (400, "OFFSET_INVALID", BadRequest),
        (403, "CHAT_FORBIDDEN", ChatUnavailable),
        (400, "CHANNEL_PRIVATE", ChatUnavailable),
        (400, "CHANNEL_INVALID", ChatUnavailable),
        (400, "USER_BANNED_IN_CHANNEL", ChatUnavailable),
        (400, "PEER_ID_INVALID", ChatUnavailable),
        (400, "USERNAME_NOT_OCCUPIED", ChatUnavailable),
        (400, "INVITE_HASH_EXPIRED", ChatUnavailable),
        (400, "INVITE_HASH_INVALID", ChatUnavailable),
        (400, "INVITE_HASH_EMPTY", ChatUnavailable),
        (406, "CHANNEL_PRIVATE", ChatUnavailable),
        (500, "PERSISTENT_TIMESTAMP_OUTDATED", TelegramUnavailable),
        (400, "MSG_ID_INVALID", FileGone),
        (401, "SESSION_PASSWORD_NEEDED", PasswordNeeded),
        (400, "PHONE_CODE_INVALID", CodeRejected),
        (400, "PHONE_CODE_EMPTY", CodeRejected),
        (400, "PHONE_CODE_EXPIRED", CodeExpired),
        (400, "PASSWORD_HASH_INVALID", PasswordRejected),
        (400, "SRP_ID_INVALID", TelegramUnavailable),
        (400, "PHONE_NUMBER_INVALID", BadRequest),
        (400, "PHONE_NUMBER_FLOOD", BadRequest),
        (406, "PHONE_PASSWORD_FLOOD", BadRequest),
        (500, "RPC_CALL_FAIL", TelegramUnavailable),
        (500, "INTERDC_2_CALL_ERROR", TelegramUnavailable),
        (420, "SOMETHING_NEW_WITHOUT_SECONDS", TelegramUnavailable),
        (400, "SOMETHING_NEW_2031", BadRequest),
    ],
)
def test_an_answer_means(code: int, name: str, kind: type[TeltubbyError]) -> None:
    meaning = translate(rpc(code, name))
    assert type(meaning) is kind
    assert str(meaning)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("USERNAME_NOT_OCCUPIED", "nobody has this name"),
        ("INVITE_HASH_EXPIRED", "the invite link has expired, or was withdrawn"),
        ("INVITE_HASH_INVALID", "there is no such invite link"),
        ("CHAT_ID_INVALID", "Telegram shows this account no chat with this id"),
        ("CHANNEL_INVALID", "Telegram shows this account no chat with this id"),
    ],
)
def test_a_channel_that_is_not_there_is_told_in_words_for_people(name: str, words: str) -> None:
    assert str(translate(rpc(400, name))) == words


@pytest.mark.parametrize("name", ["FLOOD_WAIT_77", "FLOOD_PREMIUM_WAIT_77", "FLOOD_TEST_PHONE_WAIT_77"])
def test_every_wait_says_how_long(name: str) -> None:
    meaning = translate(rpc(420, name))
    assert isinstance(meaning, FloodWait)
    assert meaning.seconds == 77


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError(104, "reset"), TelegramUnavailable),
        (ConnectionError("Cannot send requests while disconnected"), TelegramUnavailable),
        (TimeoutError(), TelegramUnavailable),
        (asyncio.IncompleteReadError(b"", 4), TelegramUnavailable),
        (errors.SecurityError("bad hash"), TelegramUnavailable),
        (errors.InvalidBufferError(b"\x6c\xfe\xff\xff"), UnreadableAnswer),
        (errors.InvalidChecksumError(1, 2), TelegramUnavailable),
        (errors.TypeNotFoundError(0x12345678, b""), UnreadableAnswer),
        (errors.AuthKeyNotFound(), SessionRevoked),
        (ValueError("Request was unsuccessful 1 time(s)"), TelegramUnavailable),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), SpoolFull),
        (ProxyError("Username and password authentication failure", error_code=1), TelegramUnavailable),
        (OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)), TelegramUnavailable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_trouble_of_the_wire_and_the_disk_is_passing(error: BaseException, kind: type[TeltubbyError]) -> None:
    assert isinstance(error, FOREIGN)
    meaning = translate(error)
    assert type(meaning) is kind and isinstance(meaning, Transient)
    assert str(meaning), "it says something, whatever the library said"


def test_nothing_that_telethon_can_answer_is_left_out() -> None:
    """Every error of its table is caught, and what it means either passes, lasts, or needs an operator."""
    named = [found(request=None) for found in set(rpcerrorlist.rpc_errors_dict.values())]
    counted = [found(request=None, capture=5) for _, found in rpcerrorlist.rpc_errors_re]
    assert len(named) > 300 and counted
    for error in (*named, *counted):
        assert isinstance(error, FOREIGN)
        assert isinstance(translate(error), Transient | Permanent | Unauthorised), error
