"""The accounts over MTProto: the application's id and hash, the session files, who is signed in, what they may see."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from teltubby.adapters.base import Account, MtprotoGateway, PersonalGateway
from teltubby.config import Config
from teltubby.doctor.bot import inspector
from teltubby.doctor.findings import Findings
from teltubby.doctor.key_file import Unreadable, is_in_use, look_at_key, read_session, trouble_of_file
from teltubby.doctor.troubles import Trouble
from teltubby.errors import (
    AccountSuspended,
    ChatUnavailable,
    FileGone,
    FloodWait,
    NotSignedIn,
    SessionFileDamaged,
    SessionFileUnusable,
    SessionNotReady,
    TeltubbyError,
    Unauthorised,
    WrongAccount,
)
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.transfer import ChannelPlace
from teltubby.trees import parts

if TYPE_CHECKING:
    from teltubby.adapters.session_vault import SavedSession

CLOSE_SECONDS = 5.0
NO_CHANNEL = -1_000_000_000_001


async def look_at_sessions(config: Config, findings: Findings) -> None:
    """Id and hash, the key, then both accounts as far as the routes name them."""
    if config.mtproto.api_id is None:
        found = "MTPROTO_API_ID is not set: nothing is fetched over MTProto"
        findings.trouble("api id", Trouble.API_ID_UNSET, found)
        return
    if (missing := parts.mtproto_missing(config)) is not None:
        findings.skipped("api id", f"not tried: {missing}")
        return
    has_key = await look_at_key(config, findings)
    if not await _application(config, findings):
        return
    for account in sorted(config.mtproto.accounts):
        await _account(config, account, findings, has_key=has_key)


async def _application(config: Config, findings: Findings) -> bool:
    """Ask for a login token, which nobody will use: Telegram looks at id and hash first (auth.exportLoginToken)."""
    try:
        async with passing_session(config) as session:
            await session.begin()
            await session.show_qr()
    except Unauthorised as error:
        findings.trouble("api id", Trouble.API_ID_REFUSED, error)
    except TeltubbyError as error:
        findings.trouble("api id", trouble_of(error), error)
    else:
        findings.well("api id", f"Telegram accepts {config.mtproto.api_id} and its hash")
        return True
    return False


@asynccontextmanager
async def passing_session(config: Config) -> AsyncIterator[PersonalGateway]:
    """A session of nobody, whose file would lie in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="teltubby-doctor-") as name:
        folder = Path(name)
        elsewhere = {"session_path": folder / "session", "key_file": folder / "key", "secret_key": None}
        gateway = parts.personal_session(replace(config, mtproto=config.mtproto.model_copy(update=elsewhere)))()
        try:
            yield gateway
        finally:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await gateway.aclose()


async def _account(config: Config, account: AccountKind, findings: Findings, *, has_key: bool) -> None:
    subject = f"{account} session"
    vault = parts.vault(config, parts.session_path(config, account))
    try:
        saved = await to_thread.run_sync(partial(read_session, vault, has_key=has_key))
        if saved is None:
            _nobody(config, account, findings)
            return
        in_use = await to_thread.run_sync(is_in_use, vault)
    except Unreadable as error:
        findings.trouble(subject, error.trouble, error)
        return
    if in_use:
        hint = "ask the bot with /mtstatus how it stands, or stop the worker and run doctor again"
        findings.well(subject, f"{vault.path} is in use by a running process; {hint}")
        await _membership_by_bot(config, account, saved, findings)
        return
    if account is AccountKind.BOT and saved.account_id not in (None, parts.bot_id(config)):
        found = f"{vault.path} is the bot {saved.account_id}'s, the token is {parts.bot_id(config)}'s"
        findings.trouble(subject, Trouble.BOT_SESSION_DEAD, found)
        return
    async with signed_in(config, account, findings) as gateway:
        if gateway is not None:
            await _membership(config, account, gateway, findings)


async def why_closed(config: Config, account: AccountKind) -> str | None:
    """Why there is no session that could be opened now, in words; None where there is one."""
    vault = parts.vault(config, parts.session_path(config, account))

    def look() -> str | None:
        if not vault.exists():
            return "nobody is signed in"
        return "a running process has it: stop that, and run doctor again" if is_in_use(vault) else None

    try:
        return await to_thread.run_sync(look)
    except (Unreadable, SessionFileUnusable) as error:
        return str(error)


def _nobody(config: Config, account: AccountKind, findings: Findings) -> None:
    subject = f"{account} session"
    if account is AccountKind.BOT:
        made = "the worker signs in with the bot token when it first starts (or `teltubby login --bot`)"
        findings.skipped(subject, f"there is none yet: {made}")
    elif FileRoute.BOT in config.mtproto.routes:
        findings.skipped(subject, "nobody is signed in, and the bot session serves: /mtlogin or `teltubby login`")
    else:
        findings.trouble(subject, Trouble.NOT_SIGNED_IN, "nobody is signed in, and MTPROTO_ROUTES needs it")


@asynccontextmanager
async def signed_in(config: Config, account: AccountKind, findings: Findings) -> AsyncIterator[MtprotoGateway | None]:
    """The account's session, connected; None where that failed, which is said then."""
    make: Callable[[], MtprotoGateway] = (
        parts.bot_session(config) if account is AccountKind.BOT else parts.personal_session(config)
    )
    gateway, subject = make(), f"{account} session"
    try:
        found: MtprotoGateway | None = None
        try:
            me = await gateway.open()
        except TeltubbyError as error:
            findings.trouble(subject, trouble_of(error), error)
        else:
            findings.well(subject, f"signed in as {_name(me)}, data centre {gateway.data_centre}")
            found = gateway
        yield found
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await gateway.aclose()


def _name(account: Account) -> str:
    """A person's number stays theirs: only its last two digits are shown."""
    if account.is_bot or account.username is not None:
        return f"@{account.username}"
    return f"…{account.phone[-2:]}" if account.phone else f"account {account.id}"


def trouble_of(error: TeltubbyError) -> Trouble:
    """Which trouble an error of a session is."""
    from teltubby.adapters.telethon_errors import DEAD_KEYS

    match error:
        case SessionFileUnusable() | SessionFileDamaged():
            return trouble_of_file(error)
        case WrongAccount():
            return Trouble.WRONG_ACCOUNT
        case AccountSuspended():
            return Trouble.ACCOUNT_SUSPENDED
        case NotSignedIn():
            return Trouble.NOT_SIGNED_IN
        case SessionNotReady():
            return Trouble.SESSION_REVOKED
        case Unauthorised():
            return Trouble.TOKEN_REFUSED if error.says("TOKEN") else Trouble.API_ID_REFUSED
        case FloodWait():
            return Trouble.TELEGRAM_FLOODED
    return Trouble.BOT_SESSION_DEAD if isinstance(error.__cause__, DEAD_KEYS) else Trouble.TELEGRAM_AWAY


# -- whether the person's account sees the relay


async def _membership(config: Config, account: AccountKind, gateway: MtprotoGateway, findings: Findings) -> None:
    """Ask for the channel's first message: only a member is told whether there is one.

    Without a relay for one of no channel: a frozen account may sign in, and nothing more.
    """
    if account is not AccountKind.USER:
        return
    relay = config.mtproto.relay_chat_id
    place = ChannelPlace(channel_id=NO_CHANNEL if relay is None else relay, message_id=1)

    async def look() -> bool:
        try:
            await gateway.locate(place)
        except FileGone:
            return True
        except ChatUnavailable:
            return relay is None
        return True

    await _say_membership(look, findings, is_asked=relay is not None)


async def _membership_by_bot(config: Config, account: AccountKind, saved: SavedSession, findings: Findings) -> None:
    """Ask the bot, an administrator of the channel: the account's own session is not ours now."""
    relay, account_id = config.mtproto.relay_chat_id, saved.account_id
    if account is not AccountKind.USER or relay is None or account_id is None:
        return

    async def look() -> bool:
        async with inspector(config) as bot:
            return (await bot.member(relay, account_id)).status not in ("left", "kicked")

    await _say_membership(look, findings)


async def _say_membership(look: Callable[[], Awaitable[bool]], findings: Findings, *, is_asked: bool = True) -> None:
    subject = "user in relay" if is_asked else f"{AccountKind.USER} session"
    try:
        is_member = await look()
    except SessionNotReady as error:
        findings.trouble(subject, trouble_of(error), error)
        return
    except TeltubbyError as error:
        findings.skipped(subject, f"what it may see cannot be told now: {error}")
        return
    if is_member and is_asked:
        findings.well(subject, "the user account is a member of the relay channel")
    elif not is_member:
        findings.trouble(subject, Trouble.USER_NOT_IN_RELAY, "the user account does not see the relay channel")
