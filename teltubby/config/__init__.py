"""Settings from the environment and a `.env` file: frozen groups, and every mistake at once."""

from __future__ import annotations

from teltubby.config.alerts import AlertSettings
from teltubby.config.backup import BackupSettings
from teltubby.config.choices import (
    AsyncBackend,
    ChatSlug,
    LogFormat,
    LogLevel,
    QueueBackend,
    QueueType,
    Role,
    TelegramMode,
)
from teltubby.config.collector import CollectorSettings
from teltubby.config.loading import load, load_for_sessions, load_health, load_watching
from teltubby.config.model import Config, Origin
from teltubby.config.places import check_places
from teltubby.config.process import HealthSettings, LogSettings, ProcessSettings, QueueSettings, WorkerSettings
from teltubby.config.reference import effective
from teltubby.config.storage import IngestSettings, S3Settings, StorageSettings
from teltubby.config.telegram import MtprotoSettings, TelegramSettings
from teltubby.config.variable import DataCentre

__all__ = [
    "AlertSettings",
    "AsyncBackend",
    "BackupSettings",
    "ChatSlug",
    "CollectorSettings",
    "Config",
    "DataCentre",
    "HealthSettings",
    "IngestSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "MtprotoSettings",
    "Origin",
    "ProcessSettings",
    "QueueBackend",
    "QueueSettings",
    "QueueType",
    "Role",
    "S3Settings",
    "StorageSettings",
    "TelegramMode",
    "TelegramSettings",
    "WorkerSettings",
    "check_places",
    "effective",
    "load",
    "load_for_sessions",
    "load_health",
    "load_watching",
]
