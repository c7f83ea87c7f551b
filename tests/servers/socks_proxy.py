"""A SOCKS5 proxy on loopback (RFC 1928, 1929): CONNECT only, with or without a password."""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

HOST = "127.0.0.1"
CHUNK = 1 << 16
LOOK_SECONDS = 0.1
"""How often a connection on which nothing comes looks whether the proxy has ended."""
NO_PASSWORD, WITH_PASSWORD, NO_METHOD = 0, 2, 0xFF
GRANTED, REFUSED = 0, 5


class _Left(Exception):
    """The client closed its connection in the midst of a word."""


class SocksProxy(ThreadingTCPServer):
    """Takes who gives this name and password; None takes everybody. `reached` is where it connected them to."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        super().__init__((HOST, 0), _Client)
        self.credentials = credentials
        self.reached: list[tuple[str, int]] = []
        self.turned_away = 0
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": LOOK_SECONDS}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        """Cut every connection; safe to call twice."""
        if self.ended.is_set():
            return
        self.ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Client(BaseRequestHandler):
    server: SocksProxy
    request: socket.socket

    def handle(self) -> None:
        with suppress(_Left, ConnectionError):
            if not self._is_let_in():
                self.server.turned_away += 1
                return
            _, command, _, kind = self._read(4)
            assert (command, kind) in {(1, 1), (1, 3)}, "CONNECT to an IPv4 address or a name"
            host = socket.inet_ntoa(self._read(4)) if kind == 1 else self._word().decode()
            (port,) = struct.unpack(">H", self._read(2))
            try:
                far = socket.create_connection((host, port))
            except OSError:
                self.request.sendall(bytes([5, REFUSED, 0, 1, *bytes(6)]))
                return
            with far:
                self.server.reached.append((host, port))
                self.request.sendall(bytes([5, GRANTED, 0, 1, *bytes(6)]))
                self._pump(far)

    def _is_let_in(self) -> bool:
        _, methods = self._read(2)
        offered = self._read(methods)
        wanted = NO_PASSWORD if self.server.credentials is None else WITH_PASSWORD
        if wanted not in offered:
            self.request.sendall(bytes([5, NO_METHOD]))
            return False
        self.request.sendall(bytes([5, wanted]))
        if self.server.credentials is None:
            return True
        self._read(1)
        is_known = (self._word().decode(), self._word().decode()) == self.server.credentials
        self.request.sendall(bytes([1, 0 if is_known else 1]))
        return is_known

    def _pump(self, far: socket.socket) -> None:
        other = {self.request: far, far: self.request}
        while not self.server.ended.is_set():
            for ready in select.select(list(other), [], [], LOOK_SECONDS)[0]:
                data = ready.recv(CHUNK)
                if not data:
                    return
                other[ready].sendall(data)

    def _word(self) -> bytes:
        return self._read(self._read(1)[0])

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.request.recv(size - len(data))
            if not more:
                raise _Left
            data += more
        return data
