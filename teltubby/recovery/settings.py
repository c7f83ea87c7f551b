"""The settings of these commands: a place for backups is all that has to be there, so that they work after a loss."""

from __future__ import annotations

from collections.abc import Iterator

from teltubby import logs
from teltubby.config import Config, Role, load
from teltubby.config.checks import Mistake, check_storage


def load_for_backups(role: Role) -> Config:
    """Raises ConfigurationError."""
    config = load(role, checks=(_check_place,))
    logs.configure(config.logs, config.secrets())
    return config


def load_to_prune(role: Role) -> Config:
    """With the archive's store in any case. Raises ConfigurationError."""
    config = load(role, checks=(check_storage,))
    logs.configure(config.logs, config.secrets())
    return config


def _check_place(config: Config) -> Iterator[Mistake]:
    if config.backup.folder is None:
        yield from check_storage(config)
