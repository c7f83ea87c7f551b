"""What a process owns, by role, and its settings as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.backup.contents import places, settings_text
from teltubby.backup.manifest import Content
from teltubby.config import Role, load
from teltubby.config.model import GROUPS
from tests.unit.backup.installation import Installation

SESSIONS = {Content.USER_SESSION, Content.BOT_SESSION}


@pytest.mark.parametrize(
    ("role", "owned"),
    [
        (Role.BOT, {Content.LEDGER, Content.SAID_SESSION, Content.SESSION_KEY}),
        (Role.WORKER, {Content.COLLECTOR, Content.SESSION_KEY, *SESSIONS}),
        (Role.BOX, {*Content} - {Content.SETTINGS}),
    ],
)
def test_each_process_has_its_own(role: Role, owned: set[Content]) -> None:
    assert set(places(load(role, {}, None, checks=()))) == owned


def test_a_key_that_is_a_setting_is_no_file() -> None:
    config = load(Role.WORKER, {"TELTUBBY_SECRET_KEY": "x" * 32}, None, checks=())
    assert Content.SESSION_KEY not in places(config)


def test_the_queue_is_copied_before_the_ledger() -> None:
    """What came into being between the two is in the ledger then, which puts it into the queue again."""
    found = list(places(load(Role.BOX, {}, None, checks=())))
    assert found.index(Content.QUEUE) < found.index(Content.LEDGER)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text == text.strip()))
def test_every_value_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, odd: str) -> None:
    given_ = {
        "RABBITMQ_PASSWORD": odd,
        "TELEGRAM_WHITELIST_IDS": "3,4",
        "MAX_FILE_GB": "1.23456789",
        "METRICS_SCHEDULE": "1h:10m,30d:1d",
        "DEDUP_ENABLE": "false",
        "MTPROTO_DC": "2@127.0.0.1:443",
    }
    before = load(Role.BOX, given_, None, checks=())
    path = tmp_path_factory.getbasetemp() / "settings.env"
    path.write_text(settings_text(before), encoding="utf-8")
    after = load(Role.BOX, {}, path, checks=())
    assert all(getattr(after, group) == getattr(before, group) for group in GROUPS)


def test_where_the_settings_were_is_no_setting(home: Installation, tmp_path: Path) -> None:
    env_file = tmp_path / "other.env"
    env_file.write_text("MAX_FILE_GB=2\n")
    text = settings_text(home.config(TELTUBBY_ENV_FILE=str(env_file)))
    assert "MAX_FILE_GB='2.0'" in text and "TELTUBBY_ENV_FILE" not in text
