"""A command in a terminal of its own: what it shows, and what a person types."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.acceptance.nursery import Nursery, Process
from tests.acceptance.polling import eventually
from tests.qr_reading import BLACK, WHITE, coloured_lines, read_lines

ROOT = Path(__file__).parents[2]
WITHIN = 60.0
CTRL_C, CTRL_D = "\x03", "\x04"

_LAUNCH = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal the one whose Ctrl-C is for us, as a login shell does."""


class Typed:
    """`teltubby …` on a terminal with 80 × 24 characters, from the command line unless a nursery is given."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        nursery: Nursery | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        self._slave: int | None = slave
        self._shown = b""
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**environment, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "80"}
        self._process = (
            _from_command_line(slave, arguments, environment, directory)
            if nursery is None
            else nursery.fork_on(os.ttyname(slave), arguments, environment, directory)
        )
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        """All that was shown so far."""
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def expect(self, text: str, *, times: int = 1) -> None:
        """Return when the text was shown so often."""
        eventually(
            lambda: self.shown.count(text) >= times or not self.running,
            within=WITHIN,
            what=f"{text!r} {times} times in {self.shown!r}",
        )
        assert self.shown.count(text) >= times, f"it ended with {self._process.poll()}: {self.shown}"

    def ask_secretly(self, text: str, *, times: int = 1) -> None:
        """Return when it asked for this so often, and shows nothing of what is typed."""
        self.expect(text, times=times)
        eventually(lambda: not self.echoes, what="typing to be unseen")

    def qr_code(self) -> str:
        """What the newest code says, once it is there whole."""
        return str(eventually(self._newest_code, within=WITHIN, what="a QR code"))

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._master, keys.encode())

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def ends(self) -> int:
        """Its exit code, once it ended and all that it said is there."""
        code = self._process.wait(WITHIN)
        self._hang_up()
        return code

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(WITHIN)
        self._hang_up()
        os.close(self._master)

    def _hang_up(self) -> None:
        """Let go of the other side, so that reading ends after what was shown last."""
        slave, self._slave = self._slave, None
        if slave is not None:
            os.close(slave)
        self._reader.join(WITHIN)

    def _newest_code(self) -> str | None:
        assert self.running, self.shown
        lines = coloured_lines(self.shown.rpartition("\x1b[J")[2] or self.shown)
        found = read_lines(lines, ink=BLACK, ground=WHITE) if lines else []
        return found[0] if found else None

    def _read(self) -> None:
        try:
            while read := os.read(self._master, 65536):
                self._shown += read
        except OSError:
            return  # Linux says EIO when nobody has the other side open any more


def _from_command_line(
    terminal: int, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> Process:
    return subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, sys.executable, "-m", "teltubby", *arguments],
        env=environment,
        cwd=directory,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
