"""The door: what the updates of the inbox bring, and who is let in."""

from __future__ import annotations

import logging
from collections.abc import Collection

from teltubby.actors.trail import Trail
from teltubby.adapters.base import UpdateParser
from teltubby.adapters.metrics import Metrics
from teltubby.archive.masks import has_secret
from teltubby.errors import MalformedMessage
from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming, Unreadable
from teltubby.messages.ledger import InboxGroup
from teltubby.messages.media import IncomingMessage

_LOG = logging.getLogger(__name__)


class Door:
    """Lets in whom the operator named, and nobody else, in private chats only."""

    def __init__(self, *, parse: UpdateParser, whitelist: Collection[int], metrics: Metrics, trail: Trail) -> None:
        self._parse = parse
        self._whitelist = frozenset(whitelist)
        self._metrics = metrics
        self._trail = trail

    def look(self, payload: str) -> Incoming | None:
        """What an update of somebody who is let in brings, as far as it can be told; raises nothing."""
        try:
            incoming = self._parse(payload)
        except Exception:  # noqa: BLE001 - it is met again, and reported, when its turn comes
            return None
        return incoming if incoming is not None and self.welcomes(incoming) else None

    def seen(self, group: InboxGroup) -> list[Incoming]:
        """What the updates of a group bring of people who are let in, as far as it can be told; raises nothing."""
        return [incoming for payload in group.payloads if (incoming := self.look(payload)) is not None]

    def brought(self, group: InboxGroup) -> list[Incoming]:
        """What the updates of a group bring, whoever sent it; raises what a bug in the parser does."""
        brought: list[Incoming] = []
        for update_id, payload in zip(group.update_ids, group.payloads, strict=True):
            try:
                incoming = self._parse(payload)
            except MalformedMessage as error:
                _LOG.error("update %d cannot be read and is left in the inbox's history: %s", update_id, error)
                continue
            if isinstance(incoming, Unreadable) and self.welcomes(incoming):
                _LOG.error("update %d of user %d cannot be read: %s", update_id, incoming.sender_id, incoming.why)
            if incoming is not None:
                brought.append(incoming)
        return brought

    def can_be_read(self, group: InboxGroup) -> bool:
        """Whether of all of it is known whose it is; what is nobody's may be a curator's."""
        try:
            for payload in group.payloads:
                self._parse(payload)
        except MalformedMessage:
            return False
        return True

    def welcomes(self, incoming: Incoming) -> bool:
        """Whether it is of somebody who is let in, and from a private chat."""
        match incoming:
            case ButtonPress():
                return incoming.user_id in self._whitelist and incoming.chat_type in ("private", None)
            case EditedMessage(message=message) | (IncomingMessage() | Unreadable() as message):
                return message.sender_id in self._whitelist and message.chat_type == "private"

    def refuse(self, incoming: Incoming) -> None:
        """Who is not welcome is counted, an album as one, and gets no answer at all."""
        self._metrics.refused_updates.inc()
        self._trail.turned_away(incoming)
        match incoming:
            case ButtonPress():
                _LOG.warning("refused: user %s pressed a button in chat %s", incoming.user_id, incoming.chat_id)
            case IncomingMessage() | Unreadable() as message:
                _LOG.warning("refused: user %s in chat %s (%s)", message.sender_id, message.chat_id, message.chat_type)
            case EditedMessage(message=message):
                _LOG.warning("refused: an edit of user %s in chat %s", message.sender_id, message.chat_id)

    def is_spilled_in_group(self, message: IncomingMessage) -> bool:
        """A secret of somebody who is welcome elsewhere. What strangers send is theirs."""
        known = message.sender_id in self._whitelist and message.chat_type in ("group", "supergroup")
        return known and has_secret(message.text or message.caption)


def message_in(incoming: Incoming) -> IncomingMessage | None:
    """The message that it is, or changed; none where it is a press, or cannot be read."""
    match incoming:
        case EditedMessage(message=message) | (IncomingMessage() as message):
            return message
        case ButtonPress() | Unreadable():
            return None
