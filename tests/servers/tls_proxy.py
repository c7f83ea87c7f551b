"""TLS in front of a server on loopback that speaks without: what a proxy before a service does."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

from tests.servers.ports import HOST

CHUNK = 1 << 16
LOOK_SECONDS = 0.1
"""How often a connection on which nothing comes looks whether the proxy has ended."""


class TlsProxy(ThreadingTCPServer):
    """Shows `certificate` (a PEM file with its key) and forwards to `target`, in threads of its own."""

    daemon_threads = True

    def __init__(self, target: int, certificate: Path, *, newest: ssl.TLSVersion | None = None) -> None:
        super().__init__((HOST, 0), _Client)
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        if newest is not None:
            self.context.minimum_version = self.context.maximum_version = newest
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": LOOK_SECONDS}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        """End it, and every connection with it."""
        self.ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Client(BaseRequestHandler):
    """One connection: bytes both ways, once the client trusts us."""

    server: TlsProxy
    request: socket.socket

    def handle(self) -> None:
        with suppress(OSError):  # of which what a client says that does not trust us is a kind
            near = self.server.context.wrap_socket(self.request, server_side=True)
            with near, socket.create_connection((HOST, self.server.target)) as far:
                self._pump(near, far)

    def _pump(self, near: ssl.SSLSocket, far: socket.socket) -> None:
        while not self.server.ended.is_set():
            ready = [near] if near.pending() else select.select([near, far], [], [], LOOK_SECONDS)[0]
            for one in ready:
                data = one.recv(CHUNK)
                if not data:
                    return
                (far if one is near else near).sendall(data)
