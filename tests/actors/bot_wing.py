"""The bot wing on twins: the ledger and the queue are real, Telegram and the store are in memory."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from teltubby.actors.announcing import Announcing
from teltubby.actors.archiving import Archiving, Bookkeeping
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.bot import BotActor
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Desk
from teltubby.actors.download import BotDownloadActor
from teltubby.actors.intake import Intake
from teltubby.actors.items import ItemRules, Items
from teltubby.actors.ledger import LedgerActor
from teltubby.actors.news import News
from teltubby.actors.patience import Patience
from teltubby.actors.queue_bot import PublishingQueueActor
from teltubby.actors.troubles import Troubles
from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import UpdateParser
from teltubby.adapters.bot_updates import parse_update
from teltubby.adapters.metrics import Metrics
from teltubby.archive.routing import Limits
from teltubby.messages.ledger import FindContent, LedgerMessage
from teltubby.messages.media import RawUpdate
from teltubby.messages.queue import JobNews, PublisherMessage
from teltubby.messages.transfer import FetchSmall, UploadMessage
from teltubby.supervision import ChildSpec, Context, Mailbox, Ref, Supervisor
from tests.actors.queues import Queue, queue_at
from tests.actors.stage import ANNA, WITHIN, sha256
from tests.actors.worker_wing import BACKOFF
from tests.twins import BotTwin, BrokerTwin, MemoryStore, Script, Telegram, Watcher
from tests.virtual_time import until, wall_clock

BORIS = 8
STRANGER = 666
ALBUM_SECONDS = 2.0
KIB = 1024


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
class World:
    """What outlives the process: Telegram, the store's objects, the files on this machine."""

    folder: Path
    telegram: Telegram = field(default_factory=Telegram)
    objects: dict[str, bytes] = field(default_factory=dict)

    def facts(self, question: str, file: str = "ledger.db") -> list[sqlite3.Row]:
        """Rows of the ledger's file, or of the queue's."""
        with closing(sqlite3.connect(self.folder / file)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(question).fetchall()

    def at_rest(self) -> bool:
        """Whether everything that was handed in is dealt with, and every job is in the queue."""
        open_updates = self.facts("SELECT 1 FROM inbox WHERE done_at IS NULL")
        unpublished = self.facts("SELECT 1 FROM outbox WHERE published_at IS NULL")
        seen = {row["update_id"] for row in self.facts("SELECT update_id FROM inbox")}
        missing = [update for update in self.telegram.waiting if update.update_id not in seen]
        return not (open_updates or unpublished or missing)

    def artifacts(self) -> dict[str, Any]:
        """The artifacts in the store, by key."""
        return {key: json.loads(body) for key, body in self.objects.items() if key.endswith("/message.json")}

    def artifact(self) -> Any:
        """The only one."""
        (found,) = self.artifacts().values()
        return found

    def files(self) -> list[bytes]:
        """The contents in the store, artifacts not counted, by key."""
        return [body for key, body in sorted(self.objects.items()) if not key.endswith("/message.json")]


def spooled(world: World) -> list[Path]:
    folder = world.folder / "spool"
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def assert_true(world: World) -> None:
    """Every artifact says what is in the store, and every object is spoken of."""
    spoken_of = set(world.artifacts())
    for key, artifact in world.artifacts().items():
        items = artifact["telegram"]["items"]
        archived = [item for item in items if item["status"] in ("stored", "duplicate")]
        assert artifact["keys"] == [item["s3_key"] for item in archived]
        assert artifact["files_count"] == len(archived)
        for item in archived:
            assert sha256(world.objects[item["s3_key"]]) == item["sha256"]
            assert len(world.objects[item["s3_key"]]) == item["size_bytes"]
            if item["status"] == "stored":
                assert (
                    item["s3_key"].startswith(artifact["base_path"]) and key == artifact["base_path"] + "message.json"
                )
                spoken_of.add(item["s3_key"])
        stored = sum(item["size_bytes"] for item in items if item["status"] == "stored")
        assert artifact["total_bytes_uploaded"] == stored
    assert spoken_of == set(world.objects)
    assert spooled(world) == []


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
    news: Ref[JobNews]
    queue: Queue
    broker: BrokerTwin
    metrics: Metrics

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
) -> AsyncIterator[BotWing]:
    """The wing over what the world holds; small parts, so that small files go up in several."""
    telegram, rng, metrics = world.telegram, random.Random(1), Metrics()
    telegram.served_bytes = 32 * KIB
    ledger = Mailbox[LedgerMessage]("ledger", capacity=256)
    upload = Mailbox[UploadMessage]("upload")
    download = Mailbox[FetchSmall]("download")
    queue_mail = Mailbox[PublisherMessage]("queue", capacity=256)
    bot = Mailbox[JobNews]("bot")
    ledger_script = Script(watch)
    gateway, downloads = BotTwin(telegram, watch=watch), BotTwin(telegram, watch=watch)
    store = MemoryStore(part_size=8 * KIB, watch=watch)
    store.objects = world.objects

    async def first_copy(digest: str) -> str | None:
        known = await ledger.ref.ask(FindContent(sha256=digest), within=30)
        return None if known is None or not dedup else known.s3_key

    def bot_actor() -> BotActor:
        patience = Patience()
        chat, announcing = Chat(gateway, patience=patience, backoff=BACKOFF, rng=rng), Announcing()
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
            patience=patience,
            backoff=BACKOFF,
            rng=rng,
        )
        books = Bookkeeping(
            bucket=store.bucket,
            location=store.location,
            chat_slug_from="origin",
            bot_api_max_file_size_bytes=policy_bytes,
            max_retries=3,
        )
        artifacts = Artifacts(ledger=ledger.ref, upload=upload.ref)
        archiving = Archiving(
            books,
            items=items,
            ledger=ledger.ref,
            artifacts=artifacts,
            chat=chat,
            announcing=announcing,
            metrics=metrics,
            width=width,
        )
        desk = Desk(ledger=ledger.ref, storage="memory://", quota_bytes=0, mode="polling", large_files=_elsewhere)
        news = News(
            ledger=ledger.ref,
            upload=upload.ref,
            artifacts=artifacts,
            chat=chat,
            announcing=announcing,
            metrics=metrics,
            location=store.location,
            dedup=dedup,
        )
        intake = Intake(
            gateway=gateway,
            parse=parse,
            whitelist=(ANNA, BORIS),
            album_seconds=ALBUM_SECONDS,
            ledger=ledger.ref,
            queue=queue_mail.ref,
            archiving=archiving,
            desk=desk,
            chat=chat,
            metrics=metrics,
            troubles=Troubles(),
            patience=patience,
            backoff=BACKOFF,
            rng=rng,
        )
        return BotActor(gateway, intake=intake, news=news, chat=chat, patience=patience, spool_dir=rules.spool_dir)

    async with queue_at(world.folder / "queue.db") as queue:
        broker = queue.twin(watch)
        children = [
            ChildSpec("ledger", lambda: WatchedLedger(world.folder / "ledger.db", ledger_script), mailbox=ledger),
            ChildSpec(
                "upload",
                lambda: UploadActor(store, width=width, multipart_bytes=16 * KIB, first_copy=first_copy),
                mailbox=upload,
            ),
            ChildSpec("download", lambda: BotDownloadActor(downloads, width=width), mailbox=download),
            ChildSpec(
                "queue",
                lambda: PublishingQueueActor(
                    broker, ledger=ledger.ref, news=bot.ref, first_copy=first_copy, backoff=BACKOFF, rng=rng
                ),
                mailbox=queue_mail,
            ),
            ChildSpec("bot", bot_actor, mailbox=bot),
        ]
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
                    queue=queue,
                    broker=broker,
                    metrics=metrics,
                )
            finally:
                context.stop()


async def _elsewhere() -> str:
    return "fetched elsewhere"
