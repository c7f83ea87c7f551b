"""Submissions that grow: by items of an album that come late, and by files that an edit puts in the place of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from teltubby.archive.artifact import describe_caption, describe_item, totals
from teltubby.archive.plain_json import plain
from teltubby.messages.media import IncomingMessage, ItemOutcome, JsonObject


def joined(
    artifact: JsonObject, messages: Sequence[IncomingMessage], outcomes: Sequence[ItemOutcome]
) -> dict[str, JsonValue]:
    """The album's artifact with these files added behind those that it has, and everything that follows recomputed.

    Idempotent: a message whose files it has already is left as it is. Each new item is marked `late`; a caption and
    what else came with a late message are added as `build` would have, and nothing that is there is changed. Raises
    ValueError when this is no artifact.
    """
    grown, telegram, items = _opened(artifact)
    known = {item.get("message_id") for item in items}  # a live photo's two files come together
    added = [outcome for outcome in outcomes if str(outcome.message.message_id) not in known]
    items += [describe_item(outcome) | {"late": True} for outcome in sorted(added, key=lambda added: added.ordinal)]
    new = {outcome.message.message_id for outcome in added}
    for message in sorted(messages, key=lambda message: message.message_id):
        if message.message_id in new:
            _add_caption(telegram, message)
            for name, value in (message.extras or {}).items():
                telegram.setdefault(name, plain(value))
    grown.update(totals(items))
    return grown


def exchanged(artifact: JsonObject, outcome: ItemOutcome) -> dict[str, JsonValue]:
    """A post's artifact with the file that an edit put in the place of another; that one stays, as it was archived.

    Idempotent; the new item is marked `exchanged`. Raises ValueError when this is no artifact.
    """
    grown, _, items = _opened(artifact)
    if not has_file(artifact, outcome.message):
        items.append(describe_item(outcome) | {"exchanged": True})
        grown.update(totals(items))
    return grown


def has_file(artifact: JsonObject, message: IncomingMessage) -> bool:
    """Whether the file that the message carries is one of the artifact's. Raises ValueError when this is none."""
    _, _, items = _opened(artifact)
    file = None if message.media is None else message.media.file_unique_id
    return any(item.get("file_unique_id") == file for item in items)


def next_ordinal(artifact: JsonObject) -> int:
    """The ordinal of the next file that joins. Raises ValueError when this is no artifact."""
    _, _, items = _opened(artifact)
    return max((int(item["ordinal"]) for item in items), default=0) + 1


def late_messages(artifact: JsonObject) -> frozenset[int]:
    """The messages whose files joined late. Raises ValueError when this is no artifact."""
    _, _, items = _opened(artifact)
    return frozenset(int(item["message_id"]) for item in items if item.get("late"))


def album_order(artifact: JsonObject) -> tuple[int, ...]:
    """The ordinals in the order of the album, which is that of the messages' ids.

    Items of artifacts that do not name their messages came first, and in order.
    """
    _, _, items = _opened(artifact)
    placed = sorted(items, key=lambda item: (int(item.get("message_id") or 0), int(item["ordinal"])))
    return tuple(int(item["ordinal"]) for item in placed)


def _opened(artifact: JsonObject) -> tuple[dict[str, JsonValue], dict[str, Any], list[dict[str, Any]]]:
    """A copy of the artifact, and its parts, which can be changed in place."""
    copy = plain(artifact)
    telegram = copy.get("telegram") if isinstance(copy, dict) else None
    items: Any = telegram.get("items") if isinstance(telegram, dict) else None
    if not isinstance(copy, dict) or not isinstance(telegram, dict) or not isinstance(items, list):
        raise ValueError("not an artifact: it has no items")
    return copy, telegram, items


def _add_caption(telegram: dict[str, Any], message: IncomingMessage) -> None:
    if not message.caption:
        return
    if not telegram.get("caption_plain"):
        caption = describe_caption(message)
        telegram.update(caption_plain=caption["caption_plain"], caption_entities=caption["caption_entities"])
        telegram["caption_message_id"] = caption["message_id"]
        return
    owner = telegram.pop("caption_message_id", telegram.get("message_id"))
    first = {
        "message_id": owner,
        "caption_plain": telegram["caption_plain"],
        "caption_entities": telegram.get("caption_entities"),
    }
    telegram.setdefault("captions", [first]).append(describe_caption(message))
