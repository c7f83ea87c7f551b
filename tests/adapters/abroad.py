"""A Telegram of several data centres, each reached over a wire of its own that can be cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from teltubby.adapters.telethon_bot import BotSession
from teltubby.messages.transfer import FileLocation, MailboxPlace, PartConnection
from teltubby.simulator.curator import Curator
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.house import House
from tests.servers.tcp_proxy import TcpProxy

MIB = 1 << 20
HOME, ABROAD = 2, 4


@dataclass
class Wires:
    """To the ports for files at home, and to both ports abroad: what help.getConfig names."""

    media: TcpProxy | None
    abroad: TcpProxy
    abroad_media: TcpProxy | None

    def each(self) -> list[TcpProxy]:
        return [wire for wire in (self.media, self.abroad, self.abroad_media) if wire is not None]


@contextmanager
def wired(telegram: SimulatedTelegram) -> Iterator[Wires]:
    """The server tells its clients the wires' ports for its own."""
    state = telegram.mtproto_server._state
    media = {dc: TcpProxy(port) for dc, port in state.media_ports.items()}
    abroad = TcpProxy(state.ports[ABROAD])

    def announce() -> None:
        state.media_ports.update({dc: wire.port for dc, wire in media.items()})
        state.ports[ABROAD] = abroad.port

    telegram.call(announce)
    wires = Wires(media.get(HOME), abroad, media.get(ABROAD))
    try:
        yield wires
    finally:
        for wire in wires.each():
            wire.close()


@dataclass
class Film:
    """A file that the curator has handed in."""

    house: House
    curator: Curator
    file: File
    message_id: int

    async def location(self, session: BotSession) -> FileLocation:
        return await session.locate(MailboxPlace(chat_id=self.curator.user.id, message_id=self.message_id))

    async def reads(self, session: BotSession, connection: PartConnection, index: int = 0) -> bool:
        """Whether this part comes over this connection as it is."""
        got = bytes(await connection.fetch(await self.location(session), index * MIB, MIB))
        return got == self.file.read(index * MIB, MIB)


def handed_in(house: House, curator: Curator, size: int, *, dc: int = HOME, **options: Any) -> Film:
    """The curator sends a new film that lies at that data centre."""
    file = curator.new_file(FileKind.VIDEO, size, name="film.mp4", dc=dc, **options)
    curator.send_media(file)
    return Film(house, curator, file, house.telegram.call(lambda: house.bot.mailbox.last_id))


def asked(house: House, method: str = "upload.getFile") -> Counter[tuple[int, bool]]:
    """How often this was asked, by data centre and whether it was at an address for files."""
    calls = house.telegram.call(lambda: list(house.telegram.mtproto_server.calls))
    return Counter((call.dc, call.media_only) for call in calls if call.method == method)


MISCALCULATED = "pq was not factored into p < q"
"""Telethon's own arithmetic fails so now and then; it is tried again."""


def violations(house: House) -> list[str]:
    found = house.telegram.call(lambda: list(house.telegram.mtproto_server.violations))
    return [violation for violation in found if violation != MISCALCULATED]
