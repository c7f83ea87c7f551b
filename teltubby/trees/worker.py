"""The worker wing: large files, over MTProto."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence

from teltubby.actors.download import DownloadActor
from teltubby.actors.first_copy import asked_of_the_bot
from teltubby.actors.job_run import JobRun
from teltubby.actors.queue_worker import ConsumingQueueActor
from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.troubles import Troubles
from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import Broker
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.metrics import Metrics
from teltubby.config import Config
from teltubby.messages.queue import ConsumerMessage
from teltubby.messages.transfer import FetchLarge, UploadMessage
from teltubby.supervision import ChildSpec, Intensity, Mailbox, Strategy, Supervisor
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.transfer.upload import FirstCopy
from teltubby.trees import parts
from teltubby.trees.common import root

SECONDS_PER_HOUR = 3600


def worker_tree(config: Config) -> Supervisor:
    """`teltubby worker`."""
    broker = parts.broker(config, Doorbell(), client="teltubby worker")
    first_copy = parts.first_copy(config, asked_of_the_bot(broker))
    wing = worker_wing(config, broker, Mailbox("session"), first_copy=first_copy)
    return root("worker", config, Metrics(), wing, troubles=Troubles())


def worker_name() -> str:
    """Of this process alone: in a container every process has the same number, and a restarted one is another."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"


def worker_wing(
    config: Config, broker: Broker, session: Mailbox[SessionMessage], *, first_copy: FirstCopy
) -> Sequence[ChildSpec | Supervisor]:
    """Upload first and the queue last: a stop ends the taking of jobs before it ends what jobs need."""
    width = config.worker.concurrency
    store, session_gateway = parts.store(config), parts.mtproto(config)
    upload = Mailbox[UploadMessage]("upload")
    download = Mailbox[FetchLarge]("download")
    queue = Mailbox[ConsumerMessage]("queue", capacity=256)
    run = JobRun(
        worker=worker_name(),
        session=session.ref,
        download=download.ref,
        upload=upload.ref,
        spools=SpoolFolder(
            config.storage.spool_dir / "large", keep_seconds=config.storage.spool_keep_hours * SECONDS_PER_HOUR
        ),
        max_bytes=config.ingest.max_file_bytes,
    )
    return [
        ChildSpec(
            "upload",
            lambda: UploadActor(
                store(),
                width=width,
                multipart_bytes=config.s3.multipart_threshold,
                first_copy=first_copy,
            ),
            mailbox=upload,
        ),
        Supervisor(
            "telegram",
            [
                ChildSpec(
                    "session",
                    lambda: SessionActor(
                        session_gateway(), announce=queue.ref.tell, backoff=parts.RECONNECT, rng=parts.RNG
                    ),
                    mailbox=session,
                ),
                ChildSpec(
                    "download",
                    lambda: DownloadActor(session.ref, width=width, engine=parts.engine(config)),
                    mailbox=download,
                ),
            ],
            strategy=Strategy.REST_FOR_ONE,
            intensity=Intensity(restarts=5, within=300),
        ),
        ChildSpec(
            "queue",
            lambda: ConsumingQueueActor(
                broker,
                run=run,
                session=session.ref,
                concurrency=width,
                retry_seconds=config.worker.retry_delay_seconds,
                backoff=parts.RECONNECT,
                rng=parts.RNG,
            ),
            mailbox=queue,
        ),
    ]
