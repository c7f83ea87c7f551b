"""The bot wing on twins: the ledger and the queue are real, Telegram and the store are in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from teltubby.actors.announcing import Announcing
from teltubby.actors.archiving import Archiving, Bookkeeping
from teltubby.actors.artifact_repair import ArtifactRepair
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.audit import Audit
from teltubby.actors.bot import BotActor
from teltubby.actors.channel_media import ChannelMedia
from teltubby.actors.channels_desk import ChannelsDesk
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Desk
from teltubby.actors.download import BotDownloadActor
from teltubby.actors.edits import Edits
from teltubby.actors.intake import Intake
from teltubby.actors.items import ItemRules, Items
from teltubby.actors.job_orders import JobOrders
from teltubby.actors.ledger import LedgerActor
from teltubby.actors.leftovers import Leftovers
from teltubby.actors.media_reading import MediaReading
from teltubby.actors.news import News
from teltubby.actors.patience import Patience
from teltubby.actors.queue_bot import PublishingQueueActor
from teltubby.actors.quota import QuotaKeeper, QuotaRules
from teltubby.actors.readiness import Outlook
from teltubby.actors.receiving import Receiving
from teltubby.actors.recollection import Recollection
from teltubby.actors.reconciler import ReconcilerActor, ReconcilerRules
from teltubby.actors.session_news import SessionNews
from teltubby.actors.sign_in import SignInDesk
from teltubby.actors.sign_in_pictures import SignInPictures
from teltubby.actors.signs_of_life import SignsOfLife
from teltubby.actors.trail import Trail
from teltubby.actors.troubles import Troubles
from teltubby.actors.upload import UploadActor
from teltubby.actors.wakeup import Wakeup
from teltubby.actors.whispers import Whispers
from teltubby.actors.workers import Workers
from teltubby.adapters.base import UpdateParser
from teltubby.adapters.bot_updates import parse_update
from teltubby.adapters.metrics import Metrics
from teltubby.archive.alerts import AlertRules
from teltubby.archive.routing import Limits
from teltubby.messages.history import Statistics
from teltubby.messages.ledger import FindContent, LedgerMessage
from teltubby.messages.media import RawUpdate
from teltubby.messages.queue import BotMessage, PublisherMessage
from teltubby.messages.relay import RelayMessage
from teltubby.messages.transfer import FetchSmall, UploadMessage
from teltubby.supervision import ChildSpec, Context, Mailbox, Ref, Supervisor
from teltubby.trees.reception import furnished_desk
from tests.actors.alert_stage import staged
from tests.actors.ledgers import ledger_at
from tests.actors.queues import Queue, queue_at
from tests.actors.stage import ANNA, WITHIN
from tests.actors.worker_wing import BACKOFF
from tests.actors.world import World
from tests.bot_twin import SaidTwin
from tests.twins import BotTwin, BrokerTwin, MemoryStore, Script, Telegram, Watcher
from tests.virtual_time import until, wall_clock

BORIS = 8
STRANGER = 666
ALBUM_SECONDS = 2.0
KIB = 1024
NO_QUOTA = QuotaRules(quota_bytes=0, threshold_pct=80, cooldown=timedelta(hours=24))


async def _nobody_watches(moment: str) -> None:
    del moment


class WatchedLedger(LedgerActor):
    """The real one, with trouble on order."""

    def __init__(self, path: Path, script: Script) -> None:
        super().__init__(path, clock=wall_clock)
        self._script = script

    async def handle(self, message: LedgerMessage, /) -> object:
        name = type(message).__name__
        await self._script.begin(name, message)
        answer = await super().handle(message)
        await self._script.end(name)
        return answer


@dataclass
class BotWing:
    """What a test reaches of it while it runs."""

    world: World
    tree: Supervisor
    context: Context[Any]
    gateway: BotTwin
    downloads: BotTwin
    store: MemoryStore
    ledger_script: Script
    ledger: Ref[LedgerMessage]
    news: Ref[BotMessage]
    queue_ref: Ref[PublisherMessage]
    queue: Queue
    broker: BrokerTwin
    metrics: Metrics
    orders: list[JobOrders]
    desks: list[Desk]
    quotas: list[QuotaKeeper]
    whispers: list[Whispers]
    """One of each incarnation of the BotActor, as of `orders`."""

    @property
    def telegram(self) -> Telegram:
        return self.world.telegram

    async def rests(self, *, within: float = 20_000) -> None:
        """Wait until everything that was handed in is dealt with."""
        await until(self.world.at_rest, within=within, every=0.2)

    async def receives(self, *updates: RawUpdate, within: float = 20_000) -> None:
        """These arrive and are dealt with."""
        self.telegram.deliver(*updates)
        await self.rests(within=within)

    async def reads_events(self) -> None:
        """Wait until what workers told is read, and what follows from it is done."""
        await until(lambda: not self.world.facts("SELECT 1 FROM queue_messages WHERE queue = 'events'", "queue.db"))
        await anyio.sleep(15)

    def said(self, chat: int = ANNA) -> list[str]:
        return self.telegram.said(chat)

    def counted(self, name: str) -> float:
        """A counter's value."""
        value = self.metrics.registry.get_sample_value(f"teltubby_{name}_total")
        assert value is not None, name
        return value


@asynccontextmanager
async def bot_wing(
    world: World,
    *,
    watch: Watcher = _nobody_watches,
    parse: UpdateParser = parse_update,
    width: int = 4,
    dedup: bool = True,
    policy_bytes: int = 64 * KIB,
    max_bytes: int = 1 << 30,
    reconciler: ReconcilerRules | None = None,
    reconciler_clock: Callable[[], datetime] = wall_clock,
    quota_rules: QuotaRules = NO_QUOTA,
    missing: str | None = None,
    media: MediaReading | None = None,
    alert_rules: AlertRules | None = None,
    outlook: Outlook | None = None,
) -> AsyncIterator[BotWing]:
    """The wing over what the world holds; small parts, so that small files go up in several."""
    telegram, rng, metrics = world.telegram, random.Random(1), Metrics()
    seen = outlook or Outlook()
    telegram.served_bytes = 32 * KIB
    ledger = Mailbox[LedgerMessage]("ledger", capacity=256)
    upload = Mailbox[UploadMessage]("upload")
    download = Mailbox[FetchSmall]("download")
    queue_mail = Mailbox[PublisherMessage]("queue", capacity=256)
    bot = Mailbox[BotMessage]("bot")
    ledger_script = Script(watch)
    gateway, downloads = BotTwin(telegram, watch=watch), BotTwin(telegram, watch=watch)
    store = MemoryStore(part_size=8 * KIB, watch=watch)
    store.objects = world.objects
    artifacts, signs = Artifacts(ledger=ledger.ref, upload=upload.ref), SignsOfLife()
    orders: list[JobOrders] = []
    desks: list[Desk] = []
    quotas: list[QuotaKeeper] = []
    whispers: list[Whispers] = []

    async def first_copy(digest: str) -> str | None:
        known = await ledger.ref.ask(FindContent(sha256=digest), within=30)
        return None if known is None or not dedup else known.s3_key

    def bot_actor() -> BotActor:
        patience = Patience()
        recollection = Recollection(lambda: SaidTwin(telegram))
        chat = Chat(gateway, patience=patience, backoff=BACKOFF, rng=rng, recollection=recollection)
        announcing = Announcing()
        recorded = Wakeup()
        quota = QuotaKeeper(
            quota_rules,
            ledger=ledger.ref,
            upload=upload.ref,
            growth=artifacts.growth,
            chat=chat,
            admins=(ANNA, BORIS),
            room=recorded,
            backoff=BACKOFF,
            rng=rng,
            clock=wall_clock,
        )
        rules = ItemRules(
            limits=Limits(policy_bytes=policy_bytes, server_bytes=policy_bytes, max_bytes=max_bytes),
            dedup=dedup,
            spool_dir=world.folder / "spool",
        )
        items = Items(
            rules,
            ledger=ledger.ref,
            download=download.ref,
            upload=upload.ref,
            gateway=gateway,
            quota=quota,
            patience=patience,
            backoff=BACKOFF,
            rng=rng,
            media=media or MediaReading(),
        )
        books = Bookkeeping(
            bucket=store.bucket,
            location=store.location,
            chat_slug_from="origin",
            bot_api_max_file_size_bytes=policy_bytes,
            max_retries=3,
        )
        workers = Workers(queue=queue_mail.ref, missing=missing, clock=wall_clock)
        archiving = Archiving(
            books,
            items=items,
            ledger=ledger.ref,
            artifacts=artifacts,
            quota=quota,
            chat=chat,
            announcing=announcing,
            metrics=metrics,
            width=width,
            obstacle=workers.obstacle,
        )
        orders.append(
            JobOrders(
                ledger=ledger.ref,
                queue=queue_mail.ref,
                artifacts=artifacts,
                chat=chat,
                announcing=announcing,
                metrics=metrics,
            )
        )
        whispers.append(Whispers((ANNA, BORIS), clock=anyio.current_time))
        trail = Trail(ledger=ledger.ref, clock=wall_clock)
        audit = Audit(ledger=ledger.ref, clock=wall_clock, trail=trail)
        sign_in = SignInDesk(
            workers=workers,
            whispers=whispers[-1],
            audit=audit,
            queue=queue_mail.ref,
            chat=chat,
            pictures=SignInPictures(ledger=ledger.ref, chat=chat),
            clock=wall_clock,
        )
        channels = ChannelsDesk(
            queue=queue_mail.ref,
            audit=audit,
            chat=chat,
            workers=workers,
            clock=wall_clock,
        )
        alerts, alerts_desk = staged(
            alert_rules, seen, ledger=ledger.ref, workers=workers, chat=chat, audit=audit, admins=(ANNA, BORIS)
        )
        desk = furnished_desk(
            chat=chat,
            job_orders=orders[-1],
            ledger=ledger.ref,
            queue=queue_mail.ref,
            upload=upload.ref,
            store=store,
            quota_bytes=quota_rules.quota_bytes,
            growth=artifacts.growth,
            mode="polling",
            sign_in=sign_in,
            channels=channels,
            alerts=alerts_desk,
            workers=workers,
            recount=quota.recount,
            trail=trail,
            paint=_painted,
            clock=wall_clock,
        )
        desks.append(desk)
        quotas.append(quota)
        news = News(
            ledger=ledger.ref,
            upload=upload.ref,
            queue=queue_mail.ref,
            quota=quota,
            artifacts=artifacts,
            chat=chat,
            announcing=announcing,
            metrics=metrics,
            location=store.location,
            dedup=dedup,
        )
        channel_media = ChannelMedia(
            books,
            ledger=ledger.ref,
            queue=queue_mail.ref,
            artifacts=artifacts,
            metrics=metrics,
            max_bytes=max_bytes,
            dedup=dedup,
            width=width,
        )
        receiving = Receiving(
            gateway=gateway,
            ledger=ledger.ref,
            recorded=recorded,
            troubles=Troubles(),
            backoff=BACKOFF,
            rng=rng,
            whispers=whispers[-1],
        )
        intake = Intake(
            recorded=recorded,
            parse=parse,
            whitelist=(ANNA, BORIS),
            album_seconds=ALBUM_SECONDS,
            ledger=ledger.ref,
            queue=queue_mail.ref,
            archiving=archiving,
            edits=Edits(ledger=ledger.ref, artifacts=artifacts, chat=chat, trail=trail),
            quota=quota,
            desk=desk,
            chat=chat,
            recollection=recollection,
            trail=trail,
            metrics=metrics,
            patience=patience,
            backoff=BACKOFF,
            rng=rng,
        )
        return BotActor(
            gateway,
            receiving=receiving,
            intake=intake,
            news=news,
            session_news=SessionNews(
                workers=workers,
                sign_in=sign_in,
                ledger=ledger.ref,
                chat=chat,
                trail=trail,
                admins=(ANNA, BORIS),
                clock=wall_clock,
            ),
            channels=channels,
            channel_media=channel_media.take,
            quota=quota,
            alerts=alerts,
            chat=chat,
            recollection=recollection,
            trail=trail,
            patience=patience,
            spool_dir=rules.spool_dir,
        )

    path = ledger_at(world.folder / "ledger.db")
    async with queue_at(world.folder / "queue.db") as queue:
        broker = queue.twin(watch)
        children = [
            ChildSpec("ledger", lambda: WatchedLedger(path, ledger_script), mailbox=ledger),
            ChildSpec(
                "upload",
                lambda: UploadActor(store, width=width, multipart_bytes=16 * KIB, first_copy=first_copy),
                mailbox=upload,
            ),
            ChildSpec("download", lambda: BotDownloadActor(downloads, width=width), mailbox=download),
            ChildSpec(
                "queue",
                lambda: PublishingQueueActor(
                    broker,
                    ledger=ledger.ref,
                    news=bot.ref,
                    relay=Mailbox[RelayMessage]("relay").ref,
                    first_copy=first_copy,
                    signs=signs,
                    backoff=BACKOFF,
                    rng=rng,
                    full=lambda: artifacts.growth.is_full,
                ),
                mailbox=queue_mail,
            ),
            ChildSpec("bot", bot_actor, mailbox=bot),
        ]
        if reconciler is not None:
            repair = ArtifactRepair(ledger=ledger.ref, artifacts=artifacts)
            start = partial(
                ReconcilerActor,
                reconciler,
                ledger=ledger.ref,
                queue=queue_mail.ref,
                repair=repair,
                leftovers=Leftovers(ledger=ledger.ref, upload=upload.ref),
                signs=signs,
                clock=reconciler_clock,
            )
            children.insert(-1, ChildSpec("reconciler", start))
        tree, context = Supervisor("bot", children), Context[Any]("bot")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tree.run, context)
            with anyio.fail_after(WITHIN):
                await context.ready.wait()
            try:
                yield BotWing(
                    world=world,
                    tree=tree,
                    context=context,
                    gateway=gateway,
                    downloads=downloads,
                    store=store,
                    ledger_script=ledger_script,
                    ledger=ledger.ref,
                    news=bot.ref,
                    queue_ref=queue_mail.ref,
                    queue=queue,
                    broker=broker,
                    metrics=metrics,
                    orders=orders,
                    desks=desks,
                    quotas=quotas,
                    whispers=whispers,
                )
            finally:
                context.stop()


async def _painted(statistics: Statistics) -> bytes:
    return f"a picture of {len(statistics.days)} days".encode()
