"""What we say across the broker, as it carries it; told twice, it has the same message id."""

from __future__ import annotations

from typing import assert_never

from teltubby.adapters.base import Delivery, Heard, Outgoing, Question
from teltubby.messages.collector import (
    ChannelMediaFound,
    ChannelsTold,
    CollectorReport,
    DescribeChannels,
    MakeReport,
    ReportTold,
    TrackChannel,
    TrackTold,
    UntrackChannel,
)
from teltubby.messages.control import (
    BeginSignIn,
    CancelSignIn,
    DescribeWorkers,
    Order,
    StopJob,
    SubmitCode,
    SubmitPassword,
)
from teltubby.messages.jobs import Job, JobEvent, Priority
from teltubby.messages.questions import FirstCopyAsked, QuestionAsked, RelayAsked, RoomAsked, TurnAsked
from teltubby.messages.wire import (
    JOB_TYPE,
    SCHEMA,
    collector_report_type,
    encode_collector_report,
    encode_event,
    encode_job,
    encode_order,
    encode_question,
    encode_worker_report,
    event_type,
    order_type,
    question_type,
    worker_report_type,
)
from teltubby.messages.workers import WorkerReport


def job_letter(job: Job) -> Outgoing:
    """The job's message."""
    return _letter(encode_job(job), JOB_TYPE, job.job_id)


def is_urgent(job: Job) -> bool:
    """Whether the job's message belongs into a priority queue."""
    return job.job_metadata.priority is not Priority.NORMAL


def report_of(event: JobEvent) -> Outgoing:
    """A worker's report."""
    kind = event_type(event)
    return _letter(encode_event(event), kind, f"{event.job_id}:{event.attempt}:{kind}")


def order_letter(order: Order) -> Outgoing:
    """An order to all workers."""
    kind = order_type(order)
    match order:
        case StopJob():
            subject = order.job_id
        case BeginSignIn() | SubmitCode() | SubmitPassword() | CancelSignIn():
            subject = order.sign_in_id
        case DescribeWorkers():
            subject = "all"
        case TrackChannel() | UntrackChannel() | DescribeChannels() | MakeReport():
            subject = order.order_id
        case _:
            assert_never(order)
    return _letter(encode_order(order), kind, f"{kind}:{subject}")


def worker_report_letter(report: WorkerReport) -> Outgoing:
    """A worker's report of itself."""
    kind = worker_report_type(report)
    return _letter(encode_worker_report(report), kind, f"{kind}:{report.worker}:{report.at.isoformat()}")


def collector_report_letter(report: CollectorReport) -> Outgoing:
    """What a collector tells. Raises MalformedMessage when it is too long for a message."""
    kind = collector_report_type(report)
    match report:
        case TrackTold() | ChannelsTold() | ReportTold():
            subject = f"{report.worker}:{report.order_id}"
        case ChannelMediaFound(post=post):
            document_id = None if post.media is None else post.media.document_id
            subject = f"{post.channel_id}:{post.msg_id}:{document_id}"
        case _:
            assert_never(report)
    return _letter(encode_collector_report(report), kind, f"{kind}:{subject}")


def question_letter(question: QuestionAsked) -> Outgoing:
    """What a worker asks the bot."""
    kind = question_type(question)
    match question:
        case FirstCopyAsked():
            subject = question.sha256
        case TurnAsked():
            subject = f"{question.job_id}:{question.ticket}:{question.attempt}"
        case RelayAsked():
            subject = question.job_id
        case RoomAsked():
            subject = question.worker
        case _:
            assert_never(question)
    return _letter(encode_question(question), kind, f"{kind}:{subject}")


def schema_of(message: Delivery | Question | Heard) -> str | None:
    """The version of the message's format, as its header says."""
    schema = message.headers.get("schema")
    return None if schema is None else str(schema)


def _letter(body: bytes, kind: str, message_id: str) -> Outgoing:
    return Outgoing(body=body, type=kind, message_id=message_id, headers={"schema": SCHEMA})
