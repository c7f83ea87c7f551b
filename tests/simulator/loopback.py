"""Keeps the clients under test on loopback: left alone, they know Telegram's real addresses and dial them."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest


class LeftLoopback(BaseException):
    """Somebody tried to reach another machine. No client may catch this and try the next address."""


def _require_loopback(address: Any) -> None:
    if not isinstance(address, tuple):
        return
    try:
        local = ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        local = address[0] == "localhost"
    if not local:
        raise LeftLoopback(f"a test wanted to connect to {address}")


def guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, connecting a socket to anything but loopback, or resolving a name, raises LeftLoopback."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _require_loopback(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _require_loopback(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            _require_loopback((host.decode() if isinstance(host, bytes) else host,))
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
