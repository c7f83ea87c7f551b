"""Running under supervisord: what dies comes back, what was begun is ended, and the admins are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from teltubby.simulator.files import FileKind
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.supervised import Supervised
from tests.acceptance.test_restarts import assert_archived_once, slow_down

MIB = 1 << 20
TOLD_WITHIN = 90.0


@pytest.fixture
def kept() -> Iterator[list[Supervised]]:
    """What is in it is ended with the test."""
    found: list[Supervised] = []
    yield found
    for supervised in found:
        supervised.end()


def notices(house: Household) -> str:
    """What the admins were told of processes."""
    return "\n".join(line.text for line in house.ada.conversation() if line.text.startswith("⚠️ teltubby on "))


@ON_ASYNCIO
@pytest.mark.timeout(600)
def test_killed_and_stopped_in_the_middle_nothing_is_lost(
    wings: Household, tmp_path: Path, kept: list[Supervised]
) -> None:
    wings.settings["S3_MULTIPART_PART_SIZE_MB"] = "5"
    supervised = Supervised(tmp_path, wings.settings)
    kept.append(supervised)
    supervised.start()
    supervised.running("bot", "worker", "watch")
    slow_down(wings, 4 * MIB)
    first = wings.ada.new_file(FileKind.VIDEO, 32 * MIB, name="first.mp4")
    message = wings.ada.send_video(first)
    eventually(wings.archive.unfinished, within=60, what="the upload to begin")

    # kill -9 each of them in the middle of it
    supervised.kill("worker")
    supervised.kill("bot")
    slow_down(wings, None)
    assert first.sha256() in wings.answer(message, "Large file archived successfully", within=180)
    eventually(lambda: notices(wings).count("runs again") >= 2, within=TOLD_WITHIN, what="both recoveries to be told")
    assert "\nworker: it ended" in notices(wings) and "\nbot: it ended" in notices(wings)

    # SIGTERM in the middle of the next
    slow_down(wings, 4 * MIB)
    second = wings.ada.new_file(FileKind.VIDEO, 33 * MIB, name="second.mp4")
    message = wings.ada.send_video(second)
    eventually(wings.archive.unfinished, within=60, what="the upload to begin")
    assert supervised.stop() == 0, "within the time that the trees may take"
    log = supervised.log("supervisord")
    assert (
        "stopped: worker (exit status 0)" in log
        and "stopped: bot (exit status 0)" in log
        and "SIGKILL" not in (log.partition("received SIGTERM")[2])
    )
    slow_down(wings, None)
    told = notices(wings)
    supervised.start()
    assert second.sha256() in wings.answer(message, "Large file archived successfully", within=180)
    assert_archived_once(wings, [first, second])
    supervised.running("bot", "worker", "watch")
    assert notices(wings) == told, "an ordered stop and the next start are no news"
    assert supervised.stop() == 0
    assert wings.spooled() == [] and wings.archive.unfinished() == []
    assert all(
        (wings.bot.token or "") not in supervised.log(name) for name in ("bot", "worker", "watch", "supervisord")
    )


@pytest.mark.timeout(300)
def test_a_wrong_configuration_is_not_tried_for_ever(
    telegram: SimulatedTelegram, tmp_path: Path, kept: list[Supervised]
) -> None:
    bot = telegram.add_bot()
    ada = telegram.add_curator(bot, username="ada")
    ada.send_text("/start")
    settings = {
        "TELEGRAM_BOT_TOKEN": bot.token or "",
        "TELEGRAM_WHITELIST_IDS": str(ada.user.id),
        "TELEGRAM_BOT_API_URL": telegram.bot_api_url,
        "RABBITMQ_PORT": "rabbit",
    }
    supervised = Supervised(tmp_path, settings, without=("worker",))
    kept.append(supervised)
    supervised.start()
    eventually(lambda: supervised.state("bot") == "FATAL", within=120, what="supervisord to give up")
    ada.wait_for(lambda lines: any("stays down" in line.text for line in lines), TOLD_WITHIN)
    assert supervised.log("bot").count("RABBITMQ_PORT is 'rabbit', but must be a port") == 4, (
        "once, and three times more"
    )
    (told,) = [line.text for line in ada.conversation() if "stays down" in line.text]
    assert "bot: " in told and told.endswith("supervisorctl start bot")
    assert supervised.stop() == 0
