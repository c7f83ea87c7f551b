"""What doctor asks an S3 server: its clock, why it refuses, and whether it keeps objects from being overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import botocore.auth
import pytest

from teltubby.adapters.s3_inspection import Condition, StoreFault, fault_of, open_for_a_look, put_over, store_time
from teltubby.errors import StoreUnavailable, TeltubbyError
from tests.contract.stores import S3World, digest, put
from tests.servers.s3_proxy import S3Proxy, error

pytestmark = pytest.mark.anyio


@pytest.fixture
def proxy(s3_world: S3World) -> Iterator[S3Proxy]:
    """Between the adapter and the server."""
    proxy = S3Proxy(s3_world.node)
    yield proxy
    proxy.close()


async def refusal(world: S3World, **other: object) -> TeltubbyError:
    """Why a store with these settings cannot be opened."""
    store = world.adapter(**other)
    try:
        with pytest.raises(TeltubbyError) as caught:
            await open_for_a_look(store)
    finally:
        await store.aclose()
    return caught.value


async def test_the_clock_of_the_server(s3_world: S3World) -> None:
    async with s3_world.store() as store:
        theirs = await store_time(store)
        assert theirs is not None and abs(datetime.now(UTC) - theirs) < timedelta(seconds=30)


async def test_why_a_store_refuses(s3_world: S3World) -> None:
    """HEAD answers without a body, so the listing is what tells."""
    assert fault_of(await refusal(s3_world, bucket="no-such-bucket")) is StoreFault.BUCKET
    assert fault_of(await refusal(s3_world, secret_access_key="wrong")) is StoreFault.CREDENTIALS
    key, secret = s3_world.node.read_only
    denied = await refusal(s3_world, access_key_id=key, secret_access_key=secret)
    assert fault_of(denied) is StoreFault.PERMISSIONS
    assert fault_of(await refusal(s3_world, endpoint="http://127.0.0.1:9")) is StoreFault.AWAY


async def test_a_clock_that_is_off_by_an_hour(s3_world: S3World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, by which requests are signed."""
    late = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: late.replace(tzinfo=None))
    refused = await refusal(s3_world)
    assert fault_of(refused) is StoreFault.CLOCK and "clock" in str(refused)


async def test_a_store_that_is_full(s3_world: S3World, proxy: S3Proxy) -> None:
    proxy.once(lambda request: request.startswith("PUT"), error(507, "XMinioStorageFull"))
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        with pytest.raises(StoreUnavailable) as caught:
            await put(store, "teltubby/doctor/full", b"body")
    assert fault_of(caught.value) is StoreFault.FULL


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [("honoured", Condition.HONOURED), ("ignored", Condition.IGNORED), ("rejected", Condition.UNKNOWN)],
)
async def test_whether_an_object_can_be_overwritten(
    s3_world: S3World,
    proxy: S3Proxy,
    conditions: Literal["honoured", "ignored", "rejected"],
    expected: Condition,
) -> None:
    proxy.conditions = conditions
    key, body = f"teltubby/doctor/{conditions}", b"body"
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        await put(store, key, body)
        assert await put_over(store, key, body, sha256=digest(body)) is expected
        await store.delete(key)
