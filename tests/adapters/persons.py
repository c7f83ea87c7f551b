"""A person who may sign in for the house, and their phone."""

from __future__ import annotations

from dataclasses import dataclass

from anyio import to_thread

from teltubby.adapters.telethon_person import PersonSession
from teltubby.simulator.curator import Curator
from teltubby.simulator.people import User
from teltubby.simulator.phone import Phone
from tests.adapters.house import House

WITHIN = 20.0
NUMBER = "+49 30 12345678"
"""MTPROTO_PHONE_NUMBER, as people write it."""
PASSWORD = "correct horse, battery staple"


@dataclass
class Person:
    """Ada, who curates, and whose account the worker is to use."""

    house: House
    curator: Curator
    phone: Phone

    @property
    def user(self) -> User:
        return self.curator.user

    async def code(self, *, seen: int = 0) -> str:
        """The newest login code that came to the phone."""
        return await to_thread.run_sync(lambda: self.phone.wait_for_code(WITHIN, seen=seen))

    async def scan(self, url: str) -> None:
        await to_thread.run_sync(self.phone.scan, url)

    async def sign_in(self, session: PersonSession) -> None:
        """By QR code, without a second factor."""
        await session.begin()
        shown = await session.show_qr()
        await self.scan(shown.url)
        await session.wait_scanned()


def person_of(house: House, *, password: str | None = None, dc: int = 2) -> Person:
    """A person of this house, with or without a second factor, who is at home at this data centre."""
    curator = house.telegram.add_curator(
        house.bot, phone="+493012345678", username="ada", password=password, home_dc=dc
    )
    return Person(house, curator, Phone(house.telegram, curator.user))
