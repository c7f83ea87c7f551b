"""Jobs through the queues: how many are published with confirms, how many acknowledged, and how long one takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from benchmarks.bench import Bench, Section
from benchmarks.child import ROOT, Failed
from benchmarks.clients.queue_client import BODY, Task
from benchmarks.product import Rabbit
from benchmarks.results import Measure, Row, at_least

JOBS, AT_ONCE, ROUNDS, TRIPS = 5000, 100, 3, 200
WITHIN = 300.0

_PUBLISHED = f"jobs published with confirms, RabbitMQ, quorum queue, {AT_ONCE} under way"
PUBLISHED = Measure(name=_PUBLISHED, unit="jobs/s", goal=at_least(1500))
SHARE = Measure(name="the same ÷ aio-pika's own rate", unit="%", goal=at_least(80))


def queue_rates(bench: Bench) -> Iterable[Row]:
    """Our publishing and aio-pika's in turns; then what the embedded queue does."""
    bench.tell("jobs through the queues")
    task = Task(
        server={},
        path=str(bench.folder("queue-embedded") / "queue.db"),
        count=300 if bench.quick else JOBS,
        at_once=AT_ONCE,
        rounds=bench.rounds(ROUNDS),
        trips=20 if bench.quick else TRIPS,
    )
    with Rabbit(bench.folder("rabbitmq-queue")) as rabbit:
        found = _measured(task, rabbit)
    rates = {name: statistics.median(values) for name, values in found.items()}
    yield PUBLISHED.row(
        rates["rabbitmq published"],
        f"{task.count} jobs of {len(BODY)} bytes, persistent and mandatory; median of {task.rounds} "
        f"({_span(found['rabbitmq published'])})",
    )
    yield SHARE.row(
        100 * rates["rabbitmq published"] / rates["aio-pika published"],
        f"aio-pika {rates['aio-pika published']:.0f} jobs/s in turns with ours ({_span(found['aio-pika published'])})",
    )
    yield Measure(name="the same into the embedded queue", unit="jobs/s").row(
        rates["embedded published"], f"those under way at once are one commit ({_span(found['embedded published'])})"
    )
    for name, called in (("rabbitmq", "RabbitMQ"), ("embedded", "embedded queue")):
        yield Measure(name=f"jobs taken and acknowledged, {called}, 100 at once", unit="jobs/s").row(
            rates[f"{name} taken"], _span(found[f"{name} taken"])
        )
        yield Measure(name=f"one job published, taken by an idle worker and acknowledged, {called}", unit="ms").row(
            1000 * rates[f"{name} trip"], f"median of {task.trips}"
        )


def _measured(task: Task, rabbit: Rabbit) -> dict[str, list[float]]:
    told = {**asdict(task), "server": rabbit.server("queue")}
    command = [sys.executable, "-m", "benchmarks.clients.queue_client", json.dumps(told)]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=WITHIN)
    except subprocess.SubprocessError as error:
        raise Failed(f"the client of the queues: {error}") from error
    return dict(json.loads(done.stdout))


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


SECTIONS = (Section(name="queue", measures=(PUBLISHED, SHARE), run=queue_rates),)
