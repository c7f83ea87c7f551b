"""Alerts with everything that they look at."""

from __future__ import annotations

from datetime import timedelta

from teltubby.actors.alert_sources import AlertLimits, AlertSources
from teltubby.actors.alerts import Alerts
from teltubby.actors.chat import Chat
from teltubby.actors.readiness import Outlook
from teltubby.actors.unwell import Unwell
from teltubby.actors.workers import Workers
from teltubby.adapters.clock import utc_now
from teltubby.archive.alerts import AlertRules, QuietHours
from teltubby.config import Config, Role
from teltubby.config.alerts import zone_of
from teltubby.messages.health import DependencyState
from teltubby.messages.ledger import LedgerMessage
from teltubby.supervision import Ref
from teltubby.trees.watching import BOT_API

USUAL_SECONDS = 60.0
"""What most kinds of trouble wait by `archive.alerts.PATIENCE`."""


def unwell(config: Config, outlook: Outlook) -> Unwell:
    """What of this process is not as it should be."""
    return Unwell(outlook, disk_free_bytes=config.alerts.disk_free_bytes, clock=utc_now)


def alerts(config: Config, outlook: Outlook, *, ledger: Ref[LedgerMessage], chat: Chat, workers: Workers) -> Alerts:
    """Those of an installation: the bot's wing tells them. In a single box the workers' process is this one."""

    def is_reachable() -> bool:
        return all(
            each.state is not DependencyState.DOWN for each in outlook.dependencies.standings() if each.name == BOT_API
        )

    return Alerts(
        _rules(config),
        sources=AlertSources(
            AlertLimits(
                queue_depth=config.alerts.queue_depth,
                queue_age=timedelta(minutes=config.alerts.queue_age_minutes),
                process_starts=config.alerts.process_starts,
            ),
            process=config.role,
            incarnation=outlook.incarnation,
            unwell=unwell(config, outlook),
            ledger=ledger,
            workers=workers if config.role is Role.BOT else None,
            clock=utc_now,
        ),
        ledger=ledger,
        chat=chat,
        admins=config.telegram.whitelist_ids,
        facts=outlook.facts,
        is_reachable=is_reachable,
        clock=utc_now,
    )


def _rules(config: Config) -> AlertRules | None:
    settings = config.alerts
    if not settings.enable:
        return None
    quiet = settings.quiet_hours
    return AlertRules(
        group=timedelta(seconds=settings.group_seconds),
        repeat=timedelta(hours=settings.repeat_hours),
        quiet=None if quiet is None else QuietHours(quiet.begin, quiet.end, zone_of(settings.timezone)),
        pace=settings.after_seconds / USUAL_SECONDS,
    )
