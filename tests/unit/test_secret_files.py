"""Secrets by file: NAME_FILE instead of NAME, for every secret there is, and every mistake with the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from teltubby.config import Config, Origin, Role, effective, load
from teltubby.config.model import all_variables
from teltubby.config.reference import example, tables
from teltubby.config.secret_files import LARGEST_FILE
from teltubby.errors import ConfigurationError

TOKEN = "123456:AAcanary_token-0123456789abcdefghijkl"
SECRETS = {
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "WEBHOOK_SECRET": "canary-webhook",
    "S3_ACCESS_KEY_ID": "canary-id",
    "S3_SECRET_ACCESS_KEY": "canary key, with a space at its end ",
    "RABBITMQ_PASSWORD": "canary-rabbit",
    "MTPROTO_API_HASH": "canarycanary",
    "TELTUBBY_SECRET_KEY": "canary" * 6,
    "TELEGRAM_PROXY": "socks5://u:canary@127.0.0.1:1",
}
REST = {"TELEGRAM_WHITELIST_IDS": "1", "S3_BUCKET": "archive", "MTPROTO_API_ID": "1"}


def in_files(folder: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """Each secret in a file as an editor leaves it, and the variables that name them."""
    for name, value in secrets.items():
        (folder / name).write_text(f"{value}\n")
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def of_worker(environ: Mapping[str, str], env_file: Path | None = None) -> Config:
    return load(Role.WORKER, {**REST, **environ}, env_file)


def mistakes(environ: Mapping[str, str], env_file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        of_worker(environ, env_file)
    return raised.value.mistakes


def test_every_secret_can_be_given_by_file_and_is_as_secret(tmp_path: Path) -> None:
    by_file, plain = of_worker(in_files(tmp_path, SECRETS)), of_worker(SECRETS)
    assert by_file.telegram == plain.telegram and by_file.mtproto == plain.mtproto
    assert by_file.queue == plain.queue and by_file.collector == plain.collector
    assert by_file.s3.secret_access_key is not None
    assert by_file.s3.secret_access_key.get_secret_value() == SECRETS["S3_SECRET_ACCESS_KEY"], "a space belongs to it"
    assert set(SECRETS.values()) <= set(by_file.secrets())
    assert "canary" not in "\n".join([repr(by_file), *effective(by_file)])
    assert by_file.origins["RABBITMQ_PASSWORD"] is Origin.ENVIRONMENT_SECRET


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xef\xbb\xbfpassword\r\n", None),
        (b"password", None),
        (b"password\nand another\n", "it has more than one line"),
        (b"password\0", "or is no text"),
        ("password".encode("utf-16"), "it is not UTF-8"),
    ],
)
def test_what_editors_leave_in_it_is_no_part_of_a_secret(content: bytes, reason: str | None, tmp_path: Path) -> None:
    """A mounted secret is a symbolic link to a file in a folder that changes."""
    (tmp_path / "data").write_bytes(content)
    (tmp_path / "password").symlink_to("data")
    given = {**SECRETS, "RABBITMQ_PASSWORD": "", "RABBITMQ_PASSWORD_FILE": str(tmp_path / "password")}
    if reason is None:
        assert of_worker(given).queue.password.get_secret_value() == "password"
    else:
        assert reason in mistakes(given)[0]


def test_every_secret_and_nothing_else_has_its_file_and_is_documented_with_it(tmp_path: Path) -> None:
    for variable in all_variables():
        assert variable.file_names == (tuple(f"{name}_FILE" for name in variable.names) if variable.secret else ())
        for name in variable.file_names[:1]:
            assert f"`{name}`" in tables() and name in example()
    assert of_worker({**SECRETS, **in_files(tmp_path, {"S3_REGION": "nowhere"})}).s3.region == "us-east-1"


def test_an_alias_has_its_file_too(tmp_path: Path) -> None:
    rest = {name: value for name, value in SECRETS.items() if name != "MTPROTO_API_HASH"}
    config = of_worker({**rest, **in_files(tmp_path, {"TELEGRAM_API_HASH": "hash from afar".replace(" ", "")})})
    assert config.mtproto.api_hash is not None and config.mtproto.api_hash.get_secret_value() == "hashfromafar"


def test_the_environment_wins_whichever_way_it_says_it(tmp_path: Path) -> None:
    dot_env = tmp_path / ".env"
    files = in_files(tmp_path, {"RABBITMQ_PASSWORD": "from a file"})
    dot_env.write_text("".join(f"{name}={path}\n" for name, path in files.items()))
    config = of_worker(SECRETS, dot_env)
    assert config.queue.password.get_secret_value() == "canary-rabbit"
    without = {name: value for name, value in SECRETS.items() if name != "RABBITMQ_PASSWORD"}
    config = of_worker(without, dot_env)
    assert config.queue.password.get_secret_value() == "from a file"
    assert config.origins["RABBITMQ_PASSWORD"] is Origin.ENV_FILE_SECRET
    dot_env.write_text("RABBITMQ_PASSWORD=plain\n")
    assert of_worker({**without, **files}, dot_env).queue.password.get_secret_value() == "from a file"


def test_both_ways_in_one_place_is_a_mistake(tmp_path: Path) -> None:
    files = in_files(tmp_path, {"TELEGRAM_BOT_TOKEN": TOKEN})
    assert mistakes({**SECRETS, **files}) == (
        "TELEGRAM_BOT_TOKEN and TELEGRAM_BOT_TOKEN_FILE are both set, but only one can be: "
        "they are two ways to one setting.",
    )
    both = {**SECRETS, **in_files(tmp_path, {"TELEGRAM_API_HASH": "1" * 32})}
    assert "MTPROTO_API_HASH and TELEGRAM_API_HASH_FILE are both set" in mistakes(both)[0]
    two = in_files(tmp_path, {**SECRETS, "TELEGRAM_API_HASH": "1" * 32})
    assert "MTPROTO_API_HASH_FILE and TELEGRAM_API_HASH_FILE are set to different values" in mistakes(two)[0]


def test_every_mistake_is_reported_with_all_others_and_shows_no_secret(tmp_path: Path) -> None:
    files = in_files(tmp_path, SECRETS)
    (tmp_path / "TELEGRAM_BOT_TOKEN").write_text("canary, no token\n")
    (tmp_path / "S3_SECRET_ACCESS_KEY").write_text("\r\n\n")
    (tmp_path / "S3_ACCESS_KEY_ID").write_bytes(b"canary\xff")
    (tmp_path / "RABBITMQ_PASSWORD").write_text("canary" * LARGEST_FILE)
    (tmp_path / "MTPROTO_API_HASH").unlink()
    (tmp_path / "WEBHOOK_SECRET").unlink()
    (tmp_path / "WEBHOOK_SECRET").mkdir()
    found = mistakes({**files, "CONCURRENCY": "99"})
    assert "canary" not in "".join(found)
    assert [sentence.partition(" ")[0] for sentence in found] == [
        "WEBHOOK_SECRET_FILE",
        "S3_ACCESS_KEY_ID_FILE",
        "S3_SECRET_ACCESS_KEY_FILE",
        "RABBITMQ_PASSWORD_FILE",
        "MTPROTO_API_HASH_FILE",
        "TELEGRAM_BOT_TOKEN_FILE",
        "CONCURRENCY",
    ]
    reasons = ("(it is no file)", "(it is not UTF-8)", "(it is empty)", "(it has more than 65536 bytes)")
    assert all(reason in sentence for reason, sentence in zip(reasons, found, strict=False))
    assert found[4] == (
        f"MTPROTO_API_HASH_FILE is '{tmp_path}/MTPROTO_API_HASH', but must be the path of a file that holds "
        "the api hash from my.telegram.org (no such file)."
    )
    assert found[5] == (
        "TELEGRAM_BOT_TOKEN_FILE holds '****', but must hold a bot token as @BotFather gives it, like 123456:ABC-DEF."
    )


def test_a_secret_by_file_means_s3_to_a_single_box(tmp_path: Path) -> None:
    """Whose keys are given wants S3, and is told what is missing of it."""
    files = in_files(tmp_path, {"TELEGRAM_BOT_TOKEN": TOKEN, "S3_SECRET_ACCESS_KEY": "canary"})
    with pytest.raises(ConfigurationError, match="S3_BUCKET is not set"):
        load(Role.BOX, {"TELEGRAM_WHITELIST_IDS": "1", **files}, None)


def test_a_name_that_only_looks_like_one_is_a_typing_error(tmp_path: Path) -> None:
    files = in_files(tmp_path, {"TELTUBBY_SECRT_KEY": "x"})
    assert "TELTUBBY_SECRT_KEY_FILE is no setting of teltubby" in mistakes({**SECRETS, **files})[0]
