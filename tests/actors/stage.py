"""A tree around a test, and jobs to put into it."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from teltubby.archive.identity import unique_id_of_document
from teltubby.messages.jobs import FileInfo, Job, JobMetadata, Priority, Target, TelegramContext
from teltubby.messages.media import MediaKind
from teltubby.supervision import ChildSpec, Context, Supervisor
from tests.virtual_time import BEGINNING

ANNA = 7
WITHIN = 1e6
MIB = 1 << 20


@asynccontextmanager
async def running(*children: ChildSpec | Supervisor) -> AsyncIterator[Supervisor]:
    """The tree of these children, while the body runs; stopped in order after it."""
    tree = Supervisor("stage", list(children))
    context = Context[Any]("stage")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        with anyio.fail_after(WITHIN):
            await context.ready.wait()
        try:
            yield tree
        finally:
            context.stop()


def restarts(tree: Supervisor) -> dict[str, int]:
    """How often each child crashed; nothing at all where none did."""
    return {child.name: child.restarts for child in tree.snapshot().children if child.restarts}


def large_job(
    number: int = 1,
    *,
    size: int | None = None,
    max_retries: int = 3,
    retry_count: int = 0,
    priority: Priority = Priority.NORMAL,
    unique_id: str | None = None,
) -> Job:
    """Job `number`: message `number` of Anna's chat, document 1000 + `number`."""
    return Job(
        job_id=str(uuid.UUID(int=number)),
        user_id=ANNA,
        chat_id=ANNA,
        message_id=number,
        file_info=FileInfo(
            file_id=f"file-{number}",
            file_unique_id=unique_id_of_document(1000 + number) if unique_id is None else unique_id,
            file_size=size,
            file_type=MediaKind.VIDEO,
            file_name=f"film {number}.mp4",
            mime_type="video/mp4",
        ),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(
            created_at=BEGINNING, max_retries=max_retries, retry_count=retry_count, priority=priority
        ),
        target=Target(key=f"teltubby/2026/11/anna/{number}/film.mp4"),
    )


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes of which no two blocks are alike."""
    return random.Random(seed).randbytes(size)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
