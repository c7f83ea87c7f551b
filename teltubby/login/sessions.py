"""What the commands about sessions do. Whatever fails is a TeltubbyError that people read, or a ConfigurationError."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from teltubby.adapters.base import Account, MtprotoGateway
from teltubby.config import Config
from teltubby.errors import (
    AccountSuspended,
    ConfigurationError,
    NotSignedIn,
    SessionFileDamaged,
    SessionFileUnusable,
    SessionRevoked,
    TeltubbyError,
    WrongAccount,
)
from teltubby.login.dialogue import by_code, by_qr
from teltubby.login.terminal import Terminal
from teltubby.messages.routes import AccountKind
from teltubby.trees import parts

CLOSE_SECONDS = 10.0
"""Time that a connection has to be closed in."""

_ONE_OWNER = "Never use it in two places at once: Telegram ends a session that two connections share."


class NotDone(TeltubbyError):
    """What was ordered was not done, and nothing was changed."""


async def sign_in(config: Config, terminal: Terminal, *, with_code: bool) -> None:
    """Sign a person in, who is at the terminal; who is signed in already stays so."""
    _require_mtproto(config)
    if with_code and config.mtproto.phone_number is None:
        raise ConfigurationError(
            ("MTPROTO_PHONE_NUMBER is not set, but must be a phone number like +4915…: the code is sent to it.",)
        )
    gateway = parts.personal_session(config)()
    async with _closed_afterwards(gateway):
        if (account := await _who_is_signed_in(gateway)) is not None:
            terminal.say(f"Already signed in as {_name(account)}; `teltubby logout` comes first.")
            return
        await gateway.begin()
        account = await (by_code(gateway, terminal) if with_code else by_qr(gateway, terminal))
    terminal.say(
        f"Signed in as {_name(account)}. The session is in {config.mtproto.session_path}, encrypted; "
        "a worker that runs takes it up within a minute."
    )


async def sign_in_bot(config: Config, terminal: Terminal) -> None:
    """Sign the bot in with its token, which a worker would do at its first start."""
    _require_mtproto(config)
    gateway = parts.bot_session(config)()
    async with _closed_afterwards(gateway):
        account = await gateway.open()
    terminal.say(f"Signed in as {_name(account)}. The session is in {config.mtproto.bot_session_path}, encrypted.")


async def sign_out(config: Config, terminal: Terminal, account: AccountKind) -> None:
    """End the session at Telegram and remove its file; what Telegram does not know any more is removed all the same."""
    _require_mtproto(config)
    path = parts.session_path(config, account)
    if not await anyio.to_thread.run_sync(parts.vault(config, path).exists):
        terminal.say(f"Nobody is signed in: there is no session file {path}.")
        return
    gateway = parts.bot_session(config)() if account is AccountKind.BOT else parts.personal_session(config)()
    async with _closed_afterwards(gateway):
        await gateway.sign_out()
    terminal.say(f"Signed out; the session file {path} is removed.")


def back_up(config: Config, terminal: Terminal, account: AccountKind, target: Path) -> None:
    """Write a copy of a session, encrypted as it is, into a new file. Blocking."""
    from teltubby.adapters.folder_files import sync_folder, write_new

    path = parts.session_path(config, account)
    content = parts.vault(config, path).sealed()
    if content is None:
        raise NotDone(f"Nobody is signed in: there is no session in {path}.")
    try:
        write_new(target, content)
        sync_folder(target.parent)
    except FileExistsError as error:
        raise NotDone(f"The file {target} exists already, and is not overwritten.") from error
    except OSError as error:
        target.unlink(missing_ok=True)
        raise SessionFileUnusable(f"the file {target} cannot be written: {error.strerror}") from error
    terminal.say(
        f"The session {path} is copied to {target}. It can be read only with the key, which is not in it: keep "
        f"{_key_place(config)} too, elsewhere. {_ONE_OWNER}"
    )


def restore(config: Config, terminal: Terminal, account: AccountKind, source: Path, *, force: bool) -> None:
    """Bring a session back from its copy; only with `force` in the place of another. Blocking."""
    path = parts.session_path(config, account)
    vault = parts.vault(config, path)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise SessionFileUnusable(f"the file {source} cannot be read: {error.strerror}") from error
    saved = vault.unseal(content, source=source)
    is_bot = saved.account_id == parts.bot_id(config)
    if saved.account_id is not None and is_bot is not (account is AccountKind.BOT):
        whose = "the bot's: restore it with --bot" if is_bot else "not that of TELEGRAM_BOT_TOKEN's bot"
        raise SessionFileDamaged(f"the session in {source} is {whose}")
    vault.lock()
    try:
        if vault.exists() and not force:
            raise NotDone(f"There is a session in {path} already. --force puts this one in its place.")
        vault.store_sealed(content)
    finally:
        vault.unlock()
    terminal.say(f"The session from {source} is in {path}. {_ONE_OWNER}")


@asynccontextmanager
async def _closed_afterwards(gateway: MtprotoGateway) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await gateway.aclose()


async def _who_is_signed_in(gateway: MtprotoGateway) -> Account | None:
    try:
        return await gateway.open()
    except (NotSignedIn, SessionRevoked, AccountSuspended):
        return None
    except WrongAccount as error:
        raise NotDone(f"{error}: `teltubby logout` ends it") from error


def _require_mtproto(config: Config) -> None:
    if (missing := parts.mtproto_missing(config)) is not None:
        raise ConfigurationError((f"Signing in needs MTProto: {missing}.",))


def _key_place(config: Config) -> str:
    return str(config.mtproto.key_path) if config.mtproto.secret_key is None else "TELTUBBY_SECRET_KEY"


def _name(account: Account) -> str:
    if account.username is not None:
        return f"@{account.username}"
    return f"…{account.phone[-2:]}" if account.phone else f"account {account.id}"
