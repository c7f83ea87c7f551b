"""Memory does not depend on the size of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from teltubby.simulator.files import FileKind
from tests.acceptance.household import Household
from tests.acceptance.nursery import run_command
from tests.acceptance.product import Begin, Product

MIB = 1 << 20


@pytest.fixture
def begin() -> Begin:
    """The command line itself: a forked process would begin with its parent's peak."""
    return run_command


def peak_rss(process: Product) -> int:
    """Bytes, VmHWM of proc(5)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def peak_of_a_worker(house: Household, size: int) -> int:
    """The peak of a fresh worker that archives one file of `size` bytes."""
    worker = house.start("worker")
    film = house.ada.new_file(FileKind.VIDEO, size, name="film.mp4")
    house.answer(house.ada.send_video(film), film.sha256(), within=150)
    peak = peak_rss(worker)
    worker.stop()
    return peak


@pytest.mark.timeout(400)
@pytest.mark.parametrize("backend", ["asyncio"])
def test_a_worker_needs_as_much_for_a_gibibyte_as_for_fifty_mebibytes(wings: Household) -> None:
    wings.start("bot")
    small, large = peak_of_a_worker(wings, 50 * MIB), peak_of_a_worker(wings, 1024 * MIB)
    assert large - small <= 32 * MIB, f"{small // MIB} MiB for 50 MiB, {large // MIB} MiB for 1 GiB"
    print(f"peak RSS of the worker: {small // MIB} MiB with 50 MiB, {large // MIB} MiB with 1 GiB")  # noqa: T201
