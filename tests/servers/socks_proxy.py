"""SOCKS proxies on loopback, CONNECT only: SOCKS5 (RFC 1928, 1929) and SOCKS4 with its extension for names (4a)."""

from __future__ import annotations

import socket
import struct

from tests.servers.proxy_server import ProxyClient, ProxyServer

NO_PASSWORD, WITH_PASSWORD, NO_METHOD = 0, 2, 0xFF
GRANTED, REFUSED = 0, 5
GRANTED_4, REFUSED_4, NOT_THIS_USER_4 = 0x5A, 0x5B, 0x5D


class _Client5(ProxyClient):
    def asks(self) -> tuple[str, int] | None:
        if not self._is_let_in():
            return None
        _, command, _, kind = self.read(4)
        assert (command, kind) in {(1, 1), (1, 3)}, "CONNECT to an IPv4 address or a name"
        host = socket.inet_ntoa(self.read(4)) if kind == 1 else self._word().decode()
        (port,) = struct.unpack(">H", self.read(2))
        return host, port

    def hears(self, is_connected: bool) -> None:
        self.request.sendall(bytes([5, GRANTED if is_connected else REFUSED, 0, 1, *bytes(6)]))

    def _is_let_in(self) -> bool:
        _, methods = self.read(2)
        offered = self.read(methods)
        wanted = NO_PASSWORD if self.server.credentials is None else WITH_PASSWORD
        if wanted not in offered:
            self.turn_away(bytes([5, NO_METHOD]))
            return False
        self.request.sendall(bytes([5, wanted]))
        if self.server.credentials is None:
            return True
        self.read(1)
        if (self._word().decode(), self._word().decode()) != self.server.credentials:
            self.turn_away(bytes([1, 1]))
            return False
        self.request.sendall(bytes([1, 0]))
        return True

    def _word(self) -> bytes:
        return self.read(self.read(1)[0])


class _Client4(ProxyClient):
    def asks(self) -> tuple[str, int] | None:
        version, command, port, host = struct.unpack(">BBH4s", self.read(8))
        assert (version, command) == (4, 1), "CONNECT"
        user = self.word_until(b"\0").decode()
        name = self.word_until(b"\0").decode() if host[:3] == bytes(3) else socket.inet_ntoa(host)
        if self.server.credentials is not None and user != self.server.credentials[0]:
            self.turn_away(_answer_4(NOT_THIS_USER_4))
            return None
        return name, port

    def hears(self, is_connected: bool) -> None:
        self.request.sendall(_answer_4(GRANTED_4 if is_connected else REFUSED_4))


def _answer_4(code: int) -> bytes:
    return bytes([0, code, *bytes(6)])


class SocksProxy(ProxyServer):
    """SOCKS5, with or without a name and password."""

    client = _Client5
    scheme = "socks5"


class Socks4Proxy(ProxyServer):
    """SOCKS4, with or without a name: it knows no passwords."""

    client = _Client4
    scheme = "socks4"
