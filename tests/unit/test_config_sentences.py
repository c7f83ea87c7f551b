"""What people read whose settings contradict each other, or point to the wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest

from teltubby.config import Role, load
from tests.unit.test_config import ENOUGH, mistakes

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With `certificate`, `key`, `both`, and `words` that are neither; it is where we are."""
    for name, text in {"certificate": CERTIFICATE, "key": KEY, "both": CERTIFICATE + KEY, "words": "hello"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"RABBITMQ_CA_FILE": "certificate"},
            "RABBITMQ_CA_FILE is 'certificate', but RABBITMQ_TLS must be true for it: nothing would be encrypted.",
        ),
        (
            {"RABBITMQ_TLS": "true", "RABBITMQ_CLIENT_KEY": "key"},
            "RABBITMQ_CLIENT_CERTIFICATE is not set, but must be the path of a PEM file with a certificate: "
            "RABBITMQ_CLIENT_KEY is set.",
        ),
        (
            {"RABBITMQ_TLS": "true", "RABBITMQ_CLIENT_CERTIFICATE": "certificate"},
            "RABBITMQ_CLIENT_KEY is not set, so that RABBITMQ_CLIENT_CERTIFICATE, which is 'certificate', must hold "
            "the key too (it holds no private key).",
        ),
        ({"RABBITMQ_TLS": "true", "RABBITMQ_CA_FILE": "words"}, "it holds no certificate"),
        ({"RABBITMQ_TLS": "true", "RABBITMQ_CA_FILE": "."}, "Is a directory"),
        ({"METRICS_SCHEDULE": "1d:1h,2h:2h"}, "ages and intervals must grow from step to step"),
        ({"METRICS_SCHEDULE": "1h:1d"}, "an interval is at least a minute, and no longer than the age"),
        ({"MTPROTO_ROUTES": "bot,bot"}, "MTPROTO_ROUTES is 'bot,bot', but must be"),
        ({"MTPROTO_ROUTES": "relay"}, ": MTPROTO_ROUTES names no other way."),
    ],
)
def test_settings_that_contradict_each_other(folder: Path, files: dict[str, str], words: str) -> None:
    said = mistakes(files, Role.BOT if "RABBITMQ_TLS" in files or "RABBITMQ_CA_FILE" in files else Role.BOX)
    assert any(words in sentence for sentence in said), said


def test_a_certificate_that_holds_its_key_needs_no_other(folder: Path) -> None:
    config = load(
        Role.BOT, {**ENOUGH[Role.BOT], "RABBITMQ_TLS": "true", "RABBITMQ_CLIENT_CERTIFICATE": "both"}, env_file=None
    )
    assert config.queue.client_certificate == Path("both") and config.queue.client_key is None
