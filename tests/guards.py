"""What keeps tests honest: no connection leaves this machine, and no code of ours blocks the event loop."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blockbuster import BlockBuster

MAY_BLOCK = (
    # The import system reads files wherever the first import of a module happens to stand.
    ("<frozen importlib._bootstrap>", "_find_and_load"),
)
"""(end of the file name, function): blocking below these frames is known and accepted."""


class LeftLoopback(OSError):
    """A test tried to reach another machine; an OSError, so that libraries clean up as after any failed connect."""


class LoopbackGuard:
    """Lets sockets connect to this machine only; remembers each attempt to leave, in case its error was swallowed."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self._connect = socket.socket.connect
        self._connect_ex = socket.socket.connect_ex
        self._getaddrinfo = socket.getaddrinfo

    def install(self) -> None:
        """Replace what asyncio, trio and blocking code connect with."""
        connect, connect_ex, getaddrinfo = self._connect, self._connect_ex, self._getaddrinfo

        def guarded_connect(sock: socket.socket, address: object, /) -> None:
            self._check(sock.family, address)
            connect(sock, address)  # type: ignore[arg-type]  # handed on as it came

        def guarded_connect_ex(sock: socket.socket, address: object, /) -> int:
            self._check(sock.family, address)
            return connect_ex(sock, address)  # type: ignore[arg-type]  # handed on as it came

        def guarded_getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
            self._check_name(host)
            return getaddrinfo(host, *args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

        _set(socket.socket, "connect", guarded_connect)
        _set(socket.socket, "connect_ex", guarded_connect_ex)
        _set(socket, "getaddrinfo", guarded_getaddrinfo)

    def remove(self) -> None:
        """Put everything back."""
        _set(socket.socket, "connect", self._connect)
        _set(socket.socket, "connect_ex", self._connect_ex)
        _set(socket, "getaddrinfo", self._getaddrinfo)

    def _check(self, family: int, address: object) -> None:
        if family not in (socket.AF_INET, socket.AF_INET6):
            return
        host = address[0] if isinstance(address, tuple) else address
        if isinstance(host, str) and (host == "localhost" or _is_loopback(host)):
            return
        self._refuse(f"connect to {address!r}")

    def _check_name(self, host: object) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name is None or name in ("", "localhost", socket.gethostname()) or not isinstance(name, str):
            return
        if name.endswith(".invalid"):  # reserved for names that do not exist (RFC 6761): answer without asking
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            self._refuse(f"look up {name!r}")

    def _refuse(self, attempt: str) -> None:
        self.attempts.append(attempt)
        raise LeftLoopback(f"a test tried to {attempt}, which is not on this machine")


@contextmanager
def no_blocking() -> Iterator[None]:
    """Inside, a blocking call below a frame of teltubby raises where an event loop runs.

    The simulator is no part of the product and may block: its servers run in threads of their own.
    """
    blocking = BlockBuster("teltubby", excluded_modules=["teltubby.simulator"])
    for function in blocking.functions.values():
        for file, name in MAY_BLOCK:
            function.can_block_in(file, name)
    blocking.activate()
    try:
        yield
    finally:
        blocking.deactivate()


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _set(owner: object, name: str, function: Callable[..., object]) -> None:
    setattr(owner, name, function)
