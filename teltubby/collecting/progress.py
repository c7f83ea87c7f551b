"""What people see while history is collected: a bar for each channel on a terminal, lines in the log elsewhere."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from teltubby.collector.history import Progress as Collected
from teltubby.messages.collected import Channel

_LOG = logging.getLogger(__name__)

_TITLE_CHARACTERS = 32
_MINUTE, _HOUR = 60, 3600


class Shown:
    """A context manager that is told how far things are. It draws on stderr, where that is a terminal.

    What is logged meanwhile has to go to `sys.stderr` as it is inside: it is printed above the bars then.
    """

    def __init__(self, *, sleep_threshold: float, console: Console | None = None) -> None:
        self._sleep_threshold = sleep_threshold
        self._console = console or Console(stderr=True, highlight=False)
        animated = self._console.file.isatty() and not self._console.is_dumb_terminal
        self._bars = Progress(
            _TitleColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[posts]:>17}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
            disable=not animated,
            redirect_stdout=False,
        )
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def tell(self, progress: Collected) -> None:
        """A channel got on."""
        if (task := self._tasks.get(progress.channel.channel_id)) is None:
            _LOG.info("%s: %s of %s posts are stored", _name(progress.channel), progress.posts, progress.total or "?")
            task = self._tasks[progress.channel.channel_id] = self._bars.add_task(
                _name(progress.channel), total=None, posts="", left=""
            )
        total = None if progress.total is None else max(progress.total, progress.posts)
        self._bars.update(
            task,
            completed=progress.posts,
            total=total,
            posts=f"{progress.posts:,}" if total is None else f"{progress.posts:,} / {total:,}",
            left=f"{_span(progress.estimate)} left",
        )

    def waits(self, seconds: float, why: str) -> None:
        """Telegram wants us to wait."""
        if seconds > self._sleep_threshold:
            _LOG.warning("waiting for %s: %s", _span(seconds), why)


class _TitleColumn(ProgressColumn):
    """As it is, and not as markup: titles are what strangers write."""

    def render(self, task: Task) -> Text:
        text = Text(task.description, style="bold", no_wrap=True)
        text.truncate(_TITLE_CHARACTERS, overflow="ellipsis", pad=True)
        return text


def _name(channel: Channel) -> str:
    """A channel's title, without what would move the cursor or turn the text round."""
    title = "".join(character if character.isprintable() else " " for character in channel.title).strip()
    return title or str(channel.channel_id)


def _span(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
