"""What a process owns and a backup holds: files by their places, and the settings as the process sees them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from teltubby.backup.manifest import Content
from teltubby.backup.replacing import cut_off
from teltubby.config import Config, Origin, QueueBackend, Role
from teltubby.config.model import GROUPS, variables
from teltubby.config.reference import as_text
from teltubby.config.sources import ENV_FILE_VARIABLE
from teltubby.errors import ConfigurationError

NO_KEY = "BACKUP_KEY is not set, and secrets are never written in the clear"
NOT_THERE = "there is none"


def places(config: Config) -> Mapping[Content, Path]:
    """The files that this role owns, there or not; the ledger after the queue.

    What the queue's copy lacks then, the ledger's knows of, and puts into the queue again.
    """
    mtproto, found = config.mtproto, dict[Content, Path]()
    is_bot, is_worker = config.role is not Role.WORKER, config.role is not Role.BOT
    if config.queue.backend is QueueBackend.EMBEDDED:
        found[Content.QUEUE] = config.queue.embedded_path
    if is_worker:
        found[Content.COLLECTOR] = config.collector.database_path
    if is_bot:
        found[Content.LEDGER] = config.ingest.sqlite_path
    if is_worker:
        found[Content.USER_SESSION] = mtproto.session_path
        found[Content.BOT_SESSION] = mtproto.bot_session_path
    if is_bot:
        path = mtproto.bot_session_path
        found[Content.SAID_SESSION] = path.with_stem(f"{path.stem}-said")
    if mtproto.secret_key is None:
        found[Content.SESSION_KEY] = mtproto.key_path
    return found


def bot_of(config: Config) -> int | None:
    """The id of the bot whose installation this is, None where no token is set."""
    token = config.telegram.bot_token
    number = "" if token is None else token.get_secret_value().partition(":")[0]
    return int(number) if number.isascii() and number.isdigit() else None


def require_whole(config: Config) -> None:
    """Nothing begins with half of a backup. Raises ConfigurationError when a restore of these files was cut off."""
    if drafts := cut_off(places(config).values()):
        names = ", ".join(map(str, drafts))
        raise ConfigurationError(
            (
                "a restore was cut off, and what is there may be half of a backup: `teltubby restore`, as it was asked "
                f"then, does the rest. To go without it, put back what lies there as `.before-…`, and remove {names}.",
            )
        )


def settings_text(config: Config) -> str:
    """Every setting that the operator gave, secrets included, as a `.env` file that says the same."""
    lines = ["# Settings as a teltubby process saw them, secrets included: keep this file to yourself."]
    for attribute, group in GROUPS.items():
        values = getattr(config, attribute)
        for field, variable in variables(group).items():
            if config.origins[variable.name] is Origin.DEFAULT or variable.name == ENV_FILE_VARIABLE:
                continue
            text = _as_given(getattr(values, field)).replace("\\", "\\\\").replace("'", "\\'")
            lines.append(f"{variable.name}='{text}'")
    return "\n".join(lines) + "\n"


def _as_given(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return as_text(value)
        case float():
            return repr(value)
        case _:
            return as_text(value)
