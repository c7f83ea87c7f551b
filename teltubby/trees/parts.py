"""The adapters that the configuration asks for; making one opens nothing.

Each is imported where it is asked for: aiogram's types take 3 s and 100 MB, Telethon's as much again, and a worker
needs no Bot API, a single box no S3. That happens when the tree is built, before the loop runs.
"""

from __future__ import annotations

import importlib.util
import logging
import random
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from teltubby.adapters.base import BotGateway, Broker, ObjectStore, SentLines
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.config import Config
from teltubby.config.choices import QueueBackend, TelegramMode
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import PART_BYTES
from teltubby.supervision import Backoff
from teltubby.transfer.engine import Engine
from teltubby.transfer.lines import Dial
from teltubby.transfer.pacing import Limits
from teltubby.transfer.upload import FirstCopy

if TYPE_CHECKING:
    from teltubby.actors.media_reading import MediaReading
    from teltubby.actors.receiving import Webhook
    from teltubby.adapters.mtproto_proxy import Proxy
    from teltubby.adapters.rabbitmq_topology import BrokerNames
    from teltubby.adapters.session_vault import SessionVault
    from teltubby.adapters.telethon_bot import BotSession
    from teltubby.adapters.telethon_person import PersonSession
    from teltubby.adapters.telethon_session import DataCentre
    from teltubby.adapters.tls import Tls
    from teltubby.adapters.watched_bot import BotApiWatch

_LOG = logging.getLogger(__name__)

MTPROTO_PACKAGES = ("telethon", "cryptg", "python_socks")
"""cryptg too: without it Telethon decrypts 2 MB/s (telegram.md)."""

MEDIA_PACKAGES = ("hachoir", "PIL")

RECONNECT = Backoff(first=0.5, cap=30.0)
"""For every actor's own reconnect loop."""

BROKER_SECONDS = 15.0
"""A broker that takes longer to answer is as good as away; confirms take milliseconds."""

RNG = random.Random()


def mtproto_missing(config: Config) -> str | None:
    """Why this process cannot speak MTProto, for people; None when it can."""
    missing = [name for name in MTPROTO_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed (pip install 'teltubby[mtproto]'); large files wait in the queue"
    if config.mtproto.api_id is None or config.mtproto.api_hash is None:
        return "MTPROTO_API_ID and MTPROTO_API_HASH are not set; large files wait in the queue"
    return None


def media_reading(config: Config) -> MediaReading:
    """Reads the details of media, if the extra `media` is installed; else it is said how to have that, once."""
    from teltubby.actors.media_reading import MediaReading

    missing = [name for name in MEDIA_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        _say_once("details of media are not read: pip install 'teltubby[media]'")
        return MediaReading()
    from teltubby.adapters.media_details import read_details

    return MediaReading(read_details, previews=config.ingest.media_previews)


@cache
def _say_once(what: str) -> None:
    _LOG.info("%s", what)


def store(config: Config) -> Callable[[], ObjectStore]:
    """Makes the object store."""
    if config.s3.bucket is None:
        from teltubby.adapters.folder_store import FolderStore

        if config.storage.folder is None:
            raise AssertionError("a checked configuration names a store")
        return partial(FolderStore, config.storage.folder, part_size=config.s3.part_size)
    from teltubby.adapters.s3_store import S3Store

    if config.s3.access_key_id is None or config.s3.secret_access_key is None:
        raise AssertionError("a checked configuration has the keys of its bucket")
    return partial(
        S3Store,
        bucket=config.s3.bucket,
        endpoint=config.s3.endpoint,
        region=config.s3.region,
        access_key_id=config.s3.access_key_id.get_secret_value(),
        secret_access_key=config.s3.secret_access_key.get_secret_value(),
        force_path_style=config.s3.force_path_style,
        tls_skip_verify=config.s3.tls_skip_verify,
        ca_file=config.s3.ca_file,
        part_size=config.s3.part_size,
        timeout=config.ingest.io_timeout_seconds,
    )


def broker(config: Config, doorbell: Doorbell, *, client: str) -> Broker:
    """One connection to the queue; embedded ones in one process wake each other by the same `doorbell`."""
    queue = config.queue
    if queue.backend is QueueBackend.EMBEDDED:
        from teltubby.adapters.embedded_broker import EmbeddedBroker

        return EmbeddedBroker(queue.embedded_path, doorbell=doorbell)
    from teltubby.adapters.rabbitmq import RabbitBroker

    return RabbitBroker(
        host=queue.host,
        port=queue.port,
        username=queue.username,
        password=queue.password.get_secret_value(),
        vhost=queue.vhost,
        names=broker_names(config),
        queue_type=queue.queue_type.value,
        tls=broker_tls(config),
        timeout=min(config.ingest.io_timeout_seconds, BROKER_SECONDS),
        client_name=client,
    )


def broker_tls(config: Config) -> Tls | None:
    """Whom RabbitMQ has to be, and who we are; None: it is spoken to in plain."""
    from teltubby.adapters.tls import Tls

    queue = config.queue
    if not queue.tls:
        return None
    return Tls(ca_file=queue.ca_file, certificate=queue.client_certificate, key=queue.client_key)


def broker_names(config: Config) -> BrokerNames:
    """What RabbitMQ's exchanges and queues are called."""
    from teltubby.adapters.rabbitmq_topology import BrokerNames

    queue = config.queue
    return BrokerNames(
        exchange=queue.exchange,
        dlx_exchange=queue.dlx_exchange,
        jobs=queue.job_queue,
        priority=queue.priority_queue,
        retry=queue.retry_queue,
        dead=queue.dead_letter_queue,
    )


def gateway(config: Config, *, watch: BotApiWatch | None = None) -> Callable[[], BotGateway]:
    """Makes a Bot API client; `watch` hears how its requests end."""
    from teltubby.adapters.bot_api import AiogramGateway

    return partial(
        AiogramGateway,
        token=bot_token(config),
        api_url=config.telegram.bot_api_url,
        local=config.telegram.bot_api_local,
        ca_file=config.telegram.bot_api_ca_file,
        timeout=config.ingest.io_timeout_seconds,
        watch=watch,
    )


def session_path(config: Config, account: AccountKind) -> Path:
    """Where an account's session is kept."""
    settings = config.mtproto
    return settings.bot_session_path if account is AccountKind.BOT else settings.session_path


def vault(config: Config, path: Path) -> SessionVault:
    """A session file, encrypted with this installation's key."""
    from teltubby.adapters.session_key import SessionKey
    from teltubby.adapters.session_vault import SessionVault

    settings = config.mtproto
    if settings.api_id is None:
        raise AssertionError("a checked configuration has an api id")
    secret = None if settings.secret_key is None else settings.secret_key.get_secret_value()
    return SessionVault(path, key=partial(SessionKey.load, secret, settings.key_path), api_id=settings.api_id)


def bot_session(config: Config) -> Callable[[], BotSession]:
    """Makes the bot's own MTProto session. Only where `mtproto_missing` is None."""
    return _bot_session(config, config.mtproto.bot_session_path)


def personal_session(config: Config, *, follows: bool = False) -> Callable[[], PersonSession]:
    """Makes the session of a person; updates of channels are pushed to one that `follows`.

    Only where `mtproto_missing` is None.
    """
    from teltubby.adapters.telethon_person import PersonSession

    phone = config.mtproto.phone_number
    return partial(
        PersonSession,
        **_telegram(config, config.mtproto.session_path),
        phone=None if phone is None else phone.get_secret_value(),
        follows=follows,
    )


def sent_lines(config: Config) -> Callable[[], SentLines] | None:
    """Makes what tells what the bot said; None without MTProto.

    A session of its own: that of the worker belongs to the worker, which may run on another machine.
    """
    if mtproto_missing(config) is not None:
        return None
    path = config.mtproto.bot_session_path

    def make() -> SentLines:  # Telethon is imported when something is in doubt, which it hardly ever is
        return _bot_session(config, path.with_stem(f"{path.stem}-said"))()

    return make


def _bot_session(config: Config, path: Path) -> Callable[[], BotSession]:
    from teltubby.adapters.telethon_bot import BotSession

    return partial(BotSession, **_telegram(config, path), bot_token=bot_token(config))


class _Telegram(TypedDict):
    api_id: int
    api_hash: str
    vault: SessionVault
    timeout: float
    data_centre: DataCentre | None
    public_key: str | None
    proxy: Proxy | None


def _telegram(config: Config, path: Path) -> _Telegram:
    """What every MTProto session is made with."""
    from teltubby.adapters.mtproto_proxy import Proxy
    from teltubby.adapters.telethon_session import DataCentre

    settings, proxy = config.mtproto, config.collector.proxy
    if settings.api_id is None or settings.api_hash is None:
        raise AssertionError("a checked configuration has an api id")
    centre = settings.data_centre
    return {
        "api_id": settings.api_id,
        "api_hash": settings.api_hash.get_secret_value(),
        "vault": vault(config, path),
        "timeout": config.ingest.io_timeout_seconds,
        "data_centre": None if centre is None else DataCentre(id=centre.number, host=centre.host, port=centre.port),
        "public_key": None if settings.public_key is None else Path(settings.public_key).read_text(),
        "proxy": None if proxy is None else Proxy.read(proxy.get_secret_value()),
    }


def first_copy(config: Config, known: FirstCopy) -> FirstCopy:
    """How duplicates are recognised before an upload; not at all where DEDUP_ENABLE is off."""
    return known if config.ingest.dedup_enable else nobody_knows


async def nobody_knows(sha256: str) -> str | None:
    """Recognises nothing: every copy is wanted."""
    del sha256
    return None


def engine(config: Config) -> Callable[[Dial], Engine]:
    """Makes the download engine, given what opens its connections."""
    settings = config.mtproto
    limits = Limits(
        connections=settings.connections,
        parts_in_flight=settings.megabytes_in_flight * (1 << 20) // PART_BYTES,
        park_seconds=settings.flood_park_seconds,
    )
    return partial(Engine, limits=limits, verify=settings.verify_hashes)


def webhook(config: Config) -> Webhook | None:
    """Where updates are brought; None when they are fetched."""
    settings = config.telegram
    if settings.mode is TelegramMode.POLLING:
        return None
    if settings.webhook_url is None or settings.webhook_secret is None:
        raise AssertionError("a checked configuration has the webhook's address and secret")
    from teltubby.actors.receiving import Webhook

    return Webhook(
        url=settings.webhook_url,
        secret=settings.webhook_secret.get_secret_value(),
        host=settings.webhook_listen_host,
        port=settings.webhook_listen_port,
        path=settings.webhook_path,
    )


def bot_id(config: Config) -> int:
    """The bot's own account id, which its token begins with."""
    return int(bot_token(config).partition(":")[0])


def bot_token(config: Config) -> str:
    if config.telegram.bot_token is None:
        raise AssertionError("a checked configuration has a bot token")
    return config.telegram.bot_token.get_secret_value()
