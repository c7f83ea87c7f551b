"""Does a process say where it stands?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.chaos.stacks import ASKED

ROOT = Path(__file__).parents[2]
WITHIN = 60.0
STANDING_STILL = """
import asyncio
from tests.chaos.stacks import show_when_asked

async def outermost():
    await innermost()

async def innermost():
    print("ready", flush=True)
    await asyncio.Event().wait()

show_when_asked()
asyncio.run(outermost())
"""


def test_a_process_that_is_asked_tells_where_its_tasks_and_threads_stand() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STANDING_STILL], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(ASKED)
            told = list[str]()
            while "Event.wait" not in (line := process.stderr.readline()):
                assert line, f"it ended: {told}"
                told.append(line)
        finally:
            process.kill()
    together = "".join(told)
    assert "Current thread" in together
    assert together.index("outermost") < together.rindex("innermost")
