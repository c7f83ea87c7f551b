"""The picture of `/stats`, painted by a child process, so that what painting needs never stays in the bot's memory."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import anyio

from teltubby.errors import ExtraNotInstalled, NotAnswered, Transient
from teltubby.messages.history import Statistics

_LOG = logging.getLogger(__name__)

PAINTER = "teltubby.adapters.chart_painter"
PAINT_SECONDS = 60.0
"""The first picture after an installation takes longest: matplotlib looks for fonts then."""
NOT_INSTALLED = 3
_PNG = b"\x89PNG\r\n\x1a\n"
_SAID_CHARACTERS = 300
PASSED_ON = ("PATH", "HOME", "PYTHONPATH", "LANG", "LC_ALL", "MPLCONFIGDIR", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")


async def paint_statistics(statistics: Statistics) -> bytes:
    """A PNG of what was archived. Raises ExtraNotInstalled, NotAnswered (too slow), Transient (anything else)."""
    command = [sys.executable, "-m", PAINTER]
    # Nothing but what Python needs to start: the child has no business with tokens and keys.
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        with anyio.fail_after(PAINT_SECONDS):
            done = await anyio.run_process(
                command, input=as_json(statistics), check=False, stderr=subprocess.PIPE, env=environment
            )
    except TimeoutError as error:
        raise NotAnswered(f"the picture was not painted in {PAINT_SECONDS:.0f} s") from error
    except OSError as error:
        raise Transient(f"the painter does not start: {error}") from error
    if done.returncode == NOT_INSTALLED:
        raise ExtraNotInstalled("matplotlib is not installed")
    if done.returncode != 0 or not done.stdout.startswith(_PNG):
        said = done.stderr.decode(errors="replace").strip()[-_SAID_CHARACTERS:]
        raise Transient(f"the painter ended with {done.returncode}: {said}")
    return done.stdout


def as_json(statistics: Statistics) -> bytes:
    """What the painter reads: a list of days, oldest first, and nothing that could identify anybody."""
    days = [
        {
            "day": day.day.isoformat(),
            "files": day.files,
            "stored_bytes": day.stored_bytes,
            "jobs_completed": day.jobs_completed,
            "jobs_failed": day.jobs_failed,
            "median_seconds": day.median_seconds,
        }
        for day in statistics.days
    ]
    return json.dumps(days).encode()
