"""Starts the simulated Telegram as a process of its own, so that measurements of a client are not of the server."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, cast

from teltubby.simulator.console import Description

END_SECONDS = 10.0


class SimulatorProcess:
    """`python -m teltubby.simulator` with these options, as a context manager; all of it blocks.

    `description` tells where it listens and what it holds, `ask` gives it an order (see console). Raises RuntimeError
    when it does not start, or refuses an order.
    """

    description: Description

    def __init__(self, *options: str) -> None:
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> SimulatorProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "teltubby.simulator", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.description = cast(Description, self._read())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Give an order and return its answer."""
        process = self._running()
        if process.stdin is not None:
            process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
            process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, by force if it does not follow."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            try:
                process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the simulator is not running")
        return self._process

    def _read(self) -> dict[str, Any]:
        stdout = self._running().stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            raise RuntimeError("the simulator has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
