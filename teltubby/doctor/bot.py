"""The bot by the Bot API: its token, how its updates arrive, the clock, the relay channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio

from teltubby.adapters.base import Account
from teltubby.adapters.inspection import BotInspector
from teltubby.adapters.tls import tls_fault
from teltubby.config import Config, Role, TelegramMode
from teltubby.doctor.clocks import Clock, compare_clocks
from teltubby.doctor.findings import Findings
from teltubby.doctor.neighbours import running
from teltubby.doctor.troubles import Trouble
from teltubby.errors import ChatUnavailable, FloodWait, PollConflict, TeltubbyError, Unauthorised
from teltubby.trees import parts

CLOSE_SECONDS = 5.0
LISTEN_SECONDS = 6.0
"""For so long doctor fetches updates, confirming none: who else does so is heard of within a few of their polls."""
POLL_SECONDS = 3.0
PAUSE_SECONDS = 0.5


@asynccontextmanager
async def inspector(config: Config) -> AsyncIterator[BotInspector]:
    """A Bot API client, open."""
    from teltubby.adapters.bot_inspector import AiogramInspector

    bot = AiogramInspector(
        token=parts.bot_token(config),
        api_url=config.telegram.bot_api_url,
        local=config.telegram.bot_api_local,
        ca_file=config.telegram.bot_api_ca_file,
        timeout=config.ingest.io_timeout_seconds,
    )
    await bot.open()
    try:
        yield bot
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await bot.aclose()


def trouble_of(error: TeltubbyError) -> Trouble:
    """Which trouble an error of the Bot API is, where nothing more is known."""
    match error:
        case Unauthorised():
            return Trouble.TOKEN_REFUSED
        case FloodWait():
            return Trouble.TELEGRAM_FLOODED
        case ChatUnavailable():
            return Trouble.RELAY_GONE
        case _:
            return Trouble.TELEGRAM_AWAY if tls_fault(error) is None else Trouble.CERTIFICATE_REFUSED


async def look_at_bot(config: Config, clock: Clock, findings: Findings) -> None:
    """Token and clock; whoever runs the bot needs its updates, too; and the relay, if there is one."""
    async with inspector(config) as bot:
        try:
            me = await bot.identify()
            findings.well("token", f"@{me.username} ({me.id})")
            compare_clocks(findings, "clock", await bot.server_time(), clock())
            if config.role is not Role.WORKER:
                await _updates(config, bot, findings)
        except TeltubbyError as error:
            findings.trouble("token" if isinstance(error, Unauthorised) else "Bot API", trouble_of(error), error)
            return
        if config.mtproto.relay_chat_id is not None:
            try:
                await _relay(config.mtproto.relay_chat_id, bot, me, findings)
            except TeltubbyError as error:
                findings.trouble("relay", trouble_of(error), error)


# -- how updates arrive


async def _updates(config: Config, bot: BotInspector, findings: Findings) -> None:
    telegram = config.telegram
    webhook = await bot.webhook()
    where = _host_of(webhook.url)
    if telegram.mode is TelegramMode.POLLING and webhook.url:
        findings.trouble("webhook", Trouble.WEBHOOK_IN_THE_WAY, f"TELEGRAM_MODE is polling, but one is set to {where}")
    elif telegram.mode is TelegramMode.POLLING:
        findings.well("webhook", f"none is set, as polling needs it; {webhook.pending} updates wait")
        await _rivals(config, bot, findings)
    elif not webhook.url:
        findings.well("webhook", "will be set at the start")
    elif webhook.url.rstrip("/") != telegram.webhook_url:
        found = f"it is set to {where}, not to WEBHOOK_URL ({_host_of(telegram.webhook_url or '')})"
        findings.trouble("webhook", Trouble.WEBHOOK_ELSEWHERE, found)
    elif webhook.last_error is not None and webhook.pending:
        found = f"{webhook.pending} updates wait; Telegram's last error: {webhook.last_error}"
        findings.trouble("webhook", Trouble.WEBHOOK_FAILING, found)
    else:
        findings.well("webhook", f"set to {where}; {webhook.pending} updates wait")


def _host_of(url: str) -> str:
    """Without the path, which may be somebody's secret."""
    return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/…"


async def _rivals(config: Config, bot: BotInspector, findings: Findings) -> None:
    """Fetch updates for a while and confirm none: of two who do so, Telegram ends the one that came first."""
    neighbour = await running(config)
    if neighbour is not None and neighbour.is_bot:
        findings.well("other pollers", f"not looked for: teltubby {neighbour.role} runs here and would be disturbed")
        return
    try:
        until = anyio.current_time() + LISTEN_SECONDS
        while (left := until - anyio.current_time()) > 0:
            if await bot.updates(offset=0, wait=min(POLL_SECONDS, left)):
                await anyio.sleep(PAUSE_SECONDS)  # what waits is answered at once
    except PollConflict as error:
        findings.trouble("other pollers", Trouble.SOMEBODY_POLLS, error)
    else:
        findings.well("other pollers", f"none within {LISTEN_SECONDS:g} s")


# -- the relay


async def _relay(chat_id: int, bot: BotInspector, me: Account, findings: Findings) -> None:
    try:
        chat = await bot.chat(chat_id)
        member = await bot.member(chat_id, me.id)
    except ChatUnavailable as error:
        outside = error.says("not a member", "kicked")
        findings.trouble("relay", Trouble.BOT_NOT_IN_RELAY if outside else Trouble.RELAY_GONE, f"{chat_id}: {error}")
        return
    found = f"{chat.title!r} ({chat_id})"
    if chat.kind != "channel":
        findings.trouble("relay", Trouble.RELAY_NO_CHANNEL, f"{found} is a {chat.kind}, no channel")
        return
    if chat.is_public:
        findings.trouble("relay", Trouble.RELAY_PUBLIC, f"{found} is public: everybody reads what is copied there")
    if member.status in ("left", "kicked"):
        findings.trouble("relay", Trouble.BOT_NOT_IN_RELAY, f"the bot is no member of {found}")
    elif not member.can_post:
        findings.trouble("relay", Trouble.BOT_MAY_NOT_POST, f"the bot ({member.status}) may not post in {found}")
    elif chat.is_protected:
        findings.trouble("relay", Trouble.RELAY_PROTECTED, f"{found} protects its content")
    elif member.can_delete and member.status != "creator":
        findings.trouble("relay", Trouble.BOT_MAY_DELETE, f"the bot may delete messages of others in {found}")
    else:
        findings.well("relay", f"{found}: the bot may post there, and delete what it posted")
