"""Processes of a benchmark: each answers requests, one JSON line each, and ends when its standard input does."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
HELLO_WITHIN = 60.0
ANSWER_WITHIN = 300.0
END_WITHIN = 10.0
LAST_CHARACTERS = 3000
_TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement went wrong: a process ended or did not answer, or what came was not what was sent."""


class Child:
    """`python -m benchmarks.…` as a child process; `hello` is its first line. Leaving the context ends it.

    `python` is another interpreter than ours where the module needs packages of its own, `environment` the variables of
    the process where they are not ours.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        log: Path,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = module
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [python, "-m", module, *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=0,  # Ctrl-C is for us, who then end it
                env=environment,
            )
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.hello = self._answer(HELLO_WITHIN)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                code = self._process.wait(END_WITHIN)
            except subprocess.TimeoutExpired as late:
                self.kill()
                raise Failed(self._last_words(f"did not end within {END_WITHIN:g} s")) from late
            if code:
                self.kill()
                raise Failed(self._last_words(f"ended with {code}"))
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, *, within: float = ANSWER_WITHIN, **request: Any) -> Mapping[str, Any]:
        """The answer to a request. Raises Failed, with what the process said last."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise Failed(self._last_words("ended")) from error
        return self._answer(within)

    def kill(self) -> None:
        """End it at once; safe to call twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _answer(self, within: float) -> Mapping[str, Any]:
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty as error:
            raise Failed(self._last_words(f"did not answer within {within:g} s")) from error
        if line is None:
            raise Failed(self._last_words("ended"))
        return dict(json.loads(line))

    def _last_words(self, what: str) -> str:
        return f"{self.name} {what}:\n{self._log.read_text(errors='replace')[-LAST_CHARACTERS:]}"


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, with all its threads (proc_pid_stat(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_rss(pid: int | str = "self") -> int:
    """The most bytes of a process that were resident at any time (VmHWM of proc_pid_status(5))."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
