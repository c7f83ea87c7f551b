"""What was said in confidence is kept in memory, for a while, and shown to nobody else."""

from __future__ import annotations

from teltubby.actors.whispers import KEPT_SECONDS, Whispers
from teltubby.messages.media import RawUpdate


def whisper(message_id: int | None = 5, *, secret: str | None = "hunter2", chat_id: int = 7) -> RawUpdate:
    return RawUpdate(update_id=1, payload="{}", chat_id=chat_id, message_id=message_id, secret=secret)


def test_updates_go_on_without_what_is_kept() -> None:
    whispers = Whispers((7,), clock=lambda: 0.0)
    assert whispers.taken_from([whisper(), whisper(6, secret=None)]) == (whisper(secret=None), whisper(6, secret=None))
    assert whispers.about(7, 5) == "hunter2" and whispers.about(7, 6) is None and whispers.about(8, 5) is None
    assert "hunter2" not in repr(vars(whispers)) and "hunter2" not in repr(whisper())
    whispers.forget(7, 5)
    whispers.forget(7, 5)
    assert whispers.about(7, 5) is None


def test_it_is_forgotten_after_a_while() -> None:
    now = 0.0
    whispers = Whispers((7,), clock=lambda: now)
    whispers.taken_from([whisper()])
    now = KEPT_SECONDS - 1
    whispers.expire()
    assert whispers.about(7, 5) == "hunter2"
    now = KEPT_SECONDS
    whispers.expire()
    assert "hunter2" not in str(vars(whispers)) and whispers.about(7, 5) is None


def test_what_nobody_could_ask_for_is_not_kept() -> None:
    whispers = Whispers((7,), clock=lambda: 0.0)
    assert whispers.taken_from([whisper(None)]) == (whisper(None, secret=None),)


def test_what_strangers_confide_is_not_kept() -> None:
    whispers = Whispers((7,), clock=lambda: 0.0)
    (taken,) = whispers.taken_from([whisper(chat_id=8)])
    assert taken == whisper(secret=None, chat_id=8)
    assert whispers.about(8, 5) is None and "hunter2" not in str(vars(whispers))
