"""How teltubby is installed in a scenario: which processes there are, and what they stand on."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

BOT, WORKER, SECOND_WORKER, BOX = "bot", "worker", "worker 2", "run"
ROLES = (BOT, WORKER, SECOND_WORKER, BOX)
"""Of processes: `teltubby bot`, `teltubby worker`, once more, and `teltubby run`."""
BOXES = 0.15
"""The share of scenarios with a single box."""
BY_PERSON = 0.2
"""Of the others, the share in which a person's account fetches."""
TWO_WORKERS = 0.3
"""Of those that are left, the share with two workers."""
FOR_MEDIA = 0.5
"""The share of all in which Telegram has addresses for files alone, at which workers have connections of their own."""


class Wire(StrEnum):
    """From whom to whom."""

    BOT_BROKER = "bot–broker"
    WORKER_BROKER = "worker–broker"
    STORE = "store"
    BOT_API = "bot–Telegram"
    MTPROTO = "worker–Telegram"
    FILES = "worker–Telegram's other addresses"


TO_TELEGRAM = (Wire.BOT_API, Wire.MTPROTO, Wire.FILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Bot and `workers` on RabbitMQ and S3, or with `is_box` one process with the embedded queue and a folder.

    `by_person` large files are fetched by the account of a person who signs in by QR code, through the relay channel,
    else by the bot's. With `for_media` Telegram's data centres have addresses for files alone.
    """

    is_box: bool = False
    workers: int = 1
    by_person: bool = False
    for_media: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """Its processes, in the order in which they are started."""
        return (BOX,) if self.is_box else (BOT, WORKER, SECOND_WORKER)[: 1 + self.workers]

    @property
    def wires(self) -> tuple[Wire, ...]:
        """What its processes speak over."""
        return TO_TELEGRAM if self.is_box else tuple(Wire)

    def __str__(self) -> str:
        if self.is_box:
            told = "a single box"
        else:
            told = "bot and worker" if self.workers == 1 else f"bot and {self.workers} workers"
        if self.by_person:
            told += ", a person's account"
        return told + (", addresses for files" if self.for_media else "")


USUAL = Installation()


def drawn(rng: random.Random) -> Installation:
    """One of them by the dice."""
    for_media = rng.random() < FOR_MEDIA
    if rng.random() < BOXES:
        return Installation(is_box=True, for_media=for_media)
    if rng.random() < BY_PERSON:
        return Installation(by_person=True, for_media=for_media)
    return Installation(workers=2 if rng.random() < TWO_WORKERS else 1, for_media=for_media)
