"""An HTTP proxy on loopback, CONNECT only (RFC 9110, 9.3.6), with or without a name and password (RFC 7617)."""

from __future__ import annotations

import base64

from tests.servers.proxy_server import ProxyClient, ProxyServer

END = b"\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 loopback\r\n\r\n"
BEYOND = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
UNKNOWN = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"


class _Client(ProxyClient):
    def asks(self) -> tuple[str, int] | None:
        request, *lines = self.word_until(END).decode("ascii").split("\r\n")
        method, target, version = request.split()
        assert (method, version) == ("CONNECT", "HTTP/1.1")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        assert headers["host"] == target
        if not self._is_let_in(headers.get("proxy-authorization", "")):
            self.turn_away(UNKNOWN)
            return None
        host, _, port = target.rpartition(":")
        return host, int(port)

    def hears(self, is_connected: bool) -> None:
        self.request.sendall(ESTABLISHED if is_connected else BEYOND)

    def _is_let_in(self, shown: str) -> bool:
        if self.server.credentials is None:
            return True
        kind, _, secret = shown.partition(" ")
        return kind == "Basic" and base64.b64decode(secret).decode() == ":".join(self.server.credentials)


class HttpProxy(ProxyServer):
    """Takes CONNECT to any port."""

    client = _Client
    scheme = "http"
