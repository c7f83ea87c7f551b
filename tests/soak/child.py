"""A process of the product as an operator starts it, with what inside.py puts into it: `python child.py bot`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.soak import inside

ROOT = Path(__file__).parents[2]
OF_CHAOS = {"CHAOS_CLOCK_NUMBER": inside.CLOCK, "CHAOS_DISK": None}
"""What the chaos tests tell their own processes, and what it is called here: nobody cuts the power."""


def begin(
    beside: Mapping[str, str], arguments: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start `teltubby` with arguments; `beside` goes into its environment too.

    Not forked as in other tests: a fork has all that the tests' nursery imported in its memory, and this one what
    it imported itself.
    """
    ours = {OF_CHAOS.get(name, name): value for name, value in environment.items()}
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", __file__, *arguments],
            env={name: value for name, value in ours.items() if name} | {**beside, "PYTHONPATH": str(ROOT)},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C is for who started the soak
        )


if __name__ == "__main__":
    from teltubby.__main__ import main

    inside.begin()
    sys.argv[0] = "teltubby"
    main()
