"""One process of the product, as an operator runs it: settings in the environment, a signal to end it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.acceptance.nursery import Process
from tests.acceptance.polling import eventually

Begin = Callable[[Sequence[str], Mapping[str, str], Path, Path], Process]
"""Starts `teltubby` with arguments, an environment, a working directory and a log."""

START_WITHIN = 60.0
STOP_WITHIN = 40.0

KEPT = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "COVERAGE_PROCESS_CONFIG")
"""Of the developer's environment: what a process needs to run at all, and to be measured by `make cover`."""

_PORT = re.compile(r"health, status and metrics on port (\d+)")
_LIBRARIES = ("aiormq.", "aio_pika.")
"""They log a traceback for every connection that is cut."""
_ALARMS = ("Traceback", "crashed", '"critical"', "uncaught", "never awaited", "was destroyed")


class Product:
    """`teltubby <role>` as a child process; its log is in `directory`."""

    def __init__(self, begin: Begin, role: str, environment: Mapping[str, str], directory: Path, number: int) -> None:
        self.role = role
        self.log_path = directory / f"{number}-{role}.log"
        self.alarms_expected = False
        self._process = begin([role], environment, directory, self.log_path)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def port(self) -> int:
        """Where it serves its health; waits until it does."""
        found = eventually(
            lambda: _PORT.search(self.log) or not self.running, within=START_WITHIN, what=f"a health port of {self}"
        )
        assert isinstance(found, re.Match), f"{self} ended at its start:\n{self.log[-4000:]}"
        return int(found.group(1))

    def wait_ready(self) -> Product:
        """Return when every actor is ready."""
        eventually(lambda: self.get("/healthz")[0] == 200, within=START_WITHIN, what=f"{self} to be ready")
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """One sample of /metrics."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        assert found is not None, f"no sample {name}"
        return float(found.group(1))

    def wait_logged(self, text: str, *, within: float = 30.0) -> None:
        """Return when the text stands in the log."""
        eventually(lambda: text in self.log, within=within, what=f"{text!r} in the log of {self}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self, *, within: float = STOP_WITHIN) -> int:
        """Its exit code, once it ended."""
        return self._process.wait(within)

    def stop(self) -> None:
        """Ask it to end, and look at how it did: exit code 0, and nothing alarming in its log."""
        if self.running:
            self.signal()
        code = self.wait()
        assert code == 0, f"{self} ended with {code}:\n{self.log[-4000:]}"
        self.look_at_log()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def look_at_log(self) -> None:
        """Nothing in it may need a developer, unless the test is about that."""
        if self.alarms_expected:
            return
        for line in self.log.splitlines():
            if any(f'"logger": "{name}' in line for name in _LIBRARIES):
                continue
            assert not any(alarm in line for alarm in _ALARMS), f"{self} logged: {line[:3000]}"

    def logged(self) -> list[dict[str, object]]:
        """The log's lines."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def __str__(self) -> str:
        return f"teltubby {self.role} ({self.log_path})"


def clean_environment(home: Path) -> dict[str, str]:
    """What a process needs to run at all, and nothing of the developer's own."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"HOME": str(home), "PYTHONWARNINGS": "default", "PYTHONDONTWRITEBYTECODE": "1"}
