"""Jobs for the files of a submission that are queued."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from teltubby.archive.estimate import behind, estimate
from teltubby.messages.jobs import FileInfo, Job, JobMetadata, Target, TelegramContext
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_jobs import ReadPace
from teltubby.messages.media import ItemOutcome, ItemStatus
from teltubby.supervision import Ref

ASK_SECONDS = 60.0


async def jobs_for(
    outcomes: Sequence[ItemOutcome], *, ledger: Ref[LedgerMessage], max_retries: int, user_id: int | None = None
) -> tuple[Job, ...]:
    """A job for each queued file, with its estimate. `user_id` says whose they are; None: each its sender's.

    Raises what asking the ledger raises.
    """
    queued = [outcome for outcome in outcomes if outcome.status is ItemStatus.QUEUED]
    if not queued:
        return ()
    pace = await ledger.ask(ReadPace(), within=ASK_SECONDS)
    jobs: list[Job] = []
    for outcome in queued:
        estimated = estimate(pace, outcome.size_bytes)
        jobs.append(_job(outcome, estimated, max_retries=max_retries, user_id=user_id))
        pace = behind(pace, outcome.size_bytes)
    return tuple(jobs)


def _job(outcome: ItemOutcome, estimated: float | None, *, max_retries: int, user_id: int | None) -> Job:
    message, media = outcome.message, outcome.message.media
    if media is None or outcome.s3_key is None:
        raise ValueError("a queued item has a file and a place for it")
    return Job(
        job_id=outcome.job_id or str(uuid.uuid4()),
        user_id=user_id if user_id is not None else message.sender_id or message.chat_id,
        chat_id=message.chat_id,
        message_id=message.message_id,
        file_info=FileInfo(
            file_id=media.file_id,
            file_unique_id=media.file_unique_id,
            file_size=media.size_bytes,
            file_type=media.kind,
            file_name=media.file_name,
            mime_type=media.mime_type,
        ),
        telegram_context=TelegramContext(
            forward_origin=message.forward_origin,
            caption=message.caption,
            entities=message.caption_entities,
            media_group_id=message.media_group_id,
        ),
        job_metadata=JobMetadata(created_at=datetime.now(UTC), max_retries=max_retries, estimated_duration=estimated),
        target=Target(key=outcome.s3_key),
    )
