"""`teltubby reindex` and `teltubby verify` against the real S3 server: what a folder can, a bucket can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.adapters.folder_store import FolderStore
from teltubby.config import Config, Role, load
from teltubby.fixity.check import verified
from teltubby.fixity.reindex import reindexed
from teltubby.fixity.wanted import Wanted
from tests.contract.stores import PART, S3World, StoreWorld
from tests.unit.fixity.archives import CHAT, Bench, Sent, tables


def config_of(bench: Bench, world: S3World) -> Config:
    settings = {
        "TELEGRAM_BOT_TOKEN": f"7:{'t' * 35}",
        "TELEGRAM_WHITELIST_IDS": str(CHAT),
        "SQLITE_PATH": str(bench.ledger_path),
        "S3_BUCKET": world.bucket,
        "S3_ENDPOINT": world.node.endpoint,
        "S3_ACCESS_KEY_ID": world.node.access_key_id,
        "S3_SECRET_ACCESS_KEY": world.node.secret_access_key,
    }
    return load(Role.BOX, settings, env_file=None)


def test_a_bucket(s3_world: S3World, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hand_in_many([([Sent(content=number, unique=number), Sent(content=0, unique=0)], "x") for number in range(5)])
    for path in bench.folder.rglob("*"):
        if path.is_file():
            key = str(path.relative_to(bench.folder))
            s3_world.client.put_object(Bucket=s3_world.bucket, Key=key, Body=path.read_bytes())
    bench.counted()
    was = tables(bench.ledger_path)
    for path in bench.home.glob("ledger.db*"):
        path.unlink()
    config, said = config_of(bench, s3_world), list[str]()

    async def reindex() -> None:
        await reindexed(config, said.append, as_json=True, dry_run=False, told=lambda *_: None)

    async def verify() -> int:
        return await verified(
            config,
            tmp_path / "state",
            Wanted(rate=1e9),
            said.append,
            said.append,
            as_json=True,
            restart=False,
            told=lambda *_: None,
        )

    anyio.run(reindex)
    assert tables(bench.ledger_path) == was
    assert anyio.run(verify) == 0
    told: dict[str, Any] = json.loads(said[-1])
    assert (told["objects"], told["read_objects"], told["unfinished_uploads"]) == (10, 5, 0)
    gone, changed = bench.keys[1], bench.keys[2]
    body = s3_world.read(changed)
    assert body is not None
    s3_world.client.delete_object(Bucket=s3_world.bucket, Key=gone)
    s3_world.client.put_object(Bucket=s3_world.bucket, Key=changed, Body=body[::-1])
    s3_world.client.put_object(Bucket=s3_world.bucket, Key="teltubby/a//b.bin", Body=b"a name that no key of ours has")
    assert anyio.run(verify) == 1
    found = {(finding["kind"], finding["key"]) for finding in json.loads(said[-1])["findings"]}
    lying = ("lying artifact", gone.rpartition("/")[0] + "/message.json")
    assert found == {("missing", gone), lying, ("changed", changed), ("orphan", "teltubby/a//b.bin")}


@pytest.mark.anyio
async def test_unfinished_uploads_are_no_objects(world: StoreWorld) -> None:
    """And are told by a store that nobody opened to be written to: a folder has no place for them then."""
    async with world.store() as store:
        await store.begin("teltubby/a.bin", content_type="video/mp4")
        assert [upload.key async for upload in store.unfinished("teltubby/")] == ["teltubby/a.bin"]
        assert [info.key async for info in store.list("teltubby/")] == []


@pytest.mark.anyio
async def test_a_folder_that_is_only_looked_at(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, part_size=PART)
    assert [upload async for upload in store.unfinished("teltubby/")] == []
    assert [info async for info in store.list("teltubby/")] == []
    assert list(tmp_path.iterdir()) == []
