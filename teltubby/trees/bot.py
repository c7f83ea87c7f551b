"""The bot wing: intake, small files, the ledger, the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from teltubby.actors.artifact_repair import ArtifactRepair
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.download import BotDownloadActor
from teltubby.actors.ledger import LedgerActor
from teltubby.actors.leftovers import Leftovers
from teltubby.actors.queue_bot import PublishingQueueActor
from teltubby.actors.readiness import Outlook
from teltubby.actors.reconciler import ReconcilerActor, ReconcilerRules
from teltubby.actors.relay import RelayActor
from teltubby.actors.signs_of_life import SignsOfLife
from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import Broker
from teltubby.adapters.clock import utc_now
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.config import Config
from teltubby.messages.ledger import FindContent, LedgerMessage
from teltubby.messages.queue import BotMessage, PublisherMessage
from teltubby.messages.relay import RelayMessage
from teltubby.messages.transfer import FetchSmall, UploadMessage
from teltubby.supervision import ChildSpec, Mailbox, Supervisor
from teltubby.trees import parts
from teltubby.trees.backing_up import backup_children
from teltubby.trees.common import root
from teltubby.trees.conversation import bot_actor
from teltubby.trees.watching import LEDGER, bot_api_watch, look_around, look_at_counts, watched_broker, watched_store

ASK_SECONDS = 30.0
SILENT_CHECKS = 3
"""A worker that said nothing of a job in so many WORKER_HEALTH_CHECK_INTERVALs does not run it any more."""


@dataclass(frozen=True, slots=True)
class BotMail:
    """The addresses of the bot wing."""

    ledger: Mailbox[LedgerMessage] = field(default_factory=lambda: Mailbox("ledger", capacity=256))
    upload: Mailbox[UploadMessage] = field(default_factory=lambda: Mailbox("upload"))
    download: Mailbox[FetchSmall] = field(default_factory=lambda: Mailbox("download"))
    queue: Mailbox[PublisherMessage] = field(default_factory=lambda: Mailbox("queue", capacity=256))
    relay: Mailbox[RelayMessage] = field(default_factory=lambda: Mailbox("relay"))
    bot: Mailbox[BotMessage] = field(default_factory=lambda: Mailbox("bot"))

    async def first_copy(self, sha256: str) -> str | None:
        """The key that the ledger knows for these bytes."""
        known = await self.ledger.ref.ask(FindContent(sha256=sha256), within=ASK_SECONDS)
        return None if known is None else known.s3_key


def bot_tree(config: Config) -> Supervisor:
    """`teltubby bot`."""
    outlook, mail = Outlook(), BotMail()
    broker = watched_broker(parts.broker(config, Doorbell(), client="teltubby bot"), outlook)
    wing = [*bot_wing(config, broker, mail, outlook), *backup_children(config, outlook)]
    look_around(config, outlook, upload=mail.upload.ref, queue=mail.queue.ref, data=config.ingest.sqlite_path.parent)
    return root("bot", config, outlook, wing)


def bot_wing(
    config: Config,
    broker: Broker,
    mail: BotMail,
    outlook: Outlook,
    *,
    missing: str | None = None,
) -> Sequence[ChildSpec | Supervisor]:
    """The ledger first and the bot last: a stop ends the intake before it ends what the intake needs.

    `missing` says why nobody fetches large files, where that is known. `artifacts` and `signs` are shared: one lock
    for all who write artifacts, one memory of what workers said.
    """
    width = config.ingest.concurrency
    metrics, troubles = outlook.metrics, outlook.troubles
    store = watched_store(parts.store(config), outlook)
    gateway = parts.gateway(config, watch=bot_api_watch(outlook))
    look_at_counts(config, outlook, ledger=mail.ledger.ref)
    first_copy = parts.first_copy(config, mail.first_copy)
    artifacts, signs = Artifacts(ledger=mail.ledger.ref, upload=mail.upload.ref), SignsOfLife()
    media = parts.media_reading(config)
    return [
        ChildSpec(
            "ledger",
            lambda: LedgerActor(
                config.ingest.sqlite_path,
                bot_id=parts.bot_id(config),
                dependency=outlook.dependencies.named(LEDGER),
            ),
            mailbox=mail.ledger,
        ),
        ChildSpec(
            "upload",
            lambda: UploadActor(
                store(),
                width=width,
                multipart_bytes=config.s3.multipart_threshold,
                first_copy=first_copy,
                metrics=metrics,
            ),
            mailbox=mail.upload,
        ),
        ChildSpec("download", lambda: BotDownloadActor(gateway(), width=width, metrics=metrics), mailbox=mail.download),
        ChildSpec(
            "relay",
            lambda: RelayActor(
                gateway(), ledger=mail.ledger.ref, relay_chat_id=config.mtproto.relay_chat_id, clock=utc_now
            ),
            mailbox=mail.relay,
        ),
        ChildSpec(
            "queue",
            lambda: PublishingQueueActor(
                broker,
                ledger=mail.ledger.ref,
                news=mail.bot.ref,
                first_copy=first_copy,
                signs=signs,
                relay=mail.relay.ref,
                backoff=parts.RECONNECT,
                rng=parts.RNG,
                troubles=troubles,
                full=lambda: artifacts.growth.is_full,
            ),
            mailbox=mail.queue,
        ),
        ChildSpec(
            "reconciler",
            lambda: ReconcilerActor(
                ReconcilerRules(
                    silent_seconds=SILENT_CHECKS * config.worker.health_check_interval,
                    retention_days=config.queue.history_retention_days,
                    trail_days=config.queue.audit_retention_days,
                ),
                ledger=mail.ledger.ref,
                queue=mail.queue.ref,
                repair=ArtifactRepair(ledger=mail.ledger.ref, artifacts=artifacts),
                leftovers=Leftovers(ledger=mail.ledger.ref, upload=mail.upload.ref),
                signs=signs,
                clock=utc_now,
            ),
        ),
        ChildSpec(
            "bot",
            lambda: bot_actor(
                config,
                ledger=mail.ledger.ref,
                upload=mail.upload.ref,
                download=mail.download.ref,
                queue=mail.queue.ref,
                artifacts=artifacts,
                store=store(),
                gateway=gateway(),
                outlook=outlook,
                missing=missing,
                media=media,
            ),
            mailbox=mail.bot,
        ),
    ]
