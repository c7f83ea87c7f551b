"""A store that answers, and not as it should: errors, late, 200 with an error in it, and uploads that it forgot."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tests.chaos.faults.base import Fault, OfServers, Variant
from tests.chaos.stage import Stage
from tests.servers.s3_proxy import Answer, error
from tests.servers.s3_proxy import Fault as AnswerFault

ERRORS = ((500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"), (502, "BadGateway"))
SHARES = (0.3, 0.6, 1.0)
COMPLETE = r"^POST .*uploadId="


@dataclass(frozen=True)
class _Answering(OfServers):
    family = "store"
    at_once = False
    share: float
    seed: int

    def strike(self, stage: Stage) -> None:
        dice = random.Random(self.seed)

        def answered(line: str) -> AnswerFault | None:
            if not self.concerns(line) or dice.random() >= self.share:
                return None
            stage.meets(self)
            return self.answer(line)

        stage.store.trouble = answered

    def concerns(self, line: str) -> bool:
        """Whether it is meant for such a request."""
        del line
        return True

    def answer(self, line: str) -> AnswerFault | None:
        """What is said to this request instead; None lets it pass."""
        raise NotImplementedError

    def heal(self, stage: Stage) -> None:
        stage.store.trouble = None
        stage.expect_uploads()


@dataclass(frozen=True)
class Refusing(_Answering):
    """A share of all requests hears an error of the server's."""

    status: int
    code: str

    def answer(self, line: str) -> AnswerFault | None:
        return error(self.status, self.code)


@dataclass(frozen=True)
class Late(_Answering):
    """A share of all requests waits."""

    seconds: float

    def answer(self, line: str) -> AnswerFault | None:
        time.sleep(self.seconds)
        return None


@dataclass(frozen=True)
class LostAnswers(_Answering):
    """A share of all requests is done, and the answer lost."""

    def answer(self, line: str) -> AnswerFault | None:
        return "lose the answer"


@dataclass(frozen=True)
class ErrorIn200(_Answering):
    """A share of the uploads that are to be completed hears 200 with an error document, which S3 does."""

    def concerns(self, line: str) -> bool:
        return re.search(COMPLETE, line) is not None

    def answer(self, line: str) -> AnswerFault | None:
        return Answer(status=200, body=error(500, "InternalError").body)


@dataclass(frozen=True)
class UploadsForgotten(OfServers):
    """The store loses all uploads that are under way, as a rule for old uploads in a bucket does."""

    family = "store"
    at_once = False

    def strike(self, stage: Stage) -> None:
        if stage.backing.forget_uploads():
            stage.meets(self)


def variants() -> Iterator[Variant]:
    """Each of them, and each error of a server's."""
    for status, code in ERRORS:
        yield Variant(name=f"Refusing {status} {code}", made=partial(_refusing, status, code))
    yield Variant(name="Late", made=lambda rng: Late(*_dice(rng), round(rng.uniform(0.2, 3.0), 1)))
    yield Variant(name="LostAnswers", made=lambda rng: LostAnswers(rng.choice(SHARES[:2]), rng.getrandbits(16)))
    yield Variant(name="ErrorIn200", made=lambda rng: ErrorIn200(1.0, rng.getrandbits(16)))
    yield Variant(name="UploadsForgotten", made=lambda _: UploadsForgotten(), copies=6)


def _refusing(status: int, code: str, rng: random.Random) -> Refusing:
    return Refusing(*_dice(rng), status, code)


def _dice(rng: random.Random) -> tuple[float, int]:
    return rng.choice(SHARES), rng.getrandbits(16)


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    share, seed = _dice(rng)
    match rng.randrange(6):
        case 0:
            return Late(share, seed, round(rng.uniform(0.2, 3.0), 1))
        case 1:
            return LostAnswers(min(share, 0.6), seed)
        case 2:
            return ErrorIn200(1.0, seed)
        case 3:
            return UploadsForgotten()
        case _:
            return Refusing(share, seed, *rng.choice(ERRORS))
