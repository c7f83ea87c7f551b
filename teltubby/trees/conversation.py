"""The BotActor with everything it consists of."""

from __future__ import annotations

from teltubby.actors.announcing import Announcing
from teltubby.actors.archiving import Archiving, Bookkeeping
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.bot import BotActor
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Describe, Desk
from teltubby.actors.intake import Intake
from teltubby.actors.items import ItemRules, Items
from teltubby.actors.news import News
from teltubby.actors.patience import Patience
from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import BotGateway, ObjectStore
from teltubby.adapters.bot_updates import parse_update
from teltubby.adapters.metrics import Metrics
from teltubby.archive.routing import Limits
from teltubby.config import Config
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.queue import OutboxFilled
from teltubby.messages.transfer import FetchSmall, UploadMessage
from teltubby.supervision import Ref
from teltubby.trees import parts


def bot_actor(
    config: Config,
    *,
    ledger: Ref[LedgerMessage],
    upload: Ref[UploadMessage],
    download: Ref[FetchSmall],
    queue: Ref[OutboxFilled],
    store: ObjectStore,
    gateway: BotGateway,
    metrics: Metrics,
    troubles: Troubles,
    large_files: Describe,
) -> BotActor:
    """A new incarnation: nothing of it outlives a restart, what must is in the ledger. `store` only names places."""
    patience = Patience()
    chat = Chat(gateway, patience=patience, backoff=parts.RECONNECT, rng=parts.RNG)
    announcing = Announcing()
    items = Items(
        ItemRules(
            limits=Limits(
                policy_bytes=config.ingest.bot_api_max_file_size_bytes,
                server_bytes=config.telegram.server_limit,
                max_bytes=config.ingest.max_file_bytes,
            ),
            dedup=config.ingest.dedup_enable,
            spool_dir=config.storage.spool_dir / "small",
        ),
        ledger=ledger,
        download=download,
        upload=upload,
        gateway=gateway,
        patience=patience,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
    )
    artifacts = Artifacts(ledger=ledger, upload=upload)
    archiving = Archiving(
        Bookkeeping(
            bucket=store.bucket,
            location=store.location,
            chat_slug_from=config.ingest.key_chat_slug.value,
            bot_api_max_file_size_bytes=config.ingest.bot_api_max_file_size_bytes,
            max_retries=config.worker.max_retries,
        ),
        items=items,
        ledger=ledger,
        artifacts=artifacts,
        chat=chat,
        announcing=announcing,
        metrics=metrics,
        width=config.ingest.concurrency,
    )
    desk = Desk(
        ledger=ledger,
        storage=store.location(""),
        quota_bytes=config.s3.bucket_quota_bytes,
        mode=config.telegram.mode.value,
        large_files=large_files,
    )
    news = News(
        ledger=ledger,
        upload=upload,
        artifacts=artifacts,
        chat=chat,
        announcing=announcing,
        metrics=metrics,
        location=store.location,
        dedup=config.ingest.dedup_enable,
    )
    intake = Intake(
        gateway=gateway,
        parse=parse_update,
        whitelist=config.telegram.whitelist_ids,
        album_seconds=config.ingest.album_window_seconds,
        ledger=ledger,
        queue=queue,
        archiving=archiving,
        desk=desk,
        chat=chat,
        metrics=metrics,
        troubles=troubles,
        patience=patience,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
    )
    return BotActor(
        gateway, intake=intake, news=news, chat=chat, patience=patience, spool_dir=config.storage.spool_dir / "small"
    )
