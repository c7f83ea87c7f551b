"""The wires of a scenario, each of one or more TCP proxies that share one fate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from teltubby.simulator.server import SimulatedTelegram
from tests.servers.tcp_proxy import TcpProxy


class Cable:
    """Does what TcpProxy does to all that go to these ports of loopback; `ports` are its own for them, in order."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._proxies = [TcpProxy(target) for target in targets]
        self.ports = [proxy.port for proxy in self._proxies]

    def accept(self) -> None:
        """Take connections."""
        for proxy in self._proxies:
            proxy.accept()

    def refuse(self) -> None:
        """Refuse new ones."""
        for proxy in self._proxies:
            proxy.refuse()

    def cut(self) -> None:
        """Reset all."""
        for proxy in self._proxies:
            proxy.cut()

    def stall(self) -> None:
        """Forward nothing any more."""
        for proxy in self._proxies:
            proxy.stall()

    def resume(self) -> None:
        """End that."""
        for proxy in self._proxies:
            proxy.resume()

    def lag(self, seconds: Callable[[], float] | None) -> None:
        """Let new ones be late."""
        for proxy in self._proxies:
            proxy.lag(seconds)

    def abandon(self) -> None:
        """Leave all half open."""
        for proxy in self._proxies:
            proxy.abandon()

    def close(self) -> None:
        """Cut everything and end."""
        for proxy in self._proxies:
            proxy.close()


def laid(targets: Sequence[int], stack: ExitStack) -> Cable:
    """A new one, which `stack` closes in the end."""
    cable = Cable(targets)
    stack.callback(cable.close)
    return cable


def before_other_addresses(telegram: SimulatedTelegram, home: int, stack: ExitStack) -> Cable:
    """Before all addresses of data centres that clients are told of, but the one of their home for everything."""
    server = telegram.mtproto_server
    places = [(dc, port, False) for dc, port in sorted(telegram.mtproto_ports.items()) if dc != home]
    places += [(dc, port, True) for dc, port in sorted(telegram.mtproto_media_ports.items())]
    cable = laid([port for _, port, _ in places], stack)

    def advertise() -> None:
        for (data_centre, _, media_only), port in zip(places, cable.ports, strict=True):
            server.advertise(data_centre, port, media_only=media_only)

    telegram.call(advertise)
    return cable
