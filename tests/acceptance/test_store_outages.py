"""The object store away, wrong, or without its bucket: the curator is told that files are kept, and they are."""

from __future__ import annotations

import json

from teltubby.simulator.files import FileKind
from tests.acceptance.archives import BucketArchive, sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.servers.tcp_proxy import TcpProxy

MIB = 1 << 20
KEPT = "Received and kept"


def test_bucket_missing_at_the_start(s3_box: Household, bucket: BucketArchive) -> None:
    """Small and large wait until somebody makes it."""
    product, ada = s3_box.start("run"), s3_box.ada
    photo, video = ada.new_file(FileKind.PHOTO, 50_000), ada.new_file(FileKind.VIDEO, 21 * MIB)
    first, second = ada.send_photo(photo), ada.send_video(video)
    s3_box.answer(first, KEPT)
    product.wait_logged("S3_BUCKET")
    assert product.get("/healthz")[0] == 200
    status, body = product.get("/readyz")
    assert status == 503 and json.loads(body)["dependencies"]["store"]["state"] == "down"
    bucket.create()
    s3_box.answer(first, "Archived 1 file")
    assert json.loads(product.get("/readyz")[1])["dependencies"]["store"]["state"] == "ok"
    s3_box.answer(second, "Large file archived successfully", within=90)
    for message, file in ((first, photo), (second, video)):
        assert sha256(bucket, s3_box.items(message)[0]["s3_key"]) == file.sha256()
    assert [line.text[:1] for line in s3_box.answers(first)] == ["⏸", "✅"], "told once to wait, once that it is done"


def test_commands_are_answered_while_files_wait(s3_box: Household, bucket: BucketArchive) -> None:
    """The operator asks what is wrong exactly then: waiting files must not take all places."""
    s3_box.start("run", CONCURRENCY="1")
    ada = s3_box.ada
    messages = [ada.send_photo(ada.new_file(FileKind.PHOTO, 50_000 + number)) for number in range(3)]
    s3_box.answer(messages[0], KEPT)
    s3_box.answer(ada.send_text("/status"), "Archive: 0 files", within=15)
    for message in messages:
        s3_box.answer(message, KEPT, within=30)
    bucket.create()
    for message in messages:
        s3_box.answer(message, "Archived 1 file", within=90)


@ON_ASYNCIO
def test_wrong_credentials(s3_box: Household, bucket: BucketArchive) -> None:
    """They need an operator and a restart; what was handed in before is archived then."""
    bucket.create()
    product, ada = s3_box.start("run", S3_SECRET_ACCESS_KEY="wrong-secret"), s3_box.ada
    photo, video = ada.new_file(FileKind.PHOTO, 50_000), ada.new_file(FileKind.VIDEO, 21 * MIB)
    first, second = ada.send_photo(photo), ada.send_video(video)
    s3_box.answer(first, KEPT)
    s3_box.answer(second, KEPT)
    product.wait_logged("S3_SECRET_ACCESS_KEY")
    assert "wrong-secret" not in product.log and product.get("/healthz")[0] == 200
    product.stop()
    s3_box.start("run")
    s3_box.answer(first, "Archived 1 file")
    s3_box.answer(second, "Large file archived successfully", within=90)
    assert sha256(bucket, s3_box.items(first)[0]["s3_key"]) == photo.sha256()
    assert sha256(bucket, s3_box.items(second)[0]["s3_key"]) == video.sha256()


def test_unreachable_and_cut(s3_box: Household, bucket: BucketArchive, store_wire: TcpProxy) -> None:
    """Refused connections, then a wire that is cut in the middle of a large upload."""
    bucket.create()
    store_wire.refuse()
    product, ada = s3_box.start("run", S3_MULTIPART_PART_SIZE_MB="5"), s3_box.ada
    photo = ada.new_file(FileKind.PHOTO, 50_000)
    first = ada.send_photo(photo)
    s3_box.answer(first, KEPT)
    store_wire.accept()
    s3_box.answer(first, "Archived 1 file")
    faults = s3_box.telegram.world.faults
    s3_box.in_world(lambda: setattr(faults, "shared_bandwidth", 8 * MIB))
    video = ada.new_file(FileKind.VIDEO, 24 * MIB)
    second = ada.send_video(video)
    eventually(bucket.unfinished, what="the upload to begin")
    store_wire.refuse()
    store_wire.cut()
    s3_box.in_world(lambda: setattr(faults, "shared_bandwidth", None))
    product.wait_logged("comes again in")
    store_wire.accept()
    s3_box.answer(second, "Large file archived successfully", within=90)
    assert sha256(bucket, s3_box.items(second)[0]["s3_key"]) == video.sha256()
    assert bucket.unfinished() == [] and s3_box.spooled() == []


@ON_TRIO
def test_stopped_while_the_store_is_away(s3_box: Household, bucket: BucketArchive) -> None:
    """An end in order, with 0, although files wait; the next start archives them."""
    product, ada = s3_box.start("run"), s3_box.ada
    photo = ada.new_file(FileKind.PHOTO, 50_000)
    message = ada.send_photo(photo)
    s3_box.answer(message, KEPT)
    product.stop()
    bucket.create()
    s3_box.start("run")
    s3_box.answer(message, "Archived 1 file")
    assert sha256(bucket, s3_box.items(message)[0]["s3_key"]) == photo.sha256()
