"""What only S3 has: credentials, buckets, lost answers, digests in transit, servers in trouble, lenient servers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import anyio
import pytest

from teltubby.adapters import s3_connection
from teltubby.adapters.base import ObjectInfo
from teltubby.errors import (
    ContentMismatch,
    ObjectExists,
    Permanent,
    StoreRefused,
    StoreUnavailable,
    TeltubbyError,
    UploadVanished,
)
from tests.contract.stores import MIB, PART, S3World, begin, digest, put, put_parts
from tests.servers.s3_proxy import Answer, S3Proxy, error
from tests.servers.swift import PYTHON, SwiftNode
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio

COMPLETED = Answer(
    status=200,
    body=b'<?xml version="1.0"?>\n<CompleteMultipartUploadResult><Key>k</Key><ETag>"x"</ETag>'
    b"</CompleteMultipartUploadResult>",
)

BODIES = [b"a" * PART, b"the end"]
WHOLE = b"".join(BODIES)


@pytest.fixture
def proxy(s3_world: S3World) -> Iterator[S3Proxy]:
    """Between the adapter and the server."""
    proxy = S3Proxy(s3_world.node)
    yield proxy
    proxy.close()


@pytest.fixture
def wire(s3_world: S3World) -> Iterator[TcpProxy]:
    """A wire to the server that can be cut."""
    wire = TcpProxy(s3_world.node.port)
    yield wire
    wire.close()


@pytest.fixture
def tls(s3_world: S3World, tmp_path: Path) -> Iterator[str]:
    """An https endpoint whose certificate nobody vouches for."""
    certificate = tmp_path / "certificate.pem"
    subprocess.run([PYTHON, "-P", "tests/servers/make_certificate.py", certificate], check=True)
    proxy = S3Proxy(s3_world.node, certificate=certificate)
    yield proxy.endpoint
    proxy.close()


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"secret_access_key": "wrong"}, "S3_SECRET_ACCESS_KEY"),
        ({"access_key_id": "nobody:here"}, "S3_ACCESS_KEY_ID"),
        ({"access_key_id": "test:reader", "secret_access_key": "reading"}, "may do in S3_BUCKET"),
        ({"bucket": "no-such-bucket"}, "S3_BUCKET"),
        ({"bucket": "Not a bucket!"}, "S3_BUCKET"),
        ({"endpoint": "not an address"}, "S3_ENDPOINT"),
        ({"region": "eu-central-1"}, "S3_REGION"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_wrong_settings_say_what_to_correct(s3_world: S3World, wrong: dict[str, str], advice: str) -> None:
    with pytest.raises(StoreRefused, match=advice):
        async with s3_world.store(**wrong):
            pass


@pytest.mark.parametrize(
    "wrong", [{"secret_access_key": "wrong"}, {"bucket": "no-such-bucket"}], ids=["secret", "bucket"]
)
async def test_every_request_is_refused_with_wrong_settings(s3_world: S3World, wrong: dict[str, str]) -> None:
    store = s3_world.adapter(**wrong)
    with pytest.raises(StoreRefused):
        await store.open()
    for request in (
        lambda: put(store, "k", b"x"),
        lambda: put(store, "k", b"x", replace=True),
        lambda: store.head("k"),
        lambda: store.get("k"),
        lambda: store.read("k", 0, 1),
        lambda: store.begin("k", content_type="text/plain"),
        lambda: put_parts(store, "k", "1", [b"x"]),
        lambda: store.delete("k"),
        lambda: anext(store.list("")),
        lambda: anext(store.unfinished("")),
    ):
        with pytest.raises(StoreRefused):
            await request()
    await store.aclose()


async def test_an_adapter_that_is_not_open_is_unavailable(s3_world: S3World) -> None:
    with pytest.raises(StoreUnavailable, match="not open"):
        await s3_world.adapter().head("k")


async def test_the_certificate_is_checked_unless_told_otherwise(s3_world: S3World, tls: str) -> None:
    with pytest.raises(StoreRefused, match=r"signed by nobody.*S3_CA_FILE.*MINIO_TLS_SKIP_VERIFY"):
        async with s3_world.store(endpoint=tls):
            pass
    async with s3_world.store(endpoint=tls, tls_skip_verify=True) as store:
        upload_id, parts = await begin(store, "k", BODIES)
        await store.complete("k", upload_id, parts)
        with pytest.raises(ContentMismatch):
            await store.put("other", b"bytes", content_type="text/plain", sha256=digest(b"other bytes"))
    assert s3_world.read("k") == WHOLE


# -- digests -----------------------------------------------------------------------------------------------------


async def test_other_bytes_than_announced_are_not_stored(s3_world: S3World) -> None:
    async with s3_world.store() as store:
        with pytest.raises(ContentMismatch):
            await store.put("k", b"bytes", content_type="text/plain", sha256=digest(b"other bytes"))
        upload_id = await store.begin("k", content_type="text/plain")
        with pytest.raises(ContentMismatch):
            await store.put_part("k", upload_id, 1, b"bytes", sha256=digest(b"other bytes"))
    assert s3_world.read("k") is None


async def test_the_content_type_is_kept(s3_world: S3World) -> None:
    async with s3_world.store() as store:
        await put(store, "k", b"x")
        upload_id, parts = await begin(store, "film", [b"y"])
        await store.complete("film", upload_id, parts)
    for key, content_type in (("k", "text/plain"), ("film", "video/mp4")):
        assert s3_world.client.head_object(Bucket=s3_world.bucket, Key=key)["ContentType"] == content_type


async def test_parts_that_are_too_small_are_a_permanent_mistake(s3_world: S3World) -> None:
    async with s3_world.store() as store:
        upload_id, parts = await begin(store, "k", [b"small", b"smaller"])
        with pytest.raises(Permanent, match="S3_MULTIPART_PART_SIZE_MB"):
            await store.complete("k", upload_id, parts)


async def test_parts_that_the_store_does_not_have_mean_a_new_upload(s3_world: S3World) -> None:
    async with s3_world.store() as store:
        _, parts = await begin(store, "k", [b"in another upload"])
        upload_id = await store.begin("k", content_type="text/plain")
        with pytest.raises(UploadVanished):
            await store.complete("k", upload_id, parts)


# -- trouble on the way ------------------------------------------------------------------------------------------


async def test_nobody_at_the_endpoint(s3_world: S3World, wire: TcpProxy) -> None:
    wire.refuse()
    with pytest.raises(StoreUnavailable):
        async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}"):
            pass


async def test_a_server_that_hangs(s3_world: S3World, wire: TcpProxy) -> None:
    async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}", timeout=1.5) as store:
        wire.stall()
        with pytest.raises(StoreUnavailable):
            await store.head("k")
        with pytest.raises(StoreUnavailable):
            await put(store, "k", b"x" * PART)
        wire.resume()
        await store.check()


async def test_an_upload_that_stalls(s3_world: S3World, wire: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_connection, "_LEAST_RATE", 64 * MIB)  # or the test would have the patience of the product
    body = b"x" * 32 * MIB
    async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}", timeout=1.5) as store:
        upload_id = await store.begin("k", content_type="text/plain")
        wire.stall()
        with pytest.raises(StoreUnavailable, match="in time"):
            await store.put_part("k", upload_id, 1, body, sha256=digest(body))


async def test_a_cancelled_request_leaves_the_store_usable(s3_world: S3World, wire: TcpProxy) -> None:
    async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}") as store:
        upload_id, parts = await begin(store, "k", BODIES[:1])
        wire.stall()
        with anyio.move_on_after(0.2) as scope:
            await store.put_part("k", upload_id, 2, BODIES[1], sha256=digest(BODIES[1]))
        assert scope.cancelled_caught
        wire.resume()
        parts.append(await store.put_part("k", upload_id, 2, BODIES[1], sha256=digest(BODIES[1])))
        await store.complete("k", upload_id, parts)
    assert s3_world.read("k") == WHOLE


async def test_a_cut_wire_and_its_repair(s3_world: S3World, wire: TcpProxy) -> None:
    async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}") as store:
        upload_id, parts = await begin(store, "k", BODIES)
        wire.refuse()
        wire.cut()
        for request in (
            store.check,
            lambda: store.put_part("k", upload_id, 3, b"x", sha256=digest(b"x")),
            lambda: store.complete("k", upload_id, parts),
            lambda: store.abort("k", upload_id),
            lambda: anext(store.list("")),
        ):
            with pytest.raises(StoreUnavailable):
                await request()
        wire.accept()
        assert await store.complete("k", upload_id, parts) == ObjectInfo(key="k", size=len(WHOLE))
    assert s3_world.read("k") == WHOLE


async def test_the_server_dies_in_the_middle(tmp_path_factory: pytest.TempPathFactory) -> None:
    node = SwiftNode(tmp_path_factory.mktemp("mortal"))
    node.start()
    try:
        world = S3World(node, "archive")
        async with world.store() as store:
            upload_id, parts = await begin(store, "k", BODIES[:1])
            node.stop()
            with pytest.raises(StoreUnavailable):
                await store.put_part("k", upload_id, 2, BODIES[1], sha256=digest(BODIES[1]))
            with pytest.raises(StoreUnavailable):
                await store.complete("k", upload_id, parts)
            node.start()
            parts.append(await store.put_part("k", upload_id, 2, BODIES[1], sha256=digest(BODIES[1])))
            assert (await store.complete("k", upload_id, parts)).size == len(WHOLE)
        assert world.read("k") == WHOLE
        world.close()
    finally:
        node.stop()


# -- lost answers ------------------------------------------------------------------------------------------------


async def test_complete_whose_answer_is_lost_is_looked_up(s3_world: S3World, proxy: S3Proxy) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        upload_id, parts = await begin(store, "k", BODIES)
        proxy.once(lambda line: line.startswith("POST") and "uploadId" in line, "lose the answer")
        assert await store.complete("k", upload_id, parts) == ObjectInfo(key="k", size=len(WHOLE))
    assert sum(line.startswith("POST") and "uploadId" in line for line in proxy.requests) == 1
    assert s3_world.read("k") == WHOLE


async def test_complete_whose_request_is_lost_has_not_happened(s3_world: S3World, proxy: S3Proxy) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        upload_id, parts = await begin(store, "k", BODIES)
        proxy.once(lambda line: line.startswith("POST") and "uploadId" in line, "lose the request")
        with pytest.raises(StoreUnavailable):
            await store.complete("k", upload_id, parts)
        assert s3_world.read("k") is None
        await store.complete("k", upload_id, parts)
    assert s3_world.read("k") == WHOLE


@pytest.mark.parametrize("body", [b"them", b"of another size"])
async def test_somebody_elses_object_is_not_taken_for_ours(s3_world: S3World, proxy: S3Proxy, body: bytes) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store, s3_world.store() as other:
        upload_id, parts = await begin(store, "k", [b"ours"])
        await other.complete("k", *await begin(other, "k", [body]))
        proxy.once(lambda line: line.startswith("HEAD"), Answer(status=404))  # it appears after we looked
        proxy.once(lambda line: line.startswith("POST"), "lose the request")
        with pytest.raises(StoreUnavailable):
            await store.complete("k", upload_id, parts)
    assert s3_world.read("k") == body


async def test_an_upload_that_vanished_by_being_completed(s3_world: S3World, proxy: S3Proxy) -> None:
    """As AWS answers when the first complete did its work but nobody heard of it."""

    def complete_by_other_means(line: str) -> bool:
        if not (line.startswith("POST") and "uploadId" in line):
            return False
        sent = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        s3_world.client.complete_multipart_upload(
            Bucket=s3_world.bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": sent}
        )
        return True

    async with s3_world.store(endpoint=proxy.endpoint) as store:
        upload_id, parts = await begin(store, "k", BODIES)
        proxy.once(complete_by_other_means, error(404, "NoSuchUpload"))
        assert (await store.complete("k", upload_id, parts)).size == len(WHOLE)


async def test_put_whose_answer_is_lost_is_looked_up(s3_world: S3World, proxy: S3Proxy) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        proxy.once(lambda line: line.startswith("PUT"), "lose the answer")
        await put(store, "k", b"ours")
        proxy.once(lambda line: line.startswith("HEAD"), Answer(status=404))  # it appears after we looked
        with pytest.raises(ObjectExists):
            await put(store, "k", b"them")
    assert s3_world.read("k") == b"ours"


# -- servers in trouble, and lenient ones ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(500, "InternalError"), StoreUnavailable),
        (error(503, "SlowDown"), StoreUnavailable),
        (Answer(status=503), StoreUnavailable),
        (Answer(status=502), StoreUnavailable),
        (error(400, "RequestTimeout"), StoreUnavailable),
        (error(429, "TooManyRequests"), StoreUnavailable),
        (error(507, "XMinioStorageFull"), StoreUnavailable),
        (Answer(status=507), StoreUnavailable),
        (error(409, "ConditionalRequestConflict"), StoreUnavailable),
        (error(403, "AccessDenied"), StoreRefused),
        (error(403, "RequestTimeTooSkewed"), StoreRefused),
        (error(403, "SomethingNew"), StoreRefused),
        (error(404, "NoSuchBucket"), StoreRefused),
        (error(404, "NoSuchUpload"), UploadVanished),
        (error(400, "XAmzContentSHA256Mismatch"), ContentMismatch),
        (error(400, "BadDigest"), ContentMismatch),
        (error(400, "EntityTooLarge"), Permanent),
        (error(400, "SomethingNew"), Permanent),
        (Answer(status=413), Permanent),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Answer) else value.__name__,
)
async def test_errors_of_the_store(
    s3_world: S3World, proxy: S3Proxy, answer: Answer, kind: type[TeltubbyError]
) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        upload_id = await store.begin("k", content_type="text/plain")
        proxy.once(lambda line: line.startswith("PUT"), answer)
        with pytest.raises(kind) as raised:
            await put_parts(store, "k", upload_id, [b"x"])
        assert type(raised.value) is kind
        assert sum(line.startswith("PUT") for line in proxy.requests) == 1
        await put_parts(store, "k", upload_id, [b"x"])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(200, "InternalError"), StoreUnavailable),
        (error(200, "InvalidPart"), UploadVanished),
        (Answer(status=200), StoreUnavailable),
    ],
    ids=["internal", "part", "empty"],
)
async def test_an_error_inside_a_200_answer_is_an_error(
    s3_world: S3World, proxy: S3Proxy, answer: Answer, kind: type[TeltubbyError]
) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        upload_id, parts = await begin(store, "k", BODIES)
        proxy.once(lambda line: line.startswith("POST") and "uploadId" in line, answer)
        with pytest.raises(kind):
            await store.complete("k", upload_id, parts)
        assert s3_world.read("k") is None
        assert (await store.complete("k", upload_id, parts)).size == len(WHOLE)


async def test_an_object_of_another_size_is_no_success(s3_world: S3World, proxy: S3Proxy) -> None:
    def other_object(line: str) -> bool:
        if line.startswith("POST") and "uploadId" in line:
            s3_world.client.put_object(Bucket=s3_world.bucket, Key="k", Body=b"of another size")
            return True
        return False

    async with s3_world.store(endpoint=proxy.endpoint) as store:
        upload_id, parts = await begin(store, "k", BODIES)
        proxy.once(other_object, COMPLETED)
        with pytest.raises(ContentMismatch):
            await store.complete("k", upload_id, parts)


@pytest.mark.parametrize("conditions", ["ignored", "rejected"])
async def test_a_store_without_conditional_writes_is_asked_first(
    s3_world: S3World, proxy: S3Proxy, conditions: Literal["ignored", "rejected"]
) -> None:
    proxy.conditions = conditions
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        await put(store, "k", b"first")
        with pytest.raises(ObjectExists):
            await put(store, "k", b"second")
        upload_id, parts = await begin(store, "k", [b"third"])
        with pytest.raises(ObjectExists):
            await store.complete("k", upload_id, parts)
        upload_id, parts = await begin(store, "film", BODIES)
        await store.complete("film", upload_id, parts)
    assert s3_world.read("k") == b"first"
    assert s3_world.read("film") == WHOLE
