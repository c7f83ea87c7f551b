"""From the environment and the `.env` file to a `Config`, or to the whole list of mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from teltubby.config.alerts import AlertSettings
from teltubby.config.backup import BackupSettings
from teltubby.config.checks import CHECKS, Check, Mistake, check_mtproto, check_telegram, check_watching
from teltubby.config.choices import QueueBackend, Role
from teltubby.config.collector import CollectorSettings
from teltubby.config.group import Group
from teltubby.config.model import Config, Origin, all_variables, variables
from teltubby.config.process import HealthSettings, LogSettings, ProcessSettings, QueueSettings, WorkerSettings
from teltubby.config.sources import Sources, gather, printable, shown
from teltubby.config.storage import IngestSettings, S3Settings, StorageSettings
from teltubby.config.telegram import MtprotoSettings, TelegramSettings
from teltubby.config.variable import Variable, Wrong
from teltubby.errors import ConfigurationError

ENV_FILE = Path(".env")
BOX_STORAGE_FOLDER = "/data/archive"
"""Where a single box keeps its archive when nothing is said about a store."""
AMQPS_PORT = "5671"
_YES = frozenset(("true", "t", "yes", "y", "on", "1"))
"""What pydantic takes for true."""
S3_IS_MEANT = ("S3_BUCKET", "S3_ENDPOINT", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
"""Who sets one of these wants S3, and is told if the rest of it is missing."""

G = TypeVar("G", bound=Group)


def load(
    role: Role,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = ENV_FILE,
    *,
    checks: Sequence[Check] = CHECKS,
) -> Config:
    """Read the configuration of a process.

    `environ` is the environment (the process's own by default) and wins over `env_file`, which need not exist;
    TELTUBBY_ENV_FILE in the environment names another file, which must. An empty value counts as not set. `checks` say
    what is wrong together. Raises ConfigurationError with every mistake there is.
    """
    sources = gather(os.environ if environ is None else environ, env_file)
    reader = _Reader(sources, _implied_by(role, sources))
    config = Config(
        role=role,
        telegram=reader.read(TelegramSettings),
        storage=reader.read(StorageSettings),
        s3=reader.read(S3Settings),
        ingest=reader.read(IngestSettings),
        queue=reader.read(QueueSettings),
        worker=reader.read(WorkerSettings),
        mtproto=reader.read(MtprotoSettings),
        collector=reader.read(CollectorSettings),
        backup=reader.read(BackupSettings),
        alerts=reader.read(AlertSettings),
        logs=reader.read(LogSettings),
        health=reader.read(HealthSettings),
        process=reader.read(ProcessSettings),
        origins=MappingProxyType(reader.origins),
    )
    mistakes = [*sources.mistakes, *sources.unknown(), *sources.contradictions(), *reader.mistakes]
    at_fault = {name for mistake in mistakes for name in mistake.about}
    for check in checks:
        mistakes += (mistake for mistake in check(config) if at_fault.isdisjoint(mistake.about))
    if mistakes and config.telegram.bot_token is None:
        mistakes += _nothing_read(sources)
    _raise_if_any(mistakes)
    return config


def load_for_sessions(environ: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> Config:
    """Read the configuration of a worker whose sessions are managed: neither a store nor a queue has to be there.

    Raises ConfigurationError like `load`.
    """
    return load(Role.WORKER, environ, env_file, checks=(check_telegram, check_mtproto))


def load_health(environ: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> HealthSettings:
    """Read only where a running process answers. Raises ConfigurationError with the mistakes in just that."""
    reader = _Reader(gather(os.environ if environ is None else environ, env_file), {})
    health = reader.read(HealthSettings)
    _raise_if_any(reader.mistakes)
    return health


def load_watching(
    environ: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE
) -> tuple[TelegramSettings, LogSettings]:
    """Read only whom to tell, how, and how to log: who watches the others works while their settings are wrong.

    Raises ConfigurationError with the mistakes in just that.
    """
    sources = gather(os.environ if environ is None else environ, env_file)
    reader = _Reader(sources, {})
    telegram, log_settings = reader.read(TelegramSettings), reader.read(LogSettings)
    ours = {
        name for group in (TelegramSettings, LogSettings) for each in variables(group).values() for name in each.names
    }
    mistakes = [*(mistake for mistake in sources.mistakes if ours.intersection(mistake.about)), *reader.mistakes]
    at_fault = {name for mistake in mistakes for name in mistake.about}
    mistakes += (mistake for mistake in check_watching(telegram) if at_fault.isdisjoint(mistake.about))
    _raise_if_any(mistakes)
    return telegram, log_settings


class _Reader:
    """Fills groups from sources, and goes on after a mistake with the default in its place."""

    def __init__(self, sources: Sources, implied: Mapping[str, str]) -> None:
        self._sources = sources
        self._implied = implied
        self.mistakes: list[Mistake] = []
        self.origins: dict[str, Origin] = {}

    def read(self, group: type[G]) -> G:
        values: dict[str, str] = {}
        names: dict[str, str] = {}
        fields = variables(group)
        for field, variable in fields.items():
            found = self._sources.find(variable)
            self.origins[variable.name] = found[2] if found else Origin.DEFAULT
            if found:
                names[field], values[field], _ = found
            elif variable.name in self._implied:
                values[field] = self._implied[variable.name]
        try:
            return group.model_validate(values)
        except ValidationError as error:
            wrong = {str(detail["loc"][0]): _reason(detail.get("ctx", {})) for detail in reversed(error.errors())}
        for field in fields:
            if field in wrong:
                self.mistakes.append(_mistake(fields[field], names[field], values.pop(field), wrong[field]))
        return group.model_validate(values)


def _implied_by(role: Role, sources: Sources) -> dict[str, str]:
    """Defaults that depend: a single box needs neither a broker nor a bucket, and TLS has a port of its own."""
    implied = {"RABBITMQ_PORT": AMQPS_PORT} if _wants_tls(sources) else {}
    if role is not Role.BOX:
        return implied
    implied["QUEUE_BACKEND"] = QueueBackend.EMBEDDED.value
    if not any(sources.find(variable) for variable in all_variables() if variable.name in S3_IS_MEANT):
        implied["STORAGE_FOLDER"] = BOX_STORAGE_FOLDER
    return implied


def _wants_tls(sources: Sources) -> bool:
    found = sources.find(variables(QueueSettings)["tls"])
    return found is not None and found[1].lower() in _YES


def _mistake(variable: Variable, name: str, raw: str, reason: str) -> Mistake:
    given = shown(raw, secret=variable.secret)
    verb, be = ("holds", "hold") if name in variable.file_names else ("is", "be")
    return Mistake(
        about=variable.names,
        sentence=f"{name} {verb} '{given}', but must {be} {variable.expects}{f' ({reason})' if reason else ''}.",
    )


def _nothing_read(sources: Sources) -> Iterator[Mistake]:
    if sources.absent is not None:
        sentence = f"There is no {sources.absent} in {Path.cwd()}, so only the environment was read."
        yield Mistake(about=(), sentence=sentence)


def _reason(context: Mapping[str, object]) -> str:
    error = context.get("error")
    return str(error) if isinstance(error, Wrong) else ""


def _raise_if_any(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise ConfigurationError(tuple(printable(mistake.sentence) for mistake in mistakes))
