"""Starts processes of the product: forked from one that has imported everything, or from the command line."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

START_WITHIN = 60.0
RUN_WITHIN = 60.0
MAIN = Path(__file__).with_name("nursery_main.py")
ROOT = Path(__file__).parents[2]


class Process(Protocol):
    """A running process, or one that ended."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...


def run_command(arguments: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Process:
    """`python -m teltubby …`, as an operator starts it."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "teltubby", *arguments],
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C is for pytest, whose fixtures then end this
        )


def complete_command(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    """`python -m teltubby …` from its start to its end, with nobody before it."""
    return subprocess.run(
        [sys.executable, "-m", "teltubby", *arguments],
        env={**environment, "PYTHONPATH": str(ROOT)},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN,
        check=False,
    )


class Forked:
    """A process that the nursery forked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = threading.Event()
        self._code = 0

    def end(self, code: int) -> None:
        """It ended."""
        self._code = code
        self._ended.set()

    def poll(self) -> int | None:
        return self._code if self._ended.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("teltubby", timeout or 0)
        return self._code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


Answer = Forked | Literal["ready", "ended"]
"""What the nursery says when it was asked for something, or at its start or end."""


class Nursery:
    """One per backend and session; `main` is the program that forks itself, with `environment` beside our own."""

    def __init__(self, backend: str, *, main: Path = MAIN, environment: Mapping[str, str] | None = None) -> None:
        self._children: dict[int, Forked] = {}
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, str(main), backend],
            cwd=ROOT,
            env={**os.environ, **(environment or {}), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="nursery", daemon=True)
        self._reader.start()
        if self._next_answer() != "ready":
            self.close()
            raise RuntimeError("the nursery did not start; it says why on stderr")

    def fork(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        *,
        errors: Path | None = None,
    ) -> Process:
        """A new process of `teltubby …`. What it prints goes to `log`, its errors too if they have no file."""
        errors = errors or log
        for file in (log, errors):
            file.touch()
        return self._begin(arguments, environment, directory, log=str(log), errors=str(errors))

    def fork_on(
        self, terminal: str, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> Process:
        """A new process of `teltubby …` on a terminal, which is the one whose Ctrl-C it gets."""
        return self._begin(arguments, environment, directory, terminal=terminal)

    def complete(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> subprocess.CompletedProcess[str]:
        """`teltubby …` from its start to its end, with nobody before it."""
        with TemporaryDirectory() as place:
            log, errors = Path(place, "stdout"), Path(place, "stderr")
            process = self.fork(arguments, environment, directory, log, errors=errors)
            try:
                code = process.wait(RUN_WITHIN)
            finally:
                process.send_signal(signal.SIGKILL)
            return subprocess.CompletedProcess(arguments, code, log.read_text(), errors.read_text())

    def _begin(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path, **streams: str
    ) -> Process:
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "directory": str(directory),
            **streams,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        child = self._next_answer()
        assert isinstance(child, Forked), "the nursery ended; it says why on stderr"
        return child

    def close(self) -> None:
        """End it, and what it started."""
        for child in tuple(self._children.values()):
            child.send_signal(signal.SIGKILL)
        for pipe in (self._process.stdin,):
            if pipe is not None:
                pipe.close()
        self._process.wait(START_WITHIN)
        self._reader.join(START_WITHIN)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _next_answer(self) -> Answer:
        return self._answers.get(timeout=START_WITHIN)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "ready" in said:
                self._answers.put("ready")
            elif "started" in said:
                child = self._children[said["started"]] = Forked(said["started"])
                self._answers.put(child)
            else:
                self._children.pop(said["ended"]).end(said["code"])
        self._answers.put("ended")
