"""Who answers in the place of ours, on a port of this machine or for Telegram, may say anything, or break off."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from typer.testing import CliRunner

from teltubby.adapters.media_details import MediaDetails, details_of
from teltubby.cli import app
from teltubby.config import Role, TelegramSettings, load
from teltubby.doctor.neighbours import running
from teltubby.doctor.store import KEYS, UPLOADS, opened
from teltubby.watching.telling import tell
from tests.fuzz.shapes import damaged, examples, nearly
from tests.unit.test_config import BOX

STATUS = {"tree": "bot  ready", "snapshot": {"name": "bot", "children": []}}
REFUSAL = {"ok": False, "error_code": 400, "description": "no", "parameters": {"retry_after": 5}}
DEEP = b"[" * 100_000


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


def hostile(whole: object, status: str = "200 OK") -> st.SearchStrategy[bytes]:
    """Nearly this answer, in what it says or in its bytes."""
    said = nearly(whole).map(lambda value: answer(json.dumps(value).encode(), status))
    return said | damaged(answer(json.dumps(whole).encode(), status))


@contextmanager
def saying(answers: list[bytes]) -> Iterator[int]:
    """A port on which somebody says one of these after the other, whatever is asked, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for each in answers:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(each)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)  # whoever asked hangs up first: what is on its way is not reset

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)
        assert not thread.is_alive(), "every answer was fetched"


BROKEN = [answer(DEEP), b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"", answer(b"[]")]
LONG_HEAD = b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"


@examples(3, shrunk=False)
@given(st.lists(hostile(STATUS), min_size=10, max_size=10))
@example([*BROKEN, LONG_HEAD, answer(b"[" * (2 << 20)), answer(b'{"snapshot": []}')])
def test_doctor_looks_for_a_neighbour(answers: list[bytes]) -> None:
    with saying(answers) as port:
        config = load(Role.BOX, {**BOX, "HEALTH_PORT": str(port)}, None)
        for _ in answers:
            found = anyio.run(running, config)
            assert found is None or isinstance(found.role, str)


@pytest.mark.parametrize("said", [*BROKEN, LONG_HEAD, answer(b"[" * (2 << 20))])
def test_the_tree_of_another_program_is_none(said: bytes) -> None:
    with saying([said]) as port:
        result = CliRunner().invoke(app, ["tree", "--port", str(port)])
    assert result.exit_code == 1 and result.stderr.startswith("No teltubby answers on ")


@examples(3, shrunk=False)
@given(st.lists(hostile(REFUSAL, "400 Bad Request"), min_size=10, max_size=10))
@example([answer(body, "429 Too Many") for body in (DEEP, b"[]", b"[" * 50, b'{"description": 1, "parameters": []}')])
def test_whatever_refuses_an_alert_is_no_crash(answers: list[bytes]) -> None:
    with saying(answers) as port:
        settings = TelegramSettings(bot_token=SecretStr("1:a"), bot_api_url=f"http://127.0.0.1:{port}")
        for _ in answers:
            assert tell(settings, (7,), "It is down.").recipients in ((), (7,))


def test_what_a_reader_of_media_nests_is_not_believed() -> None:
    assert details_of(b'{"width": 5}\n' + DEEP + b'\n{"height": 6}') == MediaDetails(width=5)


def test_doctor_removes_the_notes_of_its_own_uploads_and_leaves_the_others(tmp_path: Path) -> None:
    notes = {"mine": json.dumps({"key": f"{KEYS}1/a"}).encode(), "deep": DEEP, "list": b"[]", "number": b"3"}
    notes |= {"null": b"null", "key": b'{"key": 3}', "other": b'{"key": "teltubby/a"}', "cut": b'{"key": "'}
    for name, note in notes.items():
        (tmp_path / UPLOADS / name).mkdir(parents=True)
        (tmp_path / UPLOADS / name / "upload").write_bytes(note)
    config = load(Role.BOX, {**BOX, "STORAGE_FOLDER": str(tmp_path)}, None)

    async def look() -> None:
        async with opened(config):
            pass

    anyio.run(look)
    assert {path.name for path in (tmp_path / UPLOADS).iterdir()} == notes.keys() - {"mine"}
