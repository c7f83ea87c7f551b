"""The processes of the product, and who starts them again when they end, as supervisord would."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence

from teltubby.exit_codes import EX_CONFIG
from teltubby.runtime import EXIT_GAVE_UP
from tests.acceptance.household import Household
from tests.acceptance.product import Product
from tests.chaos import stacks
from tests.chaos.ground import CLOCK, number_of_clock
from tests.chaos.installation import SECOND_WORKER

AGAIN_SECONDS = 0.3
"""How long after its end a process is started again, unless whoever killed it wants it away for longer."""
MOST_STARTS = 20
"""More than that within one scenario is no recovery."""


class Crew:
    """The processes of an installation. `kill` and `freeze` may be called from any thread, also within a request."""

    def __init__(self, house: Household, roles: Sequence[str], told: Callable[[str], None]) -> None:
        self._house = house
        self._roles = roles
        self._told = told
        self._lock = threading.RLock()
        self._running: dict[str, Product] = {}
        self._due: dict[str, float] = {}
        self._killed: set[Product] = set()
        self._starts = 0
        self.may_end = False
        """Whether a process may end by itself now, because its database cannot be written."""

    def start(self) -> None:
        """Start all of them, and return at once."""
        for role in self._roles:
            self._running[role] = self._launched(role)

    def wait_ready(self) -> None:
        """Return when all are ready."""
        for product in self._running.values():
            product.wait_ready()

    def of(self, role: str) -> Product:
        """The newest process of that role."""
        return self._running[role]

    def kill(self, role: str, *, away: float = AGAIN_SECONDS) -> None:
        """kill -9, and nobody starts it again for so many seconds."""
        with self._lock:
            product = self._running[role]
            self._due[role] = max(self._due.get(role, 0.0), time.monotonic() + away)
            if product.running:
                self._killed.add(product)
                product.signal(signal.SIGKILL)
                self._told(f"{role} killed")

    def freeze(self, role: str) -> None:
        """SIGSTOP."""
        self._running[role].signal(signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        """SIGCONT."""
        self._running[role].signal(signal.SIGCONT)

    def show_stacks(self) -> None:
        """Have all processes write into their logs what they are doing."""
        stacks.ask(*self._running.values())

    def look_after(self) -> list[str]:
        """Start what has ended and is due; what ended though nobody killed it, and nothing excuses that."""
        found = []
        with self._lock:
            for role, product in tuple(self._running.items()):
                if product.running:
                    continue
                if product not in self._killed:
                    self._killed.add(product)
                    code = product.wait()
                    if code not in (EXIT_GAVE_UP, EX_CONFIG) or not self.may_end:
                        found.append(f"{role} ended by itself with {code}: {product.log[-1500:]}")
                    self._due[role] = time.monotonic() + AGAIN_SECONDS
                if time.monotonic() >= self._due.get(role, 0.0):
                    self._starts += 1
                    if self._starts > MOST_STARTS:
                        raise RuntimeError(f"{role} was started {MOST_STARTS} times")
                    self._running[role] = self._launched(role)
                    self._told(f"{role} started again")
        return found

    def _launched(self, role: str) -> Product:
        """Each with sessions and a clock of its own."""
        settings = {CLOCK: str(number_of_clock(role))}
        if role == SECOND_WORKER:
            settings["MTPROTO_BOT_SESSION_PATH"] = str(self._house.home / "second-bot.session")
            settings["MTPROTO_SESSION_PATH"] = str(self._house.home / "second-user.session")
        return self._house.launch(role.split()[0], **settings)
