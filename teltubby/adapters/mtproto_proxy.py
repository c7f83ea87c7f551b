"""The proxy by which every MTProto connection goes (TELEGRAM_PROXY)."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as Dialler

_KINDS = {"socks5": ProxyType.SOCKS5, "socks4": ProxyType.SOCKS4, "http": ProxyType.HTTP}


class ProxyRefused(ConnectionError):
    """The proxy answered, and does not connect us: wrong credentials, a rule of its own, nobody at the other end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy of kind socks5, socks4 or http (CONNECT)."""

    kind: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, address: str) -> Proxy:
        """That of an address like `socks5://name:password@host:1080`. Raises ValueError."""
        parts = urlsplit(address)
        if parts.scheme not in _KINDS or parts.hostname is None or parts.port is None:
            raise ValueError("no address of a proxy")
        return cls(
            kind=parts.scheme,
            host=parts.hostname,
            port=parts.port,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )

    def for_telethon(self) -> dict[str, object]:
        """As TelegramClient takes it."""
        return {
            "proxy_type": self.kind,
            "addr": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "rdns": True,
        }

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connection to `host` from the proxy. asyncio-flavoured. Raises OSError; ProxyRefused is one."""
        dialler = Dialler(_KINDS[self.kind], self.host, self.port, self.username, self.password, rdns=True)
        try:
            return await dialler.connect(host, port)
        except ProxyError as error:
            raise ProxyRefused(f"the proxy does not connect us: {error}") from error
