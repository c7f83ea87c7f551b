"""Reasons in words: every failure that the house can name comes with a sentence that says what to do."""

from __future__ import annotations

import errno
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from telethon import errors as telethon

from teltubby import errors
from teltubby.actors.phrases.reasons import advice, reason_lines
from teltubby.adapters import s3_errors
from teltubby.transfer.spool_lock import spool_full
from tests.unit.phrase_samples import NASTY, assert_telegram_takes

S3_SENTENCES = sorted({sentence for _, sentence in [*s3_errors._BY_CODE.values(), *s3_errors._BY_STATUS.values()]})


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("message 11 no longer exists in the account's mailbox", "deleted"),
        ("message 11 of the account's mailbox is not in chat 5", "no longer has the file"),
        ("message 4 no longer exists in the channel", "deleted"),
        ("the document is not in the account's dialog with 7", "no longer has the file"),
        ("the account is no member of channel -1001", "does not see that channel"),
        ("the user session is revoked: SESSION_REVOKED", "/mtstatus"),
        ("the user account's MTProto session is flood_wait: Telegram asks to wait 5 s", "/mtstatus"),
        ("relay: the bot cannot copy the message into the relay channel: message can't be copied", "protected"),
        ("relay: no relay channel is configured; bot: message 1 no longer exists in the account's mailbox", "No way"),
        ("message 11 carries no document", "no file in it any more"),
        ("document 5 was found where 6 was handed in", "another file"),
        ("the document has 5 bytes, 6 were announced", "another size"),
        ("the job's file_unique_id names no document, so no file can be proved to be it", "Send it again"),
        ("5000000000 bytes are more than this archive accepts (MAX_FILE_GB)", "MAX_FILE_GB"),
        (str(errors.FloodWait(30)), "by itself"),
        ("the MTProto session is signed_out: AUTH_KEY_UNREGISTERED", "/mtstatus"),
        (str(spool_full(OSError(errno.ENOSPC, "No space left on device"), Path("/data/spool"))), "no room"),
        ("the spool /data/spool has 5 bytes free, 0 of them for other files on their way; this one needs 6", "no room"),
        (str(telethon.FileReferenceExpiredError(request=None)), "Send the file again"),
        (str(telethon.LocationInvalidError(request=None)), "Send the file again"),
        (str(telethon.FileIdInvalidError(request=None)), "Send the file again"),
        (str(telethon.MessageIdInvalidError(request=None)), "Send the file again"),
        (str(telethon.ChatForwardsRestrictedError(request=None)), "protected"),
        ("internal error: KeyError('x')", "bug"),
        ("no address of the data centre answers: connection refused", "connection"),
        ("an actor of the worker did not answer in time", "in time"),
        ("the bytes at offset 0 are not those that Telegram hashed", "anew"),
        ("the spool gave 5 bytes at offset 0, 6 were due", "anew"),
        ("5 bytes came at offset 1048576, 6 were due", "anew"),
        ("the store reports 5 bytes of 6 under teltubby/x", "anew"),
        ("put x: the folder /data is not readable and writable for us: change its owner or mode", "not ours"),
    ],
)
def test_known_reasons_are_explained(reason: str, part: str) -> None:
    sentence = advice(reason)
    assert sentence is not None and part in sentence, sentence
    assert unescape(reason_lines(reason)) == f"{sentence}\n<i>{reason}</i>"


@pytest.mark.parametrize("sentence", S3_SENTENCES)
def test_whatever_the_store_says_is_explained(sentence: str) -> None:
    assert advice(f"put teltubby/a.jpg: {sentence} (403 AccessDenied: no)") is not None


def test_a_reason_of_no_known_kind_stands_as_it_is() -> None:
    assert advice("something new") is None
    assert reason_lines("something <new>") == "something &lt;new&gt;"
    assert reason_lines("") == reason_lines("\n") == "no reason is known"


@given(text=NASTY)
def test_any_reason_is_taken_by_telegram_and_short(text: str) -> None:
    assert_telegram_takes("Reason: " + reason_lines(text))
    assert "\n" not in reason_lines(text) or advice(text) is not None
