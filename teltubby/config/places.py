"""Whether the folders that a process writes to can be written, before it starts; nothing is made or changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from teltubby.config.choices import QueueBackend, Role
from teltubby.config.model import Config
from teltubby.errors import ConfigurationError


def check_places(config: Config) -> None:
    """Raise ConfigurationError with a sentence for each folder that this user has no right to write to, or to make.

    A disk that is read-only or away is no wrong configuration: it may be another one at the next try.
    """
    refused: dict[Path, list[str]] = {}
    for name, folder in _folders(config):
        nearest = next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110 - never raises
        if _is_refused(nearest):
            refused.setdefault(nearest, []).append(name)
    if refused:
        raise ConfigurationError(tuple(_sentence(folder, names) for folder, names in refused.items()))


def _folders(config: Config) -> Iterator[tuple[str, Path]]:
    files: Mapping[str, Path | None] = {
        "SQLITE_PATH": None if config.role is Role.WORKER else config.ingest.sqlite_path,
        "EMBEDDED_QUEUE_PATH": config.queue.embedded_path if config.queue.backend is QueueBackend.EMBEDDED else None,
        "MTPROTO_DATABASE_PATH": config.collector.database_path if config.collector.is_on else None,
        "MTPROTO_BOT_SESSION_PATH": config.mtproto.bot_session_path if config.mtproto.api_id else None,
        "MTPROTO_SESSION_PATH": config.mtproto.session_path if config.mtproto.api_id else None,
    }
    yield from ((name, path.absolute().parent) for name, path in files.items() if path is not None)
    yield "SPOOL_DIR", config.storage.spool_dir.absolute()


def _is_refused(folder: Path) -> bool:
    if not folder.is_dir():
        return False  # who makes a folder there says what is in the way
    return not os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_RDONLY


def _sentence(folder: Path, names: list[str]) -> str:
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{listed} {verb} under {folder}, but this user may not write there: give it to the user that runs teltubby "
        f"(chown), or set other paths."
    )
