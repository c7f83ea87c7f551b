"""What must hold once everything that was handed in is dealt with, whatever went wrong meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.acceptance.archives import Archive, read_json, sha256
from tests.acceptance.household import Household
from tests.chaos.crowd import HandedIn
from tests.chaos.told import ACKNOWLEDGED, Conversations, Jobs

_OTHER_FILE = "was handed in"
"""What is said of a file in whose place another one stands."""
_ARCHIVED = ("stored", "duplicate")
_UNSETTLED = (
    "inbox WHERE done_at IS NULL",
    "jobs WHERE state NOT IN ('COMPLETED', 'CANCELLED', 'FAILED')",
    "outbox WHERE published_at IS NULL",
    "messages WHERE artifact_json IS NOT NULL AND artifact_stored = 0",
    "relay_copies",
)
_END_OF = {"COMPLETED": _ARCHIVED, "CANCELLED": ("skipped",), "FAILED": ("failed",)}
"""What an item says when its job ended so."""


def is_settled(house: Household, handed_in: Sequence[HandedIn]) -> bool:
    """Whether nothing is under way any more, and nobody waits for a word."""
    if any(house.rows(f"SELECT count(*) FROM {of}") != [(0,)] for of in _UNSETTLED):
        return False
    told = Conversations(handed_in)
    return not told.unanswered() and not any(told.untrue(_jobs(house)))


def open_matters(house: Household, handed_in: Sequence[HandedIn]) -> str:
    """What `is_settled` waits for, in words."""
    counts = {of: house.rows(f"SELECT count(*) FROM {of}")[0][0] for of in _UNSETTLED}
    states = house.rows("SELECT state, count(*) FROM jobs GROUP BY state")
    told = Conversations(handed_in)
    unanswered = [one.message_ids for one in told.unanswered()]
    lines, untrue = told.passing(), list(told.untrue(_jobs(house)))
    updates = house.rows("SELECT substr(payload, 1, 500) FROM inbox WHERE done_at IS NULL LIMIT 3")
    return (
        f"{ {of: count for of, count in counts.items() if count} }, jobs {states}, unanswered {unanswered}, "
        f"updates {[str(payload) for (payload,) in updates]}, "
        f"{len(lines)} lines not at their end: {lines[:3]}, {len(untrue)} untrue: {untrue[:3]}"
    )


class Artifacts:
    """Every artifact in the store, read once. `by_sha256` counts the items that say their file is archived.

    What lies at a `doubtful` key that no item names is in `leftovers`, and not in `keys` (see leftovers.py).
    """

    def __init__(self, archive: Archive, doubtful: Iterable[str] = ()) -> None:
        self.archive = archive
        self.keys = set(archive.stored())
        self.found = {key: read_json(archive, key) for key in self.keys if key.endswith("/message.json")}
        self.items: list[tuple[str, dict[str, Any]]] = [
            (key, item) for key, artifact in self.found.items() for item in artifact["telegram"]["items"]
        ]
        self.leftovers = self.keys & set(doubtful) - {item["s3_key"] for _, item in self.items}
        self.keys -= self.leftovers
        self.by_sha256 = Counter(item["sha256"] for _, item in self.items if item["status"] in _ARCHIVED)


def all_broken(house: Household, found: Artifacts, handed_in: Sequence[HandedIn]) -> Iterator[str]:
    """What does not hold of archive, artifacts, ledger and conversation, in words."""
    yield from archived_once(found, handed_in)
    yield from true_artifacts(found, handed_in)
    yield from own_items(house, found, handed_in)
    yield from ledger_agrees(house, found)
    yield from edits_recorded(house, found, handed_in)
    yield from told_truly(house, handed_in)


def archived_once(found: Artifacts, handed_in: Sequence[HandedIn]) -> Iterator[str]:
    """Every content lies under exactly one key, whole, and nothing else but artifacts does."""
    stored = Counter(sha256(found.archive, key) for key in found.keys - found.found.keys())
    all_files = {file.sha256() for one in handed_in for file in one.files}
    wanted = {file.sha256() for one in handed_in if one.is_sure for file in one.files}
    if twice := [digest for digest, count in stored.items() if count > 1]:
        yield f"stored twice: {twice}"
    if lost := wanted - stored.keys():
        yield f"lost: {lost}"
    if strange := stored.keys() - all_files:
        yield f"nobody handed in: {strange}"
    if useless := stored.keys() - found.by_sha256.keys():
        yield f"no artifact knows of: {useless}"


def true_artifacts(found: Artifacts, handed_in: Sequence[HandedIn]) -> Iterator[str]:
    """There are as many items as files that were handed in, and what they say is archived is there."""
    for key, item in found.items:
        if item["status"] in _ARCHIVED and item["s3_key"] not in found.keys:
            yield f"{key} names {item['s3_key']}, which is not there"
    handed = Counter(file.sha256() for one in handed_in for file in one.files)
    sure = Counter(file.sha256() for one in handed_in if one.is_sure for file in one.files)
    if missing := sure - found.by_sha256:
        yield f"no item says it is archived: {dict(missing)}"
    if invented := found.by_sha256 - handed:
        yield f"more items than were handed in: {dict(invented)}"
    if len(found.items) != handed.total():
        yield f"{len(found.items)} items of {handed.total()} files"


def own_items(house: Household, found: Artifacts, handed_in: Sequence[HandedIn]) -> Iterator[str]:
    """Each file has an item under its own message, with its own bytes, archived unless its curator ordered it away or
    Telegram has another file in its place; and the curator read the same.
    """
    items: dict[str, list[dict[str, Any]]] = {}
    for _, item in found.items:
        items.setdefault(str(item["message_id"]), []).append(item)
    told = Conversations(handed_in)
    for one in handed_in:
        for message, file in zip(one.message_ids, one.files, strict=bool(one.files)):
            whose = f"message {message} of {one.curator.user.first_name}"
            own = items.pop(str(house.number(message, curator=one.curator)), [])
            if len(own) != 1:
                yield f"{whose} has {len(own)} items"
                continue
            (item,) = own
            if item["status"] not in _ARCHIVED and not _may_be_missing(item, one):
                yield f"{whose}: its item says {item['status']} ({item['reason']})"
            if item["status"] in _ARCHIVED and item["sha256"] != file.sha256():
                yield f"{whose}: its item has the file {item['sha256']}, and not its own, {file.sha256()}"
            words = told.acknowledgement(one) if len(one.message_ids) == 1 and not item.get("job_id") else None
            if words is not None and not words.startswith(ACKNOWLEDGED[item["status"]]):
                yield f"{whose}: its item says {item['status']}, and its curator reads {words!r}"
    if items:
        yield f"items of messages that nobody handed in: {sorted(items)}"


def _may_be_missing(item: dict[str, Any], one: HandedIn) -> bool:
    """Its curator wanted it so, or Telegram has another file in its place and the item says so."""
    if (item["status"], item["reason"]) == ("skipped", "cancelled"):
        return one.was_ordered
    return one.was_exchanged and item["status"] == "failed" and _OTHER_FILE in (item["reason"] or "")


def ledger_agrees(house: Household, found: Artifacts) -> Iterator[str]:
    """Jobs ended as their items say, and the files that the ledger knows are those that are there."""
    ends = {item["job_id"]: item["status"] for _, item in found.items if item.get("job_id")}
    for job, state in house.rows("SELECT job_id, state FROM jobs"):
        if ends.get(job) not in _END_OF[state]:
            yield f"job {job} is {state}, and its item says {ends.get(job)}"
    known = {key for (key,) in house.rows("SELECT s3_key FROM files")}
    there = found.keys - found.found.keys()
    if known != there:
        yield f"the ledger alone knows {known - there}, the bucket alone has {there - known}"


def edits_recorded(house: Household, found: Artifacts, handed_in: Sequence[HandedIn]) -> Iterator[str]:
    """The newest caption of every edited message is in its artifact."""
    recorded = {
        (edit["message_id"], edit["caption_plain"])
        for artifact in found.found.values()
        for edit in artifact["telegram"].get("edits", ())
    }
    for one in handed_in:
        for message, caption in one.edits.items():
            if (str(house.number(message, curator=one.curator)), caption) not in recorded:
                yield f"the edit {caption!r} of message {message} of {one.curator.user.first_name} is not recorded"


def told_truly(house: Household, handed_in: Sequence[HandedIn]) -> Iterator[str]:
    """Nobody was left without an answer, and every large file has a line of its own that tells how its job ended."""
    told = Conversations(handed_in)
    for one in told.unanswered():
        yield f"messages {one.message_ids} of {one.curator.user.first_name} were never answered"
    yield from told.untrue(_jobs(house))


def said_twice(handed_in: Sequence[HandedIn]) -> list[str]:
    """What a curator reads twice: two lines for one job, two answers to one message."""
    return list(Conversations(handed_in).twice())


def _jobs(house: Household) -> Jobs:
    return [(str(job_id), str(state)) for job_id, state in house.rows("SELECT job_id, state FROM jobs")]
