"""What the curator reads of what was handed in, and of the bot itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from teltubby.actors.phrases.reasons import skip_reason
from teltubby.actors.phrases.sign_in import HELP as SIGN_IN_HELP
from teltubby.actors.phrases.words import REASON_CHARACTERS, clipped, files, size
from teltubby.messages.media import ItemOutcome, ItemStatus, SkipReason

COMMANDS: Mapping[str, str] = {
    "start": "what this bot does",
    "help": "how to use it",
    "status": "jobs, storage, and what needs attention",
    "alerts": "what is not as it should be; /alerts mute 2h keeps it quiet",
    "queue": "large files that wait or are being fetched",
    "jobs": "my large files; with an id: the whole history of one",
    "retry": "fetch a failed or cancelled file again: /retry <id>",
    "cancel": "stop a large file: /cancel <id>",
    "priority": "let one overtake: /priority <id> normal|high|urgent",
    "find": "search captions, file names and chats: /find words",
    "stats": "a picture of what was archived",
    "quota": "how much room the archive takes",
    "mode": "how updates arrive",
    "mtstatus": "who fetches large files, and how they are signed in",
    "mtlogin": "sign a worker in, by QR code or /mtlogin code",
    "mtcode": "the login code, written as /help explains",
    "mtpass": "the password of the second factor",
    "channels": "the channels that are collected, and how they stand",
    "track": "collect a channel: /track @name, with media=photo,video its files too",
    "untrack": "collect a channel no longer: /untrack @name",
    "report": "a channel in pictures: /report @name, or with days",
    "db_maint": "check and tidy the database",
    "purge": "delete the whole archive, in two steps",
}
"""The command menu: name → description."""

NOT_UNDERSTOOD = "I do not know this command. /help lists what I understand."
NOTHING_TO_ARCHIVE = (
    "There is no file in this message, so there is nothing to archive (<code>no_media</code>). "
    "Send or forward photos, videos, documents, audio, voice messages or stickers."
)
WAITING_FOR_STORAGE = (
    "⏸ Received and kept. The archive, or Telegram's file server, cannot be reached at the moment; your files will be "
    "archived as soon as it is back, you need not send them again."
)
INTERNAL_ERROR = (
    "❌ Something inside teltubby went wrong with this message, and trying again did not help. What is not confirmed "
    "above was not archived; the operator's log has the details."
)


def greeting() -> str:
    return (
        "👋 Forward or send me anything with a file in it: I archive it whole, once, with its context.\n"
        "Large files (as a rule those over 20 MB) are fetched in the background; you see every step here.\n"
        "/help lists what I understand."
    )


def help_text() -> str:
    lines = [f"/{name} - {escape(text)}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "<b>Commands</b>",
            *lines,
            "",
            "Of a job's id the first 8 characters are enough. Everything else that carries a file is archived.",
            "",
            SIGN_IN_HELP,
        ]
    )


def acknowledgement(outcomes: Sequence[ItemOutcome], *, location: str) -> str:
    """What became of a submission: files, kinds, bytes, path; which ordinals were duplicates, queued or skipped."""
    stored = _with(outcomes, ItemStatus.STORED)
    lines: list[str] = []
    if stored:
        total = sum(outcome.size_bytes or 0 for outcome in stored)
        lines.append(f"✅ Archived {files(len(stored))} ({_kinds(stored)}), {size(total)}")
    queued = _with(outcomes, ItemStatus.QUEUED)
    if queued:
        lines.append(f"⏳ {_items(queued)} queued for processing (large file)")
    if stored or queued:
        lines.append(f"📁 <code>{escape(location)}</code>")
    lines += [
        f"♻️ Item {outcome.ordinal} ({_kind(outcome)}) is archived already: "
        f"<code>{escape(outcome.duplicate_of or '')}</code>"
        for outcome in _with(outcomes, ItemStatus.DUPLICATE)
    ]
    lines += [
        f"⚠️ Item {outcome.ordinal} ({_kind_and_size(outcome)}) was not archived "
        f"(<code>{clipped(outcome.reason or '', REASON_CHARACTERS)}</code>): {skip_reason(outcome.reason)}"
        for outcome in outcomes
        if outcome.status in (ItemStatus.SKIPPED, ItemStatus.FAILED)
    ]
    return "\n".join(lines)


def _with(outcomes: Sequence[ItemOutcome], status: ItemStatus) -> list[ItemOutcome]:
    return [outcome for outcome in outcomes if outcome.status is status]


def _items(outcomes: Sequence[ItemOutcome]) -> str:
    numbers = ", ".join(str(outcome.ordinal) for outcome in outcomes)
    return f"Item {numbers}" if len(outcomes) == 1 else f"Items {numbers}"


def _kind(outcome: ItemOutcome) -> str:
    return "nothing" if outcome.message.media is None else outcome.message.media.kind.value.replace("_", " ")


def _kind_and_size(outcome: ItemOutcome) -> str:
    """With the size where that is the reason."""
    media = outcome.message.media
    by_size = outcome.reason in (SkipReason.EXCEEDS_BOT_LIMIT, SkipReason.EXCEEDS_CFG_LIMIT)
    return (
        f"{_kind(outcome)}, {size(media.size_bytes)}"
        if by_size and media is not None and media.size_bytes is not None
        else _kind(outcome)
    )


def _kinds(outcomes: Sequence[ItemOutcome]) -> str:
    counts = Counter(_kind(outcome) for outcome in outcomes)
    return ", ".join(kind if count == 1 else f"{count} × {kind}" for kind, count in counts.items())
