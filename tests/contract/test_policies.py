"""deploy/policies: each wing works with the permissions that it is given there, and is refused what the other does."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from anyio import to_thread

from teltubby.adapters.base import Destination
from teltubby.adapters.rabbitmq import RabbitBroker
from teltubby.adapters.rabbitmq_topology import BrokerNames
from teltubby.backup.names import PREFIX
from teltubby.config import Role, load
from teltubby.doctor.broker import look_at_broker
from teltubby.doctor.findings import Findings, Verdict, verdict
from teltubby.errors import BrokerUnavailable
from tests.contract.brokers import JOBS, PATIENCE, message, opened, take, take_names
from tests.servers.rabbitmq import RabbitNode

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "deploy" / "policies"
PASSWORD = "of-both"


def script() -> ModuleType:
    """scripts/write-policies.py."""
    spec = importlib.util.spec_from_file_location("write_policies", ROOT / "scripts" / "write-policies.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_definitions_are_those_of_the_code() -> None:
    text = (POLICIES / "rabbitmq.json").read_text(encoding="utf-8")
    assert text == script().definitions(), "run scripts/write-policies.py"


def settle_in(node: RabbitNode, vhost: str, folder: Path) -> None:
    """As the script's beginning says, in this virtual host."""
    (folder / "rabbitmq.json").write_text(script().definitions(vhost))
    (folder / "rabbitmq.sh").write_text((POLICIES / "rabbitmq.sh").read_text())
    for user in ("teltubby-bot", "teltubby-worker"):
        node.evaluate(
            f'catch rabbit_auth_backend_internal:delete_user(<<"{user}">>, <<"tests">>), '
            f'ok = rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"{PASSWORD}">>, <<"tests">>)'
        )
    node.shell(f"sh {folder / 'rabbitmq.sh'} {vhost}")


def user_of(node: RabbitNode, vhost: str, user: str) -> RabbitBroker:
    return RabbitBroker(
        host=node.host, port=node.port, username=user, password=PASSWORD, vhost=vhost, names=BrokerNames(),
        timeout=PATIENCE, client_name="contract-test",
    )  # fmt: skip


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_both_wings_work_and_are_refused_what_they_should_not_have(
    rabbit_node: RabbitNode, rabbit_vhost: str, tmp_path: Path
) -> None:
    await to_thread.run_sync(settle_in, rabbit_node, rabbit_vhost, tmp_path)
    bot, worker = (user_of(rabbit_node, rabbit_vhost, f"teltubby-{wing}") for wing in ("bot", "worker"))
    async with opened(bot), opened(worker):
        heard = await worker.listen()
        await bot.broadcast(message("an order"))
        assert (await heard.receive()).type == message().type
        questions = await bot.questions()
        await bot.publish(Destination.JOBS, message("a job"))
        delivery = await take(await worker.consume(JOBS, prefetch=1))
        await worker.publish(Destination.EVENTS, message("a report"))
        await worker.publish(Destination.RETRY, message("once more"), delay=1.0)
        await delivery.dead_letter("failed", attempt=1)
        assert await take_names(await bot.consume([Destination.EVENTS], prefetch=1), 1) == ["a report"]
        assert (await bot.depths())[Destination.DEAD] == 1
        await questions.aclose()
    for user, theirs in (("bot", Destination.JOBS), ("bot", Destination.DEAD), ("worker", Destination.EVENTS)):
        async with opened(user_of(rabbit_node, rabbit_vhost, f"teltubby-{user}")) as broker:
            with pytest.raises(BrokerUnavailable, match="refused"):
                await take(await broker.consume([theirs], prefetch=1))
    given = {
        "TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_WHITELIST_IDS": "1", "STORAGE_FOLDER": "/nowhere", "MTPROTO_API_ID": "1",
        "MTPROTO_API_HASH": "0123456789", "RABBITMQ_HOST": rabbit_node.host, "RABBITMQ_PORT": str(rabbit_node.port),
        "RABBITMQ_PASSWORD": PASSWORD, "RABBITMQ_VHOST": rabbit_vhost,
    }  # fmt: skip
    for role in (Role.BOT, Role.WORKER):
        config = await to_thread.run_sync(partial(load, role, {**given, "RABBITMQ_USERNAME": f"teltubby-{role}"}, None))
        findings = Findings()
        await look_at_broker(config, findings)
        assert verdict(findings.lines) is Verdict.WELL, findings.lines


# -- S3: no server of the tests enforces such policies, so that they are compared with the calls that the code makes

ACTIONS = {
    "head_bucket": "s3:ListBucket",
    "list_objects_v2": "s3:ListBucket",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "delete_object": "s3:DeleteObject",
}
"""docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html, per call."""
OF_BUCKETS = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}


@pytest.mark.parametrize(
    ("whose", "prefix", "actions"),
    [
        ("bot", "teltubby/", set(ACTIONS.values())),
        ("worker", "teltubby/", set(ACTIONS.values())),
        ("backup", PREFIX, set(ACTIONS.values())),
        ("verify", "teltubby/", {"s3:ListBucket", "s3:GetObject"}),
    ],
)
def test_a_policy_of_the_store_allows_what_the_code_asks_for_and_no_more(
    whose: str, prefix: str, actions: set[str]
) -> None:
    policy = json.loads((POLICIES / f"s3-{whose}.json").read_text(encoding="utf-8"))
    assert policy["Version"] == "2012-10-17"
    allowed: set[str] = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        of_bucket = set(statement["Action"]) <= OF_BUCKETS
        assert statement["Resource"] == ["arn:aws:s3:::BUCKET" if of_bucket else f"arn:aws:s3:::BUCKET/{prefix}*"]
        allowed |= set(statement["Action"])
    assert allowed == actions


def test_every_call_of_the_code_has_its_action() -> None:
    made = {
        call
        for path in (ROOT / "teltubby" / "adapters").glob("s3_*.py")
        for call in re.findall(r"(?:await s3\.|\bs3\.)([a-z_0-9]+)\(", path.read_text(encoding="utf-8"))
    }
    pages = {"list_objects_v2"}  # by way of a paginator or a helper
    assert made | pages == set(ACTIONS)
