"""Which charts a report has: pure. What is not known is no chart, rather than an empty one."""

from __future__ import annotations

from teltubby.adapters.report_painting import Chart
from teltubby.collector.report_facts import Facts

FEWEST_READINGS = 2
"""One reading of the subscribers is a number, no line."""


def charts_of(facts: Facts) -> tuple[Chart, ...]:
    """In the order of the page; the picture has the first four of those that are meant for it."""
    days = tuple(bucket.begins.isoformat() for bucket in facts.buckets)
    charts = []
    if facts.summary.counted:
        charts.append(
            Chart(
                name="views",
                title=f"Views by {facts.grain} of publication",
                kind="bars",
                places=days,
                values=tuple(float(bucket.views) for bucket in facts.buckets),
                colour="blue",
                in_picture=True,
            )
        )
    if any(bucket.gained is not None for bucket in facts.buckets):
        charts.append(
            Chart(
                name="gained",
                title=f"Views gained per {facts.grain}",
                kind="bars",
                places=days,
                values=tuple(None if bucket.gained is None else float(bucket.gained) for bucket in facts.buckets),
                colour="violet",
                in_picture=not _has_line(facts),
            )
        )
    if _has_line(facts):
        charts.append(
            Chart(
                name="subscribers",
                title="Members" if facts.channel.kind != "channel" else "Subscribers",
                kind="line",
                places=tuple(moment.isoformat() for moment, _ in facts.subscribers),
                values=tuple(float(number) for _, number in facts.subscribers),
                colour="green",
                in_picture=True,
            )
        )
    if facts.summary.posts:
        charts.append(
            Chart(
                name="posts",
                title=f"Posts per {facts.grain}",
                kind="bars",
                places=days,
                values=tuple(float(bucket.posts) for bucket in facts.buckets),
                colour="amber",
                in_picture=True,
            )
        )
    if facts.hours:
        medians = {hour.hour: hour.median for hour in facts.hours}
        charts.append(
            Chart(
                name="hours",
                title="Views of a post by its hour (median, UTC)",
                kind="bars",
                places=tuple(f"{hour:02d}" for hour in range(24)),
                values=tuple(medians.get(hour) for hour in range(24)),
                colour="green",
                in_picture=True,
            )
        )
    return tuple(charts)


def _has_line(facts: Facts) -> bool:
    return len(facts.subscribers) >= FEWEST_READINGS
