"""Settings: names and defaults that operators rely on, every mistake at once, secrets never shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from teltubby.config import Config, DataCentre, Origin, QueueBackend, Role, effective, load, load_health
from teltubby.config.model import GROUPS, all_variables, variables
from teltubby.config.reference import as_text, example, tables
from teltubby.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
TOKEN = "123456:AAcanary_token-0123456789abcdefghijkl"
BOX = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_WHITELIST_IDS": "1,2"}
S3 = {
    "S3_BUCKET": "archive",
    "S3_ENDPOINT": "http://127.0.0.1:9000",
    "S3_ACCESS_KEY_ID": "id",
    "S3_SECRET_ACCESS_KEY": "secret",
}
KEYS = {"MTPROTO_API_ID": "17349", "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef"}
WEBHOOK = {"TELEGRAM_MODE": "webhook", "WEBHOOK_URL": "https://example.org/hook", "WEBHOOK_SECRET": "s-3_cret"}
ENOUGH: Mapping[Role, Mapping[str, str]] = {Role.BOX: BOX, Role.BOT: BOX | S3, Role.WORKER: BOX | S3 | KEYS}

CONTRACT = """
TELEGRAM_BOT_TOKEN= TELEGRAM_WHITELIST_IDS= TELEGRAM_MODE=polling WEBHOOK_URL= WEBHOOK_SECRET=
WEBHOOK_LISTEN_HOST=127.0.0.1 WEBHOOK_LISTEN_PORT=8443
S3_ENDPOINT= S3_ACCESS_KEY_ID= S3_SECRET_ACCESS_KEY= S3_BUCKET= S3_REGION=us-east-1 S3_FORCE_PATH_STYLE=true
MINIO_TLS_SKIP_VERIFY=false S3_CA_FILE= S3_MULTIPART_THRESHOLD_MB=8 S3_MULTIPART_PART_SIZE_MB=16 S3_BUCKET_QUOTA_BYTES=0
QUOTA_ALERT_THRESHOLD_PCT=80 QUOTA_ALERT_COOLDOWN_HOURS=24
ALBUM_AGGREGATION_WINDOW_SECONDS=2 MAX_FILE_GB=4 BOT_API_MAX_FILE_SIZE_BYTES=50000000 CONCURRENCY=8
IO_TIMEOUT_SECONDS=60 DEDUP_ENABLE=true MEDIA_PREVIEWS=true SQLITE_PATH=/data/teltubby.db
RABBITMQ_HOST=localhost RABBITMQ_PORT=5672 RABBITMQ_USERNAME=guest RABBITMQ_PASSWORD=guest RABBITMQ_VHOST=/
JOB_QUEUE_NAME=teltubby.large_files JOB_PRIORITY_QUEUE=teltubby.priority_jobs JOB_RETRY_QUEUE=teltubby.retry_jobs
JOB_DEAD_LETTER_QUEUE=teltubby.failed_jobs JOB_EXCHANGE=teltubby.exchange JOB_DLX_EXCHANGE=teltubby.dlx
WORKER_CONCURRENCY=1 WORKER_MAX_RETRIES=3 WORKER_RETRY_DELAY_SECONDS=60 WORKER_HEALTH_CHECK_INTERVAL=30
MTPROTO_API_ID= MTPROTO_API_HASH= MTPROTO_PHONE_NUMBER= MTPROTO_SESSION_PATH=/data/mtproto.session
MTPROTO_ENABLED=false MTPROTO_HISTORY_ENABLED=false MTPROTO_UPDATES_ENABLED=false MTPROTO_PEERS=
MTPROTO_HISTORY_LIMIT_PER_RUN=500 MTPROTO_CONCURRENCY=4 MTPROTO_SLEEP_THRESHOLD=1.5 MTPROTO_RETRY_BACKOFF=2
MTPROTO_RETRY_MAX=5 TELEGRAM_PROXY=
MTPROTO_DATABASE_PATH=/data/collector.db MTPROTO_SYNC_INTERVAL=300 METRICS_RETENTION_DAYS=90
METRICS_SCHEDULE=1h:10m,1d:1h,7d:6h,30d:1d
LOG_LEVEL=INFO HEALTH_PORT=8081 BIND_HEALTH_LOCALHOST_ONLY=true
TELEGRAM_BOT_API_URL=https://api.telegram.org TELEGRAM_BOT_API_LOCAL=false KEY_CHAT_SLUG=origin MTPROTO_DC=
MTPROTO_PUBLIC_KEY= MTPROTO_BOT_SESSION_PATH=/data/mtproto-bot.session MTPROTO_CONNECTIONS=4 MTPROTO_IN_FLIGHT_MB=16
MTPROTO_FLOOD_PARK_SECONDS=60 MTPROTO_VERIFY_HASHES=auto MTPROTO_ROUTES=relay,bot,origin,own MTPROTO_RELAY_CHAT_ID=
TELTUBBY_SECRET_KEY= TELTUBBY_KEY_FILE= STORAGE_FOLDER= SPOOL_DIR=/data/spool SPOOL_KEEP_HOURS=72
QUEUE_BACKEND=rabbitmq EMBEDDED_QUEUE_PATH=/data/queue.db JOB_QUEUE_TYPE=quorum LOG_FORMAT=auto
JOB_HISTORY_RETENTION_DAYS=365
AUDIT_RETENTION_DAYS=365
RABBITMQ_TLS=false RABBITMQ_CA_FILE= RABBITMQ_CLIENT_CERTIFICATE= RABBITMQ_CLIENT_KEY= TELEGRAM_BOT_API_CA_FILE=
BACKUP_INTERVAL_HOURS=0 BACKUP_FOLDER= BACKUP_KEY= BACKUP_KEEP=7 BACKUP_KEEP_DAILY=14 BACKUP_KEEP_WEEKLY=8
ALERTS_ENABLE=true ALERT_QUEUE_DEPTH=500 ALERT_QUEUE_AGE_MINUTES=120 ALERT_DISK_FREE_MB=1024 ALERT_PROCESS_STARTS=3
ALERT_QUIET_HOURS= ALERT_TIMEZONE=UTC ALERT_AFTER_SECONDS=60 ALERT_GROUP_SECONDS=60 ALERT_REPEAT_HOURS=24
TELTUBBY_BACKEND=asyncio TELTUBBY_ENV_FILE=
"""
"""Names and defaults as people's .env files and dashboards know them, then the newer ones."""


def mistakes(environ: Mapping[str, str], role: Role = Role.BOX, env_file: Path | None = None) -> tuple[str, ...]:
    """What is wrong when these variables are added to those that the role needs."""
    with pytest.raises(ConfigurationError) as raised:
        load(role, {**ENOUGH[role], **environ}, env_file)
    return raised.value.mistakes


def defaults() -> dict[str, str]:
    found = {}
    for group in GROUPS.values():
        for field, variable in variables(group).items():
            default = group.model_fields[field].default
            found[variable.name] = default.get_secret_value() if isinstance(default, SecretStr) else as_text(default)
    return found


def test_names_and_defaults_are_the_contract() -> None:
    assert defaults() == dict(pair.partition("=")[::2] for pair in CONTRACT.split())


@pytest.mark.parametrize("role", Role)
def test_what_each_role_needs_is_enough(role: Role) -> None:
    config = load(role, ENOUGH[role], None)
    assert config.role is role
    assert config.telegram.whitelist_ids == (1, 2)
    assert config.queue.backend is (QueueBackend.EMBEDDED if role is Role.BOX else QueueBackend.RABBITMQ)
    assert config.storage.folder == (Path("/data/archive") if role is Role.BOX else None)


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in Role for name in ENOUGH[role]])
def test_and_nothing_of_it_can_be_left_out(role: Role, name: str) -> None:
    environ = {key: value for key, value in ENOUGH[role].items() if key != name}
    if name == "S3_ENDPOINT" or (role is Role.WORKER and name == "TELEGRAM_WHITELIST_IDS"):
        load(role, environ, None)
        return
    with pytest.raises(ConfigurationError, match=name):
        load(role, environ, None)


def test_every_mistake_is_reported_at_once_in_one_sentence() -> None:
    found = mistakes(
        {
            "CONCURRENCY": "99",
            "RABBITMQ_PORT": "rabbit",
            "TELEGRAM_WHITELIST_IDS": "1,joe,2",
            "TELEGRAM_BOT_TOKEN": "not-a-token",
            "TELTUBBY_BAKEND": "trio",
        }
    )
    assert found == (
        "TELTUBBY_BAKEND is no setting of teltubby: did you mean TELTUBBY_BACKEND?",
        "TELEGRAM_BOT_TOKEN is '****', but must be a bot token as @BotFather gives it, like 123456:ABC-DEF.",
        "TELEGRAM_WHITELIST_IDS is '1,joe,2', but must be a comma-separated list of numeric user ids, "
        "not of @names (@userinfobot tells one's own).",
        "CONCURRENCY is '99', but must be a whole number from 1 to 32.",
        "RABBITMQ_PORT is 'rabbit', but must be a port from 1 to 65535.",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CONCURRENCY", value) for value in ("0", "33", "1.5", "many")),
        *(("HEALTH_PORT", value) for value in ("-1", "65536")),
        *(("IO_TIMEOUT_SECONDS", value) for value in ("0", "-1", "inf", "nan")),
        *(("TELEGRAM_BOT_API_URL", value) for value in ("telegram", "ftp://x", "http://u:pw@x", "http://x/?a=b")),
        *(("MTPROTO_DC", value) for value in ("127.0.0.1:443", "2@x", "0@x:1", "2@x:0", "2@x:65536", "2@::1:443")),
        *(("WORKER_MAX_RETRIES", value) for value in ("-1", "x")),
        *(("JOB_EXCHANGE", value) for value in ("amq.direct", "a b", "x" * 256)),
        ("S3_MULTIPART_PART_SIZE_MB", "4"),
        ("S3_BUCKET", "a/b"),
        ("TELEGRAM_MODE", "push"),
        ("DEDUP_ENABLE", "maybe"),
        ("KEY_CHAT_SLUG", "chat"),
        ("LOG_LEVEL", "LOUD"),
        ("TELTUBBY_BACKEND", "curio"),
        ("MTPROTO_API_ID", "0"),
        ("TELEGRAM_WHITELIST_IDS", "-100123"),
        ("TELEGRAM_PROXY", "proxy:1080"),
        *(("TELEGRAM_PROXY", f"socks5://{who}@proxy:1080") for who in ("ada:p%E2%82%AC", "j%C3%BCrgen", "a" * 256)),
        *(("TELEGRAM_PROXY", f"http://{who}@proxy:8080") for who in ("ada:p%E2%82%AC", "a%3Ab:c")),
        *(("WEBHOOK_SECRET", value) for value in ("käse", "a b", "a.b", "x" * 257)),
        *(("WEBHOOK_URL", value) for value in ("example.org/hook", "https://x:port/", "https://x:0/", "https://[x/")),
        *(("WEBHOOK_LISTEN_PORT", value) for value in ("0", "65536", "https")),
        *(("JOB_HISTORY_RETENTION_DAYS", value) for value in ("-1", "1.5", "for ever", "36501")),
        *(("AUDIT_RETENTION_DAYS", value) for value in ("-1", "1.5", "for ever", "36501")),
        *(("ALERT_QUIET_HOURS", value) for value in ("22-7", "22:00-24:30", "07:00-07:00", "22:00–07:00")),
        *(("ALERT_REPEAT_HOURS", value) for value in ("-1", "0.1", "nan", "9000")),
        *(("ALERT_TIMEZONE", value) for value in ("Mars/Base", "../etc", "Europe")),
    ],
)
def test_a_bad_value_is_one_mistake_that_names_it(name: str, value: str) -> None:
    named = [sentence for sentence in mistakes({name: value}) if sentence.startswith(f"{name} is '")]
    assert len(named) == 1
    assert " but must be " in named[0] and named[0].endswith(".")


def test_values_that_work() -> None:
    environ = BOX | {
        "MTPROTO_DC": "2@[::1]:443",
        "TELEGRAM_BOT_API_URL": "http://127.0.0.1:8081/",
        "TELEGRAM_BOT_API_LOCAL": "yes",
        "LOG_LEVEL": "debug",
        "MTPROTO_PEERS": " a, @b ,",
        "HEALTH_PORT": "0",
        "MAX_FILE_GB": "0.5",
        "S3_REGION": "",
        "TELEGRAM_API_ID": "1",
        "TELEGRAM_API_HASH": "0123456789abcdef",
    }
    config = load(Role.BOX, environ, None)
    assert config.mtproto.data_centre == DataCentre(2, "::1", 443)
    assert str(config.mtproto.data_centre) == "2@[::1]:443"
    assert config.telegram.bot_api_url == "http://127.0.0.1:8081"
    assert config.telegram.server_limit == 2_000_000_000
    assert config.collector.peers == ("a", "@b")
    assert config.ingest.max_file_bytes == 512 * 1024**2
    assert config.s3.region == "us-east-1" and config.s3.part_size == 16 * 1024**2
    assert config.mtproto.api_id == 1
    assert load(Role.BOX, BOX, None).telegram.server_limit == 20_971_520


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TELEGRAM_MODE": "webhook"}, "WEBHOOK_URL is not set, but must be an https address: TELEGRAM_MODE is"),
        ({"TELEGRAM_MODE": "webhook"}, "WEBHOOK_SECRET is not set, but must be 1 to 256 letters, digits, _ or -: "),
        (
            WEBHOOK | {"WEBHOOK_URL": "http://example.org/hook"},
            "WEBHOOK_URL is 'http://example.org/hook', but must be an https address",
        ),
        (
            WEBHOOK | {"WEBHOOK_URL": "https://example.org:444/hook"},
            "WEBHOOK_URL is 'https://example.org:444/hook', but must have one of the ports that Telegram brings",
        ),
        (WEBHOOK | {"HEALTH_PORT": "8443"}, "WEBHOOK_LISTEN_PORT is '8443', but must differ from HEALTH_PORT."),
        ({"MTPROTO_API_ID": "1"}, "MTPROTO_API_HASH is not set"),
        ({"TELEGRAM_API_HASH": "0123456789"}, "MTPROTO_API_ID is not set"),
        ({"MTPROTO_API_ID": "1", "TELEGRAM_API_ID": "2"}, "MTPROTO_API_ID and TELEGRAM_API_ID are set to different"),
        (
            {"S3_BUCKET": "archive", "STORAGE_FOLDER": "/a"},
            "S3_BUCKET is 'archive' and STORAGE_FOLDER is '/a', but only",
        ),
        ({"S3_ENDPOINT": "http://x"}, "S3_BUCKET is not set"),
        ({"S3_BUCKET": "archive", "S3_ACCESS_KEY_ID": "a"}, "S3_SECRET_ACCESS_KEY is not set"),
        ({"S3_BUCKET": "archive", "S3_SECRET_ACCESS_KEY": "a"}, "S3_ACCESS_KEY_ID is not set"),
        (
            {"S3_BUCKET": "archive", "MAX_FILE_GB": "100", "S3_MULTIPART_PART_SIZE_MB": "5"},
            "S3_MULTIPART_PART_SIZE_MB is '5', but must be at least 11: S3 takes 10000 parts and MAX_FILE_GB is 100.",
        ),
        ({"JOB_DLX_EXCHANGE": "teltubby.exchange"}, "JOB_DLX_EXCHANGE is 'teltubby.exchange', but must differ from"),
        ({"MTPROTO_SESSION_PATH": "/data/mtproto-bot.session"}, "MTPROTO_SESSION_PATH and MTPROTO_BOT_SESSION_PATH"),
        ({"MTPROTO_PUBLIC_KEY": "/no/such.pem"}, "RSA public key (no such file)."),
    ],
)
def test_what_is_wrong_only_together(environ: dict[str, str], sentence: str) -> None:
    assert any(sentence in found for found in mistakes(environ))


def test_a_webhook() -> None:
    telegram = load(Role.BOX, BOX | WEBHOOK, None).telegram
    assert (telegram.webhook_listen_host, telegram.webhook_listen_port) == ("127.0.0.1", 8443)
    assert telegram.webhook_path == "/hook"
    for url, path in (("https://[::1]:88", "/"), ("https://x:443/a/b/", "/a/b"), ("https://x/%C3%A9", "/%C3%A9")):
        assert load(Role.BOX, BOX | WEBHOOK | {"WEBHOOK_URL": url}, None).telegram.webhook_path == path
    own = {"TELEGRAM_BOT_API_URL": "http://127.0.0.1:8081", "WEBHOOK_URL": "http://127.0.0.1:9/hook"}
    load(Role.BOX, BOX | WEBHOOK | own, None)
    load(Role.WORKER, {**ENOUGH[Role.WORKER], **WEBHOOK, "HEALTH_PORT": "8443"}, None)


def test_whose_updates_are_fetched_needs_no_webhook() -> None:
    load(Role.BOX, BOX | {"WEBHOOK_URL": "http://example.org", "HEALTH_PORT": "8443"}, None)


@pytest.mark.parametrize("role", [Role.BOT, Role.WORKER])
def test_the_embedded_queue_cannot_join_two_processes(role: Role) -> None:
    assert "QUEUE_BACKEND is 'embedded', but must be rabbitmq" in mistakes({"QUEUE_BACKEND": "embedded"}, role)[0]


def test_a_value_at_fault_is_not_judged_twice() -> None:
    assert len(mistakes({"TELEGRAM_BOT_TOKEN": "x"})) == 1
    assert len(mistakes({"TELEGRAM_MODE": "webhok"})) == 1


@pytest.mark.parametrize("label", ["RSA PUBLIC KEY", "PUBLIC KEY"])
def test_a_public_key_file(tmp_path: Path, label: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(f"-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n")
    assert load(Role.BOX, BOX | {"MTPROTO_PUBLIC_KEY": str(path)}, None).mtproto.public_key == path
    path.write_text(f"-----BEGIN {label.replace('PUBLIC', 'PRIVATE')}-----\n")
    assert "it holds no RSA public key" in mistakes({"MTPROTO_PUBLIC_KEY": str(path)})[0]
    path.write_bytes(b"\xff\x00")
    assert "it is not PEM" in mistakes({"MTPROTO_PUBLIC_KEY": str(path)})[0]
    assert "Is a directory" in mistakes({"MTPROTO_PUBLIC_KEY": str(tmp_path)})[0]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nexport CONCURRENCY=3\nLOG_LEVEL='DEBUG' # loud\nUNRELATED=1\nS3_REGION=a${HOME}b\nEMPTY\n")
    config = load(Role.BOX, BOX | {"CONCURRENCY": "4"}, path)
    assert (config.ingest.concurrency, config.logs.level, config.s3.region) == (4, "DEBUG", "a${HOME}b")
    assert [config.origins[name] for name in ("CONCURRENCY", "LOG_LEVEL", "MAX_FILE_GB")] == [
        Origin.ENVIRONMENT,
        Origin.ENV_FILE,
        Origin.DEFAULT,
    ]


def test_an_empty_value_in_the_environment_leaves_it_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("CONCURRENCY=3\n")
    assert load(Role.BOX, BOX | {"CONCURRENCY": " "}, path).ingest.concurrency == 3


def test_another_file_can_be_named_and_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "other.env"
    path.write_text("CONCURRENCY=3\nTELTUBBY_TYPO=1\n")
    other = {"TELTUBBY_ENV_FILE": str(path)}
    assert mistakes(other) == ("TELTUBBY_TYPO is no setting of teltubby: docs/configuration.md lists all names.",)
    path.write_text("CONCURRENCY=3\n")
    assert load(Role.BOX, BOX | other, None).ingest.concurrency == 3
    path.write_text("TELTUBBY_ENV_FILE=x\n")
    assert "must be in the environment" in mistakes(other)[0]
    path.unlink()
    assert "(no such file)" in mistakes(other)[0]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"CONCURRENCY=3\n{TOKEN} ?\nA=1\n")
    (sentence,) = mistakes({}, env_file=path)
    assert sentence == f"{path}, line 2, cannot be read, but must be NAME=value."
    path.write_bytes(b"\xff")
    assert "it is not UTF-8" in mistakes({}, env_file=path)[0]
    assert "Is a directory" in mistakes({}, env_file=tmp_path)[0]


def test_the_present_environment_and_dot_env_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("HEALTH_PORT=9\nCONCURRENCY=x\n")
    monkeypatch.chdir(tmp_path)
    assert load_health().port == 9
    monkeypatch.setenv("HEALTH_PORT", "10")
    assert load_health().port == 10
    monkeypatch.setenv("HEALTH_PORT", "x")
    with pytest.raises(ConfigurationError, match="HEALTH_PORT is 'x'"):
        load_health()


def secretive() -> dict[str, str]:
    return {
        "TELEGRAM_BOT_TOKEN": "987654:canary-token",
        "WEBHOOK_SECRET": "canary-webhook",
        "S3_BUCKET": "archive",
        "S3_ACCESS_KEY_ID": "canary-id",
        "S3_SECRET_ACCESS_KEY": "canary-key",
        "RABBITMQ_PASSWORD": "canary-rabbit",
        "MTPROTO_API_ID": "1",
        "MTPROTO_API_HASH": "canarycanary",
        "MTPROTO_PHONE_NUMBER": "+49150000000",
        "TELEGRAM_PROXY": "socks5://u:canary%3A99@127.0.0.1:1",
    }


def test_secrets_are_never_shown() -> None:
    config = load(Role.BOX, BOX | secretive(), None)
    shown = "\n".join([repr(config), *effective(config)])
    assert "canary" not in shown and "+4915" not in shown
    given = {v for k, v in secretive().items() if k not in ("S3_BUCKET", "MTPROTO_API_ID")}
    assert set(config.secrets()) == given | {"canary:99", "u:canary:99"}, (
        "the proxy's password, too, as it is said there"
    )
    assert "guest" not in load(Role.BOX, BOX, None).secrets()


def test_secrets_are_never_shown_in_mistakes() -> None:
    wrong = {name: f"{value} \u2028canary" for name, value in secretive().items()}
    found = "\n".join(mistakes(wrong | {"S3_ENDPOINT": "http://u:canary@x"}))
    assert "TELEGRAM_BOT_TOKEN is '****'" in found and "http://****@x" in found
    # A bucket's name and the api id are no secrets; what cannot be printed is escaped.
    assert "S3_BUCKET is 'archive \\u2028canary'" in found and "MTPROTO_API_ID is '1 \\u2028canary'" in found
    assert found.count("canary") == 2


def test_variables_with_secrets_are_marked() -> None:
    for group in GROUPS.values():
        for field, variable in variables(group).items():
            assert ("SecretStr" in str(group.model_fields[field].annotation)) == variable.secret, variable.name


def test_settings_are_frozen() -> None:
    config = load(Role.BOX, BOX, None)
    with pytest.raises(ValidationError):
        config.ingest.concurrency = 9
    with pytest.raises(AttributeError):
        config.role = Role.BOT  # type: ignore[misc]  # that it cannot be done is what is tested


def test_the_effective_configuration_names_every_setting_and_its_origin() -> None:
    config: Config = load(Role.BOX, BOX | {"CONCURRENCY": "4"}, None)
    lines = [line for line in effective(config) if "=" in line]
    assert [line.partition("=")[0] for line in lines] == [variable.name for variable in all_variables()]
    assert any(line.split() == ["CONCURRENCY=4", "#", "env"] for line in lines)
    assert any(line.split() == ["MAX_FILE_GB=4", "#", "default"] for line in lines)


def test_the_documentation_is_that_of_the_settings() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert tables() in page, "run scripts/write-reference.py"
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == example(), "run scripts/write-reference.py"
    for name, default in defaults().items():
        rows = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
        assert len(rows) == 1 and (not default or f"| `{default}` |" in rows[0]), name


def test_the_example_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(example())
    assert load(Role.BOX, BOX, path) == load(Role.BOX, BOX, None)
    path.write_text("".join(line[1:] + "\n" for line in example().splitlines() if line.startswith("#") and "=" in line))
    assert load(Role.BOX, BOX, path).ingest == load(Role.BOX, BOX, None).ingest


NAMES = st.sampled_from([variable.name for variable in all_variables() if variable.name != "TELTUBBY_ENV_FILE"])


@given(st.dictionaries(NAMES, st.text(max_size=40)), st.sampled_from(Role))
def test_any_values_give_a_configuration_or_mistakes(environ: dict[str, str], role: Role) -> None:
    try:
        config = load(role, environ, None)
    except ConfigurationError as error:
        assert error.mistakes and all(sentence.endswith((".", "?")) for sentence in error.mistakes)
    else:
        list(effective(config))
