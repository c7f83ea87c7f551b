"""Which process of this installation runs on this machine, and who else listens on a port."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import partial

from anyio import to_thread

from teltubby.config import Config
from teltubby.probing import NO_ANSWER, told_on

ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A running process of teltubby; `role` is the root of its tree (box, bot or worker)."""

    role: str

    @property
    def is_bot(self) -> bool:
        """Whether it takes in updates."""
        return self.role in ("box", "bot")


async def running(config: Config) -> Neighbour | None:
    """The process that answers on HEALTH_PORT as one of ours does, if any."""
    if config.health.port == 0:
        return None
    return await to_thread.run_sync(partial(_ask, config.health.port), abandon_on_cancel=True)


async def is_free(host: str, port: int) -> str | None:
    """None where one could listen there, else why not."""
    return await to_thread.run_sync(partial(_try_to_listen, host, port), abandon_on_cancel=True)


def _ask(port: int) -> Neighbour | None:
    try:
        status = told_on(f"http://127.0.0.1:{port}/status", within=ANSWER_SECONDS)
        return Neighbour(role=str(status["snapshot"]["name"]))
    except NO_ANSWER:
        return None


def _try_to_listen(host: str, port: int) -> str | None:
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
