"""Intake: nothing is confirmed before it is durable, nothing accepted is lost, and one bad update stops nobody."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import anyio
import pytest

from teltubby.actors import phrases
from teltubby.actors.intake import BUG_TRIES
from teltubby.actors.receiving import UNAUTHORISED_SECONDS
from teltubby.adapters.bot_updates import parse_update
from teltubby.errors import (
    DatabaseUnavailable,
    FloodWait,
    MalformedMessage,
    PollConflict,
    StoreUnavailable,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)
from teltubby.messages.chat import Incoming
from tests.actors.bot_wing import ALBUM_SECONDS, BORIS, STRANGER, BotWing, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import pressed, raw, sent, update
from tests.actors.world import World
from tests.virtual_time import WallClock, until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def offsets(wing: BotWing) -> list[object]:
    """What each poll confirmed."""
    return [call.subject for call in wing.gateway.script.calls if call.method == "updates"]


# -- who is answered


async def test_a_photo_is_archived_and_acknowledged(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo, caption="A day"))
        assert world.files() == [photo.body]
        (answer,) = wing.said()
        assert "Archived 1 file (photo)" in answer
        assert wing.telegram.bubbles[0].reply_to == 10


@pytest.mark.parametrize(
    "refused",
    [
        {"user": STRANGER},
        {"user": ANNA, "chat": -100, "chat_type": "group"},
        {"user": ANNA, "chat": -1001, "chat_type": "supergroup"},
        {"user": STRANGER, "chat": ANNA},
    ],
    ids=["stranger", "group", "supergroup", "stranger in her chat"],
)
async def test_others_get_silence_and_are_counted(world: World, refused: dict[str, object]) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(
            update(10, photo, **refused),  # type: ignore[arg-type]  # a mapping of its own options
            update(11, text="/start", **refused),  # type: ignore[arg-type]  # a mapping of its own options
        )
        assert wing.telegram.bubbles == []
        assert world.objects == {}
        assert wing.counted("refused_updates") == 2


async def test_a_channel_post_or_edit_is_no_message(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(raw(10, {"update_id": 10, "edited_message": {"message_id": 1}}), raw(11, {"update_id": 11}))
        assert wing.telegram.bubbles == []
        assert restarts(wing.tree) == {}


async def test_buttons_pressed_by_others_get_no_answer_and_are_counted(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(
            pressed(10, "queue:0", user=STRANGER), pressed(11, "queue:0", user=ANNA, chat_type="supergroup")
        )
        assert wing.telegram.presses == [] and wing.telegram.bubbles == []
        assert wing.counted("refused_updates") == 2


async def test_a_forged_press_is_answered_and_harms_nobody(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(*[pressed(10 + n, data) for n, data in enumerate(["", "job:cancel:", "x" * 64, "<b>&"])])
        assert len(wing.telegram.presses) == 4
        assert restarts(wing.tree) == {}


async def test_text_alone_is_told_that_there_is_nothing_to_archive(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, text="hello"), update(11, text="/nonsense"), update(12, text="/help"))
        said = wing.said()
        assert phrases.NOTHING_TO_ARCHIVE in said and phrases.NOT_UNDERSTOOD in said and phrases.help_text() in said
        assert world.objects == {}


# -- durable before confirmed


async def test_an_offset_is_confirmed_only_after_its_updates_are_recorded(world: World) -> None:
    async with bot_wing(world) as wing:
        await until(lambda: offsets(wing) == [0])
        gate = wing.ledger_script.hold("RecordUpdates")
        wing.telegram.deliver(update(10, text="/help"))
        await anyio.sleep(50)
        assert set(offsets(wing)) == {0}
        gate.set()
        await wing.rests()
        await until(lambda: offsets(wing)[-1] == 11)


@pytest.mark.parametrize("error", [DatabaseUnavailable("read-only"), TimeoutError()], ids=lambda e: type(e).__name__)
async def test_while_nothing_can_be_recorded_nothing_is_confirmed(world: World, error: Exception) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        if isinstance(error, TeltubbyError):
            wing.ledger_script.break_down("RecordUpdates", error)
        else:
            wing.ledger_script.hold("RecordUpdates")
        wing.telegram.deliver(update(10, photo))
        await anyio.sleep(400)
        assert set(offsets(wing)) == {0}
        assert len(wing.telegram.waiting) == 1
    assert wing.tree.snapshot().children[-1].restarts == 0
    async with bot_wing(world) as wing:
        await wing.rests()
        assert world.files() == [photo.body]
        assert len(wing.said()) == 1


async def test_an_update_that_comes_again_is_answered_once(world: World) -> None:
    """Telegram sends again what was not confirmed when the process ended."""
    photo = sent(world.telegram, "photo", 1)
    updates = [update(10, photo), update(11, text="/help")]
    async with bot_wing(world) as wing:
        await wing.receives(*updates)
    async with bot_wing(world) as wing:
        await wing.receives(*updates)
        await anyio.sleep(100)
        assert len(wing.said()) == 2


async def test_what_was_open_at_the_end_is_taken_up_at_the_start(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.store.script.break_down("put", StoreUnavailable("away"))
        wing.telegram.deliver(update(10, photo))
        await until(lambda: phrases.WAITING_FOR_STORAGE in wing.said())
    async with bot_wing(world) as wing:
        await wing.rests()
        assert world.files() == [photo.body]
        assert sum("Archived 1 file" in text for text in wing.said()) == 1


async def test_ids_that_begin_anew_are_not_lost(world: World) -> None:
    """After a week without updates Telegram numbers them at random (Bot API, Update)."""
    async with bot_wing(world) as wing:
        await wing.receives(update(1_000_000, text="/help"))
    async with bot_wing(world) as wing:
        await wing.receives(update(500, text="/mode", message_id=2))
        assert len(wing.said()) == 2


# -- trouble with Telegram


@pytest.mark.parametrize(
    "error",
    [PollConflict("terminated by other getUpdates request"), TelegramUnavailable("502"), FloodWait(50)],
    ids=lambda e: type(e).__name__,
)
async def test_polling_survives_trouble(world: World, error: TeltubbyError) -> None:
    async with bot_wing(world) as wing:
        wing.gateway.script.break_down("updates", error)
        await anyio.sleep(600)
        tries = wing.gateway.script.count("updates")
        assert 5 <= tries <= 150
        if isinstance(error, FloodWait):
            assert tries <= 14
        wing.gateway.script.repair("updates")
        await wing.receives(update(10, text="/help"))
        assert len(wing.said()) == 1
        assert restarts(wing.tree) == {}


async def test_a_refused_token_is_tried_again_rarely(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.gateway.script.break_down("updates", Unauthorised("Unauthorized"))
        await anyio.sleep(10 * UNAUTHORISED_SECONDS)
        assert wing.gateway.script.count("updates") <= 12
        wing.gateway.script.repair("updates")
        await wing.receives(update(10, text="/help"))
        assert restarts(wing.tree) == {}


async def test_a_token_refused_while_answering_is_survived(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        for method in ("send", "updates", "identify"):
            wing.gateway.script.break_down(method, Unauthorised("Unauthorized"))
        wing.gateway.script.repair("updates")
        wing.telegram.deliver(update(10, photo), update(11, text="/help"))
        await anyio.sleep(600)
        assert restarts(wing.tree) == {}
        wing.gateway.script.repair("send")
        await wing.rests()
        assert len([text for text in wing.said() if "Archived 1 file" in text]) == 1


async def test_somebody_who_blocked_the_bot_gets_the_file_archived_all_the_same(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    world.telegram.blocked.add(ANNA)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo))
        assert world.files() == [photo.body]


# -- albums


async def test_an_album_is_one_submission(world: World) -> None:
    photos = [sent(world.telegram, "photo", number) for number in (1, 2, 3)]
    async with bot_wing(world) as wing:
        for number, photo in enumerate(photos):
            wing.telegram.deliver(update(10 + number, photo, group="g1"))
            await anyio.sleep(ALBUM_SECONDS * 0.9)  # each within the window of the one before
        await wing.rests()
        assert world.artifact()["files_count"] == 3
        assert world.files() == [photo.body for photo in photos]
        (answer,) = wing.said()
        assert "Archived 3 files (3 × photo)" in answer


async def test_an_album_waits_for_its_window_and_others_do_not(world: World) -> None:
    photo, other = sent(world.telegram, "photo", 1), sent(world.telegram, "photo", 2)
    async with bot_wing(world) as wing:
        await until(lambda: offsets(wing) == [0])
        began = anyio.current_time()
        wing.telegram.deliver(update(10, photo, group="g1"), update(11, other, user=BORIS))
        await until(lambda: wing.said(BORIS))
        assert anyio.current_time() - began < 1
        await until(lambda: wing.said(ANNA))
        assert ALBUM_SECONDS <= anyio.current_time() - began < ALBUM_SECONDS + 1


async def test_albums_of_two_people_with_one_id_are_two(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(
            update(10, sent(world.telegram, "photo", 1), group="g"),
            update(11, sent(world.telegram, "photo", 2), group="g", user=BORIS),
        )
        assert len(world.artifacts()) == 2


async def test_an_album_cut_by_a_restart_is_still_one(world: World) -> None:
    photos = [sent(world.telegram, "photo", number) for number in (1, 2)]
    async with bot_wing(world) as wing:
        wing.telegram.deliver(update(10, photos[0], group="g"))
        await until(lambda: wing.ledger_script.count("RecordUpdates") == 1)
        await anyio.sleep(0.5)
    async with bot_wing(world) as wing:
        await wing.receives(update(11, photos[1], group="g"))
        assert world.artifact()["files_count"] == 2
        assert len(wing.said()) == 1


# -- trouble inside


async def test_while_the_store_is_away_the_curator_is_told_once_and_the_file_is_kept(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.store.script.break_down("put", StoreUnavailable("away"))
        wing.telegram.deliver(update(10, photo))
        await anyio.sleep(3600)
        assert wing.said() == [phrases.WAITING_FOR_STORAGE]
        wing.store.script.repair("put")
        await wing.rests()
        assert world.files() == [photo.body]
        assert len(wing.said()) == 2 and "Archived 1 file" in wing.said()[1]
        assert restarts(wing.tree) == {}


async def test_strangers_are_not_told_of_our_trouble(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail("CloseUpdates", DatabaseUnavailable("locked"))
        await wing.receives(update(10, text="/start", user=STRANGER))
        assert wing.telegram.bubbles == []


async def test_an_unreadable_inbox_is_read_later(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail("OpenGroups", *[DatabaseUnavailable("locked")] * 3)
        await wing.receives(update(10, text="/help"))
        assert len(wing.said()) == 1
        assert restarts(wing.tree) == {}


@pytest.mark.parametrize("request_name", ["OpenGroups", "RecordUpdates", "FindSubmission", "CloseUpdates"])
async def test_a_crash_of_the_ledger_is_not_a_crash_of_the_bot(world: World, request_name: str) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.ledger_script.fail(request_name, RuntimeError("a bug in the ledger"))
        await wing.receives(update(10, photo))
        assert world.files() == [photo.body]
        assert sum("Archived 1 file" in text for text in wing.said()) == 1
        assert restarts(wing.tree) == {"ledger": 1}


async def test_an_update_that_meets_a_bug_is_given_up_with_an_answer(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.telegram.files["file-2"] = b"x"
        wing.downloads.script.fail("download", *[RuntimeError("a bug")] * BUG_TRIES)
        await wing.receives(update(10, sent(world.telegram, "photo", 2)))
        await wing.receives(update(11, photo))
        assert wing.said()[0] == phrases.INTERNAL_ERROR
        assert photo.body in world.files()


def parser_with_a_bug(payload: str) -> Incoming | None:
    if "poison" in payload:
        raise RuntimeError("a bug in the parser")
    return parse_update(payload)


async def test_an_update_that_cannot_even_be_parsed_stops_nobody(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world, parse=parser_with_a_bug) as wing:
        await wing.receives(update(10, text="poison"), update(11, photo))
        assert world.files() == [photo.body]
        assert restarts(wing.tree) == {}


async def test_an_update_that_is_malformed_is_left_behind(world: World) -> None:
    def parse(payload: str) -> Incoming | None:
        if "poison" in payload:
            raise MalformedMessage("no")
        return parse_update(payload)

    async with bot_wing(world, parse=parse) as wing:
        await wing.receives(update(10, text="poison"), update(11, text="/help"))
        assert len(wing.said()) == 1


async def test_giving_up_survives_a_locked_database(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", *[RuntimeError("a bug")] * BUG_TRIES)
        wing.ledger_script.fail("CloseUpdates", *[DatabaseUnavailable("locked")] * 2)
        await wing.receives(update(10, sent(world.telegram, "photo", 2)), update(11, text="/help"))
        assert phrases.help_text() in wing.said()
        assert wing.said().count(phrases.INTERNAL_ERROR) >= 1
        assert restarts(wing.tree) == {"download": BUG_TRIES}


async def test_what_the_ledger_can_never_take_is_given_up_with_an_answer(world: World) -> None:
    """A job without a unique id could never be read again: it is refused for good, not for want of storage."""
    video = sent(world.telegram, "video", 1, size=200_000)
    broken = raw(10, json.loads(update(10, video).payload.replace(video.unique_id, "")))
    async with bot_wing(world) as wing:
        await wing.receives(broken, within=3600)
        (*_, answer) = wing.said()
        assert answer != phrases.WAITING_FOR_STORAGE


@pytest.mark.parametrize("trouble", ["store", "flood", "telegram"])
async def test_a_stop_does_not_wait_for_what_is_away(world: World, trouble: str) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        if trouble == "store":
            wing.store.script.break_down("put", StoreUnavailable("away"))
        elif trouble == "flood":
            wing.gateway.script.fail("send", FloodWait(15 * 3600))
        else:
            wing.downloads.script.break_down("download", TelegramUnavailable("away"))
            wing.gateway.script.break_down("identify", TelegramUnavailable("away"))
        wing.telegram.deliver(update(10, photo))
        await anyio.sleep(300)
        asked = anyio.current_time()
    assert anyio.current_time() - asked < 2
    async with bot_wing(world) as wing:
        await wing.rests()
        assert world.files() == [photo.body]
        assert sum("Archived 1 file" in text for text in wing.said()) == 1


# -- at once, and in turn


async def test_at_most_width_submissions_at_once(world: World) -> None:
    async with bot_wing(world, width=2) as wing:
        gate = wing.downloads.script.hold("download")
        wing.telegram.deliver(*[update(10 + n, sent(world.telegram, "photo", n)) for n in range(5)])
        await anyio.sleep(60)
        assert wing.downloads.script.count("download") == 2
        gate.set()
        await wing.rests()
        assert len(world.files()) == 5


async def test_a_slow_answer_is_given_once_though_others_queue_up(world: World) -> None:
    """While a slot is waited for, what was under way in the list that is being walked may have ended."""
    album = [sent(world.telegram, "photo", number) for number in (1, 2)]
    async with bot_wing(world, width=1) as wing:
        await until(lambda: offsets(wing) == [0])
        wing.gateway.script.slow("send", 5)
        wing.telegram.deliver(
            update(10, album[0], group="g"), update(11, album[1], group="g"), update(12, text="/mode", user=BORIS)
        )
        await wing.rests()
        await anyio.sleep(100)
        assert len(wing.said(BORIS)) == 1
        assert len(wing.said(ANNA)) == 1


class SetBack(WallClock):
    """A wall clock that lost five hours."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # as its base
        return (wall_clock() - timedelta(hours=5)).astimezone(tz)


async def test_a_wall_clock_that_is_set_back_does_not_hold_an_album(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NTP, a suspended machine, a restored snapshot: the window is seconds, not the difference of two wall clocks."""
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await until(lambda: offsets(wing) == [0])
        await wing.receives(update(10, photo, group="g"), within=120)
        assert world.files() == [photo.body]
