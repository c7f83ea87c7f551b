"""The alert rules of Prometheus: each fires for what it is named after, and none for a process that is well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teltubby.adapters.metrics_reference import metric_names
from tests.promtool import DASHBOARD, DEPLOY, RULES, Case, alerts, evaluated, metrics_in, panels, promtool

WHERE = 'job="teltubby",instance="here"'
OTHER = 'job="teltubby",instance="there"'
"""A process that makes no backups."""
GIB = 1 << 30
LATE = "6h50m"

WELL = {
    f"up{{{WHERE}}}": "1+0x420",
    f'teltubby_actor_ready{{{WHERE},actor="bot/ledger"}}': "1+0x420",
    f'teltubby_actor_restarts_total{{{WHERE},actor="bot/ledger"}}': "2+0x420",
    f'teltubby_mailbox_oldest_seconds{{{WHERE},actor="bot/ledger"}}': "0+0x420",
    f'teltubby_mailbox_oldest_seconds{{{WHERE},actor="bot/bot"}}': "0+60x420",
    f'teltubby_dependency_state{{{WHERE},dependency="store",state="down"}}': "0+0x420",
    f"teltubby_troubles{{{WHERE}}}": "0+0x420",
    f'teltubby_session_state{{{WHERE},account="bot",state="revoked"}}': "0+0x420",
    f'teltubby_flood_wait_seconds_total{{{WHERE},source="mtproto_bot"}}': "0+1x420",
    f"teltubby_jobs_failed_total{{{WHERE}}}": "3+0x420",
    f"teltubby_jobs_retried_total{{{WHERE}}}": "0+1x420",
    f"teltubby_jobs_completed_total{{{WHERE}}}": "0+1x420",
    f"teltubby_queue_oldest_seconds{{{WHERE}}}": "30+0x420",
    f'teltubby_queue_depth{{{WHERE},queue="jobs"}}': "5+0x420",
    f'teltubby_queue_depth{{{WHERE},queue="dead"}}': "500+0x420",
    f"teltubby_outbox_unpublished{{{WHERE}}}": "0+0x420",
    f"teltubby_inbox_oldest_seconds{{{WHERE}}}": "3+0x420",
    f'teltubby_store_requests_total{{{WHERE},outcome="ok"}}': "0+100x420",
    f'teltubby_store_requests_total{{{WHERE},outcome="failed"}}': "0+1x420",
    f'teltubby_store_request_seconds_bucket{{{WHERE},le="0.1"}}': "0+100x420",
    f'teltubby_store_request_seconds_bucket{{{WHERE},le="60"}}': "0+101x420",
    f'teltubby_store_request_seconds_bucket{{{WHERE},le="+Inf"}}': "0+101x420",
    f"teltubby_minio_bucket_used_ratio{{{WHERE}}}": "0.5+0x420",
    f'teltubby_disk_free_bytes{{{WHERE},disk="spool"}}': f"{50 * GIB}-1048576x420",
    f'teltubby_dependency_state{{{WHERE},dependency="backup",state="degraded"}}': "0+0x420",
    f"teltubby_backup_interval_seconds{{{WHERE}}}": "3600+0x420",
    f"teltubby_backup_last_success_timestamp_seconds{{{WHERE}}}": "0+60x420",
    f"teltubby_backup_interval_seconds{{{OTHER}}}": "0+0x420",
    f"teltubby_backup_last_success_timestamp_seconds{{{OTHER}}}": "0+0x420",
    f'teltubby_actor_busy_seconds{{{WHERE},actor="bot/ledger"}}': "3+0x420",
    f'teltubby_actor_busy_seconds{{{WHERE},actor="worker/upload"}}': "0+60x420",
    f'teltubby_actor_busy_seconds{{{WHERE},actor="worker/telegram/download"}}': "0+60x420",
}
"""Seven hours of a process that is well, minute by minute."""

ILL = {
    "TeltubbyDown": {f"up{{{WHERE}}}": "0+0x420"},
    "TeltubbyActorUnwell": {f'teltubby_actor_ready{{{WHERE},actor="bot/ledger"}}': "0+0x420"},
    "TeltubbyCrashLoop": {f'teltubby_actor_restarts_total{{{WHERE},actor="bot/ledger"}}': "0+1x420"},
    "TeltubbyMailStands": {f'teltubby_mailbox_oldest_seconds{{{WHERE},actor="bot/ledger"}}': "0+60x420"},
    "TeltubbyDependencyDown": {f'teltubby_dependency_state{{{WHERE},dependency="store",state="down"}}': "1+0x420"},
    "TeltubbyNeedsOperator": {f"teltubby_troubles{{{WHERE}}}": "1+0x420"},
    "TeltubbySessionLost": {f'teltubby_session_state{{{WHERE},account="bot",state="revoked"}}': "1+0x420"},
    "TeltubbyFloodWaits": {f'teltubby_flood_wait_seconds_total{{{WHERE},source="mtproto_bot"}}': "0+50x420"},
    "TeltubbyJobsFail": {f"teltubby_jobs_failed_total{{{WHERE}}}": "0+1x420"},
    "TeltubbyManyRetries": {f"teltubby_jobs_retried_total{{{WHERE}}}": "0+10x420"},
    "TeltubbyQueueWaits": {f"teltubby_queue_oldest_seconds{{{WHERE}}}": "0+60x420"},
    "TeltubbyQueueDeep": {f'teltubby_queue_depth{{{WHERE},queue="jobs"}}': "200+0x420"},
    "TeltubbyOutboxStands": {f"teltubby_outbox_unpublished{{{WHERE}}}": "1+0x420"},
    "TeltubbyInboxWaits": {f"teltubby_inbox_oldest_seconds{{{WHERE}}}": "0+60x420"},
    "TeltubbyStoreFails": {f'teltubby_store_requests_total{{{WHERE},outcome="failed"}}': "0+50x420"},
    "TeltubbyStoreSlow": {f'teltubby_store_request_seconds_bucket{{{WHERE},le="0.1"}}': "0+50x420"},
    "TeltubbyQuotaNear": {f"teltubby_minio_bucket_used_ratio{{{WHERE}}}": "0.95+0x420"},
    "TeltubbyQuotaReached": {f"teltubby_minio_bucket_used_ratio{{{WHERE}}}": "1+0x420"},
    "TeltubbyDiskNearlyFull": {f'teltubby_disk_free_bytes{{{WHERE},disk="spool"}}': f"{GIB // 2}+0x420"},
    "TeltubbyDiskFills": {f'teltubby_disk_free_bytes{{{WHERE},disk="spool"}}': f"{50 * GIB}-{50 << 20}x420"},
    "TeltubbyBackupFails": {f'teltubby_dependency_state{{{WHERE},dependency="backup",state="degraded"}}': "1+0x420"},
    "TeltubbyBackupOld": {f"teltubby_backup_last_success_timestamp_seconds{{{WHERE}}}": "600+0x420"},
    "TeltubbyActorBusy": {f'teltubby_actor_busy_seconds{{{WHERE},actor="bot/ledger"}}': "0+60x420"},
}
WITH_IT = {"TeltubbyQuotaReached": {"TeltubbyQuotaNear"}}
"""What fires beside it, because it is so too."""


def firing(alert: str = "") -> str:
    which = f'alertstate="firing",alertname="{alert}"' if alert else 'alertstate="firing"'
    return f"count(count by (alertname) (ALERTS{{{which}}})) or vector(0)"


def test_prometheus_takes_the_rules_and_the_example() -> None:
    for kind, file in (("rules", RULES), ("config", DEPLOY / "prometheus" / "prometheus.yml")):
        checked = promtool("check", kind, str(file))
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_tried() -> None:
    assert set(alerts()) == set(ILL)


def test_alerts_fire_for_what_they_are_named_after_and_for_nothing_else(tmp_path: Path) -> None:
    """All in one run of promtool, whose start takes longer than a case."""
    cases = [Case(series=WELL, expected={firing(): 0}, at=LATE)] + [
        Case(
            series=WELL | ill,
            expected={firing(alert): 1, firing(): 1 + len(WITH_IT.get(alert, ()))},
            at=LATE,
        )
        for alert, ill in ILL.items()
    ]
    assert evaluated(tmp_path, cases, rules=True) == ""


def test_an_alert_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    assert "TeltubbyDown" in evaluated(tmp_path, [Case(series=WELL, expected={firing("TeltubbyDown"): 1})], rules=True)


@pytest.mark.parametrize("name, expression", [*alerts().items(), *panels()])
def test_what_is_asked_for_is_served(name: str, expression: str) -> None:
    assert metrics_in(expression) or "up{" in expression, f"{name} asks for nothing of ours"
    stripped = {re.sub("_(bucket|sum|count)$", "", metric) for metric in metrics_in(expression)}
    assert stripped <= metric_names(), name


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {re.sub("_(bucket|sum|count)$", "", metric) for metric in metrics_in(DASHBOARD.read_text())}
    assert metric_names() - shown == set()


def test_every_alert_has_its_remedy_in_the_runbook() -> None:
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(Teltubby\w+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [name for name, *_ in rows] == list(alerts())
