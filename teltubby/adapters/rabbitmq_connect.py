"""Opens a connection to RabbitMQ, and says in words why there is none."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPConnectionError, AuthenticationError, InvalidFrameError, ProbableAuthenticationError

from teltubby.adapters.tls import HUNG_UP, Tls, causes, tls_fault
from teltubby.errors import BrokerUnavailable

HEARTBEAT_SECONDS = 20
"""A peer that is silent for three of these is taken for lost."""


class CredentialsRefused(BrokerUnavailable):
    """The user or its password is not accepted."""


class TlsRefused(BrokerUnavailable):
    """Its certificate or ours is not accepted, or it does not speak TLS there."""


class VhostRefused(BrokerUnavailable):
    """There is no such virtual host, or the user may not use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where RabbitMQ is and who we are there; `timeout` (seconds) bounds every exchange with it. No `tls`: in plain."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str
    tls: Tls | None = None
    timeout: float
    client_name: str

    def __str__(self) -> str:
        return f"RabbitMQ at {self.host}:{self.port}"


async def connect(address: BrokerAddress) -> AbstractConnection:
    """Connect; asyncio-flavoured.

    Raises CredentialsRefused, VhostRefused, TlsRefused, and BROKER_FAILURES (rabbitmq_errors).
    """
    context = await _context(address)
    url = aio_pika.connection.make_url(
        host=address.host,
        port=address.port,
        login=address.username,
        password=address.password,
        virtualhost=address.vhost,
        ssl=context is not None,
        heartbeat=HEARTBEAT_SECONDS,
    )
    # Not aio_pika.connect(), which drops a connection that did not come about without closing it: a task nobody
    # awaits, and a warning, when it is collected.
    connection = aio_pika.Connection(
        url, ssl_context=context, client_properties={"connection_name": address.client_name}
    )
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
    except (AMQPConnectionError, OSError) as exc:
        if (fault := tls_fault(exc)) is not None:
            raise TlsRefused(f"cannot reach {address}: {fault}") from exc
        if address.tls is None or address.tls.certificate is not None or not _was_hung_up(exc):
            raise
        # With TLS 1.3 a server hears of our certificate, or of its want, last, and its word on that may be overtaken.
        why = "it ended the connection; if it wants a certificate of ours, set RABBITMQ_CLIENT_CERTIFICATE"
        raise BrokerUnavailable(f"cannot reach {address}: {why}") from exc
    finally:
        if not connected:
            await connection.close()
    return connection


async def _context(address: BrokerAddress) -> ssl.SSLContext | None:
    if address.tls is None:
        return None
    try:
        return await asyncio.to_thread(address.tls.context)
    except OSError as exc:
        raise TlsRefused(f"cannot reach {address}: our own files for TLS cannot be used: {exc}") from exc


def _was_hung_up(error: BaseException) -> bool:
    return any(isinstance(cause, (ConnectionError, EOFError, *HUNG_UP)) for cause in causes(error))
