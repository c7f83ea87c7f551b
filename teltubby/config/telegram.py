"""Settings of everything that speaks with Telegram."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from teltubby.config.choices import TelegramMode
from teltubby.config.group import (
    PATH,
    PEM_CERTIFICATE,
    POSITIVE,
    SECONDS,
    WEB_ADDRESS,
    YES_NO,
    Group,
    Seconds,
    Text,
)
from teltubby.config.variable import (
    CertificateFile,
    DataCentreAddress,
    IdList,
    PublicKeyFile,
    RouteList,
    Variable,
    WebAddress,
    matching,
)
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.transfer import VerifyHashes

CLOUD_SERVER = "https://api.telegram.org"
CLOUD_DOWNLOAD_LIMIT = 20_971_520
"""Bytes that Telegram's own Bot API server serves at most (core.telegram.org/bots/api#getfile)."""
LOCAL_DOWNLOAD_LIMIT = 2_000_000_000
"""Bytes that a self-hosted Bot API server started with --local serves at most."""


class TelegramSettings(Group):
    """Telegram's Bot API."""

    bot_token: Annotated[
        Annotated[SecretStr, matching(r"\d+:[A-Za-z0-9_-]+")] | None,
        Variable(
            "TELEGRAM_BOT_TOKEN",
            "a bot token as @BotFather gives it, like 123456:ABC-DEF",
            "The bot's token.",
            secret=True,
        ),
    ] = None
    whitelist_ids: Annotated[
        IdList,
        Variable(
            "TELEGRAM_WHITELIST_IDS",
            "a comma-separated list of numeric user ids, not of @names (@userinfobot tells one's own)",
            "Who may use the bot; everybody else gets no answer.",
        ),
    ] = ()
    mode: Annotated[
        TelegramMode,
        Variable(
            "TELEGRAM_MODE", "polling or webhook", "How updates arrive: fetched, or brought by Telegram to WEBHOOK_URL."
        ),
    ] = TelegramMode.POLLING
    webhook_url: Annotated[
        WebAddress | None,
        Variable(
            "WEBHOOK_URL",
            "an https address",
            "Where Telegram brings updates in webhook mode; http only with a TELEGRAM_BOT_API_URL of your own.",
        ),
    ] = None
    webhook_secret: Annotated[
        Annotated[SecretStr, matching(r"[A-Za-z0-9_-]{1,256}")] | None,
        Variable(
            "WEBHOOK_SECRET",
            "1 to 256 letters, digits, _ or -",
            "What Telegram shows to prove itself in webhook mode.",
            secret=True,
        ),
    ] = None
    webhook_listen_host: Annotated[
        Text,
        Variable(
            "WEBHOOK_LISTEN_HOST",
            "a host name or address",
            "Where the bot listens in webhook mode, without TLS: a proxy in front of it speaks https.",
        ),
    ] = "127.0.0.1"
    webhook_listen_port: Annotated[
        Annotated[int, Field(ge=1, le=65535)],
        Variable("WEBHOOK_LISTEN_PORT", "a port from 1 to 65535", "The port there; the path is that of WEBHOOK_URL."),
    ] = 8443
    bot_api_url: Annotated[
        WebAddress,
        Variable("TELEGRAM_BOT_API_URL", WEB_ADDRESS, "The Bot API server: Telegram's, or your own."),
    ] = CLOUD_SERVER
    bot_api_local: Annotated[
        bool,
        Variable(
            "TELEGRAM_BOT_API_LOCAL",
            YES_NO,
            "Whether that server runs with --local: it serves 2 000 000 000 bytes instead of 20 971 520.",
        ),
    ] = False
    bot_api_ca_file: Annotated[
        CertificateFile | None,
        Variable(
            "TELEGRAM_BOT_API_CA_FILE",
            PEM_CERTIFICATE,
            "The authority that signed that server's certificate, the only one to be trusted; unset: the usual ones.",
        ),
    ] = None

    @property
    def webhook_path(self) -> str:
        """The path of WEBHOOK_URL, as a request names it."""
        return urlsplit(self.webhook_url or "").path or "/"

    @property
    def own_server(self) -> bool:
        """Whether the Bot API server is another one than Telegram's."""
        return self.bot_api_url != CLOUD_SERVER

    @property
    def server_limit(self) -> int:
        """Bytes of the largest file that the Bot API server serves."""
        return LOCAL_DOWNLOAD_LIMIT if self.bot_api_local else CLOUD_DOWNLOAD_LIMIT


class MtprotoSettings(Group):
    """Telegram's MTProto, over which large files come."""

    api_id: Annotated[
        int | None,
        Field(gt=0),
        Variable("MTPROTO_API_ID", POSITIVE, "The api id from my.telegram.org.", aliases=("TELEGRAM_API_ID",)),
    ] = None
    api_hash: Annotated[
        Annotated[SecretStr, matching(r"[0-9A-Za-z]{8,64}")] | None,
        Variable(
            "MTPROTO_API_HASH",
            "the api hash from my.telegram.org",
            "The api hash that belongs to the id.",
            aliases=("TELEGRAM_API_HASH",),
            secret=True,
        ),
    ] = None
    phone_number: Annotated[
        Annotated[SecretStr, matching(r"\+?\d{5,15}")] | None,
        Variable(
            "MTPROTO_PHONE_NUMBER",
            "a phone number like +4915…",
            "The user account's number: codes are sent to it, and no other account may sign in. Unset: any may, by QR.",
            secret=True,
        ),
    ] = None
    session_path: Annotated[Path, Variable("MTPROTO_SESSION_PATH", PATH, "The user account's session, encrypted.")] = (
        Path("/data/mtproto.session")
    )
    bot_session_path: Annotated[
        Path, Variable("MTPROTO_BOT_SESSION_PATH", PATH, "The bot's MTProto session, encrypted; keep it.")
    ] = Path("/data/mtproto-bot.session")
    routes: Annotated[
        RouteList,
        Variable(
            "MTPROTO_ROUTES",
            "a comma-separated list of relay, bot, origin and own, none of them twice",
            "The ways to a large file, in the order in which they are tried; what cannot serve is passed over.",
        ),
    ] = tuple(FileRoute)
    relay_chat_id: Annotated[
        Annotated[int, Field(lt=0)] | None,
        Variable(
            "MTPROTO_RELAY_CHAT_ID",
            "a channel's id like -1001234567890",
            "A private channel with the bot and the user account in it, and nothing else: the bot copies there what "
            "the user account is to fetch.",
        ),
    ] = None
    secret_key: Annotated[
        Annotated[SecretStr, matching(r"\S{32,}")] | None,
        Variable(
            "TELTUBBY_SECRET_KEY",
            "at least 32 characters without spaces, as `openssl rand -base64 32` prints",
            "Encrypts session files. Unset: the key in TELTUBBY_KEY_FILE.",
            secret=True,
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        Variable(
            "TELTUBBY_KEY_FILE",
            PATH,
            "The key that encrypts session files, made at the first start (mode 0600). "
            "Unset: teltubby.key beside MTPROTO_BOT_SESSION_PATH.",
        ),
    ] = None
    data_centre: Annotated[
        DataCentreAddress | None,
        Variable("MTPROTO_DC", "an address like 2@127.0.0.1:4430", "Another first data centre than Telegram's own."),
    ] = None
    public_key: Annotated[
        PublicKeyFile | None,
        Variable("MTPROTO_PUBLIC_KEY", "the path of a PEM file with an RSA public key", "The key of that data centre."),
    ] = None
    connections: Annotated[
        Annotated[int, Field(ge=1, le=8)],
        Variable("MTPROTO_CONNECTIONS", "a whole number from 1 to 8", "Connections per data centre, at most."),
    ] = 4
    megabytes_in_flight: Annotated[
        Annotated[int, Field(ge=1, le=64)],
        Variable("MTPROTO_IN_FLIGHT_MB", "a whole number from 1 to 64", "MiB asked for at once, over all files."),
    ] = 16
    flood_park_seconds: Annotated[
        Seconds,
        Variable(
            "MTPROTO_FLOOD_PARK_SECONDS", SECONDS, "A longer flood wait parks the job; a shorter one is waited out."
        ),
    ] = 60
    verify_hashes: Annotated[
        VerifyHashes,
        Variable(
            "MTPROTO_VERIFY_HASHES",
            "auto, off or require",
            "Check parts against Telegram's hashes: where it has them, never, or always.",
        ),
    ] = VerifyHashes.AUTO

    @property
    def key_path(self) -> Path:
        """Where the key lies, unless it is given itself."""
        return self.key_file or self.bot_session_path.with_name("teltubby.key")

    @property
    def accounts(self) -> frozenset[AccountKind]:
        """Whose sessions the routes need."""
        return frozenset(route.account for route in self.routes)
