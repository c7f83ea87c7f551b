"""Orders to workers, across the control exchange: heard by those that listen now, and never kept.

Codes and passwords are sealed to the public key of the worker that is named (adapters.sealed_boxes): whoever reads what
crosses the broker cannot read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from teltubby.messages.collector import CollectorOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJob:
    """Whoever runs this job stops: it was cancelled. Repeated while reports of it keep coming."""

    job_id: str


class SignInMethod(StrEnum):
    """How a person signs in: by scanning a code, or by typing one that Telegram sends to the phone number."""

    QR = "qr"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginSignIn:
    """The worker of this name begins to sign in its user account; an earlier attempt is given up.

    `sign_in_id` names the attempt in all that follows. `reply_key` is the public key to which the worker seals what it
    shows (the QR code's address).
    """

    worker: str
    sign_in_id: str
    method: SignInMethod
    reply_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitCode:
    """The login code, as digits."""

    worker: str
    sign_in_id: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitPassword:
    """The password of the second factor, exactly as it was typed."""

    worker: str
    sign_in_id: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSignIn:
    """The attempt is given up."""

    worker: str
    sign_in_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeWorkers:
    """Every worker reports how it stands (messages.workers.WorkerStanding)."""


SignInOrder = BeginSignIn | SubmitCode | SubmitPassword | CancelSignIn
Order = StopJob | SignInOrder | DescribeWorkers | CollectorOrder
