"""Logs: one line per event, what is bound stands in it, and no secret in any of them."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
import string
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from teltubby import logs
from teltubby.config import LogFormat, LogLevel, LogSettings, Role, load
from teltubby.config.model import all_variables
from teltubby.config.variable import Variable
from teltubby.errors import BadRequest, FloodWait, StoreUnavailable
from teltubby.supervision import ActorCrashed, current_path
from teltubby.supervision.child import LAST_ERROR_LENGTH, describe

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


def spelled(secret: str) -> list[str]:
    """As libraries write it: each leaves other characters as they are."""
    raw = secret.encode()
    return [
        *(quote(secret, safe=safe) for safe in ("", "/", "!$&'()*+,;=:", ":@")),
        quote_plus(secret),
        quote(secret, safe="").replace("%3A", "%3a").replace("%2F", "%2f"),
        str(URL.build(scheme="amqp", user="u", password=secret, host="h")),
        json.dumps({"password": secret}),
        json.dumps(secret, ensure_ascii=False),
        repr(OSError(secret)),
        repr(json.dumps(json.dumps(secret))),
        repr(raw),
        html.escape(secret),
        base64.b64encode(raw).decode(),
    ]


PRINTED = st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + " äß€🦊", min_size=8)


@given(PRINTED.filter(lambda text: any(char.isalnum() for char in text)), st.integers(0, 13))
def test_however_a_library_spells_a_secret(secret: str, way: int) -> None:
    text = logs.Redaction([secret]).text(spelled(secret)[way])
    assert secret not in text
    assert quote(secret, safe="") not in text
    assert logs.MASK in text


EXAMPLES = {
    "TELEGRAM_BOT_TOKEN": "987654:canary-token",
    "WEBHOOK_SECRET": "canary-webhook",
    "MTPROTO_API_HASH": "canarycanary0123",
    "MTPROTO_PHONE_NUMBER": "+49150000000",
    "TELTUBBY_SECRET_KEY": "canary+canary/0123456789abcdefghijklmnop=",
    "BACKUP_KEY": "canary/canary+0123456789abcdefghijklmnop=",
    "TELEGRAM_PROXY": "socks5://u:canary%3A99@127.0.0.1:1",
}
"""Of settings that take no text whatever; others get one."""
SECRETS = [variable for variable in all_variables() if variable.secret]


@pytest.mark.parametrize("variable", SECRETS, ids=[variable.name for variable in SECRETS])
@pytest.mark.parametrize("by_file", [False, True], ids=["plain", "file"])
def test_every_secret_setting_is_kept_from_the_logs(variable: Variable, by_file: bool, tmp_path: Path) -> None:
    """Whichever way it was given, and whatever a library makes of it; a setting that is added is looked at too."""
    secret = EXAMPLES.get(variable.name, "canary+p@ss/w:rd &ß0123456789abcdef")
    given = {"TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_WHITELIST_IDS": "1", "S3_BUCKET": "archive"}
    given |= {"S3_ACCESS_KEY_ID": "some-id", "S3_SECRET_ACCESS_KEY": "some-key"}
    given |= {"MTPROTO_API_ID": "1", "MTPROTO_API_HASH": "0123456789"}
    given.pop(variable.name, None)
    if by_file:
        (tmp_path / "secret").write_text(f"{secret}\n")
        given[variable.file_names[0]] = str(tmp_path / "secret")
    else:
        given[variable.name] = secret
    stream = io.StringIO()
    logs.configure(LogSettings(), load(Role.BOX, given, None).secrets(), stream=stream)
    told: list[str] = []
    for text in (secret, *spelled(secret), *parts(secret)):
        try:
            raise OSError(f"[Errno 111] cannot reach {text}")
        except OSError as error:
            logging.getLogger("aiormq.somewhere").exception("failed: %s", text)
            told += [str(StoreUnavailable(f"not reached ({error})")), f"{ActorCrashed('box/upload', str(error))}"]
            told += [describe(error), describe(RuntimeError(f"{'x' * (LAST_ERROR_LENGTH - len(text) - 10)} {error}"))]
    for rest in (secret, "canary", "4915", base64.b64encode(secret.encode()).decode().rstrip("=")):
        assert rest not in stream.getvalue()
        assert not [line for line in told if rest in line], "errors are read in chats, artifacts and reports"


def parts(secret: str) -> Iterator[str]:
    """What libraries tell of a secret without the rest of it."""
    yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    if (token := re.fullmatch(r"\d+:([\w-]+)", secret)) is not None:
        yield f"Port could not be cast to integer value as {token[1]!r}"
    if secret.startswith("+49"):
        yield secret.removeprefix("+")


def test_an_error_is_told_as_it_is_while_nobody_knows_a_secret() -> None:
    assert str(StoreUnavailable(f"not reached with {PASSWORD}")) == f"not reached with {PASSWORD}"
    logs.configure(LogSettings(), [PASSWORD], stream=io.StringIO())
    assert str(StoreUnavailable(f"not reached with {PASSWORD}")) == "not reached with ****"
    assert str(FloodWait(7)) == "Telegram asks to wait 7 s"


def test_nothing_is_decided_by_a_text_without_its_secrets() -> None:
    error = BadRequest("Bad Request: message is not modified")
    logs.configure(LogSettings(), ["message"], stream=io.StringIO())
    assert str(error) == "Bad Request: **** is not modified"
    assert error.says("nothing", "Message is not") and not error.says("message is modified")


def test_a_secret_of_backslashes_takes_no_time_to_look_for() -> None:
    redaction = logs.Redaction(["ab" + "\\" * 12 + "\"'cd"])
    assert redaction.text("ab" + "\\" * 5000 + "x").endswith("\\x")


def test_a_password_without_a_user_is_one_too() -> None:
    assert logs.Redaction().text("redis://:hunter2@queue:6379/0") == "redis://****@queue:6379/0"


@given(st.text(), st.text(alphabet="abcXYZ019_-.:$^\\", min_size=4), st.text())
def test_no_known_secret_is_left(before: str, secret: str, after: str) -> None:
    assert secret not in logs.Redaction([secret, "unrelated"]).text(f"{before}{secret}{after}")
