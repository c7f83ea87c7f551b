"""What a person does with the buttons under a bot's messages, and what they see the bot do in answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, TypeVarTuple

from teltubby.simulator.messages import ActionShown, Event, Message, QueryAnswered
from teltubby.simulator.people import User
from teltubby.simulator.world import World

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Loop(Protocol):
    """Where the world lives: runs functions on its thread and returns what they return."""

    def call(self, function: Callable[[*Ts], R], *args: *Ts) -> R:
        """Run it there and wait for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a bot answered to a press: a text that passes by, or one to be confirmed (`alert`)."""

    press_id: int
    text: str
    alert: bool


class Presses:
    """A person facing one bot, with a finger; for any thread but the simulator's own."""

    def __init__(self, loop: Loop, world: World, user: User, bot: User) -> None:
        self.user = user
        self.bot = bot
        self._loop = loop
        self._world = world
        self._answered = threading.Condition()
        self._notices: list[Notice] = []
        self._typing = 0
        loop.call(world.subscribe, self._see_answer)

    def press(self, message_id: int, data: str | None = None, *, text: str | None = None) -> int:
        """Press the inline button with that callback data, or that text; the press's id.

        Raises LookupError when there is no such message, or no such button under it.
        """
        if (data is None) == (text is None):
            raise ValueError("a button is named by its data or by its text")

        def press() -> int:
            message = self._message(message_id)
            buttons = [button for row in message.post.keyboard for button in row if button.text == text]
            wanted = data if data is not None else next((button.data for button in buttons), None)
            if wanted is None:
                raise LookupError(f"no button {text!r}")
            return self._world.press(self.user, message, wanted).id

        return self._loop.call(press)

    def forge_press(self, message_id: int, data: str) -> int:
        """Claim, as a client of one's own can, to have pressed a button with this data under a message of the bot."""
        return self._loop.call(lambda: self._world.press(self.user, self._message(message_id), data, forged=True).id)

    def notices(self) -> tuple[Notice, ...]:
        """What the bot answered to presses, oldest first."""
        with self._answered:
            return tuple(self._notices)

    def wait_for_notice(self, press_id: int, within: float) -> Notice:
        """Block until the bot has answered that press. Raises TimeoutError after `within` seconds."""

        def found() -> Notice | None:
            return next((notice for notice in self._notices if notice.press_id == press_id), None)

        with self._answered:
            notice = self._answered.wait_for(found, within)
        if notice is None:
            raise TimeoutError(f"press {press_id} was not answered within {within} s")
        return notice

    @property
    def typing_seen(self) -> int:
        """How often the bot showed that it is at work."""
        with self._answered:
            return self._typing

    def _message(self, message_id: int) -> Message:
        message = self._world.message(self.user, self.bot, message_id)
        if message is None:
            raise LookupError(f"no message {message_id} in this conversation")
        return message

    def _see_answer(self, event: Event) -> None:
        with self._answered:
            match event:
                case QueryAnswered() if event.query.user is self.user and event.query.bot is self.bot:
                    query = event.query
                    self._notices.append(Notice(press_id=query.id, text=query.answer or "", alert=query.alert))
                case ActionShown() if event.sender is self.bot and event.peer is self.user:
                    self._typing += 1
                case _:
                    return
            self._answered.notify_all()
