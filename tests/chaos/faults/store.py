"""A store that answers, and not as it should: errors, late, 200 with an error in it, and uploads that it forgot."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass

from tests.chaos.faults.base import Fault
from tests.chaos.stage import Stage
from tests.servers.s3_proxy import Answer, error
from tests.servers.s3_proxy import Fault as AnswerFault

ERRORS = ((500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"), (502, "BadGateway"))
COMPLETE = r"^POST .*uploadId="


@dataclass(frozen=True)
class _Answering(Fault):
    family = "store"
    share: float
    seed: int

    def strike(self, stage: Stage) -> None:
        dice = random.Random(self.seed)
        stage.store.trouble = lambda line: self.answer(line) if dice.random() < self.share else None

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

    def answer(self, line: str) -> AnswerFault | None:
        if re.search(COMPLETE, line) is None:
            return None
        return Answer(status=200, body=error(500, "InternalError").body)


@dataclass(frozen=True)
class UploadsForgotten(Fault):
    """The store loses all uploads that are under way, as a rule for old uploads in a bucket does."""

    family = "store"

    def strike(self, stage: Stage) -> None:
        stage.backing.forget_uploads()


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    share, seed = rng.choice((0.3, 0.6, 1.0)), rng.getrandbits(16)
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
