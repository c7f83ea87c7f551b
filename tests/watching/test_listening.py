"""The event listener: supervisord's protocol on one side, the Bot API on the other, which may be away for a while."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from teltubby.config import TelegramSettings, load_watching
from teltubby.errors import ConfigurationError
from teltubby.simulator.curator import Curator
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from teltubby.watching.bulletin import Bulletin
from teltubby.watching.changes import Change, Turn
from teltubby.watching.listening import NoEvent, asking_supervisord, listen
from teltubby.watching.telling import Unreached, tell
from teltubby.watching.watch import Watch
from tests.acceptance.polling import eventually


@pytest.fixture(scope="module")
def telegram() -> Iterator[SimulatedTelegram]:
    with SimulatedTelegram(media_only=True) as telegram:
        yield telegram


@pytest.fixture
def bot(telegram: SimulatedTelegram) -> User:
    """A new bot."""
    return telegram.add_bot()


@pytest.fixture
def settings(telegram: SimulatedTelegram, bot: User) -> TelegramSettings:
    """Those of that bot."""
    return TelegramSettings(bot_token=SecretStr(bot.token or ""), bot_api_url=telegram.bot_api_url)


@pytest.fixture
def ada(telegram: SimulatedTelegram, bot: User) -> Curator:
    """Somebody who wrote to that bot."""
    return welcome(telegram, bot)


def welcome(telegram: SimulatedTelegram, bot: User) -> Curator:
    curator = telegram.add_curator(bot)
    curator.send_text("/start")
    return curator


def heard(curator: Curator) -> list[str]:
    return [line.text for line in curator.conversation() if line.from_bot]


# -- supervisord's side


def events(*told: tuple[str, str]) -> io.StringIO:
    lines = [f"ver:3.0 server:supervisor eventname:{name} len:{len(fields)}\n{fields}" for name, fields in told]
    return io.StringIO("".join(lines))


def test_every_event_is_acknowledged_and_read_to_the_end() -> None:
    out = io.StringIO()
    changes: list[Change] = []
    asked: list[str] = []

    def exit_status(process: str) -> int:
        asked.append(process)
        return 70

    listen(
        events(
            ("PROCESS_STATE_EXITED", "processname:bot groupname:bot from_state:RUNNING expected:0 pid:7"),
            ("TICK_5", "when:1201063880"),
            ("PROCESS_STATE_RUNNING", "processname:bot groupname:bot from_state:STARTING pid:8"),
        ),
        out,
        changes.append,
        exit_status=exit_status,
        own_name="watch:watch",
    )
    assert [(change.process, change.turn, change.cause) for change in changes] == [
        ("bot", Turn.DIED, "with exit code 70"),
        ("bot", Turn.RAN, ""),
    ]
    assert asked == ["bot:bot"]
    assert out.getvalue() == "READY\nRESULT 2\nOK" * 3 + "READY\n"


def test_the_body_of_another_event_is_passed_over_and_what_is_no_event_ends_the_listening() -> None:
    out, changes = io.StringIO(), list[Change]()
    log = "processname:bot groupname:bot pid:7 channel:stdout\nTraceback: a: b c\n" + "x" * 100_000

    def listen_to(stdin: io.StringIO) -> None:
        listen(stdin, out, changes.append, exit_status=lambda process: None, own_name="watch:watch")

    listen_to(events(("PROCESS_LOG_STDOUT", log), ("PROCESS_STATE_FATAL", "processname:bot groupname:bot")))
    assert [change.turn for change in changes] == [Turn.GAVE_UP]
    assert out.getvalue().count("RESULT 2\nOK") == 2
    for garbage in ("\n", "hello\n", "ver:3.0 eventname:TICK_5 len:x\nwhen:1", "eventname:TICK_5 len:-1\n"):
        with pytest.raises(NoEvent):
            listen_to(io.StringIO(garbage))
    listen_to(io.StringIO("eventname:PROCESS_STATE_FATAL len:500\nprocessname:b"))  # supervisord died in the middle


def test_a_supervisord_that_cannot_be_asked_is_done_without(tmp_path: object) -> None:
    assert asking_supervisord({})("bot:bot") is None
    assert asking_supervisord({"SUPERVISOR_SERVER_URL": f"unix://{tmp_path}/nobody.sock"})("bot:bot") is None


# -- Telegram's side


def test_everybody_is_told(telegram: SimulatedTelegram, bot: User, settings: TelegramSettings, ada: Curator) -> None:
    bob = welcome(telegram, bot)
    assert tell(settings, (ada.user.id, bob.user.id), "It is down.") == Unreached()
    assert heard(ada) == heard(bob) == ["It is down."]


def test_who_cannot_be_told_holds_nobody_up(
    settings: TelegramSettings, ada: Curator, caplog: pytest.LogCaptureFixture
) -> None:
    assert tell(settings, (987654321, ada.user.id), "It is down.") == Unreached()
    assert heard(ada) == ["It is down."]
    assert "987654321 cannot be told: Bad Request: chat not found" in caplog.text


@pytest.mark.parametrize(("error", "retry_after", "pause"), [(429, 7, 7.0), (429, 10**15, 3600.0), (502, None, 0.0)])
def test_a_busy_telegram_is_asked_again_for_those_who_were_not_told(
    telegram: SimulatedTelegram,
    bot: User,
    settings: TelegramSettings,
    ada: Curator,
    error: int,
    retry_after: int | None,
    pause: float,
) -> None:
    telegram.call(
        lambda: telegram.world.faults.add("sendMessage", error=error, message="Busy", retry_after=retry_after)
    )
    bob = welcome(telegram, bot)
    assert tell(settings, (ada.user.id, bob.user.id), "Down.") == Unreached(recipients=(ada.user.id,), after=pause)
    assert (heard(ada), heard(bob)) == ([], ["Down."])


def test_an_unreachable_telegram_is_no_error(settings: TelegramSettings, caplog: pytest.LogCaptureFixture) -> None:
    away = settings.model_copy(update={"bot_api_url": "http://127.0.0.1:9"})
    assert tell(away, (1, 2), "Down.") == Unreached(recipients=(1, 2), after=0.0)
    assert settings.bot_token is not None and settings.bot_token.get_secret_value() not in caplog.text


def test_what_happens_while_telegram_is_away_is_told_when_it_is_back(
    telegram: SimulatedTelegram, settings: TelegramSettings, ada: Curator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fault = telegram.call(lambda: telegram.world.faults.add("sendMessage", cut=True, times=2))
    watch = Watch(Bulletin("box"), (ada.user.id,), lambda who, text: tell(settings, who, text))
    watch.start()
    now = datetime.now(UTC)
    watch.note(Change(process="bot", turn=Turn.DIED, at=now, cause="by a signal"))
    eventually(lambda: fault.used == 2, within=60)
    for _ in range(500):
        watch.note(Change(process="worker", turn=Turn.DIED, at=now, cause="by a signal"))
    eventually(lambda: len(heard(ada)) == 1, within=60)
    assert heard(ada)[0].startswith("⚠️ teltubby on box\nbot: it ended by a signal, at ")
    eventually(lambda: len(heard(ada)) == 2, within=60)
    assert "worker: it ended 500 times, the last time by a signal" in heard(ada)[1]
    assert len([thread for thread in threading.enumerate() if thread.name == "telling"]) == 1


# -- its settings


def test_it_reads_only_what_it_needs() -> None:
    """The settings of the bot may be what is wrong."""
    enough = {"TELEGRAM_BOT_TOKEN": "1:token", "TELEGRAM_WHITELIST_IDS": "1,2"}
    telegram, log_settings = load_watching(enough | {"RABBITMQ_PORT": "rabbit", "S3_BUCKET": "a/b"}, None)
    assert telegram.whitelist_ids == (1, 2) and log_settings.level == "INFO"
    with pytest.raises(ConfigurationError) as raised:
        load_watching(
            {"LOG_LEVEL": "LOUD", "TELEGRAM_BOT_TOKEN_FILE": "/no/such", "RABBITMQ_PASSWORD_FILE": "/x"}, None
        )
    assert [sentence.partition(" ")[0] for sentence in raised.value.mistakes] == [
        "TELEGRAM_BOT_TOKEN_FILE",
        "LOG_LEVEL",
        "TELEGRAM_WHITELIST_IDS",
    ]
