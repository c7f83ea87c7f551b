"""What is said to the QueueActors, and what the bot side's passes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from teltubby.messages.collector import CollectorReport, ReportCollected
from teltubby.messages.control import Order
from teltubby.messages.jobs import JobEvent
from teltubby.messages.session import SessionChanged
from teltubby.messages.workers import SignInTold, WorkerReport
from teltubby.supervision import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxFilled:
    """There are jobs in the outbox to publish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeQueue(Request[str]):
    """Ask how the connection to the broker stands, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountQueues(Request[Mapping[str, int]]):
    """Messages ready in each queue, by the names of `adapters.base.Destination`. Refused with BrokerUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder(Request[None]):
    """Tell all workers that listen now. Refused with BrokerUnavailable: then it can be sent again."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNews(Request[None]):
    """A worker's report; answered when it is recorded and the curator told: then it may be acknowledged."""

    event: JobEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNews(Request[None]):
    """A worker's report of itself; answered when it is recorded and told."""

    report: WorkerReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSignIn:
    """Tell the bot of a step of a sign-in, as soon as the broker can be reached."""

    report: SignInTold


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorChanged:
    """What stands in the way of this worker's collector is another thing now, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorNews(Request[None]):
    """What a collector tells; answered when the curator was told, or it is recorded: then it may be acknowledged."""

    report: CollectorReport


BotMessage = JobNews | WorkerNews | CollectorNews
PublisherMessage = OutboxFilled | DescribeQueue | CountQueues | SendOrder
ConsumerMessage = SessionChanged | CollectorChanged | ReportSignIn | ReportCollected | DescribeQueue | CountQueues
