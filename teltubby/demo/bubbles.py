"""The conversation as the curator's phone shows it: bubbles, theirs on the right, the bot's on the left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.align import Align
from rich.box import ROUNDED
from rich.cells import chop_cells
from rich.console import RenderableType
from rich.constrain import Constrain
from rich.panel import Panel
from rich.text import Text

from teltubby.actors.phrases import size
from teltubby.simulator.curator import ChatLine

LEAST_COLUMNS, MOST_COLUMNS = 24, 92
MARGIN = 6
"""Columns that a bubble leaves free on the other side."""
FRAME = 4
"""Columns of a bubble that are not text."""

_ICONS: Mapping[str, str] = {"photo": "📷", "video": "🎬", "document": "📄"}
_FOLDER = "📁"
_EMOJI_STYLE = "\ufe0f"
"""Terminals disagree on the width of signs that this selector makes an emoji; without it they do not."""


def plain_text(line: ChatLine) -> str:
    """The text of a message, in characters whose width is known."""
    return line.text.replace(_EMOJI_STYLE, "")


def media_text(line: ChatLine) -> str:
    """`📄 name · 1.2 MB`; empty for a message without a file."""
    if line.file is None:
        return ""
    name = line.file.name or line.file.kind.value
    return f"{_ICONS.get(line.file.kind.value, '📎')} {name} · {size(line.file.size)}"


def bubbles(
    conversation: Sequence[ChatLine], *, columns: int, curator: str, bot: str, forwarded_from: str | None = None
) -> Iterator[RenderableType]:
    """One bubble per message, or per album."""
    widest = max(min(MOST_COLUMNS, columns - MARGIN), LEAST_COLUMNS)
    for _, group in groupby(conversation, key=lambda line: (line.grouped_id or line.message_id, line.from_bot)):
        lines = list(group)
        from_bot = lines[0].from_bot
        panel = Panel(
            _content(lines, widest - FRAME, None if from_bot else forwarded_from),
            box=ROUNDED,
            title=bot if from_bot else curator,
            title_align="left",
            subtitle="edited" if any(line.edits for line in lines) else None,
            subtitle_align="right",
            border_style="cyan" if from_bot else "green",
            expand=False,
        )
        yield Align(Constrain(panel, widest), "left" if from_bot else "right")


def _content(lines: Sequence[ChatLine], columns: int, forwarded_from: str | None) -> Text:
    text = Text(overflow="fold")
    if forwarded_from:
        text.append(f"↪ Forwarded from {forwarded_from}\n", style="italic dim")
    text.append("\n".join(media for line in lines if (media := media_text(line))), style="bold")
    for words in (plain_text(line) for line in lines if line.text):
        text.append(("\n" if text else "") + _folded(words, columns))
    return text


def _folded(words: str, columns: int) -> str:
    """A path is broken where the line ends: at its only space, before it, a line would hold nothing but the sign."""
    return "\n".join(
        "\n".join(chop_cells(line, columns)) if line.startswith(_FOLDER) else line for line in words.split("\n")
    )
