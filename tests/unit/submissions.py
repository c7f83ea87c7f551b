"""Submissions as the bot records them, with real artifacts, for the tests of what the ledger knows of the archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from teltubby.archive.artifact import build, dumps
from teltubby.messages.jobs import Job
from teltubby.messages.ledger import ExtendSubmission, SettleFile, Submit
from teltubby.messages.media import DedupReason, ItemOutcome, ItemStatus
from tests.unit.archive.samples import MOMENT, media, message

CHAT = 7


def outcomes(
    message_id: int, *names: str, caption: str | None = None, status: ItemStatus = ItemStatus.STORED, **fields: Any
) -> list[ItemOutcome]:
    """What became of the files of these names, each in a message of its own from `message_id` on."""
    return [
        ItemOutcome(
            ordinal=number + 1,
            message=message(
                message_id + number,
                chat_id=CHAT,
                caption=None if number else caption,
                media=media(file_name=name),
                **{"media_group_id": "album" if len(names) > 1 else None} | fields,
            ),
            status=status,
            s3_key=key(message_id, number + 1),
            size_bytes=100,
            sha256="a" * 64,
            duplicate_of="elsewhere" if status is ItemStatus.DUPLICATE else None,
            dedup_reason=DedupReason.SHA256 if status is ItemStatus.DUPLICATE else None,
        )
        for number, name in enumerate(names)
    ]


def key(message_id: int, ordinal: int = 1) -> str:
    return f"{base_path(message_id)}{ordinal}.jpg"


def base_path(message_id: int) -> str:
    return f"teltubby/2025/01/curator/{message_id}/"


def artifact(told: list[ItemOutcome]) -> str:
    """Their message.json."""
    built = build(
        [outcome.message for outcome in told],
        told,
        bucket="b",
        base_path=base_path(told[0].message.message_id),
        archived_at=MOMENT,
        bot_api_max_file_size_bytes=50_000_000,
    )
    return dumps(built).decode()


def handed_in(message_id: int, *names: str, jobs: tuple[Job, ...] = (), **fields: Any) -> Submit:
    """A submission of files of these names (one called `x.jpg` when none is given)."""
    told = outcomes(message_id, *(names or ("x.jpg",)), **fields)
    return Submit(
        chat_id=CHAT,
        message_id=message_id,
        media_group_id=told[0].message.media_group_id,
        base_path=base_path(message_id),
        artifact_json=artifact(told),
        jobs=jobs,
        member_message_ids=tuple(outcome.message.message_id for outcome in told),
    )


def extended(submit: Submit, *members: int, jobs: tuple[Job, ...] = (), text: str = "{}") -> ExtendSubmission:
    """More of that album."""
    return ExtendSubmission(
        chat_id=submit.chat_id,
        message_id=submit.message_id,
        artifact_json=text,
        jobs=jobs,
        member_message_ids=members,
    )


def content(letter: str, *, size: int = 100, name: str | None = None) -> SettleFile:
    """A copy of the content that is called by one letter."""
    copy = SettleFile(sha256=letter * 64, s3_key=letter, size_bytes=size, mime=None, file_unique_id=letter)
    return copy if name is None else replace(copy, file_unique_id=name)
