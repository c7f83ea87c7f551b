"""Reads back from an artifact what became of each file: how work that was cut off knows what it had decided."""

from __future__ import annotations

import json
from collections.abc import Sequence

from teltubby.messages.media import DedupReason, IncomingMessage, ItemOutcome, ItemStatus, Route


def recall(artifact_json: str, messages: Sequence[IncomingMessage]) -> tuple[ItemOutcome, ...]:
    """The outcomes that `build` wrote for these messages, in order. Raises KeyError or ValueError for others."""
    carrying = sorted((message for message in messages if message.media), key=lambda message: message.message_id)
    return tuple(
        ItemOutcome(
            ordinal=item["ordinal"],
            message=message,
            status=ItemStatus(item["status"]),
            reason=item["reason"],
            s3_key=item["s3_key"],
            sha256=item["sha256"],
            size_bytes=item["size_bytes"],
            duplicate_of=item["duplicate_of"],
            dedup_reason=DedupReason(item["dedup_reason"]) if item["dedup_reason"] else None,
            job_id=item["job_id"],
            route=Route(item["route"]) if item["route"] else None,
        )
        for item, message in zip(json.loads(artifact_json)["telegram"]["items"], carrying, strict=True)
    )
