"""A worker is small, and no larger for a large file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from teltubby.simulator.files import FileKind
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import FolderArchive
from tests.acceptance.conftest import Keep, rabbit_settings
from tests.acceptance.household import Household
from tests.acceptance.nursery import run_command
from tests.acceptance.product import Begin, Product
from tests.servers.rabbitmq import RabbitNode

MIB = 1 << 20
SMALL, LARGE = 100 * MIB, 400 * MIB

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def backend() -> str:
    """The default."""
    return "asyncio"


@pytest.fixture
def begin() -> Begin:
    """The command line itself: a forked process would begin with its parent's peak."""
    spec = find_spec("telethon.tl.types")
    compiled = spec is not None and spec.cached is not None and Path(spec.cached).exists()
    assert compiled, "libraries without byte code are compiled at every start, in 80 MiB more: run scripts/setup.sh"
    return run_command


@pytest.fixture
def folder_wings(
    telegram: SimulatedTelegram,
    tmp_path: Path,
    backend: str,
    begin: Begin,
    rabbit_node: RabbitNode,
    rabbit_vhost: str,
    keep: Keep,
) -> Household:
    """For `teltubby bot` and `teltubby worker` on RabbitMQ and one folder, not started."""
    archive = FolderArchive(tmp_path / "archive")
    archive.root.mkdir()
    settings = {
        "TELTUBBY_BACKEND": backend,
        "STORAGE_FOLDER": str(archive.root),
        **rabbit_settings(rabbit_node, rabbit_vhost),
    }
    return keep(Household(telegram, tmp_path, archive, begin, settings))


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


@pytest.mark.parametrize("household", ["wings", "folder_wings"], ids=["s3", "folder"])
def test_a_worker_needs_little_whatever_the_size_of_the_file(household: str, request: pytest.FixtureRequest) -> None:
    house: Household = request.getfixturevalue(household)
    house.start("bot")
    small, large = peak_of_a_worker(house, SMALL), peak_of_a_worker(house, LARGE)
    print(f"peak RSS of the worker: {small // MIB} MiB with 100 MiB, {large // MIB} MiB with 400 MiB")  # noqa: T201
    assert large - small <= 32 * MIB, "one part of 16 MiB, or two at once: that is chance, and the rest is noise"
    assert large <= 180 * MIB
