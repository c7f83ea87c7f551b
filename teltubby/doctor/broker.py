"""RabbitMQ, without leaving anything there."""

from __future__ import annotations

import re

from teltubby.adapters.rabbitmq_connect import BrokerAddress, CredentialsRefused, TlsRefused, VhostRefused
from teltubby.adapters.rabbitmq_inspection import BrokerFacts, inspect_broker
from teltubby.adapters.rabbitmq_topology import retry_queues
from teltubby.config import Config, Role
from teltubby.doctor.findings import Findings
from teltubby.doctor.troubles import Trouble
from teltubby.doctor.words import listed
from teltubby.errors import BrokerUnavailable
from teltubby.trees import parts

OLDEST = (3, 10)
"""rabbitmq_topology says why."""


async def look_at_broker(config: Config, findings: Findings) -> None:
    """Connection, login, virtual host, declarations, permissions, alarms."""
    queue = config.queue
    address = BrokerAddress(
        host=queue.host,
        port=queue.port,
        username=queue.username,
        password=queue.password.get_secret_value(),
        vhost=queue.vhost,
        tls=parts.broker_tls(config),
        timeout=min(config.ingest.io_timeout_seconds, parts.BROKER_SECONDS),
        client_name="teltubby doctor",
    )
    try:
        facts = await inspect_broker(
            address, parts.broker_names(config), queue.queue_type.value, unread=_unread(config)
        )
    except CredentialsRefused as error:
        findings.trouble("connection", Trouble.BROKER_CREDENTIALS, error)
    except VhostRefused as error:
        findings.trouble("connection", Trouble.BROKER_VHOST, error)
    except TlsRefused as error:
        findings.trouble("connection", Trouble.CERTIFICATE_REFUSED, error)
    except BrokerUnavailable as error:
        findings.trouble("connection", Trouble.BROKER_AWAY, error)
    else:
        found = f"{address}, virtual host {queue.vhost!r}, version {facts.version}"
        if _parsed(facts.version) < OLDEST:
            findings.trouble("connection", Trouble.BROKER_OLD, found)
        else:
            findings.well("connection", found)
        _topology(facts, findings)
        _permissions(facts, findings, queue.username)
        _alarm(facts, findings)


def _unread(config: Config) -> frozenset[str]:
    """Queues that this role need not read, once they are there."""
    names = parts.broker_names(config)
    delayed = {*retry_queues(names.retry).values(), *retry_queues(names.urgent_retry).values(), names.dead}
    match config.role:
        case Role.BOX:
            return frozenset(delayed)
        case Role.BOT:
            return frozenset({*delayed, names.jobs, names.priority})
        case Role.WORKER:
            return frozenset({*delayed, names.events, names.questions})


def _topology(facts: BrokerFacts, findings: Findings) -> None:
    for conflict in facts.conflicts:
        findings.trouble("topology", Trouble.BROKER_CONFLICT, conflict)
    if facts.missing:
        missing = f"{len(facts.missing)} exchanges and queues will be made at the start: {listed(facts.missing)}"
        findings.well("topology", missing)
    elif not facts.conflicts:
        findings.well("topology", f"{len(facts.fitting)} exchanges and queues are there as they should be")


def _permissions(facts: BrokerFacts, findings: Findings, user: str) -> None:
    for permission, names in facts.forbidden.items():
        found = f"the user {user!r} may not {permission} {listed(sorted(names))}"
        findings.trouble("permissions", Trouble.BROKER_PERMISSIONS, found)
    if not facts.forbidden:
        findings.well("permissions", f"the user {user!r} may configure, write and read what is needed")


def _alarm(facts: BrokerFacts, findings: Findings) -> None:
    if facts.is_blocked:
        findings.trouble("alarm", Trouble.BROKER_BLOCKED, "it takes no messages: a memory or disk alarm, most likely")
    else:
        findings.well("alarm", "it takes messages")


def _parsed(version: str) -> tuple[int, ...]:
    """`3.10.8` → (3, 10, 8); what cannot be read is taken for new."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(int(number) for number in found.groups()) if found else OLDEST
