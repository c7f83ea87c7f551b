"""Logs: one line per event, what is bound stands in it, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby import logs
from teltubby.config import LogFormat, LogLevel, LogSettings
from teltubby.supervision import current_path

TOKEN = "123456789:AAcanary-Token_0123456789abcdefghijk"
PASSWORD = 'canary "pass/wörd"'
HASH = "0123456789abcdef0123456789abcdef"

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def stream() -> io.StringIO:
    """What is logged."""
    stream = io.StringIO()
    logs.configure(LogSettings(), [PASSWORD, HASH, "abc"], stream=stream)
    return stream


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """The lines so far, parsed."""
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_what_is_bound(lines: Lines) -> None:
    path = current_path.set("box/worker/upload")
    with logs.bound(job_id="j1"):
        logging.getLogger("teltubby.actors.upload").info("part %d of %s", 3, "Привет", extra={"bytes": 7})
    current_path.reset(path)
    logging.getLogger("teltubby").info("outside")
    inside, outside = lines()
    assert inside.pop("timestamp")
    assert inside == {
        "message": "part 3 of Привет",
        "level": "info",
        "logger": "teltubby.actors.upload",
        "actor": "box/worker/upload",
        "job_id": "j1",
        "bytes": 7,
    }
    assert "actor" not in outside and "job_id" not in outside


@pytest.mark.parametrize(
    "secret",
    [TOKEN, TOKEN.replace(":", "%3A"), PASSWORD, quote(PASSWORD, safe=""), HASH],
)
def test_secrets_are_taken_out_wherever_they_stand(stream: io.StringIO, secret: str) -> None:
    logger = logging.getLogger("teltubby.x")
    logger.info("in the text: %s", secret)
    logger.info("nested", extra={"deep": {"key": [secret, (secret,)], secret: 1}, "raw": secret.encode()})
    logger.info("as an object", extra={"what": ValueError(secret)})
    try:
        try:
            raise KeyError(secret)
        except KeyError as cause:
            raise RuntimeError(f"with {secret}") from cause
    except RuntimeError:
        logger.exception("crashed: %s", secret)
    text = stream.getvalue()
    assert text.count("\n") == 4 and "RuntimeError" in text and logs.MASK in text
    parsed = "".join(str(json.loads(line)) for line in text.splitlines())
    for shape in (secret, repr(secret)[1:-1], secret.encode().decode("latin-1"), "canary", HASH):
        assert shape not in parsed, shape


def test_libraries_lose_their_secrets_too(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.access").warning("GET /bot123:short-one/getMe failed, /file/bot%s/photos/1.jpg", TOKEN)
    logging.getLogger("aiogram").error(
        "Failed to fetch updates - %s", OSError(f"https://api.telegram.org/bot{TOKEN}/x")
    )
    logging.getLogger("urllib3").warning("cannot connect to amqp://teltubby:hunter2@rabbit:5672/")
    first, second, third = (json.loads(line)["message"] for line in stream.getvalue().splitlines())
    assert first == "GET /bot****/getMe failed, /file/bot****/photos/1.jpg"
    assert second == "Failed to fetch updates - https://api.telegram.org/bot****/x"
    assert third == "cannot connect to amqp://****@rabbit:5672/"


def test_uncaught_errors_and_warnings_take_the_same_way(lines: Lines) -> None:
    def crash() -> None:
        raise RuntimeError(PASSWORD)

    thread = threading.Thread(target=crash, name="uploader")
    thread.start()
    thread.join()
    try:
        crash()
    except RuntimeError:
        sys.excepthook(*sys.exc_info())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # catch_warnings replaced it
        warnings.warn(f"do not use {PASSWORD}", stacklevel=1)
        logging.captureWarnings(False)
    in_thread, uncaught, warning = lines()
    assert in_thread["message"] == "uncaught RuntimeError in thread uploader"
    assert uncaught["message"] == "uncaught RuntimeError" and "RuntimeError: ****" in str(uncaught["exception"])
    assert "do not use ****" in str(warning["message"])


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        (LogLevel.DEBUG, logging.DEBUG, logging.INFO),
        (LogLevel.INFO, logging.INFO, logging.WARNING),
        (LogLevel.ERROR, logging.ERROR, logging.WARNING),
    ],
)
def test_levels(stream: io.StringIO, level: LogLevel, ours: int, theirs: int) -> None:
    logs.configure(LogSettings(level=level), stream=stream)
    for name, least in (("teltubby.x", ours), ("telethon.network", theirs)):
        logger = logging.getLogger(name)
        assert logger.isEnabledFor(least) and not logger.isEnabledFor(least - 1)


def test_configuring_again_replaces_the_first(stream: io.StringIO) -> None:
    logs.configure(LogSettings(), stream=stream)
    logging.getLogger("teltubby").info("once")
    assert stream.getvalue().count("once") == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_format_follows_the_terminal_unless_it_is_chosen(stream: io.StringIO) -> None:
    for target, chosen, is_json in (
        (io.StringIO(), LogFormat.AUTO, True),
        (Terminal(), LogFormat.AUTO, False),
        (Terminal(), LogFormat.JSON, True),
        (io.StringIO(), LogFormat.CONSOLE, False),
    ):
        logs.configure(LogSettings(format=chosen), [PASSWORD], stream=target)
        logging.getLogger("teltubby").info("hello %s", PASSWORD)
        assert target.getvalue().startswith("{") == is_json
        assert "hello ****" in target.getvalue()


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists), st.text(min_size=4))
def test_redaction_takes_any_value(value: object, secret: str) -> None:
    json.dumps(logs.Redaction([secret]).value(value))


@given(st.text(), st.text(alphabet="abcXYZ019_-.:$^\\", min_size=4), st.text())
def test_no_known_secret_is_left(before: str, secret: str, after: str) -> None:
    assert secret not in logs.Redaction([secret, "unrelated"]).text(f"{before}{secret}{after}")
