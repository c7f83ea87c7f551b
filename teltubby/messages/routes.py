"""By which ways, and under which accounts, a worker reaches a file (telegram.md, "How the worker can reach a file")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from teltubby.messages.media import Route


class AccountKind(StrEnum):
    """Whose MTProto session it is: the bot's own, or that of the person who signed in for the worker."""

    USER = "user"
    BOT = "bot"


class FileRoute(StrEnum):
    """A way to a file.

    RELAY: a copy that the bot makes in a private channel of which the user account is a member. BOT: the bot's own
    mailbox, over the bot's session. ORIGIN: where the message was forwarded from, or the collected post itself, if the
    user account can read there. OWN: the user account's own dialog with the bot, when it is the curator's.
    """

    RELAY = "relay"
    BOT = "bot"
    ORIGIN = "origin"
    OWN = "own"

    @property
    def account(self) -> AccountKind:
        """Whose session goes this way."""
        return AccountKind.BOT if self is FileRoute.BOT else AccountKind.USER


ARTIFACT_ROUTE: Mapping[AccountKind, Route] = {
    AccountKind.USER: Route.MTPROTO_USER,
    AccountKind.BOT: Route.MTPROTO_BOT,
}
"""What the artifact calls what an account served (compatibility.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTry:
    """A way that was tried for a job; `reason` says in words why it did not serve, None: it served."""

    route: FileRoute
    reason: str | None = None
