"""The S3 client of one bucket: how it connects and signs, how long a request may take, what its errors mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aioboto3
import aiohttp
import anyio.to_thread
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError

from teltubby.adapters.s3_errors import translate
from teltubby.adapters.s3_models import S3Models
from teltubby.adapters.s3_signing import Signer
from teltubby.errors import StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_LEAST_RATE = 64 * 1024
"""Bytes per second below which a transfer counts as stalled; aiohttp itself sets no limit to sending a body."""

_CONNECTIONS = 32
"""Pool size: the largest CONCURRENCY that the settings allow."""


class _HttpSession(AIOHTTPSession):
    """aiobotocore's, which takes the context of urllib3 over as it is: one that leaves the host's name to urllib3.

    aiohttp does not look at names itself, so that any certificate of a trusted authority would do for any host.
    """

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()  # type: ignore[misc] # its stubs leave it out
        context.check_hostname = True
        return context


class S3Connection:
    """An S3 client that is made once and kept; asyncio-flavoured. `timeout` in seconds per request."""

    def __init__(
        self,
        *,
        endpoint: str | None,
        region: str | None,
        access_key_id: str,
        secret_access_key: str,
        force_path_style: bool,
        tls_skip_verify: bool,
        ca_file: Path | None,
        timeout: float,
    ) -> None:
        self._endpoint = endpoint
        self._region = region or "us-east-1"
        self._signer = Signer(access_key_id, secret_access_key)
        trusted = None if ca_file is None else str(ca_file)  # None: the system's, or AWS_CA_BUNDLE
        self._verify = False if tls_skip_verify else trusted
        self._timeout = timeout
        self._config = AioConfig(
            signature_version=UNSIGNED,  # the Signer signs, with the digest that the caller already has
            s3={"addressing_style": "path" if force_path_style else "virtual"},
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"total_max_attempts": 1},  # exactly one layer retries, and that is not this one
            max_pool_connections=_CONNECTIONS,
            http_session_cls=_HttpSession,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._client: S3Client | None = None

    async def open(self) -> None:
        """Make the client, if it is not there yet; no network. Raises StoreRefused for settings that cannot work."""
        if self._client is not None:
            return
        client = await anyio.to_thread.run_sync(self._make_client)
        client.meta.events.register("before-sign.s3", self._signer)
        self._client = client

    async def aclose(self) -> None:
        """Close every connection; safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @asynccontextmanager
    async def request(self, doing: str, *, moving: int = 0, patience: int = 1) -> AsyncIterator[S3Client]:
        """The client, under a deadline of `patience` timeouts plus the time for `moving` bytes over a slow line.

        The client's exceptions leave as ours; `doing` tells people what failed.
        """
        if self._client is None:
            raise StoreUnavailable(f"{doing}: the object store is not open")
        try:
            async with asyncio.timeout(self._timeout * patience + moving / _LEAST_RATE):
                yield self._client
        except (ClientError, BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise translate(exc, doing) from exc

    def _make_client(self) -> S3Client:
        """aiobotocore makes clients in a coroutine that never waits, but parses 2 MB of models from the disk.

        So a thread takes that one step. The client's connections belong to the loop that first needs them.
        """
        try:
            session = AioSession()
            session.get_component("data_loader").file_loader = S3Models()
            context = aioboto3.Session(botocore_session=session).client(
                "s3", region_name=self._region, endpoint_url=self._endpoint, verify=self._verify, config=self._config
            )
            context.__aenter__().send(None)
        except StopIteration as made:
            client: S3Client = made.value
            return client
        except BotoCoreError as exc:
            raise translate(exc, "open the object store") from exc
        except ValueError as exc:
            raise StoreRefused(f"S3_ENDPOINT is not an address: {exc}") from exc
        raise RuntimeError("aiobotocore waits for something while it makes a client: pin its version")
