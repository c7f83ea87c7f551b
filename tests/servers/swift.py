"""A private OpenStack Swift with S3 in front, for tests: started on loopback, gone when the tests are.

It enforces what real stores enforce: signatures, checksums, part sizes, conditional writes also on complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-swift" / "bin" / "python"
NODE = Path(__file__).with_name("swift_node.py")

START_WITHIN = 60.0
"""Seconds; two suffice on an idle machine."""

STOP_WITHIN = 10.0


class SwiftFailed(RuntimeError):
    """The node did not start; the text holds the end of its log."""


class SwiftNode:
    """One Swift, with all its data under `directory`. After a restart it has the same objects and the same port."""

    access_key_id = "test:tester"
    secret_access_key = "testing"
    read_only = ("test:reader", "reading")
    """Key and secret of an account that may do nothing in our buckets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Return once it serves. Raises SwiftFailed, with what to do or what went wrong."""
        if not PYTHON.exists():
            raise SwiftFailed(f"{PYTHON} is missing: run scripts/install-venv.sh swift")
        self._directory.mkdir(parents=True, exist_ok=True)
        _require_attributes(self._directory)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PYTHON, "-P", NODE, self._directory, str(self._port)],  # -P: this module is named like Swift
                stdin=subprocess.PIPE,  # the node ends when this closes: also when the tests are killed
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops the node
            )
        line = self._first_line()
        if not line:
            self.stop()
            raise SwiftFailed(f"Swift did not start; the end of {self._log}:\n{self._log.read_text()[-4000:]}")
        self._port = json.loads(line)["port"]

    def stop(self) -> None:
        """End it at once, as a power cut would; safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(STOP_WITHIN)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    @property
    def _log(self) -> Path:
        return self._directory / "node.log"

    def _first_line(self) -> bytes:
        """The node's first line, or nothing if it ended or took too long."""
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if selector.select(START_WITHIN) else b""


def _require_attributes(directory: Path) -> None:
    """Swift keeps metadata in extended attributes."""
    probe = directory / "attributes"
    probe.touch()
    try:
        os.setxattr(probe, "user.probe", b"x" * 1024)
    except OSError as exc:
        raise SwiftFailed(
            f"{directory} is on a file system without user extended attributes: set TMPDIR or --basetemp to another one"
        ) from exc
    finally:
        probe.unlink()
