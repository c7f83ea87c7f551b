"""Alerts as the tests of the bot's wing have them, on the clock that jumps."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from teltubby.actors.alert_sources import AlertLimits, AlertSources
from teltubby.actors.alerts import Alerts
from teltubby.actors.alerts_desk import AlertsDesk
from teltubby.actors.audit import Audit
from teltubby.actors.chat import Chat
from teltubby.actors.readiness import Outlook
from teltubby.actors.unwell import Unwell
from teltubby.actors.workers import Workers
from teltubby.archive.alerts import AlertRules
from teltubby.messages.ledger import LedgerMessage
from teltubby.supervision import Ref
from tests.virtual_time import wall_clock

DEPTH = 5
GIB = 1 << 30


def staged(
    rules: AlertRules | None,
    outlook: Outlook,
    *,
    ledger: Ref[LedgerMessage],
    workers: Workers,
    chat: Chat,
    audit: Audit,
    admins: Collection[int],
) -> tuple[Alerts, AlertsDesk]:
    """Those of one incarnation of the BotActor; an alert from DEPTH waiting jobs, and below a GiB on a disk."""
    sources = AlertSources(
        AlertLimits(queue_depth=DEPTH, queue_age=timedelta(hours=2), process_starts=3),
        process="bot",
        incarnation=outlook.incarnation,
        unwell=Unwell(outlook, disk_free_bytes=GIB, clock=wall_clock),
        ledger=ledger,
        workers=workers,
        clock=wall_clock,
    )
    alerts = Alerts(
        rules,
        sources=sources,
        ledger=ledger,
        chat=chat,
        admins=admins,
        facts=outlook.facts,
        is_reachable=lambda: True,
        clock=wall_clock,
    )
    return alerts, AlertsDesk(alerts, audit=audit, clock=wall_clock)
