"""Opens a connection to RabbitMQ, and says in words why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AuthenticationError, InvalidFrameError, ProbableAuthenticationError

from teltubby.errors import BrokerUnavailable

HEARTBEAT_SECONDS = 20
"""A peer that is silent for three of these is taken for lost."""


class CredentialsRefused(BrokerUnavailable):
    """The user or its password is not accepted."""


class VhostRefused(BrokerUnavailable):
    """There is no such virtual host, or the user may not use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where RabbitMQ is and who we are there; `timeout` (seconds) bounds every exchange with it."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str
    tls: bool = False
    timeout: float
    client_name: str

    def __str__(self) -> str:
        return f"RabbitMQ at {self.host}:{self.port}"


async def connect(address: BrokerAddress) -> AbstractConnection:
    """Connect; asyncio-flavoured. Raises CredentialsRefused, VhostRefused, and BROKER_FAILURES (rabbitmq_errors)."""
    url = aio_pika.connection.make_url(
        host=address.host,
        port=address.port,
        login=address.username,
        password=address.password,
        virtualhost=address.vhost,
        ssl=address.tls,
        heartbeat=HEARTBEAT_SECONDS,
    )
    # Not aio_pika.connect(), which drops a connection that did not come about without closing it: a task nobody
    # awaits, and a warning, when it is collected.
    connection = aio_pika.Connection(url, client_properties={"connection_name": address.client_name})
    connected = False
    try:
        await connection.connect(timeout=address.timeout)
        connected = True
    except (AuthenticationError, ProbableAuthenticationError) as exc:
        raise CredentialsRefused(f"{address} refuses the user {address.username!r} or its password") from exc
    except InvalidFrameError as exc:  # aiormq's answer when the server closes instead of opening the virtual host
        raise VhostRefused(
            f"{address} has no virtual host {address.vhost!r}, or the user {address.username!r} may not use it"
        ) from exc
    finally:
        if not connected:
            await connection.close()
    return connection
