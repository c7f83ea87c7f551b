"""Who waits for an answer still, told without the code that reads updates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from teltubby.messages.media import RawUpdate
from tests.actors.stage import ANNA
from tests.actors.world import World

FILES = ("animation", "audio", "document", "live_photo", "photo", "sticker", "video", "video_note", "voice")


def whole(number: object) -> bool:
    return type(number) is int and -(2**63) < number < 2**63


def unanswered(world: World, updates: list[RawUpdate]) -> Iterator[dict[str, Any]]:
    """Updates of somebody who is welcome, from a private chat, who waits for an answer still.

    An album is answered once for the files of it that are archived, and a message that comes twice once. None is due
    to an edit of what has no file.
    """
    handed_in = [json.loads(kept.payload) for kept in updates]
    replies = {(bubble.chat_id, bubble.reply_to) for bubble in world.telegram.bubbles}
    presses = {press.press_id for press in world.telegram.presses}
    artifacts = world.artifacts().values()
    archived = {item["message_id"] for artifact in artifacts for item in artifact["telegram"]["items"]}
    numbers = {named(body["message"].get("message_id")) for body in handed_in if is_welcome(body, "message")}
    for body in handed_in:
        if is_welcome(body, "message"):
            message = body["message"]
            family = [message]
            if isinstance(group := message.get("media_group_id"), str):
                family += [
                    other["message"]
                    for other in handed_in
                    if is_welcome(other, "message") and other["message"].get("media_group_id") == group
                ]
            is_missing = any(message.get(name) for name in FILES) and str(message.get("message_id")) not in archived
            if not is_answered(message, replies) and (
                is_missing or all(not is_answered(one, replies) for one in family)
            ):
                yield body
        elif is_welcome(body, "edited_message"):
            edit = body["edited_message"]
            is_new = any(edit.get(name) for name in FILES) and named(edit.get("message_id")) not in numbers
            if is_new and not is_answered(edit, replies):
                yield body
        elif is_welcome(body, "callback_query"):
            query = body["callback_query"]
            if isinstance(query.get("id"), str) and query.get("data") is not None and query["id"] not in presses:
                yield body


def is_welcome(update: dict[str, Any], kind: str) -> bool:
    """Whether it can be told, of what nobody else understands, that a curator sent it in his own chat."""
    body = update.get(kind)
    if not isinstance(body, dict) or not isinstance(who := body.get("from"), dict):
        return False
    shown = body.get("message") if kind == "callback_query" else body
    chat = shown.get("chat") if isinstance(shown, dict) else None
    is_private = isinstance(chat, dict) and chat.get("type") == "private" and whole(chat.get("id"))
    return type(who.get("id")) is int and who["id"] == ANNA and is_private


def named(number: object) -> object:
    """Nothing stands for a number that may be read as another."""
    return number if whole(number) else None


def is_answered(message: dict[str, Any], replies: set[tuple[int, int | None]]) -> bool:
    chat_id, number = message["chat"]["id"], message.get("message_id")
    return (chat_id, number) in replies if whole(number) else any(chat_id == chat for chat, _ in replies)
