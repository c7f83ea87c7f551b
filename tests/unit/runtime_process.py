"""`teltubby bot` in a process of its own, with a tree of actors that each show one thing about the runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WITHIN = 30.0
KEPT = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG")
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

class Thrifty(Steady):
    async def setup(self):
        import gc
        say(f"frozen {gc.get_freeze_count() > 10000}")
        await crowd(lambda: b"x" * (4 << 20))  # threads and their stacks come to be
        before = faults()
        await crowd(lambda: b"x" * MIB, times=64)
        say(f"faults per MiB {(faults() - before) / (8 * 64):.0f}")
        before = resident()
        for size in (16, 3, 1) * 3:
            await crowd(lambda: b"x" * (size * MIB), times=4)
        say(f"kept MiB {(resident() - before) / MIB:.0f}")
        say("measured")

MIB = 1 << 20

async def crowd(make, times=1):
    # Eight threads at once, each with up to two blocks in its hands.
    import anyio, anyio.to_thread
    def work():
        held = make()
        for _ in range(times):
            held = (held, make())[1]
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(anyio.to_thread.run_sync, work)

def faults():
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

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


def environment(backend: str, folder: Path, **settings: str) -> dict[str, str]:
    """What a process needs, and nothing of the developer's own."""
    return {
        **{name: value for name, value in os.environ.items() if name in KEPT},
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TELTUBBY_BACKEND": backend,
        "TELTUBBY_ENV_FILE": os.devnull,
        "TELEGRAM_BOT_TOKEN": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11",
        "TELEGRAM_WHITELIST_IDS": "7",
        "SQLITE_PATH": str(folder / "ledger.db"),
        **settings,
    }


@contextmanager
def running(other: str, backend: str, folder: Path) -> Iterator[Process]:
    env = environment(backend, folder, STORAGE_FOLDER=str(folder / "archive"))
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
