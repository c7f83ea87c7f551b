"""The runtime in a process of its own: signals, exit codes, both backends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WITHIN = 30.0
STOPPED, GAVE_UP, CONFIGURATION = 0, 70, 78

TREE = """
import sys, types
from teltubby.supervision import Actor, Backoff, ChildSpec, Supervisor
from teltubby.errors import ConfigurationError

def say(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()

class Steady(Actor[str]):
    async def setup(self): say("up")
    async def teardown(self): say("down")
    async def handle(self, message): pass

class Slow(Steady):
    async def run(self, context):
        import anyio
        context.started()
        await context.stopping.wait()
        say("asked to stop")
        await anyio.sleep_forever()

class Broken(Steady):
    async def run(self, context):
        raise RuntimeError("a bug")

class Mistaken(Steady):
    async def setup(self):
        raise ConfigurationError(("HEALTH_PORT: 127.0.0.1:1 cannot be listened on: taken",))

def bot_tree(config):
    other = ChildSpec("other", OTHER, stop_within=1000.0, backoff=Backoff(first=0.01, cap=0.01))
    if OTHER is Broken:
        return Supervisor("bot", [ChildSpec("steady", Steady), other])
    return Supervisor("bot", [ChildSpec("steady", Steady), Supervisor("inner", [other])])

module = types.ModuleType("teltubby.trees.bot")
module.bot_tree = bot_tree
sys.modules["teltubby.trees.bot"] = module
sys.argv[1:] = ["bot"]
from teltubby.cli import main
main()
"""


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Process:
    """`teltubby bot` with another tree in place of its own."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.lines: list[str] = []

    def reads(self, line: str) -> None:
        """Wait until it says so."""
        assert self.child.stdout is not None
        for found in self.child.stdout:
            self.lines.append(found.strip())
            if self.lines[-1] == line:
                return
        pytest.fail(f"it ended without saying {line!r}: {self.lines}")

    def ends(self) -> tuple[int, str]:
        """Exit code, and what it wrote to stderr."""
        out, err = self.child.communicate(timeout=WITHIN)
        self.lines += out.split("\n")
        return self.child.returncode, err


@contextmanager
def running(other: str, backend: str, folder: Path) -> Iterator[Process]:
    env = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TELTUBBY_BACKEND": backend,
        "TELTUBBY_ENV_FILE": os.devnull,
        "TELEGRAM_BOT_TOKEN": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11",
        "TELEGRAM_WHITELIST_IDS": "7",
        "STORAGE_FOLDER": str(folder / "archive"),
        "SQLITE_PATH": str(folder / "ledger.db"),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", TREE.replace("OTHER", other)],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Process(child)
    finally:
        child.kill()
        child.communicate(timeout=WITHIN)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(backend: str, number: signal.Signals, tmp_path: Path) -> None:
    with running("Steady", backend, tmp_path) as process:
        process.reads("up")
        process.reads("up")
        process.child.send_signal(number)
        code, err = process.ends()
        assert code == STOPPED, err
        assert process.lines.count("down") == 2
        assert "Traceback" not in err


def test_a_second_signal_stops_it_at_once(backend: str, tmp_path: Path) -> None:
    with running("Slow", backend, tmp_path) as process:
        process.reads("up")
        process.reads("up")
        process.child.send_signal(signal.SIGTERM)
        process.reads("asked to stop")
        process.child.send_signal(signal.SIGTERM)
        code, err = process.ends()
        assert code == STOPPED, err
        assert process.lines.count("down") == 2, "and the teardowns still run"


def test_a_mistake_in_the_configuration_that_an_actor_met_ends_it_with_78(backend: str, tmp_path: Path) -> None:
    with running("Mistaken", backend, tmp_path) as process:
        code, err = process.ends()
        assert code == CONFIGURATION, err
        assert "HEALTH_PORT: 127.0.0.1:1 cannot be listened on: taken" in err.split("\n")
        assert process.lines.count("down") == 1, "what was up before it came down in order"
        assert err.count("Traceback") <= 1


def test_too_many_crashes_end_it_with_70(backend: str, tmp_path: Path) -> None:
    with running("Broken", backend, tmp_path) as process:
        code, err = process.ends()
        assert code == GAVE_UP, err
        assert "gave up" in err + "".join(process.lines)
        assert "a bug" in err + "".join(process.lines)
