"""What people see while the demonstration runs: live on a terminal, line by line everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from teltubby.actors.phrases import size
from teltubby.demo.bubbles import bubbles, media_text, plain_text
from teltubby.demo.scenes import Scene
from teltubby.simulator.curator import ChatLine, Conversation

PLAIN_COLUMNS = 132
"""Of output that goes to no terminal."""
FRAMES_PER_SECOND = 8

Gauge = Callable[[], int | None]


class Screen(Protocol):
    """Where the demonstration is shown; a context manager. Used by one thread."""

    @property
    def console(self) -> Console:
        """To print whatever stays on the screen."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def doing(self, what: str) -> None:
        """Say what goes on now."""
        ...

    def begin(self, number: int, scenes: int, scene: Scene, *, memory: Gauge) -> None:
        """The next scene: what is said from now on belongs to it. `memory` measures the product's, in bytes."""
        ...

    def show(self, conversation: Conversation) -> None:
        """The conversation changed."""
        ...

    def end(self, seconds: float) -> None:
        """The scene is over."""
        ...


def screen_on(console: Console) -> Screen:
    """The screen that suits where the console writes to."""
    animated = console.file.isatty() and not console.is_dumb_terminal
    return ChatScreen(console) if animated else PlainScreen(console)


class ChatScreen:
    """Bubbles; those of the current scene change in place, with what goes on below them, and then stay as they are.

    `animated=False` shows each scene only when it is over.
    """

    def __init__(self, console: Console, *, animated: bool = True) -> None:
        self.console = console
        self._spinner = Spinner("dots", style="cyan")
        self._animated = animated
        self._memory: Gauge | None = None
        self._what = ""
        self._since = time.monotonic()
        self._conversation: Conversation = ()
        self._over = 0
        self._forwarded_from: str | None = None
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=FRAMES_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        if self._animated:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def doing(self, what: str) -> None:
        self._what, self._memory, self._since = what, None, time.monotonic()

    def begin(self, number: int, scenes: int, scene: Scene, *, memory: Gauge) -> None:
        self._forwarded_from = None if scene.origin is None else scene.origin.chat.title
        self.console.rule(Text(f"{number}/{scenes}  {scene.title}", style="bold"), style="bright_black")
        self.doing(f"scene {number} of {scenes}")
        self._memory = memory

    def show(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def end(self, seconds: float) -> None:
        self.freeze(len(self._conversation))

    def freeze(self, over: int) -> None:
        """Let what is to be seen now stay as it is; messages from number `over` on are shown anew when they change."""
        done = self._bubbles()
        self._over = over
        if self._animated:
            self._live.refresh()  # otherwise what is printed now would push an old frame ahead of it for a moment
        for bubble in done:
            self.console.print(bubble)

    def _render(self) -> RenderableType:
        seconds = time.monotonic() - self._since
        status = f"{self._what} · {seconds:.0f} s"
        if self._memory is not None and (memory := self._memory()) is not None:
            status += f" · the product uses {size(memory)}"
        self._spinner.update(text=Text(status, style="dim"))
        return Group(*self._bubbles(), self._spinner)

    def _bubbles(self) -> list[RenderableType]:
        return list(
            bubbles(
                self._conversation[self._over :],
                columns=self.console.width,
                curator="ada",
                bot="teltubby",
                forwarded_from=self._forwarded_from,
            )
        )


class PlainScreen:
    """Lines as they come; of a message that is edited again and again only the first of each kind of news."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._shown: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing has to be put back."""

    def doing(self, what: str) -> None:
        self._print(f"{what} …")

    def begin(self, number: int, scenes: int, scene: Scene, *, memory: Gauge) -> None:
        del memory
        origin = "" if scene.origin is None else f" (forwarded from {scene.origin.chat.title})"
        self._print(f"[{number}/{scenes}] {scene.title}{origin}")

    def show(self, conversation: Conversation) -> None:
        for line in conversation:
            news = _kind_of_news(line)
            if self._shown.get(line.message_id) == news:
                continue
            self._shown[line.message_id] = news
            who = "bot" if line.from_bot else "ada"
            words = "\n".join(part for part in (media_text(line), plain_text(line)) if part)
            self._print(f"  {who}: " + words.replace("\n", "\n       "))

    def end(self, seconds: float) -> None:
        self._print(f"  ({seconds:.1f} s)")

    def _print(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)


def _kind_of_news(line: ChatLine) -> str:
    """The first line without its figures: the same for all reports of one download."""
    return line.text.split("\n", 1)[0].split("(", 1)[0]
