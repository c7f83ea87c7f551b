"""`teltubby doctor`: which sections there are, and what comes of them."""

from __future__ import annotations

from functools import partial

from teltubby.adapters.clock import utc_now
from teltubby.config import Config, QueueBackend, Role
from teltubby.doctor.bot import look_at_bot
from teltubby.doctor.broker import look_at_broker
from teltubby.doctor.clocks import Clock
from teltubby.doctor.databases import look_at_databases
from teltubby.doctor.examination import Section, examine
from teltubby.doctor.findings import Verdict
from teltubby.doctor.machine import look_at_machine
from teltubby.doctor.report import Report, Write
from teltubby.doctor.round_trip import WITHIN_SECONDS, go_round
from teltubby.doctor.sessions import look_at_sessions
from teltubby.doctor.store import look_at_store
from teltubby.logs import Redaction

EXIT_WELL, EXIT_FAILED = 0, 1


def sections(config: Config, clock: Clock) -> list[Section]:
    """What is looked at for this role, in the order in which it is printed."""
    looks = [
        Section(title="This machine", look=partial(look_at_machine, config)),
        Section(title="Telegram, the bot", look=partial(look_at_bot, config, clock)),
    ]
    if config.role is not Role.BOT:
        looks.append(Section(title="Telegram, MTProto", look=partial(look_at_sessions, config), within=30.0))
    if config.role is not Role.WORKER or config.queue.backend is QueueBackend.EMBEDDED:
        looks.append(Section(title="Databases", look=partial(look_at_databases, config)))
    if config.queue.backend is QueueBackend.RABBITMQ:
        looks.append(Section(title="RabbitMQ", look=partial(look_at_broker, config)))
    looks.append(Section(title="Object store", look=partial(look_at_store, config, clock), within=30.0))
    return looks


async def examined(config: Config, write: Write, *, as_json: bool, round_trip: bool, clock: Clock = utc_now) -> int:
    """Look at everything, print it, and return the exit code."""
    report = Report(write, Redaction(config.secrets()), as_json=as_json)
    await examine(sections(config, clock), report.told)
    if round_trip:
        trip = Section(title="Round trip", look=partial(go_round, config), within=WITHIN_SECONDS)
        await examine([trip], report.told)
    return EXIT_FAILED if report.end() is Verdict.FAILED else EXIT_WELL
