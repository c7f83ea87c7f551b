"""Telegram: asks to wait, fails, cuts, answers late or twice or in disorder, forgets and moves files and logins."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

from teltubby.simulator.people import HOME_DC
from tests.chaos.crowd import ABROAD
from tests.chaos.faults.base import Fault, Variant
from tests.chaos.stage import LARGER_THAN, Stage

BOT_METHODS = ("getUpdates", "getFile", "file", "sendMessage", "editMessageText")
MTPROTO_METHODS = ("upload.getFile", "messages.getMessages")
BOT_WAYS: tuple[Mapping[str, Any], ...] = (
    {"error": 429, "retry_after": 1},
    {"error": 502, "message": "Bad Gateway"},
    {"cut": True},
    {"delay": 2.0},
)
MTPROTO_WAYS: tuple[Mapping[str, Any], ...] = (
    {"error": 420, "message": "FLOOD_WAIT_1"},
    {"error": 500, "message": "INTERDC_2_CALL_ERROR"},
    {"cut": True},
    {"delay": 2.0},
    {"silent": True},
    {"stall": True},
)
PART_WAYS: tuple[Mapping[str, Any], ...] = ({"corrupt": True}, {"shift": 4096}, {"truncate": 1024}, {"expire": True})
DISORDER: tuple[Mapping[str, Any], ...] = ({"again": 3}, {"reversed": True}, {"again": 2, "reversed": True})


@dataclass(frozen=True)
class Trouble(Fault):
    """The next calls of a method go wrong."""

    family = "telegram"
    at_once = False
    method: str
    times: int
    ways: Mapping[str, Any] = field(hash=False)

    def strike(self, stage: Stage) -> None:
        faults = stage.house.telegram.world.faults
        stage.house.in_world(
            lambda: faults.add(self.method, times=self.times, then=lambda: stage.meets(self), **self.ways)
        )


@dataclass(frozen=True)
class SignedOut(Fault):
    """Telegram ends the login of the account that fetches files; a person's is made anew by hand in the end.

    If the account `moved`, it can sign in at another data centre only (USER_MIGRATE_X; a QR code hears it too).
    """

    family = "telegram"
    cut: bool
    moved: bool

    def strike(self, stage: Stage) -> None:
        stage.sign_out(cut=self.cut, moved=self.moved)


@dataclass(frozen=True)
class KeysForgotten(Fault):
    """Telegram loses every authorization key."""

    family = "telegram"

    def strike(self, stage: Stage) -> None:
        stage.house.in_world(stage.house.telegram.mtproto_server.forget_keys)
        stage.person.is_signed_out = True


@dataclass(frozen=True)
class ReferencesExpired(Fault):
    """Every file reference is stale."""

    family = "telegram"

    def strike(self, stage: Stage) -> None:
        stage.house.in_world(stage.house.telegram.world.expire_references)


@dataclass(frozen=True)
class FilesMoved(Fault):
    """Every large file is in another data centre from now on (FILE_MIGRATE_X), also such as are being fetched."""

    family = "telegram"
    at_once = False

    def strike(self, stage: Stage) -> None:
        files = {file for one in stage.crowd.handed_in for file in one.files if file.size > LARGER_THAN}

        def move() -> None:
            for file in files:
                file.dc = ABROAD if file.dc != ABROAD else HOME_DC

        stage.house.in_world(move)
        if files:
            stage.meets(self)


@dataclass(frozen=True)
class FileExchanged(Fault):
    """Where a large file was, another one of the same size stands from now on: it must not be taken for it."""

    family = "telegram"
    at_once = False
    seed: int

    def strike(self, stage: Stage) -> None:
        large = [one for one in stage.crowd.handed_in for file in one.files if file.size > LARGER_THAN]
        if not large:
            return
        chosen = random.Random(self.seed).choice(large)
        file = next(file for file in chosen.files if file.size > LARGER_THAN)
        other = chosen.curator.new_file(file.kind, file.size, seed=self.seed, name="another.bin")
        for one in stage.crowd.handed_in:
            one.was_exchanged |= file in one.files
        stage.house.in_world(lambda: stage.house.telegram.world.swap_file(file, other))
        stage.meets(self)


def variants() -> Iterator[Variant]:
    """Each way in which each method goes wrong; each end of a login, the bot's and a person's."""
    ways = [(method, way) for method in BOT_METHODS for way in BOT_WAYS]
    ways += [(method, way) for method in MTPROTO_METHODS for way in MTPROTO_WAYS]
    ways += [("upload.getFile", way) for way in PART_WAYS]
    ways += [("getUpdates", {"effects": way}) for way in DISORDER]
    for method, way in ways:
        yield Variant(name=f"Trouble {method} {way}", made=partial(_troubled, method, way))
    for by_person, moved, cut in product((False, True), repeat=3):
        whose = "a person's" if by_person else "the bot's"
        name = f"SignedOut {whose}{', moved' if moved else ''}{', cut' if cut else ''}"
        yield Variant(name=name, made=partial(_signed_out, cut, moved), by_person=by_person)
    for by_person in (False, True):
        whose = "a person's" if by_person else "the bot's"
        yield Variant(name=f"KeysForgotten, {whose}", made=lambda _: KeysForgotten(), by_person=by_person)
    yield Variant(name="ReferencesExpired", made=lambda _: ReferencesExpired())
    yield Variant(name="FilesMoved", made=lambda _: FilesMoved())
    yield Variant(name="FileExchanged", made=lambda rng: FileExchanged(rng.getrandbits(16)))


def _troubled(method: str, way: Mapping[str, Any], rng: random.Random) -> Trouble:
    return Trouble(method, rng.randint(1, 4), way)


def _signed_out(cut: bool, moved: bool, _: random.Random) -> SignedOut:
    return SignedOut(cut=cut, moved=moved)


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    times = rng.randint(1, 4)
    match rng.randrange(14):
        case 10 | 11:
            return FilesMoved()
        case 9 | 12:
            return FileExchanged(rng.getrandbits(16))
        case 0:
            return SignedOut(cut=rng.random() < 0.5, moved=rng.random() < 0.5)
        case 1 | 13:
            return KeysForgotten()
        case 2:
            return ReferencesExpired()
        case 3:
            return Trouble("getUpdates", times, {"effects": rng.choice(DISORDER)})
        case 4:
            return Trouble("upload.getFile", times, rng.choice(PART_WAYS))
        case 5 | 6:
            return Trouble(rng.choice(BOT_METHODS), times, rng.choice(BOT_WAYS))
        case _:
            return Trouble(rng.choice(MTPROTO_METHODS), times, rng.choice(MTPROTO_WAYS))
