"""The worker wing: large files, over MTProto."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from teltubby.actors.collector_standing import WHERE
from teltubby.actors.download import DownloadActor
from teltubby.actors.first_copy import asked_of_the_bot
from teltubby.actors.job_run import JobRun
from teltubby.actors.queue_worker import ConsumingQueueActor
from teltubby.actors.readiness import Outlook
from teltubby.actors.relay_asked import relay_copies
from teltubby.actors.room_asked import room_asked
from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.sign_in_steps import SignInMeans
from teltubby.actors.upload import UploadActor
from teltubby.actors.ways import Ways
from teltubby.adapters.base import Broker
from teltubby.adapters.clock import utc_now
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.sealed_boxes import SealedBoxes
from teltubby.config import Config
from teltubby.messages.collector import CollectorMessage
from teltubby.messages.queue import ConsumerMessage, ReportSignIn
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import FetchLarge, UploadMessage
from teltubby.messages.workers import SignInTold
from teltubby.supervision import ChildSpec, Intensity, Mailbox, Ref, Strategy, Supervisor
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.transfer.upload import FirstCopy
from teltubby.trees import parts
from teltubby.trees.alerting import unwell
from teltubby.trees.backing_up import backup_children
from teltubby.trees.collecting import announced, collector_children, say_what_is_off
from teltubby.trees.common import root
from teltubby.trees.watching import heard_of_sessions, look_around, watched_broker, watched_store

SECONDS_PER_HOUR = 3600
LOOKS = 1
"""Whoever looks how the store is does not wait until a large file is stored, which may take hours: see
`readiness.look_at_store`. Mail that waits for so long would look like an actor that hangs.
"""
STARTED = (AccountKind.BOT, AccountKind.USER)
"""The bot's session first: what the person's suffers must not restart it (rest for one)."""


@dataclass(frozen=True, slots=True)
class WorkerMail:
    """The addresses of the worker wing that others need."""

    upload: Mailbox[UploadMessage] = field(default_factory=lambda: Mailbox("upload"))
    download: Mailbox[FetchLarge] = field(default_factory=lambda: Mailbox("download"))
    queue: Mailbox[ConsumerMessage] = field(default_factory=lambda: Mailbox("queue", capacity=256))


def worker_tree(config: Config) -> Supervisor:
    """`teltubby worker`."""
    outlook, mail = Outlook(), WorkerMail()
    broker = watched_broker(parts.broker(config, Doorbell(), client="teltubby worker"), outlook)
    first_copy = parts.first_copy(config, asked_of_the_bot(broker))
    wing = worker_wing(config, broker, mail, outlook, first_copy=first_copy)
    look_around(config, outlook, upload=mail.upload.ref, queue=mail.queue.ref, data=config.mtproto.session_path.parent)
    return root("worker", config, outlook, [*wing, *backup_children(config, outlook)])


def worker_name() -> str:
    """Of this process alone: in a container every process has the same number, and a restarted one is another."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"


def worker_wing(
    config: Config, broker: Broker, mail: WorkerMail, outlook: Outlook, *, first_copy: FirstCopy
) -> Sequence[ChildSpec | Supervisor]:
    """Upload first and the queue last: a stop ends the taking of jobs before it ends what jobs need."""
    width, name, settings = config.worker.concurrency, worker_name(), config.mtproto
    store, boxes = watched_store(parts.store(config), outlook), SealedBoxes()
    troubles, upload, download, queue = outlook.troubles, mail.upload, mail.download, mail.queue
    say_what_is_off(config, troubles, missing=None)
    collector = Mailbox[CollectorMessage]("collector") if config.collector.is_on else None
    accounts = settings.accounts | ({AccountKind.USER} if collector is not None else frozenset())
    sessions = {kind: Mailbox[SessionMessage](f"{kind}_session") for kind in STARTED if kind in accounts}
    refs = {kind: mailbox.ref for kind, mailbox in sessions.items()}
    run = JobRun(
        worker=name,
        ways=Ways(
            sessions=refs,
            routes=settings.routes,
            bot_id=parts.bot_id(config),
            max_bytes=config.ingest.max_file_bytes,
            relay=None if settings.relay_chat_id is None else relay_copies(broker, worker=name),
        ),
        download=download.ref,
        upload=upload.ref,
        spools=SpoolFolder(
            config.storage.spool_dir / "large", keep_seconds=config.storage.spool_keep_hours * SECONDS_PER_HOUR
        ),
        media=parts.media_reading(config),
        metrics=outlook.metrics,
    )
    return [
        ChildSpec(
            "upload",
            lambda: UploadActor(
                store(),
                width=width + LOOKS,
                multipart_bytes=config.s3.multipart_threshold,
                first_copy=first_copy,
                metrics=outlook.metrics,
            ),
            mailbox=upload,
        ),
        Supervisor(
            "telegram",
            [
                *(
                    ChildSpec(
                        mailbox.name,
                        session_actor(config, kind, queue.ref, boxes, outlook, collector),
                        mailbox=mailbox,
                    )
                    for kind, mailbox in sessions.items()
                ),
                ChildSpec(
                    "download",
                    lambda: DownloadActor(refs, width=width, engine=parts.engine(config), metrics=outlook.metrics),
                    mailbox=download,
                ),
                *collector_children(
                    config,
                    collector,
                    worker=name,
                    sessions=refs,
                    queue=queue.ref,
                    room=room_asked(broker, worker=name),
                    troubles=troubles,
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
                sessions=refs,
                place=f"{socket.gethostname()}:{settings.session_path}",
                public_key=boxes.public_key,
                routes=settings.routes,
                concurrency=width,
                retry_seconds=config.worker.retry_delay_seconds,
                backoff=parts.RECONNECT,
                rng=parts.RNG,
                clock=utc_now,
                collector=None if collector is None else collector.ref,
                collector_trouble=lambda: troubles.reasons.get(WHERE),
                unwell=unwell(config, outlook).standings,
            ),
            mailbox=queue,
        ),
    ]


def session_actor(
    config: Config,
    account: AccountKind,
    queue: Ref[ConsumerMessage],
    boxes: SealedBoxes,
    outlook: Outlook,
    collector: Mailbox[CollectorMessage] | None,
) -> Callable[[], SessionActor]:
    """Makes the owner of an account's session: a person signs in by dialogue, a bot by itself.

    The person's account is needed where no configured way goes over the bot's, and where channels are collected.
    """
    collects = config.collector.is_on
    announce = queue.tell if account is AccountKind.BOT else announced(queue, collector)
    common = partial(
        SessionActor,
        account=account,
        announce=heard_of_sessions(announce, outlook),
        troubles=outlook.troubles,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
        clock=utc_now,
        session_file=parts.session_path(config, account),
    )
    if account is AccountKind.BOT:
        bot_session = parts.bot_session(config)
        return lambda: common(bot_session(), is_needed=True)
    personal_session = parts.personal_session(config, follows=collects and config.collector.updates_enabled)
    is_needed = collects or AccountKind.BOT not in config.mtproto.accounts

    def tell(told: SignInTold) -> None:
        queue.tell(ReportSignIn(report=told))

    def make() -> SessionActor:
        gateway = personal_session()
        means = SignInMeans(gateway=gateway, boxes=boxes, tell=tell)
        return common(gateway, is_needed=is_needed, sign_in=means, channels=gateway)

    return make
