"""The object store: a small object and a small upload go the whole way, and are gone afterwards."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from teltubby.adapters.base import ObjectStore
from teltubby.config import Config
from teltubby.doctor.clocks import Clock, compare_clocks
from teltubby.doctor.findings import Findings
from teltubby.doctor.store_trial import Broken, StoreTrial
from teltubby.doctor.troubles import Trouble
from teltubby.doctor.words import size
from teltubby.errors import ObjectExists, StoreUnavailable, TeltubbyError
from teltubby.trees import parts

KEYS = "teltubby/doctor/"
"""What doctor writes lies under this; should anything ever be left there, it can be deleted."""

CLOSE_SECONDS = 5.0
UPLOADS = ".uploads"
"""Of a folder store (adapters/folder_store.py)."""


async def look_at_store(config: Config, clock: Clock, findings: Findings) -> None:
    """Bucket or folder, credentials, clock, every operation of an archive, the condition on writes."""
    async with opened(config) as store:
        look = _folder if config.s3.bucket is None else _bucket
        try:
            await look(config, store, clock, findings)
        except TeltubbyError as error:
            findings.trouble("access", trouble_of(config, error), error)
        else:
            await _operations(config, store, findings)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[ObjectStore]:
    """The store that is configured, to be opened; closed at the end, and a folder left as it was."""
    store = parts.store(config)()
    folder = config.storage.folder
    had_uploads = folder is None or (folder / UPLOADS).exists()
    try:
        yield store
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await store.aclose()
            if folder is not None:
                await to_thread.run_sync(partial(_remove_traces, folder, uploads=not had_uploads))


def trouble_of(config: Config, error: TeltubbyError) -> Trouble:
    """Which trouble an error of the store is."""
    if config.s3.bucket is None:
        return Trouble.STORE_FULL if isinstance(error, StoreUnavailable) else Trouble.STORE_FOLDER
    from teltubby.adapters.s3_inspection import StoreFault, fault_of

    troubles = {
        StoreFault.CREDENTIALS: Trouble.STORE_CREDENTIALS,
        StoreFault.PERMISSIONS: Trouble.STORE_PERMISSIONS,
        StoreFault.BUCKET: Trouble.STORE_BUCKET,
        StoreFault.CLOCK: Trouble.CLOCK_OFF,
        StoreFault.CERTIFICATE: Trouble.CERTIFICATE_REFUSED,
        StoreFault.REFUSED: Trouble.STORE_REFUSED,
        StoreFault.FULL: Trouble.STORE_FULL,
        StoreFault.AWAY: Trouble.STORE_AWAY,
    }
    return troubles[fault_of(error)]


async def _folder(config: Config, store: ObjectStore, clock: Clock, findings: Findings) -> None:
    del clock
    await store.open()
    disk = await to_thread.run_sync(os.statvfs, store.location(""), abandon_on_cancel=True)
    findings.well("access", f"the folder {config.storage.folder}, {size(disk.f_bavail * disk.f_frsize)} free")


async def _bucket(config: Config, store: ObjectStore, clock: Clock, findings: Findings) -> None:
    from teltubby.adapters.s3_inspection import open_for_a_look, store_time
    from teltubby.adapters.s3_store import S3Store

    if not isinstance(store, S3Store):
        raise AssertionError("a bucket is looked at through S3Store")
    await open_for_a_look(store)
    findings.well("access", f"the bucket {store.bucket} at {config.s3.endpoint or 'Amazon S3'}")
    compare_clocks(findings, "clock", await store_time(store), clock())


async def _operations(config: Config, store: ObjectStore, findings: Findings) -> None:
    """One after the other; the first that fails ends it, for the others build on it."""
    prefix = f"{KEYS}{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}/"
    trial = StoreTrial(store, prefix)
    steps: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("put and read", trial.put_and_read),
        ("overwriting", partial(_overwriting, store, trial)),
        ("multipart upload", trial.upload),
        ("abort and list", trial.abort_and_list),
        ("delete", trial.delete),
    )
    try:
        for subject, step in steps:
            try:
                findings.well(subject, await step())
            except _Overwrites as error:
                findings.trouble(subject, Trouble.STORE_OVERWRITES, error)
            except Broken as error:
                findings.trouble(subject, Trouble.STORE_BROKEN, error)
                return
            except TeltubbyError as error:
                findings.trouble(subject, trouble_of(config, error), error)
                return
    finally:
        await trial.tidy_up()


class _Overwrites(Exception):
    """The store would not keep anybody from overwriting."""


async def _overwriting(store: ObjectStore, trial: StoreTrial) -> str:
    """Write once more what is there. Raises _Overwrites where only a look before each write prevents that."""
    with suppress(ObjectExists):
        await store.put(trial.key, trial.body, content_type="application/octet-stream", sha256=trial.sha256)
    from teltubby.adapters.s3_store import S3Store

    if isinstance(store, S3Store):
        from teltubby.adapters.s3_inspection import Condition, put_over

        condition = await put_over(store, trial.key, trial.body, sha256=trial.sha256)
        if condition is not Condition.HONOURED:
            raise _Overwrites(f"If-None-Match is {condition} by this store")
    return "an object that is there is not overwritten"


def _remove_traces(folder: Path, *, uploads: bool) -> None:
    """What doctor's keys left beside their objects: folders, and the notes of what came of their uploads."""
    for note in (folder / UPLOADS).glob("*/upload"):
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):  # not ours, then
            if json.loads(note.read_bytes())["key"].startswith(KEYS):
                shutil.rmtree(note.parent)
    doctors = folder / KEYS
    for left in (*doctors.glob("*"), doctors, doctors.parent, *([folder / UPLOADS] if uploads else [])):
        with suppress(OSError):  # it holds something
            left.rmdir()
