"""What must hold once everything that was handed in is dealt with, whatever was killed meanwhile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from teltubby.simulator.curator import ChatLine, Curator
from tests.acceptance.archives import Archive, read_json, sha256
from tests.acceptance.household import Household
from tests.acceptance.stress.crowd import HandedIn

_JOB = re.compile(r"\bjob ([0-9a-f]{8})\b")
_PASSING = re.compile(r"^\W*(File queued|Large file processing started|Downloading|Uploading|That did not work yet)")
_ARCHIVED = ("stored", "duplicate")


def is_settled(house: Household, handed_in: Sequence[HandedIn]) -> bool:
    """Whether nothing is under way any more, and nobody waits for a word."""
    if house.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") != [(0,)]:
        return False
    if house.rows("SELECT count(*) FROM jobs WHERE state <> 'COMPLETED'") != [(0,)]:
        return False
    return not any(_PASSING.search(line.text) for curator in _people(handed_in) for line in _said(curator))


def open_matters(house: Household, handed_in: Sequence[HandedIn]) -> str:
    """What `is_settled` waits for, in words."""
    inbox = house.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL")[0][0]
    states = house.rows("SELECT state, count(*) FROM jobs GROUP BY state")
    lines = [line.text for curator in _people(handed_in) for line in _said(curator) if _PASSING.search(line.text)]
    return f"{inbox} updates open, jobs {states}, {len(lines)} lines not at their end: {lines[:3]}"


def assert_archived_once(archive: Archive, handed_in: Sequence[HandedIn]) -> None:
    """Every content lies under exactly one key, whole, and nothing else but artifacts does."""
    keys = [key for key in archive.stored() if not key.endswith("/message.json")]
    stored = Counter(sha256(archive, key) for key in keys)
    wanted = {file.sha256() for one in handed_in for file in one.files}
    assert not (twice := [digest for digest, count in stored.items() if count > 1]), f"stored twice: {twice}"
    assert not (lost := wanted - stored.keys()), f"lost: {lost}"
    assert not (strange := stored.keys() - wanted), f"nobody handed in: {strange}"


def assert_true_artifacts(archive: Archive, handed_in: Sequence[HandedIn]) -> None:
    """Every file that was handed in has its item, which says what is there."""
    keys = set(archive.stored())
    items = Counter[str]()
    for key in keys:
        if key.endswith("/message.json"):
            for item in read_json(archive, key)["telegram"]["items"]:
                assert item["status"] in _ARCHIVED, f"{key} says {item['status']} ({item['reason']})"
                assert item["s3_key"] in keys, f"{key} names {item['s3_key']}, which is not there"
                items[item["sha256"]] += 1
    assert items == Counter(file.sha256() for one in handed_in for file in one.files)


def assert_answered(handed_in: Sequence[HandedIn]) -> None:
    """Nobody was left without an answer: every message or album has one, every large file a line of its own."""
    for one in handed_in:
        answers = [line for line in _said(one.curator) if line.reply_to in one.message_ids]
        assert answers, f"messages {one.message_ids} of {one.curator.user.first_name} were never answered"


def said_twice(handed_in: Sequence[HandedIn]) -> list[str]:
    """What a curator reads twice: two lines for one job, two answers to a message that is no album."""
    return [text for one in handed_in for text in _repetitions(one)]


def _repetitions(one: HandedIn) -> Iterator[str]:
    seen: set[str] = set()
    for line in _said(one.curator):
        if line.reply_to not in one.message_ids:
            continue
        job = _JOB.search(line.text)
        what = f"job {job.group(1)}" if job else f"answer to {line.reply_to}"
        if len(one.message_ids) > 1 and not job:
            what += f": {line.text}"  # an album that a kill cut in two has an answer for each half
        if what in seen:
            yield f"{one.curator.user.first_name}: {what}: {line.text}"
        seen.add(what)


def _said(curator: Curator) -> list[ChatLine]:
    return [line for line in curator.conversation() if line.from_bot]


def _people(handed_in: Sequence[HandedIn]) -> list[Curator]:
    return list(dict.fromkeys(one.curator for one in handed_in))
