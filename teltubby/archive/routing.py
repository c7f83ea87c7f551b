"""Which way a file takes into the archive: at once by the Bot API, through the queue by MTProto, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from teltubby.messages.media import Media, MediaKind, SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest file, in bytes, that policy sends by the Bot API, that its server serves, that is archived at all."""

    policy_bytes: int
    server_bytes: int
    max_bytes: int

    @property
    def direct_bytes(self) -> int:
        """The largest file that is fetched by the Bot API."""
        return min(self.policy_bytes, self.server_bytes)


@dataclass(frozen=True, slots=True)
class Direct:
    """Fetch it by the Bot API, now."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Make a job of it, for MTProto."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Do not archive it, and say why."""

    reason: SkipReason


Decision = Direct | Queue | Skip


def route(media: Media, limits: Limits) -> Decision:
    """The way for this file, by the size that Telegram announced; each limit itself is still within it.

    A file of unknown size goes to the queue, except a photo: the Bot API serves every photo, and MTProto has no
    document for it to be recognised by. So a photo over the limit has no way at all.
    """
    size = media.size_bytes
    if size is not None and size > limits.max_bytes:
        return Skip(SkipReason.EXCEEDS_CFG_LIMIT)
    if size is None:
        return Direct() if media.kind is MediaKind.PHOTO else Queue()
    return Direct() if size <= limits.direct_bytes else after_refusal(media)


def after_refusal(media: Media) -> Queue | Skip:
    """The way for a file that the Bot API server refused, or would refuse, as too big."""
    return Skip(SkipReason.EXCEEDS_BOT_LIMIT) if media.kind is MediaKind.PHOTO else Queue()
