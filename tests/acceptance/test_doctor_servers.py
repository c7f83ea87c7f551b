"""`teltubby doctor` and the servers, disks and ports of an installation; what hangs, and what is cut off."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from teltubby.doctor.troubles import Trouble
from tests.acceptance.archives import BucketArchive
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.examinations import WITHIN, examine, must_say, sign_in
from tests.acceptance.household import Household
from tests.acceptance.nursery import run_command
from tests.acceptance.polling import eventually
from tests.acceptance.queues import JOBS, Queues
from tests.acceptance.test_doctor import files
from tests.servers.rabbitmq import RabbitNode
from tests.servers.swift import SwiftNode
from tests.servers.tcp_proxy import TcpProxy


def permit(node: RabbitNode, vhost: str, user: str, configure: str, write: str, read: str) -> None:
    """Make a user with the password `pw`, and allow it these names in the virtual host."""
    node.evaluate(
        f'catch rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"pw">>, <<"tests">>), '
        f'rabbit_auth_backend_internal:set_permissions(<<"{user}">>, <<"{vhost}">>, '
        f'<<"{configure}">>, <<"{write}">>, <<"{read}">>, <<"tests">>)'
    )


def test_two_wings_are_well_and_nothing_is_left(wings: Household, queues: Queues) -> None:
    """Before the first start; and beside running processes, whose queues keep what is in them."""
    fresh = examine(wings, role="worker")
    assert fresh.code == 0 and not fresh.troubles, fresh.printed
    assert "will be made" in fresh.found("topology") and not queues.declared()
    assert wings.archive.stored() == wings.archive.unfinished() == []
    bot = wings.start("bot")
    eventually(queues.declared, what="the queues")
    queues.put(JOBS, b"a job", {})
    before = files(wings)
    beside = examine(wings, role="bot", listens=True, HEALTH_PORT=str(bot.port))
    assert beside.code == 0 and not beside.troubles, beside.printed
    assert "answers there" in beside.found("health port") and "not looked for" in beside.found("other pollers")
    assert "as they should be" in beside.found("topology") and queues.depths() == {JOBS: 1}
    assert wings.archive.stored() == wings.archive.unfinished() == []
    assert files(wings).keys() == before.keys()


@ON_ASYNCIO
def test_a_broker_that_refuses(wings: Household, rabbit_node: RabbitNode, rabbit_vhost: str) -> None:
    """A wrong password, no such virtual host, one without permissions, one with some."""
    must_say(examine(wings, RABBITMQ_PASSWORD="wrong-password"), Trouble.BROKER_CREDENTIALS, "'guest'")
    must_say(examine(wings, RABBITMQ_VHOST="no-such"), Trouble.BROKER_VHOST, "'no-such'")
    user = {"RABBITMQ_USERNAME": f"user-of-{rabbit_vhost}", "RABBITMQ_PASSWORD": "pw"}
    permit(rabbit_node, rabbit_vhost, user["RABBITMQ_USERNAME"], "^$", "^$", "^$")
    found = examine(wings, other=user)
    must_say(found, Trouble.BROKER_PERMISSIONS, "may not configure", "and 41 more")
    assert [words for words in ("configure", "write", "read") if f"may not {words}" not in found.printed] == []
    permit(rabbit_node, rabbit_vhost, user["RABBITMQ_USERNAME"], ".*", ".*", f"^(?!{JOBS}).*")
    found = examine(wings, other=user)
    must_say(found, Trouble.BROKER_PERMISSIONS, f"may not read {JOBS}")
    assert "may not write" not in found.printed and "may not configure" not in found.printed
    permit(rabbit_node, rabbit_vhost, user["RABBITMQ_USERNAME"], "^teltubby[.]", "^teltubby[.]", "^teltubby[.]")
    assert examine(wings, other=user).state("permissions") == "well"


@ON_TRIO
def test_declarations_in_the_way_and_an_alarm(wings: Household, queues: Queues, rabbit_node: RabbitNode) -> None:
    bot = wings.start("bot")
    eventually(queues.declared, what="the queues")
    bot.stop()
    queues.put(JOBS, b"a job", {})
    must_say(examine(wings, JOB_QUEUE_TYPE="classic"), Trouble.BROKER_CONFLICT, "delete_queue", f"1 in '{JOBS}'")
    assert queues.depth(JOBS) == 1
    alarm = "{resource_limit, disk, node()}"
    rabbit_node.evaluate(f"rabbit_alarm:set_alarm({{{alarm}, []}})")
    try:
        must_say(examine(wings), Trouble.BROKER_BLOCKED)
    finally:
        rabbit_node.evaluate(f"rabbit_alarm:clear_alarm({alarm})")
    assert examine(wings).code == 0


@ON_ASYNCIO
def test_a_bucket_that_refuses(wings: Household, swift: SwiftNode) -> None:
    """It is not there; the secret is wrong; the key may do nothing here; nothing listens."""
    must_say(examine(wings, S3_BUCKET="no-such-bucket"), Trouble.STORE_BUCKET, "NoSuchBucket")
    must_say(examine(wings, S3_SECRET_ACCESS_KEY="wrong-secret"), Trouble.STORE_CREDENTIALS, "SignatureDoesNotMatch")
    reader, secret = swift.read_only
    must_say(examine(wings, S3_ACCESS_KEY_ID=reader, S3_SECRET_ACCESS_KEY=secret), Trouble.STORE_PERMISSIONS)
    must_say(examine(wings, S3_ENDPOINT="http://127.0.0.1:9"), Trouble.STORE_AWAY)
    assert isinstance(wings.archive, BucketArchive) and wings.archive.stored() == []


@ON_ASYNCIO
def test_servers_that_hang(wings: Household, swift: SwiftNode, rabbit_node: RabbitNode, bucket: BucketArchive) -> None:
    """Each section ends in its own time, the others are not held up, and the whole run takes less than a minute."""
    proxies = [TcpProxy(swift.port), TcpProxy(rabbit_node.port)]
    for proxy in proxies:
        proxy.stall()
    wings.telegram.call(lambda: wings.telegram.world.faults.add("getMe", delay=300))
    begun = time.monotonic()
    hanging = {"S3_ENDPOINT": f"http://127.0.0.1:{proxies[0].port}", "RABBITMQ_PORT": str(proxies[1].port)}
    found = examine(wings, IO_TIMEOUT_SECONDS="300", other=hanging)
    assert time.monotonic() - begun < 60
    must_say(found, Trouble.TOOK_TOO_LONG)
    must_say(found, Trouble.BROKER_AWAY)
    assert found.state("cipher") == found.state("api id") == found.state("ledger") == "well"
    for proxy in proxies:
        proxy.close()
    assert bucket.stored() == []


@ON_TRIO
def test_what_is_cut_off_is_tidied_up(wings: Household, swift: SwiftNode, bucket: BucketArchive) -> None:
    """Ctrl-C while the message of the round trip is on its way to the store: 130, and nothing is left."""
    wings.settings["SPOOL_DIR"] = str(wings.home / "spool")
    sign_in(wings)
    proxy = TcpProxy(swift.port)
    log = wings.home / "doctor.log"
    settings = wings.settings | {"S3_ENDPOINT": f"http://127.0.0.1:{proxy.port}", "S3_MULTIPART_PART_SIZE_MB": "5"}
    process = wings.begin(["doctor", "--round-trip"], settings, wings.home, log)
    eventually(bucket.unfinished, within=WITHIN, what="an upload of the round trip")
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN) == 130, log.read_text()
    proxy.close()
    assert bucket.stored() == bucket.unfinished() == []
    assert [line for line in wings.ada.conversation() if line.from_bot] == []
    assert wings.spooled() == []


@ON_ASYNCIO
def test_databases_that_cannot_be_used(box: Household) -> None:
    """Another bot's, a newer one, one that is no database, one whose folder is missing, one that is locked."""
    box.start("run").stop()
    other = {"TELEGRAM_BOT_TOKEN": "4242424242:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX"}
    must_say(examine(box, other=other), Trouble.DATABASE_OF_ANOTHER_BOT, "4242424242", str(box.bot.id))
    path = Path(box.settings["SQLITE_PATH"])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 999")
        must_say(examine(box), Trouble.DATABASE_TOO_NEW, "999")
        connection.execute("BEGIN EXCLUSIVE")
        must_say(examine(box), Trouble.DATABASE_UNUSABLE, "locked")
    Path(box.settings["EMBEDDED_QUEUE_PATH"]).write_bytes(b"no database, but long enough to be looked at" * 100)
    must_say(examine(box, SQLITE_PATH=str(box.home / "nowhere" / "db")), Trouble.DATABASE_UNUSABLE, "is not there")
    found = examine(box)
    assert "not an SQLite database" in found.found("embedded queue")


@ON_ASYNCIO
def test_a_machine_that_does_not_suffice(box: Household) -> None:
    """No room for the largest file; a port that somebody has; no spool; no folder for the archive; a used-up quota."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = examine(box, HEALTH_PORT=str(taken.getsockname()[1]), MAX_FILE_GB="1000000")
    must_say(found, Trouble.PORT_TAKEN, "in use")
    must_say(found, Trouble.SPOOL_FULL, "MAX_FILE_GB")
    blocked = box.home / "a-file"
    blocked.write_text("where a folder should be")
    found = examine(box, SPOOL_DIR=str(blocked / "spool"), STORAGE_FOLDER=str(box.home / "not-mounted"))
    must_say(found, Trouble.SPOOL_UNUSABLE)
    must_say(found, Trouble.STORE_FOLDER, "create or mount it")
    box.start("run").stop()
    with closing(sqlite3.connect(box.settings["SQLITE_PATH"])) as connection, connection:
        connection.execute("UPDATE room SET used_bytes = 900")
    must_say(examine(box, S3_BUCKET_QUOTA_BYTES="1000"), Trouble.QUOTA_TIGHT)
    must_say(examine(box, S3_BUCKET_QUOTA_BYTES="900"), Trouble.QUOTA_USED_UP)


@ON_ASYNCIO
def test_a_machine_without_cryptg(box: Household) -> None:
    """As where its wheel is broken: the package is there and cannot be imported."""
    shadow = box.home / "shadow"
    shadow.mkdir()
    (shadow / "cryptg.py").write_text("raise ImportError('no wheel for this machine')\n")
    box.begin = run_command
    found = examine(box, PYTHONPATH=str(shadow))
    must_say(found, Trouble.CRYPTG_MISSING, "no wheel for this machine")
