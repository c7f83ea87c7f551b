"""Object keys: where in the store a submission and each of its files belong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from teltubby.archive.extensions import extension
from teltubby.archive.origins import ChatSlugFrom, chat_slug, sender_slug
from teltubby.archive.slugs import caption_slug, shorten, slug
from teltubby.archive.timestamps import file_time, month_path
from teltubby.messages.media import IncomingMessage, Media

PREFIX = "teltubby/"
"""Everything that teltubby writes is under this prefix."""

ARTIFACT_NAME = "message.json"

FILE_NAME_MAX = 120
"""Characters in a file name, extension included."""

KEY_MAX = 512
"""Characters in a whole key. It never binds: prefix, month, chat, a 64-bit id and the file name are at most 414, those
of a preview 425, and the number of `another_key` adds a few.
"""

DIRECTORY_SLUG_MAX = 255
"""Characters of the chat slug in the directory: what file systems allow one component."""

GROUP_ID_MAX = 32
"""Characters of a media group id in a name; Telegram's have 17 digits."""

PREVIEWS = "previews/"
"""The folder of a submission's previews, beside its files."""


_NUMBERED = re.compile(r"--r[0-9]+\Z")
"""What `another_key` adds: no slug has two hyphens in a row, so that no caption looks like it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a submission belongs: `base_path` ends in `/`, `keys` are those of its files in message_id order.

    The first of these files has the ordinal `first_ordinal`, and the others follow. `earlier` are, for each file, the
    keys that it would have if fewer messages of its album were known.
    """

    base_path: str
    keys: tuple[str, ...]
    artifact_key: str
    earlier: tuple[tuple[str, ...], ...]
    first_ordinal: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A file name by its parts. All but the caption and the two slugs are fixed: they make it unique."""

    time: str
    identity: str
    caption: str
    ending: str

    @property
    def fixed_length(self) -> int:
        """Characters of the name without slugs and caption; three underscores join what is always there."""
        return len(self.time) + len(self.identity) + len(self.ending) + 3

    def render(self, chat: str, sender: str) -> str:
        room = FILE_NAME_MAX - self.fixed_length - len(chat) - len(sender) - 1
        caption = f"_{shorten(self.caption, room)}" if self.caption and room > 0 else ""
        return f"{self.time}_{chat}_{sender}_{self.identity}{caption}{self.ending}"


def plan_layout(
    messages: Sequence[IncomingMessage],
    *,
    chat_slug_from: ChatSlugFrom = "origin",
    base_path: str | None = None,
    first_ordinal: int = 1,
) -> Layout:
    """The keys of one message or album, decided by what Telegram says of it and by nothing else.

    One key per message that carries media, in message_id order; directory, chat and sender are those of the first
    message, time, id and caption in a file name those of the file's own. Long names lose the caption first, then of
    chat and sender whichever is longer; both are cut alike for the whole album, so that names differ by what follows
    them: message id and ordinal. Raises ValueError when no message carries media.

    Messages that join an album later are given its `base_path` and the first ordinal that it has not used.
    """
    ordered = sorted(messages, key=lambda message: message.message_id)
    carrying = [(message, message.media) for message in ordered if message.media is not None]
    if not carrying:
        raise ValueError("no message carries media: there is nothing to lay out")
    first = ordered[0]
    chat = chat_slug(first, chat_slug_from=chat_slug_from)
    if base_path is None:
        directory = shorten(chat, DIRECTORY_SLUG_MAX)
        base_path = f"{PREFIX}{month_path(first.date)}/{directory}/{first.message_id}/"
    names = [_name(message, media, ordinal) for ordinal, (message, media) in enumerate(carrying, start=first_ordinal)]
    chat, sender = _fit(chat, sender_slug(first), FILE_NAME_MAX - max(name.fixed_length for name in names))
    keys = [base_path + name.render(chat, sender) for name in names]
    earlier = [
        [base_path + _name(message, media, lower).render(chat, sender) for lower in range(1, ordinal)]
        for ordinal, (message, media) in enumerate(carrying, start=first_ordinal)
    ]
    return Layout(
        base_path=base_path,
        keys=tuple(keys),
        artifact_key=base_path + ARTIFACT_NAME,
        first_ordinal=first_ordinal,
        earlier=tuple(tuple(key for key in lower if key not in keys) for lower in earlier),
    )


def another_key(key: str, number: int) -> str:
    """A key beside `key`, for the same file: it ends in `number`, which the file's keys must not have had before."""
    folder, slash, name = key.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    return f"{folder}{slash}{_NUMBERED.sub('', stem)}--r{number}{dot}{ending}"


def preview_key(key: str) -> str | None:
    """The key of the preview of the picture under `key`; None where it would be longer than a key may be.

    In a folder that no file of a submission lies in, under the file's own name: time, message id and ordinal, which no
    other file of the submission has, stand in it, so that no two share a preview's key either.
    """
    folder, slash, name = key.rpartition("/")
    stem = name.rpartition(".")[0] or name
    found = f"{folder}{slash}{PREVIEWS}{stem}.jpg"
    return found if len(found) <= KEY_MAX else None


def _name(message: IncomingMessage, media: Media, ordinal: int) -> _Name:
    group = slug(message.media_group_id or "")
    group_part = f"-g{shorten(group, GROUP_ID_MAX)}" if group else ""
    return _Name(
        time=file_time(message.date),
        identity=f"m{message.message_id}{group_part}_{ordinal:03d}",
        caption=caption_slug(message.caption),
        ending=f".{extension(media)}",
    )


def _fit(chat: str, sender: str, room: int) -> tuple[str, str]:
    """Both slugs in at most `room` characters together; the shorter one is spared while it takes under half of it."""
    if len(chat) + len(sender) <= room:
        return chat, sender
    half = room // 2
    chat_room = max(room - len(sender), half)
    chat = shorten(chat, chat_room)
    return chat, shorten(sender, room - len(chat))
