"""teltubby's own way: the worker's actors as its tree makes them, without the queue in front.

Settings come from the environment, as a worker's do. Each line asks for one of: `download` (into the spool), `halves`
(the download, then the upload from the finished spool), `job` (both at once, as a worker does it, and the artifact).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
from anyio import to_thread

from benchmarks.clients.serving import say, spending
from teltubby import flavour, runtime
from teltubby.actors.download import DownloadActor
from teltubby.actors.job_run import JobRun
from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.troubles import Troubles
from teltubby.actors.upload import UploadActor
from teltubby.actors.ways import Ways
from teltubby.adapters.clock import utc_now
from teltubby.config import Config, Role, load
from teltubby.messages.jobs import FileInfo, Job, JobEvent, JobMetadata, Target, TelegramContext
from teltubby.messages.media import MediaKind
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionChanged, SessionState
from teltubby.messages.transfer import (
    FetchLarge,
    FileLocation,
    Locate,
    MailboxPlace,
    StoreArtifact,
    StoreFile,
    UploadMessage,
)
from teltubby.supervision import ChildSpec, Context, Mailbox, Ref, Supervisor
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.trees import parts

LONG = 600.0
READY_WITHIN = 30.0
READ_BYTES = 4 << 20
ARTIFACT_BYTES = 4096
"""A message.json of one file has about so many."""


@dataclass(frozen=True, kw_only=True)
class Wing:
    """What is asked of the actors."""

    run: JobRun
    session: Ref[SessionMessage]
    download: Ref[FetchLarge]
    upload: Ref[UploadMessage]
    spools: SpoolFolder


def tree(config: Config, ready: anyio.Event) -> tuple[Supervisor, Wing]:
    """The worker's wing without its queue (teltubby/trees/worker.py); `ready` is set when the session is signed in."""

    def announce(changed: SessionChanged) -> None:
        if changed.standing.state is SessionState.READY:
            ready.set()

    store, gateway = parts.store(config), parts.bot_session(config)
    session = Mailbox[SessionMessage]("session")
    download = Mailbox[FetchLarge]("download")
    upload = Mailbox[UploadMessage]("upload")
    spools = SpoolFolder(config.storage.spool_dir / "large", keep_seconds=LONG)
    sessions = {AccountKind.BOT: session.ref}
    wing = Wing(
        run=JobRun(
            worker="benchmark",
            ways=Ways(
                sessions=sessions,
                routes=(FileRoute.BOT,),
                bot_id=parts.bot_id(config),
                max_bytes=config.ingest.max_file_bytes,
            ),
            download=download.ref,
            upload=upload.ref,
            spools=spools,
        ),
        session=session.ref,
        download=download.ref,
        upload=upload.ref,
        spools=spools,
    )
    uploader = partial(
        UploadActor, width=1, multipart_bytes=config.s3.multipart_threshold, first_copy=parts.nobody_knows
    )
    connect = partial(
        SessionActor,
        account=AccountKind.BOT,
        is_needed=True,
        announce=announce,
        troubles=Troubles(),
        backoff=parts.RECONNECT,
        rng=parts.RNG,
        clock=utc_now,
        session_file=config.mtproto.bot_session_path,
    )
    children = [
        ChildSpec("upload", lambda: uploader(store()), mailbox=upload),
        ChildSpec("session", lambda: connect(gateway()), mailbox=session),
        ChildSpec(
            "download",
            lambda: DownloadActor(sessions, width=1, engine=parts.engine(config)),
            mailbox=download,
        ),
    ]
    return Supervisor("benchmark", children), wing


def job_of(request: Mapping[str, Any], number: int) -> Job:
    """A job as the bot would hand it in, under a key of its own."""
    return Job(
        job_id=f"benchmark-{request['unique_id']}-{number}",
        user_id=request["chat_id"],
        chat_id=request["chat_id"],
        message_id=request["message_id"],
        file_info=FileInfo(
            file_id="benchmark",
            file_unique_id=request["unique_id"],
            file_size=request["size"],
            file_type=MediaKind.VIDEO,
            file_name="film.mp4",
            mime_type="video/mp4",
        ),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(created_at=datetime.now(UTC)),
        target=Target(key=f"teltubby/benchmark/{request['unique_id']}-{number}/film.mp4"),
    )


async def do_download(wing: Wing, job: Job) -> dict[str, object]:
    """Fill a spool; what is in it is hashed afterwards."""
    location = await _locate(wing, job)
    async with _spool(wing, job, location) as spool:
        with spending() as spent:
            await wing.download.ask(_fetch(wing, job, location, spool), within=LONG)
        digest = await _digest(spool)
        await spool.finish()
    return {**vars(spent), "sha256": digest}


async def do_halves(wing: Wing, job: Job) -> dict[str, object]:
    """Each half by itself: `download` and `upload` are seconds."""
    location = await _locate(wing, job)
    async with _spool(wing, job, location) as spool:
        with spending() as down:
            await wing.download.ask(_fetch(wing, job, location, spool), within=LONG)
        request = StoreFile(
            key=job.target.key, source=spool, content_type="video/mp4", stored=lambda count: None, log=spool.uploads
        )
        with spending() as up:
            stored = await wing.upload.ask(request, within=LONG)
        await spool.finish()
    return {"download": down.seconds, "upload": up.seconds, "sha256": stored.sha256}


async def do_job(wing: Wing, job: Job) -> dict[str, object]:
    """The whole of it, and the artifact that the bot writes when it hears of the end."""
    beside = job.target.key.rpartition("/")[0]
    body = json.dumps({"padding": "x" * ARTIFACT_BYTES}).encode()
    with spending() as spent:
        completed = await wing.run.perform(job, 1, _ignore)
        artifact = StoreArtifact(key=f"{beside}/message.json", beside=f"{beside}/message-2.json", body=body)
        await wing.upload.ask(artifact, within=LONG)
    return {**vars(spent), "sha256": completed.sha256, "key": completed.key}


WORK = {"download": do_download, "halves": do_halves, "job": do_job}


async def main(config: Config) -> None:
    ready = anyio.Event()
    supervisor, wing = tree(config, ready)
    context = Context[Any](supervisor.name)
    async with flavour.hosted(), anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run, context)
        with anyio.fail_after(READY_WITHIN):
            await ready.wait()
        say(ready=True)
        for number in itertools.count(1):
            if not (line := await to_thread.run_sync(sys.stdin.readline)):
                break
            request = json.loads(line)
            work = WORK[request.get("do", "download")]
            say(**await work(wing, job_of(request, number)))
        context.stop()


async def _locate(wing: Wing, job: Job) -> FileLocation:
    place = MailboxPlace(chat_id=job.chat_id, message_id=job.message_id)
    return await wing.session.ask(Locate(place=place), within=LONG)


def _spool(wing: Wing, job: Job, location: FileLocation) -> Spool:
    return wing.spools.open(job.job_id, document_id=location.document_id, size=location.size, key=job.target.key)


def _fetch(wing: Wing, job: Job, location: FileLocation, spool: Spool) -> FetchLarge:
    return FetchLarge(account=AccountKind.BOT, location=location, refresh=lambda: _locate(wing, job), into=spool)


async def _digest(spool: Spool) -> str:
    digest = hashlib.sha256()
    for offset in range(0, spool.size, READ_BYTES):
        digest.update(await spool.read(offset, READ_BYTES))
    return digest.hexdigest()


async def _ignore(event: JobEvent) -> None:
    """Nobody listens."""


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    settings = load(Role.WORKER)
    options = runtime._prepare(settings)  # a process such as `teltubby worker` is: its malloc, its garbage collector
    runtime._settle()
    anyio.run(main, settings, backend_options=options)
