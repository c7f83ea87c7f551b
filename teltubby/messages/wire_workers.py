"""The codec of what workers report of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.session import SessionState
from teltubby.messages.wire_json import SCHEMA, Kinds, Readers, apply
from teltubby.messages.workers import SignInTold, WorkerReport, WorkerStanding

_SESSION_READERS: Readers = {
    "detail": read.words,
    "since": read.moment,
    "name": read.label,
    "data_centre": read.few,
    "connections": read.few,
    "last_success_at": read.moment,
    "flood_until": read.moment,
    "account_id": read.whole,
}


_STANDING_READERS: Readers = {"name": read.label, "since": read.moment, "detail": read.words}


def _sessions(value: object) -> object:
    return _each(value, _SESSION_READERS, within="sessions")


def _unwell(value: object) -> object:
    return _each(value, _STANDING_READERS, within="unwell")


def _each(value: object, readers: Readers, *, within: str) -> object:
    if not isinstance(value, list):
        raise ValueError("not a list")
    for index, fields in enumerate(value):
        if not isinstance(fields, dict):
            raise ValueError("not a list of objects")
        apply(readers, fields, within=f"{within}.{index}.")
    return value


_REPORTS: Kinds[WorkerReport] = Kinds(
    {"teltubby.worker.standing": WorkerStanding, "teltubby.sign_in.told": SignInTold},
    {
        "worker": read.label,
        "place": read.words,
        "at": read.moment,
        "public_key": read.public_key,
        "sessions": _sessions,
        "unwell": _unwell,
        "collector": read.words,
        "sign_in_id": read.label,
        "detail": read.words,
        "sealed_qr": read.sealed,
        "expires_at": read.moment,
    },
    what="a worker's report of itself",
)


def worker_report_type(report: WorkerReport) -> str:
    """The message type under which the broker carries this report, as `teltubby.worker.standing`."""
    return _REPORTS.type_of(report)


def is_worker_report(type: str) -> bool:
    """Whether a message of this type is a worker's report of itself, not one of a job."""
    return type in _REPORTS


def encode_worker_report(report: WorkerReport) -> bytes:
    """The report as JSON in ASCII; its kind is the message's type, `worker_report_type(report)`."""
    return _REPORTS.encode(report)


def decode_worker_report(body: bytes, type: str, schema: str | None = SCHEMA) -> WorkerReport:
    """The report in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    report = _REPORTS.decode(body, type, schema)
    match report:
        case WorkerStanding():
            _once("routes", report.routes)
            _once("sessions", [session.account for session in report.sessions])
        case SignInTold():
            shows_code = report.sealed_qr is not None and report.expires_at is not None
            if shows_code is not (report.state is SessionState.QR_SHOWN):
                raise MalformedMessage("sealed_qr and expires_at come with a QR code that is shown, and with no other")
        case _:
            assert_never(report)
    return report


def _once(name: str, given: Sequence[object]) -> None:
    if len(set(given)) != len(given):
        raise MalformedMessage(f"{name}: the same one twice")
