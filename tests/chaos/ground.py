"""What scenarios share: the real broker, the real store, the place where processes come from, and their clock."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.acceptance.nursery import Nursery
from tests.servers.rabbitmq import RabbitNode
from tests.servers.swift import SwiftNode

SEEDBED = Path(__file__).with_name("seedbed.py")
CLOCK_SOURCE = Path(__file__).with_name("clock.c")
N = TypeVar("N", RabbitNode, SwiftNode)

NANOSECONDS = 1_000_000_000


class Clock:
    """The wall clock of all processes of the nursery; where there is no C compiler, it cannot be stepped."""

    def __init__(self, directory: Path) -> None:
        self._page = directory / "clock"
        self._page.write_bytes(bytes(8))
        self.environment: dict[str, str] = {}
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is not None:
            library = directory / "clock.so"
            subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, CLOCK_SOURCE], check=True)
            self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._page)}

    @property
    def can_step(self) -> bool:
        return bool(self.environment)

    def step(self, seconds: float) -> None:
        """Set it so far ahead of this machine's (or behind)."""
        with self._page.open("r+b") as page:
            page.write(round(seconds * NANOSECONDS).to_bytes(8, "little", signed=True))


class Ground:
    """Started once for any number of scenarios; a context manager. `rabbit` and `swift` are begun unless given."""

    def __init__(self, directory: Path, *, rabbit: RabbitNode | None = None, swift: SwiftNode | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._own: list[RabbitNode | SwiftNode] = []
        self.rabbit = rabbit or self._of_our_own(RabbitNode(directory / "rabbitmq"))
        self.swift = swift or self._of_our_own(SwiftNode(directory / "swift"))
        self.clock = Clock(directory)
        self._stack = ExitStack()

    def __enter__(self) -> Ground:
        with ExitStack() as stack:
            for node in self._own:
                stack.callback(node.stop)
                node.start()
            self.nursery = Nursery("asyncio", main=SEEDBED, environment=self.clock.environment)
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
