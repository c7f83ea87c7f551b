"""The BotActor with everything it consists of."""

from __future__ import annotations

from datetime import timedelta

from teltubby import __version__
from teltubby.actors.alerts_desk import AlertsDesk
from teltubby.actors.announcing import Announcing
from teltubby.actors.archiving import Archiving, Bookkeeping
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.audit import Audit
from teltubby.actors.bot import BotActor
from teltubby.actors.channel_media import ChannelMedia
from teltubby.actors.channels_desk import ChannelsDesk
from teltubby.actors.chat import Chat
from teltubby.actors.edits import Edits
from teltubby.actors.intake import Intake
from teltubby.actors.items import ItemRules, Items
from teltubby.actors.job_orders import JobOrders
from teltubby.actors.media_reading import MediaReading
from teltubby.actors.news import News
from teltubby.actors.patience import Patience
from teltubby.actors.quota import QuotaKeeper, QuotaRules
from teltubby.actors.readiness import Outlook
from teltubby.actors.receiving import Receiving
from teltubby.actors.recollection import Recollection
from teltubby.actors.session_news import SessionNews
from teltubby.actors.sign_in import SignInDesk
from teltubby.actors.sign_in_pictures import SignInPictures
from teltubby.actors.trail import Trail
from teltubby.actors.wakeup import Wakeup
from teltubby.actors.whispers import Whispers
from teltubby.actors.workers import Workers
from teltubby.adapters.base import BotGateway, ObjectStore
from teltubby.adapters.bot_updates import parse_update
from teltubby.adapters.clock import utc_now
from teltubby.archive.routing import Limits
from teltubby.config import Config
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.queue import PublisherMessage
from teltubby.messages.transfer import FetchSmall, UploadMessage
from teltubby.supervision import Ref
from teltubby.trees import alerting, parts
from teltubby.trees.reception import furnished_desk


def bot_actor(
    config: Config,
    *,
    ledger: Ref[LedgerMessage],
    upload: Ref[UploadMessage],
    download: Ref[FetchSmall],
    queue: Ref[PublisherMessage],
    artifacts: Artifacts,
    store: ObjectStore,
    gateway: BotGateway,
    outlook: Outlook,
    missing: str | None,
    media: MediaReading,
) -> BotActor:
    """A new incarnation: nothing of it outlives a restart, what must is in the ledger. `store` only names places.

    `missing` says why this installation fetches no large files, if so.
    """
    metrics, troubles, patience = outlook.metrics, outlook.troubles, Patience()
    recollection = Recollection(parts.sent_lines(config))
    chat = Chat(gateway, patience=patience, backoff=parts.RECONNECT, rng=parts.RNG, recollection=recollection)
    announcing = Announcing()
    recorded = Wakeup()
    quota = QuotaKeeper(
        QuotaRules(
            quota_bytes=config.s3.bucket_quota_bytes,
            threshold_pct=config.s3.quota_alert_threshold_pct,
            cooldown=timedelta(hours=config.s3.quota_alert_cooldown_hours),
        ),
        ledger=ledger,
        upload=upload,
        growth=artifacts.growth,
        chat=chat,
        admins=config.telegram.whitelist_ids,
        room=recorded,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
    )
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
        quota=quota,
        patience=patience,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
        media=media,
    )
    books = Bookkeeping(
        bucket=store.bucket,
        location=store.location,
        chat_slug_from=config.ingest.key_chat_slug.value,
        bot_api_max_file_size_bytes=config.ingest.bot_api_max_file_size_bytes,
        max_retries=config.worker.max_retries,
    )
    workers, whispers = Workers(queue=queue, missing=missing, clock=utc_now), Whispers(config.telegram.whitelist_ids)
    archiving = Archiving(
        books,
        items=items,
        ledger=ledger,
        artifacts=artifacts,
        quota=quota,
        chat=chat,
        announcing=announcing,
        metrics=metrics,
        width=config.ingest.concurrency,
        obstacle=workers.obstacle,
    )
    trail = Trail(ledger=ledger, clock=utc_now)
    trail.decided("start", _in_force(config))
    audit = Audit(ledger=ledger, clock=utc_now, trail=trail)
    sign_in = SignInDesk(
        workers=workers,
        whispers=whispers,
        audit=audit,
        queue=queue,
        chat=chat,
        pictures=SignInPictures(ledger=ledger, chat=chat),
        clock=utc_now,
    )
    channels = ChannelsDesk(queue=queue, audit=audit, chat=chat, workers=workers, clock=utc_now)
    alerts = alerting.alerts(config, outlook, ledger=ledger, chat=chat, workers=workers)
    desk = furnished_desk(
        chat=chat,
        job_orders=JobOrders(
            ledger=ledger, queue=queue, artifacts=artifacts, chat=chat, announcing=announcing, metrics=metrics
        ),
        ledger=ledger,
        queue=queue,
        upload=upload,
        store=store,
        quota_bytes=config.s3.bucket_quota_bytes,
        growth=artifacts.growth,
        mode=config.telegram.mode.value,
        workers=workers,
        sign_in=sign_in,
        channels=channels,
        alerts=AlertsDesk(alerts, audit=audit, clock=utc_now),
        recount=quota.recount,
        trail=trail,
    )
    news = News(
        ledger=ledger,
        upload=upload,
        queue=queue,
        quota=quota,
        artifacts=artifacts,
        chat=chat,
        announcing=announcing,
        metrics=metrics,
        location=store.location,
        dedup=config.ingest.dedup_enable,
    )
    channel_media = ChannelMedia(
        books,
        ledger=ledger,
        queue=queue,
        artifacts=artifacts,
        metrics=metrics,
        max_bytes=config.ingest.max_file_bytes,
        dedup=config.ingest.dedup_enable,
        width=config.ingest.concurrency,
    )
    receiving = Receiving(
        gateway=gateway,
        ledger=ledger,
        recorded=recorded,
        troubles=troubles,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
        whispers=whispers,
        webhook=parts.webhook(config),
    )
    intake = Intake(
        recorded=recorded,
        parse=parse_update,
        whitelist=config.telegram.whitelist_ids,
        album_seconds=config.ingest.album_window_seconds,
        ledger=ledger,
        queue=queue,
        archiving=archiving,
        edits=Edits(ledger=ledger, artifacts=artifacts, chat=chat, trail=trail),
        quota=quota,
        desk=desk,
        chat=chat,
        recollection=recollection,
        trail=trail,
        metrics=metrics,
        patience=patience,
        backoff=parts.RECONNECT,
        rng=parts.RNG,
    )
    return BotActor(
        gateway,
        receiving=receiving,
        intake=intake,
        news=news,
        session_news=SessionNews(
            workers=workers,
            sign_in=sign_in,
            ledger=ledger,
            chat=chat,
            trail=trail,
            admins=config.telegram.whitelist_ids,
            clock=utc_now,
        ),
        channels=channels,
        channel_media=channel_media.take,
        quota=quota,
        alerts=alerts,
        chat=chat,
        recollection=recollection,
        trail=trail,
        patience=patience,
        spool_dir=config.storage.spool_dir / "small",
    )


def _in_force(config: Config) -> str:
    """What an auditor wants to know of the settings that the bot began with."""
    known = ", ".join(map(str, sorted(config.telegram.whitelist_ids)))
    days = config.queue.audit_retention_days
    kept = f"for {days} days" if days else "for ever"
    return f"teltubby {__version__}; let in: {known}; this trail is kept {kept}"
