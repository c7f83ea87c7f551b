"""A proxy on loopback that connects whom it lets in to where they ask: what SOCKS5, SOCKS4 and HTTP have in common."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import ClassVar

HOST = "127.0.0.1"
CHUNK = 1 << 16
LOOK_SECONDS = 0.1
"""How often a connection on which nothing comes looks whether the proxy has ended."""


class Left(Exception):
    """The client closed its connection in the midst of a word."""


class ProxyServer(ThreadingTCPServer):
    """Takes who gives these `credentials`; None takes everybody. `reached` is where it connected them to.

    `met` counts connections, `turned_away` those of wrong credentials. `port` is that of an earlier one, or any.
    """

    allow_reuse_address = True
    daemon_threads = True
    client: ClassVar[type[ProxyClient]]
    scheme: ClassVar[str]

    def __init__(self, credentials: tuple[str, str] | None = None, *, port: int = 0) -> None:
        super().__init__((HOST, port), self.client)
        self.credentials = credentials
        self.reached: list[tuple[str, int]] = []
        self.met = 0
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


class ProxyClient(BaseRequestHandler):
    """One connection: `asks`, then `hears` whether it has its wish, then bytes both ways."""

    server: ProxyServer
    request: socket.socket

    def asks(self) -> tuple[str, int] | None:
        """Where to; None after who may not has been told so."""
        raise NotImplementedError

    def hears(self, is_connected: bool) -> None:
        """What came of it."""
        raise NotImplementedError

    def turn_away(self, answer: bytes) -> None:
        """Tell who may not; counted before anybody can have heard it."""
        self.server.turned_away += 1
        self.request.sendall(answer)

    def handle(self) -> None:
        self.server.met += 1
        with suppress(Left, ConnectionError):
            place = self.asks()
            if place is None:
                return
            try:
                far = socket.create_connection(place)
            except OSError:
                self.hears(False)
                return
            with far:
                self.server.reached.append(place)
                self.hears(True)
                self._pump(far)

    def _pump(self, far: socket.socket) -> None:
        other = {self.request: far, far: self.request}
        while not self.server.ended.is_set():
            for ready in select.select(list(other), [], [], LOOK_SECONDS)[0]:
                data = ready.recv(CHUNK)
                if not data:
                    return
                other[ready].sendall(data)

    def word_until(self, end: bytes) -> bytes:
        """What comes before `end`, which is taken, too."""
        data = b""
        while not data.endswith(end):
            data += self.read(1)
        return data.removesuffix(end)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            more = self.request.recv(size - len(data))
            if not more:
                raise Left
            data += more
        return data
