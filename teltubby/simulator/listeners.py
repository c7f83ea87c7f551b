"""Who is told of what happens in the world."""

from __future__ import annotations

from collections.abc import Callable

from teltubby.simulator.messages import Event

Listener = Callable[[Event], None]


class Listeners:
    """Tells every event to all who listen, at once, in order and on the caller's thread."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have every event told to `listener`, in order; the returned function ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, event: Event) -> None:
        """Tell every listener."""
        for listener in tuple(self._listeners):
            listener(event)
