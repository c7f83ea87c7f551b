"""The settings of the collector's commands, and what has to be switched on for them."""

from __future__ import annotations

from dataclasses import dataclass

from teltubby import logs
from teltubby.config import Config, Role, load
from teltubby.config.checks import check_mtproto
from teltubby.config.model import variables
from teltubby.errors import TeltubbyError


class SwitchedOff(TeltubbyError):
    """The collector, or this half of it, is not switched on."""


@dataclass(frozen=True, slots=True)
class Need:
    """Which of the collector's two halves a command is of, by the field of its settings."""

    command: str
    field: str


HISTORY = Need("sync-history", "history_enabled")
UPDATES = Need("poll-updates", "updates_enabled")


def load_to_collect(need: Need) -> Config:
    """The settings of a command that speaks to Telegram.

    Raises SwitchedOff where the flags do not allow it, and ConfigurationError.
    """
    settings = load_beside(Role.WORKER).collector
    missing = [field for field in ("enabled", need.field) if not getattr(settings, field)]
    if missing:
        names = " and ".join(f"{variables(type(settings))[field].name}=true" for field in missing)
        raise SwitchedOff(f"nothing was asked of Telegram: teltubby {need.command} needs {names}")
    return load(Role.WORKER, checks=(check_mtproto,))


def load_beside(role: Role = Role.WORKER) -> Config:
    """The settings of a command that only looks into the collector's database, or writes a wish into it."""
    return load(role, checks=())


def log_for_command(config: Config) -> None:
    """Logging goes to what is stderr now; a progress bar that is drawn there knows how to make room for it."""
    logs.configure(config.logs, config.secrets())
