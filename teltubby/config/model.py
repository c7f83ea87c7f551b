"""The whole configuration of one process, as a value that is passed on explicitly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from teltubby.config.alerts import AlertSettings
from teltubby.config.backup import BackupSettings
from teltubby.config.choices import Role
from teltubby.config.collector import CollectorSettings
from teltubby.config.group import Group
from teltubby.config.process import HealthSettings, LogSettings, ProcessSettings, QueueSettings, WorkerSettings
from teltubby.config.storage import IngestSettings, S3Settings, StorageSettings
from teltubby.config.telegram import MtprotoSettings, TelegramSettings
from teltubby.config.variable import Variable


class Origin(StrEnum):
    """Where a setting's value came from."""

    DEFAULT = "default"
    ENVIRONMENT = "env"
    ENVIRONMENT_SECRET = "file named in env"
    ENV_FILE = ".env"
    ENV_FILE_SECRET = "file named in .env"

    @property
    def is_secret_file(self) -> bool:
        """Whether the value stood in a file of its own."""
        return self in (Origin.ENVIRONMENT_SECRET, Origin.ENV_FILE_SECRET)


GROUPS: Mapping[str, type[Group]] = {
    "telegram": TelegramSettings,
    "storage": StorageSettings,
    "s3": S3Settings,
    "ingest": IngestSettings,
    "queue": QueueSettings,
    "worker": WorkerSettings,
    "mtproto": MtprotoSettings,
    "collector": CollectorSettings,
    "backup": BackupSettings,
    "alerts": AlertSettings,
    "logs": LogSettings,
    "health": HealthSettings,
    "process": ProcessSettings,
}
"""The groups under the names of the attributes of `Config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What one process was told by its operator; made by `load`, checked as a whole."""

    role: Role
    telegram: TelegramSettings
    storage: StorageSettings
    s3: S3Settings
    ingest: IngestSettings
    queue: QueueSettings
    worker: WorkerSettings
    mtproto: MtprotoSettings
    collector: CollectorSettings
    backup: BackupSettings
    alerts: AlertSettings
    logs: LogSettings
    health: HealthSettings
    process: ProcessSettings
    origins: Mapping[str, Origin]
    """Variable name → where its value came from, for every variable."""

    def secrets(self) -> tuple[str, ...]:
        """Every secret that the operator gave, for the redaction of logs; well-known defaults are no secrets."""
        values = (
            getattr(getattr(self, name), field)
            for name, group in GROUPS.items()
            for field, variable in variables(group).items()
            if self.origins[variable.name] is not Origin.DEFAULT
        )
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        proxy = None if self.collector.proxy is None else urlsplit(self.collector.proxy.get_secret_value())
        if proxy is not None and proxy.password:  # as they are said to the proxy
            name, password = unquote(proxy.username or ""), unquote(proxy.password)
            secrets += [password, f"{name}:{password}"]
        return tuple(secrets)


def variables(group: type[Group]) -> dict[str, Variable]:
    """The fields of a group with the variables that fill them."""
    return {
        field: next(extra for extra in info.metadata if isinstance(extra, Variable))
        for field, info in group.model_fields.items()
    }


def all_variables() -> Iterator[Variable]:
    """Every setting there is, in the order of the documentation."""
    for group in GROUPS.values():
        yield from variables(group).values()
