"""What people see of the demonstration, and how it treats what it was given."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from teltubby.config import Role, load
from teltubby.demo import main
from teltubby.demo.checking import CheckedArtifact, CheckedObject
from teltubby.demo.errors import DemoFailed
from teltubby.demo.performance import play, stay
from teltubby.demo.place import Place, prepared
from teltubby.demo.product import Product, clean_environment
from teltubby.demo.report import Report, show_report
from teltubby.demo.scenes import Scene, script
from teltubby.demo.screen import ChatScreen, PlainScreen, screen_on
from teltubby.simulator.curator import ChatLine, Curator
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram


@pytest.fixture
def telegram() -> Iterator[SimulatedTelegram]:
    """A Telegram without MTProto: nothing here downloads."""
    with SimulatedTelegram(mtproto=False) as telegram:
        yield telegram


@pytest.fixture
def bot(telegram: SimulatedTelegram) -> User:
    """The bot, which nobody runs."""
    return telegram.add_bot()


@pytest.fixture
def ada(telegram: SimulatedTelegram, bot: User) -> Curator:
    """The curator."""
    return telegram.add_curator(bot, "Ada", username="ada")


def _said(message_id: int, text: str, *, edits: int = 0) -> ChatLine:
    return ChatLine(message_id=message_id, from_bot=True, text=text, date=0, edits=edits)


def _no_memory() -> int | None:
    return None


def test_plain_lines_do_not_repeat_every_edit(telegram: SimulatedTelegram, ada: Curator) -> None:
    console = Console(file=io.StringIO(), width=80)
    screen = PlainScreen(console)
    scene = script(telegram, ada)[4]
    with screen:
        screen.begin(5, 6, scene, memory=_no_memory)
        screen.show((_said(1, "⏳ File queued\nx"),))
        for percent in range(0, 100, 5):
            screen.show((_said(1, f"⬇️ Downloading file ({percent}% complete)\nx", edits=1),))
        screen.show((_said(1, "✅ Done\nx", edits=2), _said(2, "And another")))
        screen.end(3.0)
    written = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    assert "forwarded from Маяк" in written
    assert written.count("Downloading") == 1 and "(0% complete)" in written
    assert written.count("✅ Done") == written.count("And another") == written.count("queued") == 1
    assert "\x1b" not in written


@contextmanager
def _terminal() -> Iterator[tuple[Console, list[bytes]]]:
    """A real (pseudo) terminal, and what was written to it, complete afterwards."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(ours, 65536):
                written.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as file:
            yield Console(file=file, width=90, height=30, force_terminal=True), written
    finally:
        reader.join()
        os.close(ours)


def test_on_a_terminal_bubbles_change_in_place(telegram: SimulatedTelegram, ada: Curator) -> None:
    scenes = script(telegram, ada)
    with _terminal() as (console, written):
        screen = screen_on(console)
        assert isinstance(screen, ChatScreen)
        with screen:
            screen.begin(1, 6, scenes[4], memory=lambda: 99_000_000)
            ada.send_photo(scenes[0].files[0], caption="Harbour at dawn")
            screen.show((*ada.conversation(), _said(9, "⬇️ Downloading file (5% complete)")))
            screen.end(1.0)
    shown = b"".join(written).decode()
    assert "╭─" in shown and "Harbour at dawn" in shown and "Forwarded from Маяк" in shown
    assert "the product uses 99.0 MB" in shown and "\x1b[2K" in shown


def test_a_pipe_gets_plain_lines_whatever_the_environment_says() -> None:
    assert isinstance(screen_on(Console(file=io.StringIO(), force_terminal=True)), PlainScreen)


@pytest.mark.parametrize("width", [40, 80, 132])
def test_the_table_is_readable_at_any_width(width: int) -> None:
    key = "teltubby/2026/11/ada/1/20261120-124330_ada_ada_m1_001_harbour-at-dawn.jpg"
    stored = CheckedObject(
        key=key, kind="photo", route="bot_api", bytes=5, sha256="ab" * 32, source_sha256="ab" * 32, seconds=0.5
    )
    artifact = CheckedArtifact(
        key="teltubby/2026/11/ada/1/message.json", title="A", keys=(key,), duplicate_of=None, seconds=0.5, ok=True
    )
    report = Report(problems=(), objects=(stored,), artifacts=(artifact,), seconds=3)
    console = Console(file=io.StringIO(), width=width)
    show_report(console, report)
    show_report(console, replace(report, problems=("Something is wrong.",), objects=(replace(stored, sha256="cd"),)))
    written = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    assert all(word in written for word in ("photo", "0.5", "abababababab", "✓", "✗", "Something is wrong."))
    assert written.endswith("  - Something is wrong.\n")
    assert all(len(line) <= width for line in written.splitlines())


def test_the_json_report_says_what_is_wrong() -> None:
    report = json.loads(Report(problems=("Ё",)).as_json())
    assert (report["ok"], report["problems"], report["objects"], report["jobs"]) == (False, ["Ё"], [], [])


def test_the_users_own_settings_do_not_reach_the_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("CONCURRENCY=nonsense\n")
    mine = {"S3_BUCKET": "mine", "TELEGRAM_API_HASH": "x", "TELTUBBY_TYPO": "1", "TELTUBBY_ENV_FILE": "/nowhere"}
    clean = clean_environment(mine | {"TELTUBBY_BACKEND": "trio", "PATH": "/bin"})
    assert clean == {"TELTUBBY_BACKEND": "trio", "PATH": "/bin", "TELTUBBY_ENV_FILE": os.devnull}
    needed = {"TELEGRAM_BOT_TOKEN": "123456:" + "A" * 35, "TELEGRAM_WHITELIST_IDS": "1"}
    assert load(Role.BOX, clean | needed).process.backend == "trio"


def test_a_temporary_place_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with prepared(None) as place:
        assert place.archive.is_dir() and place.root.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_out_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoFailed, match=r"--out .*/file cannot be used: "), prepared(tmp_path / "file"):
        pytest.fail("it was taken")


class Silent(Product):
    """A product that runs and does nothing."""

    def pause(self, seconds: float) -> None:
        """Time goes on."""

    def memory(self) -> int | None:
        return None

    def last_lines(self) -> str:
        return "the last line"

    def stop_gracefully(self) -> str | None:
        return None


def test_a_wait_that_is_too_long_names_the_scene(telegram: SimulatedTelegram, ada: Curator, tmp_path: Path) -> None:
    photo, *_ = script(telegram, ada)
    hurried = (replace(photo, within=0.0),)
    silent = Silent(Place(root=tmp_path, kept=True), {})
    with pytest.raises(DemoFailed, match=r"Scene 1 \(A photo\) was not over within 0 s") as caught:
        play(hurried, ada, silent, PlainScreen(Console(file=io.StringIO())))
    assert "Harbour at dawn" in caught.value.details and "the last line" in caught.value.details


class Impatient(io.StringIO):
    """Whoever reads there presses Ctrl-C, once, as soon as it says that one may."""

    pressed = False

    def write(self, text: str, /) -> int:
        written = super().write(text)
        if "until you press Ctrl-C" in text and not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
        return written


def test_ctrl_c_counts_from_the_word_on_that_offers_it(tmp_path: Path) -> None:
    console = Console(file=Impatient())
    place = Place(root=tmp_path, kept=True)
    try:
        orderly = stay(PlainScreen(console), place, Silent(place, {}))
    except KeyboardInterrupt:
        pytest.fail("it was taken for an interruption")
    assert orderly
    assert isinstance(console.file, Impatient) and "Stopping in order." in console.file.getvalue()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("✅ Archived 1 file", None),
        ("❌ Something inside went wrong", "should have said ✅"),
        ("⚠️ Item 1 was not archived", "should have said ✅"),
        ("♻️ Item 1 is archived already", "should have said ✅"),
    ],
)
def test_what_the_bot_says_is_judged(
    telegram: SimulatedTelegram, ada: Curator, bot: User, text: str, complaint: str | None
) -> None:
    photo: Scene = script(telegram, ada)[0]
    sent = photo.hand_in(ada)
    assert photo.answer(ada.conversation(), sent) is None
    answer = photo.answer((*ada.conversation(), replace(_said(9, text), reply_to=sent)), sent)
    assert answer is not None
    found = photo.complaint(answer)
    assert found is None if complaint is None else complaint in str(found)


def test_a_large_file_is_told_with_its_hash(telegram: SimulatedTelegram, ada: Curator) -> None:
    video = script(telegram, ada)[4]
    assert video.complaint(_said(9, f"✅ Archived\nSHA-256 {video.files[0].sha256()}")) is None
    assert "does not name the SHA-256" in str(video.complaint(_said(9, "✅ Archived")))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("teltubby.demo.performance.MTPROTO_PACKAGES", ("telethon", "no_such_package"))
    assert main(json=True) == 1
    out, err = capsys.readouterr()
    (problem,) = json.loads(out)["problems"]
    assert problem.startswith("The demo needs no_such_package ") and "teltubby[mtproto]" in err
