"""Why something failed, in a sentence that says what to do; the technical text stays behind it."""

from __future__ import annotations

import re

from teltubby.actors.phrases.words import REASON_CHARACTERS, clipped
from teltubby.messages.media import SkipReason
from teltubby.messages.routes import FileRoute

_WHY = {
    SkipReason.EXCEEDS_BOT_LIMIT: "larger than Telegram serves to bots, and of a kind that has no other way",
    SkipReason.EXCEEDS_CFG_LIMIT: "larger than this archive accepts (MAX_FILE_GB)",
    SkipReason.DOWNLOAD_FAILED: "Telegram did not hand the file out",
    SkipReason.ALBUM_VALIDATION_FAILED: "the album could not be put together",
    SkipReason.NO_MEDIA: "no file in it",
    SkipReason.PROTECTED_CONTENT: "its owner protected it from being saved",
    SkipReason.CANCELLED: "cancelled; /retry fetches it after all",
}

_SEND_AGAIN = "Send the file again."
_OPERATOR = "The operator has to act; then /retry fetches it."
_GONE = f"Telegram no longer has the file. {_SEND_AGAIN}"
_OTHER = f"Telegram has another file under this message now. {_SEND_AGAIN}"
_DAMAGED = "What was received is not what was announced. /retry fetches it anew."
_NO_WAY = "no way: "
"""Stands for a reason that names several ways (`archive.routes`)."""
_KEYS = f"The store refuses our keys. {_OPERATOR}"

_A_WAY = re.compile(rf"(?:^|; )(?:{'|'.join(FileRoute)}): ")

# Fragments of our errors' texts and of Telethon's, each of which says only this; the first that occurs counts. Reasons
# cross the broker as text, so that those of older workers are read the same way.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("internal error", "A bug of teltubby. /retry may help; the operator's log has the details."),
    (" session is ", "The account that fetches large files is not ready. /mtstatus says more."),
    (_NO_WAY, f"No way leads to the file any more; each says why. {_SEND_AGAIN}"),
    ("no longer exists in the", f"The message was deleted before the file was fetched. {_SEND_AGAIN}"),
    ("mailbox is not in chat", _GONE),
    ("is not in the account's dialog", _GONE),
    (
        "no member of channel",
        "The account that fetches large files does not see that channel; the operator can change it.",
    ),
    ("be copied", "Its owner protected it from being copied: it cannot be fetched this way."),
    ("carries no document", f"The message was edited: there is no file in it any more. {_SEND_AGAIN}"),
    ("was handed in", _OTHER),
    ("were announced", f"Telegram has another file under this message now, of another size. {_SEND_AGAIN}"),
    ("names no document", "This file cannot be proved to be the one that was handed in. Send it again as a file."),
    ("(MAX_FILE_GB)", "The file is larger than this archive accepts; the operator decides that by MAX_FILE_GB."),
    ("protected chat", "Its owner protected it from being saved: it cannot be archived."),
    ("file reference", f"Telegram's reference to the file is no longer good. {_SEND_AGAIN}"),
    ("location given for a file was invalid", _GONE),
    ("file id is invalid", _GONE),
    ("message id is invalid", _GONE),
    ("no path for this file", _GONE),
    ("asks to wait", "Telegram asks us to slow down. It goes on by itself; there is nothing to do."),
    (
        "cannot be verified",
        "Telegram has no hashes for this file, and this archive wants them (MTPROTO_VERIFY_HASHES).",
    ),
    ("that Telegram hashed", _DAMAGED),
    ("were due", _DAMAGED),
    ("other bytes than were announced", _DAMAGED),
    ("the store reports", _DAMAGED),
    ("bytes instead of", _DAMAGED),
    ("access key", _KEYS),
    ("credentials have expired", _KEYS),
    ("rejects the signature", _KEYS),
    ("rejects the credentials", _KEYS),
    ("denies access", f"The store denies us access. {_OPERATOR}"),
    ("no room left, or the quota", "The store is full. It goes on by itself when there is room."),
    ("the key is taken", "There is other content under this name, and it is never replaced. /retry may help."),
    ("parts are smaller than", f"The store wants larger parts (S3_MULTIPART_PART_SIZE_MB). {_OPERATOR}"),
    ("no longer knows the upload", "The store forgot the upload, which begins anew. /retry tries again."),
    ("bucket", f"The store's bucket is not the one that is set. {_OPERATOR}"),
    ("S3_", f"The store's settings are wrong. {_OPERATOR}"),
    ("certificate is not trusted", f"The store's certificate is not trusted. {_OPERATOR}"),
    ("AWS_PROFILE", f"The store's settings are wrong. {_OPERATOR}"),
    ("clocks differ", f"The clock of this machine is wrong. {_OPERATOR}"),
    ("lacks an operation", f"This store cannot do what teltubby needs. {_OPERATOR}"),
    ("not readable and writable for us", f"The archive's folder is not ours. {_OPERATOR}"),
    ("same key was under way", "Somebody else was writing this file at that moment. /retry tries again."),
    ("no such object", "The store lost something while it was worked on. /retry tries again."),
    ("object store", "The store could not take the file. /retry tries again."),
    ("spool", "The worker's disk has no room for the file, or does not take it. It is tried again when there is room."),
    ("of the session file is full", f"The worker's disk is full. {_OPERATOR}"),
    ("connection", "The connection was lost. /retry goes on where it stood."),
    ("data centre", "Telegram could not be reached. /retry goes on where it stood."),
    ("answer", "Somebody did not answer in time. /retry goes on where it stood."),
)


def advice(reason: str) -> str | None:
    """What a failure means and what to do, or None where the text is of no known kind. No HTML."""
    folded = (_NO_WAY if len(_A_WAY.findall(reason)) > 1 else "") + reason.casefold()
    return next((sentence for fragment, sentence in _ADVICE if fragment.casefold() in folded), None)


def wants_it_again(reason: str) -> bool:
    """Whether the file has to be handed in once more, because trying again hardly helps."""
    return "Send it again" in (sentence := advice(reason) or "") or _SEND_AGAIN in sentence


def reason_lines(reason: str) -> str:
    """A failure in words, and behind them the text that the operator needs."""
    technical = clipped(reason, REASON_CHARACTERS) or "no reason is known"
    sentence = advice(reason)
    return technical if sentence is None else f"{clipped(sentence, REASON_CHARACTERS)}\n<i>{technical}</i>"


def skip_reason(reason: str | None) -> str:
    """Why an item was not archived."""
    try:
        return _WHY[SkipReason(reason or "")]
    except ValueError:
        return clipped(reason or "", REASON_CHARACTERS) or "no reason is known"
