"""The product as a child process: `teltubby run`, configured by nothing but its environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from teltubby.config.model import all_variables
from teltubby.config.sources import ENV_FILE_VARIABLE
from teltubby.demo.errors import DemoFailed
from teltubby.demo.place import Place

BACKEND_VARIABLE = "TELTUBBY_BACKEND"
OWN_PREFIX = "TELTUBBY_"
HOST = "127.0.0.1"
READY_WITHIN = 90.0
"""Seconds: importing everything takes long on a busy machine with a cold disk."""
STOP_WITHIN = 40.0
POLL = 0.1
LAST_LINES = 15
_PORT = re.compile(r"health, status and metrics on port (\d+)")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without any setting of the product, so that the user's own ones do not reach the demonstration.

    TELTUBBY_BACKEND stays. No `.env` file is read either: an empty one is named instead.
    """
    settings = {name for variable in all_variables() for name in (*variable.names, *variable.file_names)}
    kept = {
        name: value
        for name, value in environ.items()
        if name == BACKEND_VARIABLE or not (name in settings or name.startswith(OWN_PREFIX))
    }
    return kept | {ENV_FILE_VARIABLE: os.devnull}


class Product:
    """A running `teltubby run`; leaving the context ends it, orderly if there is time and by force if not.

    It has a process group of its own: Ctrl-C in the terminal reaches the demonstration only, which then stops it.
    """

    def __init__(self, place: Place, settings: Mapping[str, str]) -> None:
        self.port = 0
        """Where it answers over HTTP, from when it is ready: it takes a free one, and its log says which."""
        self._place = place
        self._environment = clean_environment(os.environ) | dict(settings) | {"HEALTH_PORT": "0"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._place.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "teltubby", "run"],
                env=self._environment,
                cwd=self._place.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_gracefully()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://{HOST}:{self.port}"

    def wait_until_ready(self) -> None:
        """Return when every actor is ready. Raises DemoFailed when it ends before that, or takes too long."""
        deadline = time.monotonic() + READY_WITHIN
        while not self._ready():
            self.pause(POLL)
            if time.monotonic() > deadline:
                raise DemoFailed(f"The product was not ready within {READY_WITHIN:g} s.", details=self.last_lines())

    def pause(self, seconds: float) -> None:
        """Wait; raises DemoFailed as soon as the process ends, with the last lines of its log."""
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        raise DemoFailed(f"The product (teltubby run) {how} before its time.", details=self.last_lines())

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code; by force when it takes too long or we are interrupted."""
        child = self._child
        try:
            child.terminate()
            return child.wait(STOP_WITHIN)
        except BaseException:
            child.kill()
            child.wait()
            raise

    def stop_gracefully(self) -> str | None:
        """End it with SIGTERM; what was wrong with how it ended, in a sentence, or None."""
        try:
            code = self.stop()
        except subprocess.TimeoutExpired:
            return f"The product did not stop within {STOP_WITHIN:g} s after SIGTERM and was killed."
        return None if code == 0 else f"The product ended with code {code} after SIGTERM, not with 0."

    def memory(self) -> int | None:
        """Bytes that are resident now; None where the system does not tell."""
        return self._status("VmRSS")

    def peak_memory(self) -> int | None:
        """The most bytes that were resident at any time; None where the system does not tell."""
        return self._status("VmHWM")

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self._log().splitlines()[-LAST_LINES:])

    def _ready(self) -> bool:
        found = _PORT.findall(self._log())
        if not found:
            return False
        self.port = int(found[-1])
        return _healthy(f"{self.url}/healthz")

    def _log(self) -> str:
        return self._place.log.read_text(encoding="utf-8", errors="replace")

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the product was not started")
        return self._process

    def _status(self, field: str) -> int | None:
        """A figure of proc_pid_status(5), which counts in units of 1024 bytes."""
        try:
            text = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
        return None if found is None else int(found[1]) * 1024


def _healthy(url: str) -> bool:
    # Without the environment's proxies: the process is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False
