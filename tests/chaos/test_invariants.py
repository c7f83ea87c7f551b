"""Is it seen when something does not hold? An installation without processes, and in each test one thing is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teltubby.actors import phrases
from teltubby.actors.phrases import intake, ordered
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import Job, JobCancelled, JobState
from teltubby.messages.ledger_jobs import CommandAnswer
from teltubby.messages.media import ItemStatus
from teltubby.messages.wire import encode_job
from teltubby.simulator.bot_html import parse_html
from teltubby.simulator.files import FileKind
from teltubby.simulator.messages import copy_in
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import FolderArchive
from tests.acceptance.household import Household
from tests.chaos import invariants
from tests.chaos.crowd import HandedIn
from tests.chaos.faults.base import Fault
from tests.chaos.faults.broker import MemoryAlarm
from tests.chaos.faults.processes import Freeze, Kill
from tests.chaos.faults.store import Refusing
from tests.chaos.faults.wires import Cut
from tests.chaos.installation import BOT, WORKER, Wire
from tests.chaos.leftovers import doubtful_keys, not_dropped
from tests.unit.phrase_samples import DAY, job, outcome, view

FILM = job()
COMPLETED = phrases.job_completed(FILM, location="x", sha256="y", size_bytes=1, seconds=1)
ARCHIVED = phrases.acknowledgement([outcome(1, ItemStatus.STORED, size_bytes=1)], location="x")
TOLD_TO_STOP = ordered.cancelled_line(CommandAnswer(view=replace(view(), previous=JobState.PROCESSING), accepted=True))
STOPPED = ordered.stopped_line(FILM, JobCancelled(job_id=FILM.job_id, worker="w", attempt=1, at=DAY))


class Story:
    """A film that a job archived, a photo, and an album of two: all is well."""

    def __init__(self, telegram: SimulatedTelegram, home: Path, ledger: SqliteLedger) -> None:
        archive = FolderArchive(home / "archive")
        archive.root.mkdir()
        self.house = Household(telegram, home, archive, _nothing, {"SQLITE_PATH": str(home / "teltubby.db")})
        self.ledger = ledger
        self.items: dict[int, dict[str, Any]] = {}
        self.film = self._handed_in(FileKind.VIDEO)
        self.photo = self._handed_in(FileKind.PHOTO)
        self.album = self._handed_in(FileKind.PHOTO, FileKind.PHOTO)
        self.handed_in = [self.film, self.photo, self.album]
        self.items[self.film.message_ids[0]]["job_id"] = FILM.job_id
        self.job(JobState.COMPLETED)
        self.lines = [self.say(self.film, COMPLETED), self.say(self.photo, ARCHIVED), self.say(self.album, ARCHIVED)]

    def _handed_in(self, *kinds: FileKind) -> HandedIn:
        ada = self.house.ada
        files = tuple(ada.new_file(kind, 1000, seed=len(self.items) + n) for n, kind in enumerate(kinds))
        messages = ada.send_album(files) if len(files) > 1 else (ada.send_media(files[0]),)
        for message, file in zip(messages, files, strict=True):
            key = f"t/{message}.bin"
            self.store(key, file.content.read(0, file.size))
            self.write(
                "INSERT INTO files (sha256, s3_key, size_bytes, created_at) VALUES (?, ?, 1, 'x')", file.sha256(), key
            )
            self.items[message] = {"status": "stored", "reason": None, "sha256": file.sha256(), "s3_key": key}
        return HandedIn(curator=ada, message_ids=messages, files=files)

    def job(self, state: JobState, job: Job = FILM) -> None:
        """The film's job, or another one."""
        self.write(
            "INSERT OR REPLACE INTO jobs (job_id, user_id, chat_id, message_id, priority, created_at, updated_at,"
            " state, payload_json) VALUES (?, 7, 7, 11, 'normal', 'x', 'x', ?, ?)",
            *(job.job_id, state, encode_job(job).decode()),
        )

    def end(self, state: JobState, status: str, reason: str) -> None:
        """The film's job ended so, and its object is gone."""
        item = self.items[self.film.message_ids[0]]
        (self.root / item["s3_key"]).unlink()
        self.write("DELETE FROM files WHERE s3_key = ?", item["s3_key"])
        item |= {"status": status, "reason": reason, "s3_key": None, "sha256": None}
        self.job(state)

    def say(self, one: HandedIn, html: str, *, to: int = 0) -> int:
        """The bot says it in reply to one of its messages; the message's id."""
        world, bot = self.house.telegram.world, self.house.bot
        post = world.message(one.curator.user, bot, one.message_ids[to])
        assert post is not None
        copy = copy_in(post.post, bot.mailbox)
        text = parse_html(html)[0]
        return int(self.house.in_world(lambda: world.send(bot, one.curator.user, text, reply_to=copy)).id)

    def edit(self, line: int, html: str) -> None:
        """Another text in the place of what the bot said."""
        world, bot = self.house.telegram.world, self.house.bot
        message = bot.mailbox.messages[line]
        self.house.in_world(lambda: world.edit(message, text=parse_html(html)[0], entities=()))

    def write(self, sql: str, *values: object) -> None:
        """Into the ledger's file."""
        with self.ledger.file.write() as connection:
            connection.execute(sql, values)

    def store(self, key: str, body: bytes) -> None:
        """An object of the archive."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    @property
    def root(self) -> Path:
        return Path(self.house.archive.location(""))

    def broken(self) -> list[str]:
        """What does not hold."""
        items = [
            {**item, "message_id": str(self.house.number(message)), "job_id": item.get("job_id")}
            for message, item in self.items.items()
        ]
        self.store("t/message.json", json.dumps({"telegram": {"items": items}}).encode())
        found = invariants.Artifacts(self.house.archive, doubtful_keys(self.house))
        return [
            *invariants.all_broken(self.house, found, self.handed_in), *invariants.said_twice(self.handed_in)
        ]  # fmt: skip


def _nothing(*_: object, **__: object) -> Any:
    raise AssertionError("no process is started here")


@pytest.fixture(scope="module")
def telegram() -> Iterator[SimulatedTelegram]:
    with SimulatedTelegram(seed=1) as telegram:
        yield telegram


@pytest.fixture
def story(telegram: SimulatedTelegram, tmp_path: Path) -> Iterator[Story]:
    with closing(SqliteLedger.open(tmp_path / "teltubby.db", clock=lambda: DAY)) as ledger:
        yield Story(telegram, tmp_path, ledger)


def test_nothing_is_wrong_where_all_is_well(story: Story) -> None:
    assert story.broken() == []
    assert invariants.is_settled(story.house, story.handed_in)
    assert "0 untrue" in invariants.open_matters(story.house, story.handed_in)


# -- what the archive says


def _swap(story: Story) -> None:
    film, photo = story.items[story.film.message_ids[0]], story.items[story.photo.message_ids[0]]
    for name in ("sha256", "s3_key"):
        film[name], photo[name] = photo[name], film[name]


def _cancel_unasked(story: Story) -> None:
    story.end(JobState.CANCELLED, "skipped", "cancelled")
    story.edit(story.lines[0], STOPPED)
    story.photo.was_ordered = True


def _forget_item(story: Story) -> None:
    del story.items[story.photo.message_ids[0]]


def _call_stored_a_duplicate(story: Story) -> None:
    story.items[story.photo.message_ids[0]]["status"] = "duplicate"


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (_swap, "and not its own"),
        (_cancel_unasked, "its item says skipped (cancelled)"),
        (_forget_item, "has 0 items"),
        (_call_stored_a_duplicate, "its item says duplicate, and its curator reads '✅ Archived"),
    ],
)
def test_each_message_has_an_item_of_its_own(story: Story, do: Callable[[Story], None], told: str) -> None:
    """Though the archive as a whole has what it should."""
    do(story)
    assert [problem for problem in story.broken() if told in problem]


def test_what_its_curator_cancelled_is_no_loss(story: Story) -> None:
    story.end(JobState.CANCELLED, "skipped", "cancelled")
    story.edit(story.lines[0], STOPPED)
    story.film.was_ordered = True
    assert story.broken() == []


# -- what the curator reads


@pytest.mark.parametrize(
    "html",
    [
        phrases.job_failed(FILM, reason="r"),
        phrases.job_queued(FILM),
        ordered.requeued_line(FILM),
        ordered.prioritised_line(FILM),
        TOLD_TO_STOP,
        STOPPED,
        "Something else: " + COMPLETED,
    ],
    ids=["failed", "queued", "queued again", "prioritised", "to be stopped", "stopped", "of no kind"],
)
def test_a_line_that_does_not_tell_how_its_job_ended_is_found(story: Story, html: str) -> None:
    story.edit(story.lines[0], html)
    assert [problem for problem in story.broken() if "is COMPLETED, and its curator reads" in problem]
    assert not invariants.is_settled(story.house, story.handed_in)


@pytest.mark.parametrize(
    ("state", "html", "is_true"),
    [
        (JobState.COMPLETED, phrases.job_duplicate(FILM, location="x", sha256="y"), True),
        (JobState.FAILED, phrases.job_failed(FILM, reason="r"), True),
        (JobState.FAILED, None, False),
        (JobState.CANCELLED, STOPPED, True),
        (JobState.CANCELLED, TOLD_TO_STOP, False),
        (JobState.CANCELLED, None, False),
    ],
    ids=["duplicate", "failed", "failed, and archived", "cancelled", "to be stopped", "cancelled, and archived"],
)
def test_each_end_has_its_words(story: Story, state: JobState, html: str | None, is_true: bool) -> None:
    story.job(state)
    if html is not None:
        story.edit(story.lines[0], html)
    assert invariants.is_settled(story.house, story.handed_in) is is_true


def test_a_job_of_an_album_without_a_line_is_found(story: Story) -> None:
    """Though the album was answered."""
    other = replace(FILM, job_id="0" * 8 + FILM.job_id[8:])
    story.job(JobState.COMPLETED, other)
    assert f"job {other.job_id} is COMPLETED, and no line tells of it" in story.broken()


@pytest.mark.parametrize(
    ("say", "count"),
    [
        (lambda story: story.say(story.film, COMPLETED), 2),
        (lambda story: story.say(story.film, ARCHIVED), 1),
        (lambda story: story.say(story.photo, ARCHIVED), 1),
        (lambda story: story.say(story.photo, phrases.INTERNAL_ERROR), 1),
        (lambda story: story.say(story.album, ARCHIVED + "\n🧾 Album: 2 items, 1 archived, 1 queued"), 1),
        (lambda story: story.say(story.album, ARCHIVED, to=1), 0),
        (lambda story: story.say(story.photo, intake.FILE_REPLACED), 0),
        (lambda story: story.say(story.photo, phrases.WAITING_FOR_STORAGE), 0),
    ],
    ids=[
        "two lines of a job",
        "an answer and a line",
        "two answers",
        "an answer and an apology",
        "two acknowledgements of an album that differ",
        "one for each half of an album",
        "an answer, and a word on an edit",
        "an answer, and a promise",
    ],
)
def test_what_is_said_twice_is_found(story: Story, say: Callable[[Story], int], count: int) -> None:
    say(story)
    assert len(invariants.said_twice(story.handed_in)) == count


# -- what is left over


@pytest.mark.parametrize(
    ("met", "job_id", "is_excused"),
    [
        ((), FILM.job_id, False),
        ((Kill(BOT, 0.0), Cut(Wire.BOT_API), Cut(Wire.BOT_BROKER)), FILM.job_id, False),
        ((Kill(WORKER, 0.0), MemoryAlarm()), None, False),
        ((Kill(WORKER, 0.0),), FILM.job_id, True),
        ((Freeze(BOT),), None, True),
        ((MemoryAlarm(),), FILM.job_id, True),
        ((Refusing(1.0, 0, 503, "SlowDown"),), None, True),
    ],
)
def test_what_nobody_names_needs_an_excuse(
    story: Story, met: tuple[Fault, ...], job_id: str | None, is_excused: bool
) -> None:
    story.write(
        "INSERT INTO doubtful_keys (key, why, job_id, since, look_at) VALUES ('t/left.bin', 'DUPLICATE', ?, 'x', 'x')",
        job_id,
    )
    story.store("t/left.bin", b"left")
    doubtful = doubtful_keys(story.house)
    found = invariants.Artifacts(story.house.archive, doubtful)
    assert found.leftovers == {"t/left.bin"}
    told = list(not_dropped(found.leftovers, doubtful, met))
    assert told == ([] if is_excused else ["nobody dropped ['t/left.bin']"])


def test_what_the_trail_says_stays_is_left_over_too(story: Story) -> None:
    story.write(
        "INSERT INTO commands (at, user_id, command, job_id, accepted, detail) VALUES ('x', 0, 'leftover', '', 1, ?)",
        "t/left.bin stays, and the ledger does not name it: the bot did not archive it",
    )
    story.store("t/left.bin", b"left")
    doubtful = doubtful_keys(story.house)
    assert invariants.Artifacts(story.house.archive, doubtful).leftovers == {"t/left.bin"}
    assert list(not_dropped({"t/left.bin"}, doubtful, [Kill(BOT, 0.0)])) == []
    assert list(not_dropped({"t/left.bin"}, doubtful, [Kill(WORKER, 0.0)])) != []


def test_the_file_of_a_job_that_failed_may_be_left_over(story: Story) -> None:
    """It stays, and the ledger has no doubt."""
    story.job(JobState.FAILED)
    story.store(FILM.target.key, b"left")
    doubtful = doubtful_keys(story.house)
    found = invariants.Artifacts(story.house.archive, doubtful)
    assert found.leftovers == {FILM.target.key}
    assert list(not_dropped(found.leftovers, doubtful, [Kill(WORKER, 0.0)])) == []
