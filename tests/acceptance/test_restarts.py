"""Processes that are killed or told to stop at the worst moments: everything is archived, once, and told once."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from functools import partial

import pytest
from typer.testing import CliRunner

from teltubby.cli import app
from teltubby.simulator.faults import Fault
from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.product import Product
from tests.acceptance.queues import Queues
from tests.servers.tcp_proxy import TcpProxy

MIB = 1 << 20


def slow_down(house: Household, bytes_per_second: float | None) -> None:
    """Let all lines to Telegram together carry so much."""
    house.in_world(lambda: setattr(house.telegram.world.faults, "shared_bandwidth", bytes_per_second))


def hold(house: Household, method: str, *, seconds: float = 60.0) -> Fault:
    """Let the next call of a Bot API method wait."""
    fault: Fault = house.in_world(lambda: house.telegram.world.faults.add(method, delay=seconds))
    return fault


def let_leases_run_out(house: Household) -> None:
    """As time does: what a killed process held of the embedded queue is free again."""
    with closing(sqlite3.connect(house.settings["EMBEDDED_QUEUE_PATH"])) as connection:
        connection.execute("UPDATE queue_messages SET leased_until = 0")
        connection.commit()


def has_struck(fault: Fault) -> bool:
    """Whether a call ran into it."""
    return fault.used > 0


def is_stored(house: Household, message: int) -> bool:
    """Whether the artifact says so of everything that was handed in with this message."""
    return {item["status"] for item in house.items(message)} == {"stored"}


def assert_archived_once(house: Household, files: list[File]) -> None:
    """The archive holds each file's bytes under exactly one key, and nothing else but artifacts."""
    keys = [key for key in house.archive.stored() if not key.endswith("/message.json")]
    assert sorted(sha256(house.archive, key) for key in keys) == sorted(file.sha256() for file in files)


def await_empty_inbox(house: Household) -> None:
    """Return when every update is dealt with."""
    eventually(lambda: house.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)], what="an empty inbox")


def test_killed_while_it_fetches_small_files(box: Household) -> None:
    """Nothing was archived or told yet: after the restart it is, once."""
    product, ada = box.start("run"), box.ada
    held = box.in_world(lambda: box.telegram.world.faults.add("getFile", delay=60, times=2))
    files = [ada.new_file(FileKind.PHOTO, 70_000), ada.new_file(FileKind.DOCUMENT, 80_000, name="a.txt")]
    photo, document = ada.send_photo(files[0]), ada.send_document(files[1])
    eventually(lambda: held.used == 2, what="both downloads to begin")
    product.kill()
    late = ada.new_file(FileKind.VOICE, 5_000)
    voice = ada.send_voice(late)
    box.start("run")
    for message in (photo, document, voice):
        box.answer(message, "Archived 1 file")
    await_empty_inbox(box)
    assert_archived_once(box, [*files, late])
    assert [len(box.answers(message)) for message in (photo, document, voice)] == [1, 1, 1]
    box.stop()
    assert box.spooled() == []


def test_killed_between_artifact_and_acknowledgement(box: Household) -> None:
    """The files are there and the curator was not told: the restart tells, and archives nothing twice."""
    product, ada = box.start("run"), box.ada
    held = hold(box, "sendMessage")
    file = ada.new_file(FileKind.PHOTO, 70_000)
    message = ada.send_photo(file)
    eventually(lambda: held.used, what="the acknowledgement to be sent")
    before = box.artifact(message)
    product.kill()
    box.start("run")
    box.answer(message, "Archived 1 file (photo), 70.0 KB")
    await_empty_inbox(box)
    assert_archived_once(box, [file])
    assert box.artifact(message) == before and len(box.answers(message)) == 1


def test_an_answer_lost_with_the_process_is_found_again(box: Household) -> None:
    """Telegram took the acknowledgement, the process died before it heard so: it looks before it says it again."""
    wire = TcpProxy(int(box.telegram.bot_api_url.rpartition(":")[2]))
    try:
        product = box.start("run", TELEGRAM_BOT_API_URL=f"http://127.0.0.1:{wire.port}")
        held = hold(box, "sendMessage", seconds=0.5)
        file = box.ada.new_file(FileKind.PHOTO, 70_000)
        message = box.ada.send_photo(file)
        eventually(lambda: held.used, what="the acknowledgement to be sent")
        wire.stall()
        box.answer(message, "Archived")
        product.kill()
    finally:
        wire.close()
    box.start("run")
    await_empty_inbox(box)
    assert_archived_once(box, [file])
    assert len(box.answers(message)) == 1
    assert box.rows("SELECT count(*) FROM messages WHERE ack_message_id IS NOT NULL") == [(1,)]


@ON_TRIO
def test_killed_while_an_album_gathers(box: Household) -> None:
    """The album is one submission all the same."""
    box.settings["ALBUM_AGGREGATION_WINDOW_SECONDS"] = "4"
    product, ada = box.start("run"), box.ada
    files = [ada.new_file(FileKind.PHOTO, 50_000 + number) for number in range(4)]
    album = ada.send_album(files)
    eventually(lambda: box.rows("SELECT count(*) FROM inbox") == [(4,)], what="the album in the inbox")
    product.kill()
    box.start("run")
    box.answer(album[0], "Archived 4 files (4 × photo)")
    await_empty_inbox(box)
    assert_archived_once(box, files)
    assert [len(box.answers(message)) for message in album] == [1, 0, 0, 0]


@ON_ASYNCIO
def test_a_straggler_of_an_album_that_was_cut_off_by_a_kill(box: Household) -> None:
    """The album was recorded, then the process died, then its last file came: all of it is archived."""
    product, ada = box.start("run"), box.ada
    held = hold(box, "sendMessage")
    files = [ada.new_file(FileKind.PHOTO, 50_000 + number) for number in range(3)]
    album = ada.send_album(files[:2])
    eventually(lambda: held.used, what="the acknowledgement to be sent")
    product.kill()
    group = next(line.grouped_id for line in ada.conversation() if line.message_id == album[0])
    straggler = ada.send_media(files[2], grouped_id=group)
    box.start("run")
    box.answer(album[0], "Archived 2 files")
    box.answer(straggler, "Archived 1 file")
    await_empty_inbox(box)
    assert_archived_once(box, files)


def test_killed_in_the_middle_of_a_large_file(box: Household) -> None:
    """The job is done again after the restart; one object, one line in the conversation."""
    product, ada = box.start("run"), box.ada
    slow_down(box, 6 * MIB)
    file = ada.new_file(FileKind.VIDEO, 24 * MIB, name="large.mp4")
    message = ada.send_video(file)
    box.answer(message, "Downloading file")
    product.kill()
    assert box.spooled() != [], "what was fetched waits for the next start"
    slow_down(box, None)
    let_leases_run_out(box)
    box.start("run")
    assert file.sha256() in box.answer(message, "Large file archived successfully")
    assert_archived_once(box, [file])
    assert len(box.answers(message)) == 1
    box.stop()
    assert box.spooled() == [] and box.archive.unfinished() == [], "the dead process left something behind"


def test_worker_killed_in_the_middle(wings: Household, queues: Queues) -> None:
    """RabbitMQ gives the job to the next worker; the first one's unfinished upload does not stay."""
    wings.settings["S3_MULTIPART_PART_SIZE_MB"] = "5"
    wings.start("bot")
    worker = wings.start("worker")
    slow_down(wings, 8 * MIB)
    file = wings.ada.new_file(FileKind.VIDEO, 32 * MIB, name="large.mp4")
    message = wings.ada.send_video(file)
    eventually(wings.archive.unfinished, what="the upload to begin")
    worker.kill()
    slow_down(wings, None)
    wings.start("worker")
    assert file.sha256() in wings.answer(message, "Large file archived successfully")
    assert_archived_once(wings, [file])
    assert len(wings.answers(message)) == 1
    wings.stop()
    assert queues.depths() == {} and wings.spooled() == [] and wings.archive.unfinished() == []
    look_at_trace(wings)


def look_at_trace(wings: Household) -> None:
    """`teltubby trace` tells of both workers and the bot, in one order, and what the time went by with."""
    ((job_id,),) = wings.rows("SELECT job_id FROM jobs")
    logs = [str(product.log_path) for product in wings.processes]
    told = CliRunner().invoke(app, ["trace", job_id[:8], "--json", *logs], env=wings.settings)
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    lost, done = found["attempts"]
    assert (lost["success"], done["success"]) == (None, True) and lost["worker"] != done["worker"]
    assert set(lost["stages"]) == {"outbox", "queue", "turn"}
    measured = {"turn", "way", "fetch_large", "store", "hash", "first_copy", "complete", "details", "artifact", "tell"}
    assert measured <= set(done["stages"]) and all(seconds >= 0 for seconds in done["stages"].values())
    assert done["stages"]["store"] <= done["seconds"]
    entries = [(entry["source"].partition("-")[2] or "ledger", entry["what"]) for entry in found["timeline"]]
    expected = [
        ("ledger", "came, with the message"),
        ("bot.log", "is handed in by user"),
        ("worker.log", f"is taken up by {lost['worker']}"),
        ("worker.log", f"is taken up by {done['worker']}"),
        ("worker.log", "is stored as"),
        ("bot.log", f"JobCompleted of {done['worker']}"),
    ]
    places = [
        [at for at, (name, what) in enumerate(entries) if name == source and text in what] for source, text in expected
    ]
    assert all(len(place) == 1 for place in places), list(zip(expected, places, strict=True))
    assert places == sorted(places)


@pytest.mark.parametrize(("backend", "signals"), [("trio", 1), ("trio", 2), ("asyncio", 2)])
def test_stopped_in_the_middle_of_a_large_file(box: Household, signals: int) -> None:
    """SIGTERM ends it with 0 in time; a second one at once. The next start completes the job."""
    product, ada = box.start("run"), box.ada
    slow_down(box, 1.5 * MIB)
    file = ada.new_file(FileKind.VIDEO, 24 * MIB, name="large.mp4")
    message = ada.send_video(file)
    box.answer(message, "processing started")
    served = box.telegram.mtproto_server.served
    eventually(lambda: box.in_world(lambda: served.covered(file.id)) > 4 * MIB, what="some parts of it")
    for heard in ("stopping in order", "stopping at once")[:signals]:
        product.signal(signal.SIGTERM)
        product.wait_logged(heard)
    assert product.wait(within=30 if signals == 1 else 5) == 0
    product.look_at_log()
    slow_down(box, None)
    assert box.spooled() != [], "what was fetched waits for the next start"
    box.start("run")
    assert file.sha256() in box.answer(message, "Large file archived successfully")
    assert_archived_once(box, [file])
    assert len(box.answers(message)) == 1
    box.stop()
    assert box.spooled() == [] and box.archive.unfinished() == []


@ON_ASYNCIO
def test_bot_stopped_while_the_worker_works(wings: Household, queues: Queues) -> None:
    """The report waits in the queue until there is a bot again."""
    bot = wings.start("bot", "worker")
    slow_down(wings, 10 * MIB)
    file = wings.ada.new_file(FileKind.VIDEO, 24 * MIB, name="large.mp4")
    message = wings.ada.send_video(file)
    wings.answer(message, "processing started")
    bot.stop()
    slow_down(wings, None)
    eventually(lambda: queues.depths().get("teltubby.events", 0) and wings.archive.stored(), what="the report")
    wings.start("bot")
    wings.answer(message, "Large file archived successfully")
    assert wings.settled(message, "stored")[0]["sha256"] == file.sha256()
    wings.stop()
    assert queues.depths() == {}


def test_killed_again_and_again(box: Household) -> None:
    """Messages of every kind arrive while the process dies three times, whatever it is doing."""
    ada = box.ada
    box.without_flood_control()
    files: list[File] = []
    heads: list[int] = []
    product: Product | None = None
    for number, moment in enumerate(("getFile", "sendMessage", "editMessageText", "")):
        if number:
            let_leases_run_out(box)
        product = box.start("run")
        strike = hold(box, moment) if moment else None
        sent = [
            ada.new_file(FileKind.DOCUMENT, 40_000 + number, name=f"{number}.bin"),
            ada.new_file(FileKind.VIDEO, 21 * MIB + number, name=f"{number}.mp4"),
            *(ada.new_file(FileKind.PHOTO, 30_000 + 10 * number + place) for place in range(3)),
        ]
        files += sent
        heads += [ada.send_document(sent[0]), ada.send_video(sent[1]), ada.send_album(sent[2:])[0]]
        if strike is not None:
            eventually(partial(has_struck, strike), what=moment)
            product.kill()
    for message in heads:
        box.answer(message, "rchived ")
    await_empty_inbox(box)
    eventually(lambda: box.rows("SELECT DISTINCT state FROM jobs") == [("COMPLETED",)], within=60, what="all jobs done")
    for message in heads:
        assert "rchived " in box.answers(message)[-1].text
        eventually(partial(is_stored, box, message), what="a true artifact")
    assert_archived_once(box, files)
    assert [len(box.answers(message)) for message in heads] == [1] * len(heads)
    box.stop()
    assert box.spooled() == [] and box.archive.unfinished() == []
