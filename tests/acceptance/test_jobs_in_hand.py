"""Jobs in the curator's hands: cancelled, retried and prioritised by command and by button, wherever they are."""

from __future__ import annotations

import re

from teltubby.simulator.curator import ChatLine
from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.queues import Queues

MIB = 1 << 20
NOTICE_WITHIN = 20.0


def slow_down(house: Household, bytes_per_second: float | None) -> None:
    """Let all lines to Telegram together carry so much."""
    house.in_world(lambda: setattr(house.telegram.world.faults, "shared_bandwidth", bytes_per_second))


def large(house: Household, name: str, mebibytes: int = 24) -> File:
    return house.ada.new_file(FileKind.VIDEO, mebibytes * MIB, name=name)


def job_line(house: Household, message: int) -> ChatLine:
    """The line that grows with the job of this message, once there is one."""

    def found() -> list[ChatLine]:
        return [line for line in house.answers(message) if re.search(r"\bjob [0-9a-f]{8}\b", line.text)]

    house.ada.wait_for(lambda _: found(), 60)
    return found()[0]


def job_id(house: Household, message: int) -> str:
    """As people type it: the first 8 characters."""
    found = re.search(r"\bjob ([0-9a-f]{8})\b", job_line(house, message).text)
    assert found is not None
    return found.group(1)


def press(house: Household, message: int, label: str) -> str:
    """Press a button under the job's line; what the popup says."""
    press_id = house.ada.press(job_line(house, message).message_id, text=label)
    return house.ada.wait_for_notice(press_id, NOTICE_WITHIN).text


def await_waiting(queues: Queues, count: int) -> None:
    """Return when so many messages wait for a worker."""
    eventually(lambda: queues.declared() and queues.depths().get("teltubby.large_files") == count, what="the messages")


def labels(line: ChatLine) -> list[str]:
    return [text for row in line.buttons for text, _ in row]


def test_a_running_job_is_cancelled_and_fetched_again_by_its_buttons(box: Household) -> None:
    """The transfer stops, nothing of it stays anywhere, the artifact says so; a retry archives it after all."""
    box.settings["S3_MULTIPART_PART_SIZE_MB"] = "5"
    box.start("run")
    slow_down(box, 4 * MIB)
    file = large(box, "film.mp4")
    message = box.ada.send_video(file)
    box.answer(message, "Downloading file")
    assert labels(job_line(box, message)) == ["ℹ️ Status", "🚫 Cancel"]
    assert "film.mp4" in press(box, message, "ℹ️ Status")
    assert press(box, message, "🚫 Cancel") == "is running: being stopped"
    told = box.answer(message, "Cancelled: stopped after")
    assert "nothing was kept" in told
    [item] = box.settled(message, "skipped")
    assert (item["reason"], item["s3_key"]) == ("cancelled", None)
    eventually(lambda: box.spooled() == [] and box.archive.unfinished() == [], what="everything to be removed")
    assert [key for key in box.archive.stored() if not key.endswith("/message.json")] == []
    assert box.rows("SELECT state FROM jobs") == [("CANCELLED",)]
    slow_down(box, None)
    assert labels(job_line(box, message)) == ["ℹ️ Status", "🔁 Retry"]
    assert "waits in the queue again" in press(box, message, "🔁 Retry")
    assert file.sha256() in box.answer(message, "Large file archived successfully")
    [item] = box.settled(message, "stored")
    assert sha256(box.archive, item["s3_key"]) == file.sha256()
    assert len(box.answers(message)) == 1, "one line, which grew"
    box.stop()
    assert box.spooled() == [] and box.archive.unfinished() == []


def test_a_running_job_of_another_process_is_cancelled(wings: Household, queues: Queues) -> None:
    """The order reaches the worker across the broker; its upload is aborted, and nothing stays in a queue."""
    wings.settings["S3_MULTIPART_PART_SIZE_MB"] = "5"
    wings.start("bot", "worker")
    slow_down(wings, 6 * MIB)
    message = wings.ada.send_video(large(wings, "film.mp4", 32))
    eventually(wings.archive.unfinished, what="the upload to begin")
    wings.answer(wings.ada.send_text(f"/cancel {job_id(wings, message)}"), "is running: being stopped")
    wings.answer(message, "Cancelled: stopped after")
    eventually(lambda: wings.spooled() == [] and wings.archive.unfinished() == [], what="everything to be removed")
    wings.stop()
    assert queues.depths() == {} and wings.settled(message, "skipped")


def test_a_waiting_job_is_cancelled_before_any_worker_sees_it(wings: Household, queues: Queues) -> None:
    """Its message is still in the queue: the worker drops it."""
    wings.start("bot")
    first = wings.ada.send_video(large(wings, "cancelled.mp4"))
    second = wings.ada.send_video(other := large(wings, "wanted.mp4", 22))
    await_waiting(queues, 2)
    wings.answer(wings.ada.send_text(f"/cancel {job_id(wings, first)}"), "was waiting: taken out of the queue")
    wings.answer(first, "Cancelled: taken out of the queue")
    wings.start("worker")
    assert other.sha256() in wings.answer(second, "Large file archived successfully")
    eventually(lambda: queues.depths() == {}, what="empty queues")
    wings.stop()
    files = [key for key in wings.archive.stored() if not key.endswith("/message.json")]
    assert [sha256(wings.archive, key) for key in files] == [other.sha256()]
    assert "Cancelled" in job_line(wings, first).text


def test_high_and_urgent_jobs_overtake(wings: Household, queues: Queues) -> None:
    """Three wait; the last one is wanted sooner, and says so when it is queued already. The others keep their order."""
    wings.start("bot")
    messages = []
    for number in range(3):  # one by one: those that are handed in together are taken up side by side
        messages.append(wings.ada.send_video(large(wings, f"{number}.mp4", 21 + number)))
        await_waiting(queues, number + 1)
    last = job_id(wings, messages[2])
    wings.answer(wings.ada.send_text(f"/priority {last} high"), "has high priority now")
    wings.answer(wings.ada.send_text(f"/priority {last} soon"), "normal|high|urgent")
    wings.start("worker", WORKER_CONCURRENCY="1")
    for message in messages:
        wings.answer(message, "Large file archived successfully")
    finished = wings.rows("SELECT job_id FROM jobs ORDER BY finished_at")
    assert [row[0][:8] for row in finished] == [job_id(wings, messages[number]) for number in (2, 0, 1)]
    eventually(lambda: queues.depths() == {}, what="the message that was overtaken to be dropped")
    wings.stop()


def test_a_message_that_is_deleted_before_its_job_runs_fails_in_words(wings: Household, queues: Queues) -> None:
    """At once and with what to do; the retry fails the same way, and the whole history tells of both."""
    wings.start("bot")
    message = wings.ada.send_video(large(wings, "gone.mp4"))
    await_waiting(queues, 1)
    short = job_id(wings, message)
    wings.ada.delete(message)
    wings.start("worker")

    def failed() -> list[str]:
        return [
            line.text for line in wings.ada.conversation() if "Processing failed" in line.text and short in line.text
        ]

    wings.ada.wait_for(lambda _: failed(), 60)
    assert "Send the file again" in failed()[0] and "/retry" not in failed()[0]
    assert queues.depth("teltubby.failed_jobs") == 1
    wings.answer(wings.ada.send_text(f"/retry {short}"), "waits in the queue again")
    eventually(lambda: queues.depth("teltubby.failed_jobs") == 2, what="the second dead letter")
    eventually(lambda: wings.rows("SELECT state FROM jobs") == [("FAILED",)], what="the second failure")
    history = wings.answer(wings.ada.send_text(f"/jobs {short}"), "Attempts")
    assert all(word in history.lower() for word in ("failed", "pending", "gone.mp4", "retry")), history
    assert "1 job" in wings.answer(wings.ada.send_text("/status"), "failed in the last day")


@ON_ASYNCIO
def test_orders_that_make_no_sense_are_answered(box: Household) -> None:
    """Unknown ids, wrong states, no arguments, and buttons that somebody made up."""
    box.start("run")
    box.without_flood_control()
    ada = box.ada
    message = ada.send_video(large(box, "film.mp4", 21))
    box.answer(message, "Large file archived successfully")
    short = job_id(box, message)
    for command, answer in {
        "/cancel": "/cancel <id>",
        "/cancel 00000000": "There is no job 00000000",
        f"/cancel {short}": "is archived already: there is nothing to cancel",
        "/retry": "/retry <id>",
        "/retry nonsense<b>": "There is no job nonsense<b>",
        f"/retry {short}": "is archived already",
        f"/priority {short} high": "is archived already",
        "/priority": "/priority <id>",
    }.items():
        box.answer(ada.send_text(command), answer)
    line = job_line(box, message).message_id
    for data in ("job:cancel:", "job:delete:" + "0" * 8, "queue:-1", "find:x:y", "\u202e", "x" * 64):
        notice = ada.wait_for_notice(ada.forge_press(line, data), NOTICE_WITHIN)
        assert notice.text, data
    eve = box.telegram.add_curator(box.bot, "Eve")
    eve.send_text("/start")
    assert box.rows("SELECT state FROM jobs") == [("COMPLETED",)]
    commands = box.rows("SELECT command, accepted, user_id FROM commands WHERE kind = 'command' ORDER BY rowid")
    assert commands and all(user == ada.user.id and not accepted for _, accepted, user in commands)
