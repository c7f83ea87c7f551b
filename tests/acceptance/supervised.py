"""supervisord with our supervisord.conf, as an operator starts it: beside .env, in the folder of the installation."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

from supervisor import childutils

from tests.acceptance.polling import eventually
from tests.acceptance.product import clean_environment

CONF = Path(__file__).parents[2] / "supervisord.conf"
START_WITHIN = 120.0
WORKERS_PORT = 'environment=HEALTH_PORT="8082"'


class Supervised:
    """One installation under `home`: `settings` are its .env. `without` names programs that are not started."""

    def __init__(self, home: Path, settings: Mapping[str, str], *, without: tuple[str, ...] = ()) -> None:
        self.home = home
        text = CONF.read_text()
        assert WORKERS_PORT in text
        # Tests run side by side: any free port.
        text = text.replace(WORKERS_PORT, 'environment=HEALTH_PORT="0"')
        for name in without:
            text = text.replace(f"[program:{name}]", f"[program:{name}]\nautostart=false")
        self.stop_seconds = sum(int(found) for found in re.findall(r"^stopwaitsecs=(\d+)", text, re.MULTILINE))
        (home / CONF.name).write_text(text)
        own = clean_environment(home)
        given = {name: value for name, value in settings.items() if name not in own}
        (home / ".env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items()))
        self._environment = own | {"PATH": f"{Path(sys.executable).parent}:{own['PATH']}"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(self.home / CONF.name)],
            env=self._environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for pytest
        )
        eventually(self.infos, within=START_WITHIN, what="supervisord to answer")

    def infos(self) -> dict[str, dict[str, Any]]:
        """What it says of its programs, by name; empty while it does not answer."""
        transport = childutils.getRPCTransport({"SUPERVISOR_SERVER_URL": f"unix://{self.home}/supervisord.sock"})
        try:
            answer: Any = ServerProxy("http://127.0.0.1", transport).supervisor.getAllProcessInfo()
        except (OSError, RpcError):
            return {}
        finally:
            transport.close()
        return {info["name"]: info for info in answer}

    def state(self, name: str) -> str:
        """STARTING, RUNNING, FATAL …"""
        return str(self.infos().get(name, {}).get("statename"))

    def running(self, *names: str, instead_of: int = 0) -> int:
        """Wait until all run; the pid of the first, which is another than `instead_of`."""

        def all_run() -> bool:
            infos = self.infos()
            well = all(infos.get(name, {}).get("statename") == "RUNNING" for name in names)
            return well and infos[names[0]]["pid"] != instead_of

        eventually(all_run, within=START_WITHIN, what=f"{names} to run: {self.log('supervisord')[-2000:]}")
        return int(self.infos()[names[0]]["pid"])

    def kill(self, name: str) -> None:
        """kill -9, and wait until it runs again."""
        pid = self.running(name)
        os.kill(pid, signal.SIGKILL)
        self.running(name, instead_of=pid)

    def log(self, name: str) -> str:
        """What is in a log file."""
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> int:
        """SIGTERM to supervisord; its exit code, within the time that it may take."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(self.stop_seconds)

    def end(self) -> None:
        """Whatever still runs, whether the test went well or not."""
        if self._process is None or self._process.poll() is not None:
            return
        pids = [info["pid"] for info in self.infos().values() if info["pid"]]
        self._process.kill()
        self._process.wait()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # supervisord gives each program a process group of its own
