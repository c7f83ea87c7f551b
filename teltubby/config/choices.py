"""Settings that are a choice among words."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Which process is configured: both wings in one, the bot wing, or the worker wing."""

    BOX = "box"
    BOT = "bot"
    WORKER = "worker"


class TelegramMode(StrEnum):
    """How updates arrive."""

    POLLING = "polling"
    WEBHOOK = "webhook"


class ChatSlug(StrEnum):
    """Whose name an object key carries."""

    ORIGIN = "origin"
    CURATOR = "curator"


class QueueBackend(StrEnum):
    """What carries jobs between the wings."""

    RABBITMQ = "rabbitmq"
    EMBEDDED = "embedded"


class QueueType(StrEnum):
    """The kind of RabbitMQ queue that holds jobs."""

    QUORUM = "quorum"
    CLASSIC = "classic"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class LogFormat(StrEnum):
    """How a log line looks; `auto` is console on a terminal and json elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class AsyncBackend(StrEnum):
    """The event loop under anyio."""

    ASYNCIO = "asyncio"
    TRIO = "trio"
