"""Settings of the processes: the queue between them, the worker, logs, health, the event loop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from teltubby.config.choices import AsyncBackend, LogFormat, LogLevel, QueueBackend, QueueType
from teltubby.config.group import (
    AT_ONCE,
    NOT_NEGATIVE,
    PATH,
    PEM_CERTIFICATE,
    PEM_KEY,
    SECONDS,
    YES_NO,
    AtOnce,
    Count,
    Group,
    Seconds,
    Secret,
    Text,
)
from teltubby.config.variable import CertificateFile, KeyFile, Variable


def _check_amqp_name(name: str) -> str:
    # RabbitMQ keeps names that begin with "amq." to itself (AMQP 0-9-1, queue.declare).
    if name.startswith("amq.") or not re.fullmatch(r"[A-Za-z0-9_.:-]{1,255}", name):
        raise ValueError
    return name


_AMQP_NAME = "a name of letters, digits and _ . : - (at most 255, not beginning with amq.)"
_AmqpName = Annotated[str, AfterValidator(_check_amqp_name)]
_DAYS = "a number of days from 0 to 36500"
_Days = Annotated[int, Field(ge=0, le=36500)]  # what goes back beyond the calendar is no date


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class QueueSettings(Group):
    """What carries large files' jobs to the worker."""

    backend: Annotated[
        QueueBackend,
        Variable(
            "QUEUE_BACKEND",
            "rabbitmq or embedded",
            "What carries jobs to the worker. `teltubby run`: embedded by default.",
        ),
    ] = QueueBackend.RABBITMQ
    embedded_path: Annotated[Path, Variable("EMBEDDED_QUEUE_PATH", PATH, "The embedded queue's database.")] = Path(
        "/data/queue.db"
    )
    host: Annotated[Text, Variable("RABBITMQ_HOST", "a host name", "RabbitMQ's host.")] = "localhost"
    port: Annotated[
        Annotated[int, Field(ge=1, le=65535)], Variable("RABBITMQ_PORT", "a port from 1 to 65535", "RabbitMQ's port.")
    ] = 5672
    tls: Annotated[
        bool, Variable("RABBITMQ_TLS", YES_NO, "Whether RabbitMQ is spoken to over TLS; its port is then 5671.")
    ] = False
    ca_file: Annotated[
        CertificateFile | None,
        Variable(
            "RABBITMQ_CA_FILE",
            PEM_CERTIFICATE,
            "The authority that signed RabbitMQ's certificate, the only one to be trusted; unset: this machine's.",
        ),
    ] = None
    client_certificate: Annotated[
        CertificateFile | None,
        Variable("RABBITMQ_CLIENT_CERTIFICATE", PEM_CERTIFICATE, "Our certificate, where RabbitMQ wants one."),
    ] = None
    client_key: Annotated[
        KeyFile | None,
        Variable("RABBITMQ_CLIENT_KEY", PEM_KEY, "The file with its key; unset: it is in the same file."),
    ] = None
    username: Annotated[Text, Variable("RABBITMQ_USERNAME", "a user name", "RabbitMQ's user.")] = "guest"
    password: Annotated[Secret, Variable("RABBITMQ_PASSWORD", "a password", "That user's password.", secret=True)] = (
        SecretStr("guest")
    )
    vhost: Annotated[Text, Variable("RABBITMQ_VHOST", "a virtual host's name", "RabbitMQ's virtual host.")] = "/"
    queue_type: Annotated[
        QueueType, Variable("JOB_QUEUE_TYPE", "quorum or classic", "Quorum queues survive the death of a node.")
    ] = QueueType.QUORUM
    job_queue: Annotated[_AmqpName, Variable("JOB_QUEUE_NAME", _AMQP_NAME, "Queue of jobs.")] = "teltubby.large_files"
    priority_queue: Annotated[_AmqpName, Variable("JOB_PRIORITY_QUEUE", _AMQP_NAME, "Queue of urgent jobs.")] = (
        "teltubby.priority_jobs"
    )
    retry_queue: Annotated[_AmqpName, Variable("JOB_RETRY_QUEUE", _AMQP_NAME, "Queue of jobs that wait.")] = (
        "teltubby.retry_jobs"
    )
    dead_letter_queue: Annotated[
        _AmqpName, Variable("JOB_DEAD_LETTER_QUEUE", _AMQP_NAME, "Queue of jobs that failed for good.")
    ] = "teltubby.failed_jobs"
    exchange: Annotated[_AmqpName, Variable("JOB_EXCHANGE", _AMQP_NAME, "Exchange of jobs.")] = "teltubby.exchange"
    dlx_exchange: Annotated[_AmqpName, Variable("JOB_DLX_EXCHANGE", _AMQP_NAME, "Exchange of dead letters.")] = (
        "teltubby.dlx"
    )
    history_retention_days: Annotated[
        _Days,
        Variable(
            "JOB_HISTORY_RETENTION_DAYS",
            _DAYS,
            "Days for which jobs that ended stay in the history; 0: for ever. Files and artifacts always stay.",
        ),
    ] = 365
    audit_retention_days: Annotated[
        _Days,
        Variable(
            "AUDIT_RETENTION_DAYS",
            _DAYS,
            "Days for which lines of the audit trail are kept, whatever becomes of the jobs in them; 0: for ever.",
        ),
    ] = 365


class WorkerSettings(Group):
    """The worker wing."""

    concurrency: Annotated[
        AtOnce,
        Variable("WORKER_CONCURRENCY", AT_ONCE, "Large files on their way at once."),
    ] = 1
    max_retries: Annotated[
        Count, Variable("WORKER_MAX_RETRIES", NOT_NEGATIVE, "Repetitions of a job after transient failures.")
    ] = 3
    retry_delay_seconds: Annotated[
        Seconds, Variable("WORKER_RETRY_DELAY_SECONDS", SECONDS, "The first delay; each next one is twice as long.")
    ] = 60
    health_check_interval: Annotated[
        Seconds, Variable("WORKER_HEALTH_CHECK_INTERVAL", SECONDS, "Seconds between looks at the worker's health.")
    ] = 30


class LogSettings(Group):
    """Log lines on stderr."""

    level: Annotated[
        LogLevel,
        BeforeValidator(_upper),
        Variable("LOG_LEVEL", "DEBUG, INFO, WARNING, ERROR or CRITICAL", "The least severe lines written."),
    ] = LogLevel.INFO
    format: Annotated[
        LogFormat,
        Variable("LOG_FORMAT", "auto, json or console", "`auto` is console on a terminal, json elsewhere."),
    ] = LogFormat.AUTO


class HealthSettings(Group):
    """The HTTP port with /healthz, /readyz, /status and /metrics."""

    port: Annotated[
        int,
        Field(ge=0, le=65535),
        Variable("HEALTH_PORT", "a port from 0 to 65535", "The port; 0: any free one."),
    ] = 8081
    localhost_only: Annotated[
        bool, Variable("BIND_HEALTH_LOCALHOST_ONLY", YES_NO, "Whether only this machine can reach it.")
    ] = True


class ProcessSettings(Group):
    """The process itself."""

    backend: Annotated[
        AsyncBackend, Variable("TELTUBBY_BACKEND", "asyncio or trio", "The event loop that the tree runs on.")
    ] = AsyncBackend.ASYNCIO
    env_file: Annotated[
        Path | None,
        Variable("TELTUBBY_ENV_FILE", PATH, "The file to read instead of `.env` in the working directory."),
    ] = None
