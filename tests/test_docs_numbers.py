"""Numbers of the prose are those of the code: who changes one reads here which sentence promises it."""

from __future__ import annotations

from pathlib import Path

import pytest

from teltubby.actors import (
    collector_work,
    job_flow,
    lookups,
    outbox,
    purge,
    queue,
    quota,
    readiness,
    signs_of_life,
    turn_desk,
    turns,
    unwell,
)
from teltubby.actors.lines import EDIT_SECONDS
from teltubby.actors.phrases.house import SHOWN
from teltubby.adapters import http_server, media_reader, webhook_server
from teltubby.adapters.media_details import PREVIEW_PIXELS, READ_SECONDS
from teltubby.adapters.rabbitmq_topology import RETRY_LEVELS
from teltubby.archive.alerts import KEPT, LONGEST_MUTE
from teltubby.archive.conditions import PATIENCE
from teltubby.collecting.reading import DAYS
from teltubby.doctor.bot import LISTEN_SECONDS
from teltubby.doctor.round_trip import FILE_BYTES
from teltubby.fixity.report import MOST_IN_JSON
from teltubby.messages.alerts import AlertKind
from teltubby.probing import ANSWER_WITHIN
from teltubby.trees.bot import SILENT_CHECKS
from teltubby.watching.bulletin import GATHER, LONGEST_PAUSE

PAGES = {path.stem: " ".join(path.read_text().split()) for path in (Path(__file__).parents[1] / "docs").glob("*.md")}
WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 8: "eight"}
WORDS_OF_A_MINUTE = {60.0: "a minute"}
MIB = 1 << 20


@pytest.mark.parametrize(
    ("page", "promise"),
    [
        ("architecture", f"Parked messages wait in one of {len(RETRY_LEVELS)} delay queues"),
        ("architecture", f"up to {outbox.UNDER_WAY} under way"),
        ("architecture", f"gave a sign of life within {signs_of_life.LIVE_SECONDS:g} s"),
        (
            "architecture",
            f"asks again for {job_flow.HOLD_SECONDS:g} s, then puts the message off by {job_flow.PUT_OFF_SECONDS:g} s",
        ),
        ("architecture", f"none in {turns.PATIENCE_SECONDS:g} s"),
        ("architecture", f"or {turn_desk.MOST_LOST_RUNS} of its runs began and never ended"),
        ("architecture", f"no worker reported it for {WORDS[SILENT_CHECKS]} `WORKER_HEALTH_CHECK_INTERVAL`s"),
        ("architecture", f"a line is edited at most every {EDIT_SECONDS:g} seconds"),
        ("architecture", f"writes the sum to the ledger every {quota.WRITE_SECONDS:g} seconds"),
        ("architecture", f"looked at every {collector_work.LOOK_SECONDS:g} seconds"),
        ("operations", f"{WORDS[lookups.JOBS_PAGE]} to a page"),
        ("operations", f"after {turn_desk.MOST_LOST_RUNS} runs of which nothing more was heard"),
        ("runbook", f"A job that ended its worker {turn_desk.MOST_LOST_RUNS} times is failed"),
        ("operations", f"good for {purge.VALID_SECONDS / 60:g} minutes"),
        ("operations", f"when fewer than {collector_work.FILES_WAITING} messages wait"),
        ("operations", f"({DAYS} unless said"),
        ("operations", f"reports, up to {WORDS[SHOWN]}, and which worker"),
        ("operations", f"every {quota.LIST_SECONDS / 3600:g} hours, every {quota.FULL_LIST_SECONDS / 60:g} minutes"),
        (
            "operations",
            f"with {media_reader.MEMORY_BYTES // MIB} MiB, {media_reader.CPU_SECONDS} s of the processor and "
            f"{READ_SECONDS:g} s of the clock",
        ),
        ("operations", f"at most {PREVIEW_PIXELS} pixels"),
        (
            "operations",
            f"{http_server.MAX_CONNECTIONS} connections at a time, {http_server.CONNECTION_SECONDS:g} seconds",
        ),
        ("operations", f"where there are none for {readiness.LOOK_SECONDS:g} seconds, a listing"),
        (
            "operations",
            f"less than {readiness.FULL_BYTES // MIB} MiB free, or no answer in {readiness.DISK_SECONDS:g} seconds",
        ),
        ("runbook", f"did not answer a question in {readiness.DISK_SECONDS:g} seconds"),
        ("operations", f"less than {readiness.DATA_BYTES >> 30} GiB (`data_disk`)"),
        ("operations", f"nobody answers within {ANSWER_WITHIN:g} seconds"),
        ("operations", f"after {unwell.CRASHES} crashes of one actor within {unwell.WITHIN.seconds // 60} min"),
        ("operations", f"fetches the bot's updates for {LISTEN_SECONDS:g} seconds"),
        ("operations", f"sends a file of {FILE_BYTES // MIB} MiB as the bot"),
        ("operations", f"looks again once {WORDS_OF_A_MINUTE[queue.CONFLICT_SECONDS]}; the log names everything"),
        ("operations", f"What happens within {WORDS[GATHER.seconds]} seconds is one message"),
        ("operations", f"down to one in {LONGEST_PAUSE.seconds // 60} minutes"),
        ("operations", f"the first {MOST_IN_JSON:,} findings"),
        ("operations", f"{LONGEST_MUTE.days} days at most"),
        ("operations", f"what was in the last {KEPT.days} days"),
        ("runbook", f"has not been for {PATIENCE[AlertKind.WORKER_SILENT].after.seconds // 60} minutes"),
        ("configuration", f"A request that takes longer than {webhook_server.CONNECTION_SECONDS:g} seconds is cut off"),
        ("configuration", f"| 413 | more than {webhook_server.MAX_BODY // MIB} MiB |"),
    ],
)
def test_a_number_of_the_prose_is_that_of_the_code(page: str, promise: str) -> None:
    assert promise in PAGES[page]
