"""Who may write where, and how often: Telegram's own rules, as values and pure checks."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum, auto

from teltubby.simulator.people import Chat, ChatKind, Peer, User


class Reason(StrEnum):
    """Why the world refuses something; each server words it in its own way."""

    NOT_STARTED = auto()
    BLOCKED = auto()
    BOT_TO_BOT = auto()
    DEACTIVATED = auto()
    KICKED = auto()
    NOT_A_MEMBER = auto()
    ADMIN_REQUIRED = auto()
    PROTECTED = auto()
    NOT_AUTHOR = auto()
    NOT_MODIFIED = auto()
    MIGRATED = auto()


class Refused(Exception):
    """The world's rules forbid it; `reason` says which one."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def may_write(
    sender: User, peer: Peer, *, started: Container[tuple[int, int]], blocked: Container[tuple[int, int]]
) -> Reason | None:
    """Why `sender` may not write to `peer`, or None. Both sets hold (person, bot) pairs of account ids."""
    match peer:
        case User():
            if peer.deactivated:
                return Reason.DEACTIVATED
            if sender.is_bot and peer.is_bot:
                return Reason.BOT_TO_BOT
            if sender.is_bot and (peer.id, sender.id) in blocked:
                return Reason.BLOCKED
            if sender.is_bot and (peer.id, sender.id) not in started:
                return Reason.NOT_STARTED
        case Chat():
            if peer.migrated_to is not None:
                return Reason.MIGRATED
            if sender.id in peer.kicked:
                return Reason.KICKED
            if sender.id not in peer.members:
                return Reason.NOT_A_MEMBER
            rights = peer.rights_of(sender.id)
            if peer.kind is ChatKind.CHANNEL and (rights is None or not rights.can_post):
                return Reason.ADMIN_REQUIRED
    return None


@dataclass(slots=True, kw_only=True)
class FloodRule:
    """How many messages and edits a bot may send per second, overall and per chat, beyond the bursts."""

    enabled: bool = True
    overall: float = 30.0
    overall_burst: int = 30
    per_chat: float = 1.0
    per_chat_burst: int = 20


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens per second up to `burst`."""

    rate: float
    burst: int
    level: float = field(init=False)
    at: float | None = None

    def __post_init__(self) -> None:
        self.level = float(self.burst)

    def wait(self, now: float) -> float:
        """Seconds until a token is there; 0 when one is. Takes none."""
        if self.at is not None:
            self.level = min(float(self.burst), self.level + (now - self.at) * self.rate)
        self.at = now
        return 0.0 if self.level >= 1 else (1 - self.level) / self.rate

    def take(self) -> None:
        """Use up the token that `wait` found."""
        self.level -= 1


class FloodControl:
    """Applies a FloodRule to one bot; `now` is in seconds of any steady clock."""

    def __init__(self, rule: FloodRule) -> None:
        self._rule = rule
        self._overall = Bucket(rule.overall, rule.overall_burst)
        self._chats: dict[int, Bucket] = {}

    def spend(self, chat_id: int, now: float) -> float:
        """Seconds to wait before a message to `chat_id` is allowed; 0 means it was and is counted."""
        if not self._rule.enabled:
            return 0.0
        chat = self._chats.setdefault(chat_id, Bucket(self._rule.per_chat, self._rule.per_chat_burst))
        wait = max(self._overall.wait(now), chat.wait(now))
        if wait == 0:
            self._overall.take()
            chat.take()
        return wait
