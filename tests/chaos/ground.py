"""What scenarios share: the real broker, the real store, the place where processes come from, and their clocks."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.acceptance.nursery import Nursery
from tests.chaos.installation import ROLES
from tests.servers.rabbitmq import RabbitNode
from tests.servers.swift import SwiftNode

HERE = Path(__file__).parent
SEEDBED = HERE / "seedbed.py"
N = TypeVar("N", RabbitNode, SwiftNode)

CLOCK = "CHAOS_CLOCK_NUMBER"
"""Which of the clocks a process has, in its environment."""
NANOSECONDS = 1_000_000_000
NUMBER_BYTES = 8


class Clocks:
    """The wall clocks of all processes of the nursery, one for each role.

    Where there is no C compiler they cannot be stepped, and it is unknown what of a database was synced.
    """

    def __init__(self, directory: Path) -> None:
        self._page = directory / "clocks"
        self._page.write_bytes(bytes(NUMBER_BYTES * (1 + len(ROLES))))
        self.environment: dict[str, str] = {}
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is not None:
            libraries = [_compiled(compiler, HERE / f"{name}.c", directory) for name in ("clock", "syncs")]
            self.environment = {"LD_PRELOAD": ":".join(map(str, libraries)), "CHAOS_CLOCK": str(self._page)}

    @property
    def can_step(self) -> bool:
        return bool(self.environment)

    def step(self, seconds: float, *roles: str) -> None:
        """Set those of the roles, of all unless any is named, so far ahead of this machine's (or behind)."""
        ahead = round(seconds * NANOSECONDS).to_bytes(NUMBER_BYTES, "little", signed=True)
        with self._page.open("r+b") as page:
            for role in roles or ROLES:
                page.seek(NUMBER_BYTES * number_of_clock(role))
                page.write(ahead)


def number_of_clock(role: str) -> int:
    """Which of the clocks is that role's; the first one is of those that have no role, and is never stepped."""
    return 1 + ROLES.index(role)


def _compiled(compiler: str, source: Path, directory: Path) -> Path:
    library = directory / f"{source.stem}.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


class Ground:
    """Started once for any number of scenarios; a context manager. `rabbit` and `swift` are begun unless given."""

    def __init__(self, directory: Path, *, rabbit: RabbitNode | None = None, swift: SwiftNode | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._own: list[RabbitNode | SwiftNode] = []
        self.rabbit = rabbit or self._of_our_own(RabbitNode(directory / "rabbitmq"))
        self.swift = swift or self._of_our_own(SwiftNode(directory / "swift"))
        self.clocks = Clocks(directory)
        self._stack = ExitStack()

    def __enter__(self) -> Ground:
        with ExitStack() as stack:
            for node in self._own:
                stack.callback(node.stop)
                node.start()
            self.nursery = Nursery("asyncio", main=SEEDBED, environment=self.clocks.environment)
            stack.callback(self.nursery.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _of_our_own(self, node: N) -> N:
        self._own.append(node)
        return node
