"""HTTP in front of a real S3 server: what goes wrong between the two, request by request.

For what the server cannot be made to do: an answer that is lost after the work was done, errors of stores in trouble, a
store that ignores or rejects conditional writes (the proxy takes the header out and signs anew), TLS with a certificate
of nobody. Runs in threads of its own.
"""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, assert_never

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.servers.swift import SwiftNode

HOP_BY_HOP = {"connection", "expect", "transfer-encoding", "keep-alive"}
XML = [("Content-Type", "application/xml")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Say this instead of asking the server."""

    status: int
    body: bytes = b""


def error(status: int, code: str) -> Answer:
    """An answer with S3's error document."""
    document = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>scripted</Message></Error>'
    return Answer(status=status, body=document.encode())


Fault = Answer | Literal["lose the request", "lose the answer"]
Matches = Callable[[str], bool]


class S3Proxy:
    """Forwards to `node`; faults happen once each, to the first request whose "METHOD path?query" matches."""

    def __init__(self, node: SwiftNode, *, certificate: Path | None = None) -> None:
        self.node = node
        self.conditions: Literal["honoured", "ignored", "rejected"] = "honoured"
        self.requests: list[str] = []
        self.trouble: Callable[[str], Fault | None] | None = None
        """Asked for every "METHOD path?query" that no other fault meets, in that connection's thread, and may wait."""
        self.answered: Callable[[str, int], None] | None = None
        """Told of every request that the server itself answered, with the status."""
        self._faults: list[tuple[Matches, Fault]] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            def handle_s3(self) -> None:
                proxy.handle(self)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._scheme = "http"
        if certificate is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def once(self, matches: Matches, fault: Fault) -> None:
        """Let `fault` happen to the next request that matches."""
        with self._lock:
            self._faults.append((matches, fault))

    def clear(self) -> None:
        """No faults any more."""
        with self._lock:
            self._faults.clear()
            self.trouble = None

    def close(self) -> None:
        """End it, and every connection with it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def handle(self, handler: _Handler) -> None:
        """Deal with one request, in the thread of its connection."""
        line = f"{handler.command} {handler.path}"
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        match self._fault(line):
            case None:
                handler.answer(*self._forward(handler, body))
            case "lose the request":
                handler.hang_up()
            case "lose the answer":
                self._forward(handler, body)
                handler.hang_up()
            case Answer() as answer:
                handler.answer(answer.status, XML, answer.body)
            case other:
                assert_never(other)

    def _fault(self, line: str) -> Fault | None:
        with self._lock:
            self.requests.append(line)
            for entry in self._faults:
                if entry[0](line):
                    self._faults.remove(entry)
                    return entry[1]
        return None if self.trouble is None else self.trouble(line)

    def _forward(self, handler: _Handler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
        if "If-None-Match" in headers and self.conditions != "honoured":
            if self.conditions == "rejected":
                rejection = error(501, "NotImplemented")
                return rejection.status, XML, rejection.body
            headers = self._without_condition(handler, headers, body)
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=60)
        try:
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            found = answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):  # the server is down: a gateway in front of it would say so
            gone = error(502, "BadGateway")
            return gone.status, XML, gone.body
        else:
            if self.answered is not None:
                self.answered(f"{handler.command} {handler.path}", found[0])
            return found
        finally:
            connection.close()

    def _without_condition(self, handler: _Handler, headers: dict[str, str], body: bytes) -> dict[str, str]:
        kept = {
            name: value
            for name, value in headers.items()
            if name not in ("If-None-Match", "Authorization", "Host", "X-Amz-Date", "X-Amz-Content-SHA256")
        }
        url = f"http://127.0.0.1:{self.node.port}{handler.path}"
        request = AWSRequest(method=handler.command, url=url, data=body, headers=kept)
        credentials = Credentials(self.node.access_key_id, self.node.secret_access_key)
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients die in the midst of an answer: only what is our own fault is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # handed on as it came


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_s3(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.handle_s3()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """No lines on stderr for every request."""
