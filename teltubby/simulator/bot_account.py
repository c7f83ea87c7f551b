"""What the Bot API server keeps for one bot: its updates, files, flood control and commands."""

from __future__ import annotations

import asyncio

from teltubby.simulator.bot_errors import ApiError, bad_request, refusal, too_many_requests
from teltubby.simulator.bot_files import BotFiles
from teltubby.simulator.bot_updates import UpdateQueue, WebhookState
from teltubby.simulator.bot_views import Json, Views, chat_view, user_view
from teltubby.simulator.bot_webhook import deliver
from teltubby.simulator.messages import (
    BotStopped,
    ButtonPressed,
    Event,
    Message,
    MessageAdded,
    MessageEdited,
    TokenRevoked,
)
from teltubby.simulator.people import Chat, ChatKind, Peer, User
from teltubby.simulator.rules import FloodControl, Reason
from teltubby.simulator.world import World

FIRST_UPDATE = 100_000_000


class BotAccount:
    """One bot as the server knows it. It lives as long as the world, so that updates wait while nobody polls."""

    def __init__(self, world: World, bot: User) -> None:
        self.world = world
        self.bot = bot
        self.files = BotFiles(world, bot)
        self.views = Views(self.files)
        self.updates = UpdateQueue(world.now, FIRST_UPDATE + bot.id % 1_000_000)
        self.flood = FloodControl(world.flood_rule)
        self.commands: dict[str, list[Json]] = {}
        self._delivery: asyncio.Task[None] | None = None

    # -- updates

    def see(self, event: Event) -> None:
        """Queue what this bot is told about an event. A bot hears nothing of what it did itself."""
        match event:
            case MessageAdded() if self._concerned(event.message):
                self._push(event.message, "message", "channel_post")
            case MessageEdited(hidden=False) if self._concerned(event.message):
                self._push(event.message, "edited_message", "edited_channel_post")
            case ButtonPressed() if event.query.bot is self.bot:
                self.updates.push("callback_query", lambda: self.views.callback_query(event.query))
            case BotStopped() if event.bot is self.bot:
                self.updates.push("my_chat_member", lambda: self._stopped(event))
            case TokenRevoked() if event.bot is self.bot:
                self.set_webhook(None)
                self.updates.terminate(ApiError(401, "Unauthorized"))
            case _:
                pass

    def _concerned(self, message: Message) -> bool:
        if message.post.author is self.bot:
            return False
        peer = message.peer
        if isinstance(peer, Chat) and peer.is_channel:
            return self.bot.id in peer.members
        return message.mailbox is self.bot.mailbox

    def _push(self, message: Message, kind: str, in_channel: str) -> None:
        peer = message.peer
        is_post = isinstance(peer, Chat) and peer.kind is ChatKind.CHANNEL
        self.updates.push(in_channel if is_post else kind, lambda: self.views.message(message))

    def _stopped(self, event: BotStopped) -> Json:
        statuses = ("member", "kicked") if event.blocked else ("kicked", "member")
        old, new = ({"user": user_view(self.bot), "status": status} for status in statuses)
        return {
            "chat": chat_view(event.person),
            "from": user_view(event.person),
            "date": self.world.now(),
            "old_chat_member": old | ({"until_date": 0} if old["status"] == "kicked" else {}),
            "new_chat_member": new | ({"until_date": 0} if new["status"] == "kicked" else {}),
        }

    def set_webhook(self, webhook: WebhookState | None) -> None:
        """Deliver to a webhook from now on, or let the bot poll again."""
        self.stop()
        self.updates.webhook = webhook
        if webhook is not None:
            self.updates.terminate(ApiError(409, "Conflict: terminated by setWebhook request"))
            self._delivery = asyncio.get_running_loop().create_task(
                deliver(self.updates, webhook, self.world.faults, self.bot.id)
            )

    def stop(self) -> None:
        """End the delivery to a webhook."""
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None

    # -- chats and messages

    def chat(self, chat_id: str | None) -> Peer:
        """The chat of that id or @username, if the bot can know it. Raises ApiError 400 "chat not found"."""
        if not chat_id:
            raise bad_request("chat_id is empty")
        if chat_id.startswith("@"):
            peer: Peer | None = self.world.chat_by_username(chat_id)
        else:
            peer = self.world.peer_by_bot_api_id(int(chat_id)) if chat_id.lstrip("-").isdigit() else None
        if peer is None or not self._knows(peer):
            raise bad_request("chat not found")
        return peer

    def readable(self, chat_id: str | None) -> Peer:
        """The same, of a chat whose messages the bot can see. Raises ApiError 403 too."""
        peer = self.chat(chat_id)
        if isinstance(peer, Chat) and self.bot.id not in peer.members:
            raise refusal(Reason.KICKED if self.bot.id in peer.kicked else Reason.NOT_A_MEMBER, peer)
        return peer

    def message(self, peer: Peer, message_id: int, purpose: str) -> Message:
        """A message the bot sees. Raises ApiError 400 "message to <purpose> not found"."""
        message = self.world.message(self.bot, peer, message_id)
        if message is None:
            raise bad_request(f"message to {purpose} not found")
        return message

    def spend(self, peer: Peer) -> None:
        """Count a message or edit to this chat. Raises ApiError 429 when it is one too many."""
        wait = self.flood.spend(peer.bot_api_id, asyncio.get_running_loop().time())
        if wait > 0:
            raise too_many_requests(wait)

    def _knows(self, peer: Peer) -> bool:
        if isinstance(peer, Chat):
            return peer.username is not None or self.bot.id in peer.members | peer.kicked
        if peer is self.bot or peer.is_bot or (peer.id, self.bot.id) in self.world.started:
            return True
        shared = {self.bot.id, peer.id}
        return any(shared <= chat.members for chat in self.world.chats.values())
