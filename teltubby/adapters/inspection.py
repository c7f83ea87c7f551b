"""What `teltubby doctor` asks the Bot API beside what the bot itself needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from teltubby.adapters.base import BotGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFacts:
    """A chat as the bot sees it; `kind` is private, group, supergroup or channel, `is_protected`: nobody may copy.

    `is_public`: it has a public name, under which everybody may read it.
    """

    id: int
    kind: str
    title: str
    is_protected: bool
    is_public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """What an account may do in a chat; `status` is creator, administrator, member, restricted, left or kicked.

    `can_post`: write messages there (in a channel that takes a right). `can_delete`: delete those of others too.
    """

    status: str
    can_post: bool
    can_delete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFacts:
    """Where updates are brought (`url` is empty: nowhere, they are fetched), and how many wait."""

    url: str
    pending: int
    last_error: str | None


class BotInspector(BotGateway, Protocol):
    """The Bot API for whoever looks whether everything is set up. Raises what BotGateway raises."""

    async def chat(self, chat_id: int) -> ChatFacts:
        """getChat. Raises ChatUnavailable."""
        ...

    async def member(self, chat_id: int, user_id: int) -> MemberFacts:
        """getChatMember; who never was in the chat has left it. Raises ChatUnavailable when the bot is not in it."""
        ...

    async def webhook(self) -> WebhookFacts:
        """getWebhookInfo."""
        ...

    async def server_time(self) -> datetime | None:
        """What the server's clock says in an HTTP answer (whole seconds); None when it says nothing."""
        ...

    async def send_file(self, chat_id: int, path: Path, *, html: str) -> int:
        """sendDocument, silently, of at most 50 MB from the cloud; returns the new message id. Raises FileTooBig."""
        ...
