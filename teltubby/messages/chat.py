"""What comes from a chat beside new messages, and what goes to it beside text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from teltubby.messages.media import IncomingMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One button under a message of ours; `data` (at most 64 bytes, Bot API) comes back when it is pressed."""

    text: str
    data: str


Keyboard = Sequence[Sequence[Button]]
"""Rows of buttons; none at all takes the buttons away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPress:
    """Somebody pressed a button, or a client says so: `data` can be forged, `user_id` cannot.

    `chat_id` and `message_id` are those of the message with the button, None where Telegram no longer has it.
    """

    press_id: str
    user_id: int
    chat_id: int | None
    chat_type: str | None
    message_id: int | None
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedMessage:
    """A message that was handed in before reads `message` since `edited_at`."""

    message: IncomingMessage
    edited_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something that somebody sent, changed (`edited`) or pressed (`press_id`), and this version cannot read.

    `message_id` is that of the message, None where not even that can be told; `why` is for the log.
    """

    sender_id: int
    chat_id: int
    chat_type: str
    message_id: int | None
    edited: bool = False
    press_id: str | None = None
    why: str


Incoming = IncomingMessage | EditedMessage | ButtonPress | Unreadable
"""What an update of the inbox can be."""
