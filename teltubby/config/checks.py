"""What makes settings wrong together, although each is right alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from teltubby.config.choices import QueueBackend, Role, TelegramMode
from teltubby.config.group import MIB
from teltubby.config.model import Config, Origin, all_variables
from teltubby.config.telegram import TelegramSettings
from teltubby.config.variable import Wrong, check_key
from teltubby.messages.routes import FileRoute

MAX_PARTS = 10_000
"""Parts that an S3 multipart upload has at most."""
WEBHOOK_PORTS = (443, 80, 88, 8443)
"""core.telegram.org/bots/api#setwebhook, Notes."""
_EXPECTED = {variable.name: variable.expects for variable in all_variables()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One sentence, and the variables that it is about: a value that is already at fault is not judged again."""

    about: tuple[str, ...]
    sentence: str


def check_telegram(config: Config) -> Iterator[Mistake]:
    """A bot needs a token and somebody to listen to."""
    telegram = config.telegram
    if telegram.bot_token is None:
        yield _missing("TELEGRAM_BOT_TOKEN", f"{config.role} signs in to Telegram with it")
    if config.role is not Role.WORKER and not telegram.whitelist_ids:
        yield _missing("TELEGRAM_WHITELIST_IDS", "without it the bot would answer nobody")


def check_watching(telegram: TelegramSettings) -> Iterator[Mistake]:
    """Who watches needs a token too, and somebody to tell."""
    if telegram.bot_token is None:
        yield _missing("TELEGRAM_BOT_TOKEN", "the admins are told over it")
    if not telegram.whitelist_ids:
        yield _missing("TELEGRAM_WHITELIST_IDS", "they are the admins who are told")


def check_mtproto(config: Config) -> Iterator[Mistake]:
    """The api id and its hash go together, the worker cannot do without; two sessions never share a file.

    A bot of its own uses neither: of what both processes read it may be told the id, without the worker's secret.
    """
    mtproto = config.mtproto
    reason = "the worker fetches large files with it" if config.role is Role.WORKER else ""
    together = config.role is not Role.BOT
    if mtproto.api_id is None and (reason or (together and mtproto.api_hash is not None)):
        yield _missing("MTPROTO_API_ID", reason or "MTPROTO_API_HASH is set", about=("MTPROTO_API_HASH",))
    if mtproto.api_hash is None and (reason or (together and mtproto.api_id is not None)):
        yield _missing("MTPROTO_API_HASH", reason or "MTPROTO_API_ID is set", about=("MTPROTO_API_ID",))
    if mtproto.routes == (FileRoute.RELAY,) and mtproto.relay_chat_id is None:
        yield _missing("MTPROTO_RELAY_CHAT_ID", "MTPROTO_ROUTES names no other way", about=("MTPROTO_ROUTES",))
    if mtproto.session_path == mtproto.bot_session_path:
        yield Mistake(
            about=("MTPROTO_SESSION_PATH", "MTPROTO_BOT_SESSION_PATH"),
            sentence=f"MTPROTO_SESSION_PATH and MTPROTO_BOT_SESSION_PATH are both '{mtproto.session_path}', "
            "but must be two files: a shared session is revoked by Telegram.",
        )


def check_webhook(config: Config) -> Iterator[Mistake]:
    """A webhook has an address that Telegram brings updates to, a secret, and a port of its own."""
    telegram, mode = config.telegram, ("TELEGRAM_MODE",)
    if telegram.mode is not TelegramMode.WEBHOOK:
        return
    if telegram.webhook_url is None:
        yield _missing("WEBHOOK_URL", "TELEGRAM_MODE is 'webhook'", about=mode)
    elif not telegram.own_server:
        yield from _reachable_for_telegram(telegram.webhook_url)
    if telegram.webhook_secret is None:
        yield _missing("WEBHOOK_SECRET", "TELEGRAM_MODE is 'webhook'", about=mode)
    if config.role is not Role.WORKER and telegram.webhook_listen_port == config.health.port:
        yield Mistake(
            about=("WEBHOOK_LISTEN_PORT", "HEALTH_PORT", *mode),
            sentence=f"WEBHOOK_LISTEN_PORT is '{telegram.webhook_listen_port}', but must differ from HEALTH_PORT.",
        )


def _reachable_for_telegram(url: str) -> Iterator[Mistake]:
    parts = urlsplit(url)
    about = ("WEBHOOK_URL", "TELEGRAM_BOT_API_URL", "TELEGRAM_MODE")
    if parts.scheme != "https":
        yield Mistake(
            about=about,
            sentence=f"WEBHOOK_URL is '{url}', but must be an https address: Telegram brings updates to no other.",
        )
    elif (parts.port or WEBHOOK_PORTS[0]) not in WEBHOOK_PORTS:
        ports = ", ".join(map(str, WEBHOOK_PORTS))
        yield Mistake(
            about=about,
            sentence=f"WEBHOOK_URL is '{url}', but must have one of the ports that Telegram brings updates to: "
            f"{ports}.",
        )


def check_storage(config: Config) -> Iterator[Mistake]:
    """The archive has one place, and S3 can hold its largest file."""
    s3, storage = config.s3, config.storage
    both = ("S3_BUCKET", "STORAGE_FOLDER")
    if s3.bucket is None and storage.folder is None:
        yield Mistake(
            about=both,
            sentence="Neither S3_BUCKET nor STORAGE_FOLDER is set, but one of them must say where the archive is kept.",
        )
    if s3.bucket is not None and storage.folder is not None:
        yield Mistake(
            about=both,
            sentence=f"S3_BUCKET is '{s3.bucket}' and STORAGE_FOLDER is '{storage.folder}', but only one can be set.",
        )
    if s3.bucket is not None and s3.access_key_id is None:
        yield _missing("S3_ACCESS_KEY_ID", "S3_BUCKET is set", about=("S3_BUCKET",))
    if s3.bucket is not None and s3.secret_access_key is None:
        yield _missing("S3_SECRET_ACCESS_KEY", "S3_BUCKET is set", about=("S3_BUCKET",))
    if s3.bucket is None:
        for name in ("S3_ENDPOINT", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
            if config.origins[name] is not Origin.DEFAULT:
                yield _missing("S3_BUCKET", f"{name} is set", about=(name, "STORAGE_FOLDER"))
                break
    room = s3.part_size * MAX_PARTS
    if s3.bucket is not None and room < config.ingest.max_file_bytes:
        least = -(-config.ingest.max_file_bytes // (MAX_PARTS * MIB))
        yield Mistake(
            about=("S3_MULTIPART_PART_SIZE_MB", "MAX_FILE_GB"),
            sentence=f"S3_MULTIPART_PART_SIZE_MB is '{s3.multipart_part_size_mb}', but must be at least {least}: "
            f"S3 takes {MAX_PARTS} parts and MAX_FILE_GB is {config.ingest.max_file_gb:g}.",
        )


def check_queue(config: Config) -> Iterator[Mistake]:
    """Two processes need a broker between them, and every queue and exchange its own name; TLS goes with its files."""
    queue = config.queue
    yield from _tls_of(config)
    if queue.backend is QueueBackend.EMBEDDED and config.role is not Role.BOX:
        yield Mistake(
            about=("QUEUE_BACKEND",),
            sentence=f"QUEUE_BACKEND is 'embedded', but must be rabbitmq for {config.role}: "
            "the embedded queue lives inside one process (teltubby run).",
        )
    yield from _distinct(
        {
            "JOB_QUEUE_NAME": queue.job_queue,
            "JOB_PRIORITY_QUEUE": queue.priority_queue,
            "JOB_RETRY_QUEUE": queue.retry_queue,
            "JOB_DEAD_LETTER_QUEUE": queue.dead_letter_queue,
        }
    )
    yield from _distinct({"JOB_EXCHANGE": queue.exchange, "JOB_DLX_EXCHANGE": queue.dlx_exchange})


def _tls_of(config: Config) -> Iterator[Mistake]:
    queue = config.queue
    files = {
        "RABBITMQ_CA_FILE": queue.ca_file,
        "RABBITMQ_CLIENT_CERTIFICATE": queue.client_certificate,
        "RABBITMQ_CLIENT_KEY": queue.client_key,
    }
    for name, path in files.items():
        if path is not None and not queue.tls:
            sentence = f"{name} is '{path}', but RABBITMQ_TLS must be true for it: nothing would be encrypted."
            yield Mistake(about=(name, "RABBITMQ_TLS"), sentence=sentence)
    if queue.client_key is not None and queue.client_certificate is None:
        yield _missing("RABBITMQ_CLIENT_CERTIFICATE", "RABBITMQ_CLIENT_KEY is set", about=("RABBITMQ_CLIENT_KEY",))
    if queue.client_certificate is not None and queue.client_key is None:
        try:
            check_key(queue.client_certificate)
        except Wrong as wrong:
            sentence = (
                f"RABBITMQ_CLIENT_KEY is not set, so that RABBITMQ_CLIENT_CERTIFICATE, which is "
                f"'{queue.client_certificate}', must hold the key too ({wrong})."
            )
            yield Mistake(about=("RABBITMQ_CLIENT_KEY", "RABBITMQ_CLIENT_CERTIFICATE"), sentence=sentence)


def check_collector(config: Config) -> Iterator[Mistake]:
    """The collector's database is a file of its own."""
    path = config.collector.database_path
    others = {"SQLITE_PATH": config.ingest.sqlite_path}
    if config.queue.backend is QueueBackend.EMBEDDED:
        others["EMBEDDED_QUEUE_PATH"] = config.queue.embedded_path
    for name, other in others.items():
        if path == other:
            yield Mistake(
                about=("MTPROTO_DATABASE_PATH", name),
                sentence=f"MTPROTO_DATABASE_PATH is '{path}', but must differ from {name}.",
            )


Check = Callable[[Config], Iterator[Mistake]]

CHECKS: tuple[Check, ...] = (
    check_telegram,
    check_webhook,
    check_mtproto,
    check_storage,
    check_queue,
    check_collector,
)


def _missing(name: str, reason: str, *, about: tuple[str, ...] = ()) -> Mistake:
    return Mistake(about=(name, *about), sentence=f"{name} is not set, but must be {_EXPECTED[name]}: {reason}.")


def _distinct(names: Mapping[str, str]) -> Iterator[Mistake]:
    owners: dict[str, str] = {}
    for variable, name in names.items():
        owner = owners.setdefault(name, variable)
        if owner != variable:
            yield Mistake(
                about=(owner, variable),
                sentence=f"{variable} is '{name}', but must differ from {owner}.",
            )
