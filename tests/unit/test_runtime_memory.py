"""What the runtime does so that a process stays small: what it imports, and how it has memory managed."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.runtime_process import STOPPED, environment, running

WORKER = {
    "QUEUE_BACKEND": "rabbitmq",
    "RABBITMQ_PASSWORD": "secret",
    "MTPROTO_API_ID": "12345",
    "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef",
}

IMPORTS = """
import sys
from teltubby import runtime
from teltubby.config import Role, load
runtime.anyio.run = lambda *_, **__: 0
runtime.run_worker(load(Role.WORKER))
print(*sys.modules)
"""


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no mallopt")
def test_memory_is_given_back_but_not_asked_for_anew_with_every_part(backend: str, tmp_path: Path) -> None:
    with running("Thrifty", backend, tmp_path) as process:
        process.reads("measured")
        told = dict(line.rsplit(" ", 1) for line in process.lines if " " in line)
        process.child.send_signal(signal.SIGTERM)
        assert process.ends()[0] == STOPPED
    assert told["frozen"] == "True", "a full collection would walk everything that was imported"
    assert int(told["faults per MiB"]) <= 64, "of 256 pages"
    assert int(told["kept MiB"]) <= 24, "of 256 MiB that were in use at once"


@pytest.mark.parametrize(
    ("store", "needless"),
    [
        (
            {"S3_BUCKET": "archive", "S3_ACCESS_KEY_ID": "k", "S3_SECRET_ACCESS_KEY": "secret"},
            {"aiogram", "sqlite_utils"},
        ),
        ({"STORAGE_FOLDER": "archive"}, {"aiogram", "sqlite_utils", "aioboto3", "botocore"}),
    ],
    ids=["s3", "folder"],
)
def test_a_worker_imports_nothing_of_the_other_wing(store: dict[str, str], needless: set[str], tmp_path: Path) -> None:
    env = environment("asyncio", tmp_path, **WORKER, **store)
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS], check=True, cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE
    )
    imported = set(run.stdout.split())
    assert {"telethon", "aio_pika"} <= imported
    assert not needless & imported
