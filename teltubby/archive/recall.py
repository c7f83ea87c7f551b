"""Reads back from an artifact what became of each file: how work that was cut off knows what it had decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from teltubby.messages.media import DedupReason, IncomingMessage, ItemOutcome, ItemStatus, JsonObject, Route


def recall(artifact_json: str, messages: Sequence[IncomingMessage]) -> tuple[ItemOutcome, ...]:
    """The outcomes that were written for these messages, in the order of their ids; of the two files of a live photo,
    each has its own. Raises KeyError or ValueError for others.

    Artifacts that do not name the message of each item have one for every message, in order.
    """
    carrying = sorted((message for message in messages if message.media), key=lambda message: message.message_id)
    items = json.loads(artifact_json)["telegram"]["items"]
    named: dict[str, dict[str, Any]] = {item["message_id"]: item for item in items if "message_id" in item}
    exact: dict[Any, dict[str, Any]] = {
        (item["message_id"], item.get("file_unique_id")): item for item in items if "message_id" in item
    }
    nameless = [item for item in items if "message_id" not in item]
    older = [message for message in carrying if str(message.message_id) not in named] if nameless else []
    paired = {message.message_id: item for item, message in zip(nameless if older else (), older, strict=True)}

    def recalled(message: IncomingMessage) -> dict[str, Any]:
        number = str(message.message_id)
        file = None if message.media is None else message.media.file_unique_id
        return paired.get(message.message_id) or exact.get((number, file)) or named[number]

    return tuple(_outcome(recalled(message), message) for message in carrying)


def recorded_items(artifact: JsonObject) -> tuple[JsonObject, ...]:
    """The entries of `items`, as they stand. Raises KeyError or TypeError when this is no artifact."""
    telegram: Any = artifact["telegram"]
    return tuple(telegram["items"])


def _outcome(item: dict[str, Any], message: IncomingMessage) -> ItemOutcome:
    return ItemOutcome(
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
