"""Parts of files on the wire: the rules of upload.getFile, and faults on order."""

from __future__ import annotations

import time
import tracemalloc
from hashlib import sha256

import pytest
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from teltubby.simulator.files import File
from tests.simulator.mtproto.conftest import MIB, Scene
from tests.simulator.mtproto.raw_client import RawClient, Refusal
from tests.simulator.mtproto.wire import (
    GET_STATE,
    assert_refused,
    document_location,
    part,
    photo_location,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("offset", "limit", "precise", "message"),
    [
        (1, 4096, False, "OFFSET_INVALID"),
        (-4096, 4096, False, "OFFSET_INVALID"),
        (1024, 4096, False, "OFFSET_INVALID"),
        (512, 1024, True, "OFFSET_INVALID"),
        (0, 0, False, "LIMIT_INVALID"),
        (0, 1024, False, "LIMIT_INVALID"),
        (0, 12_288, False, "LIMIT_INVALID"),
        (0, 2 * MIB, False, "LIMIT_INVALID"),
        (0, 1000, True, "LIMIT_INVALID"),
        (MIB - 4096, 8192, False, "LIMIT_INVALID"),
        (MIB - 1024, 2048, True, "LIMIT_INVALID"),
    ],
)
async def test_parts_must_be_aligned(
    raw_bot: RawClient, scene: Scene, offset: int, limit: int, precise: bool, message: str
) -> None:
    location = document_location(scene, scene.bot)
    await assert_refused(raw_bot, part(location, offset, limit, precise=precise), 400, message)


@pytest.mark.parametrize(
    ("offset", "limit", "precise"),
    [(0, 4096, False), (MIB, MIB, False), (3 * MIB, MIB, False), (4096 * 255, 4096, False), (1024, 3072, True)],
)
async def test_aligned_parts_are_served(
    raw_bot: RawClient, scene: Scene, offset: int, limit: int, precise: bool
) -> None:
    answer = await raw_bot.call(part(document_location(scene, scene.bot), offset, limit, precise=precise))
    assert answer.bytes == scene.document.read(offset, limit)
    assert answer.mtime == scene.document.date


async def test_parts_are_not_kept_once_they_are_sent(raw_bot: RawClient, scene: Scene) -> None:
    request = part(document_location(scene, scene.bot), 0, MIB)
    tracemalloc.start()
    try:
        for _ in range(20):
            await raw_bot.call(request)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4 * MIB


async def test_beyond_the_end_there_is_nothing(raw_bot: RawClient, scene: Scene) -> None:
    assert (await raw_bot.call(part(document_location(scene, scene.bot), 64 * MIB, MIB))).bytes == b""


async def test_every_size_of_a_photo_is_served(raw_bot: RawClient, scene: Scene) -> None:
    for size in scene.photo.sizes:
        answer = await raw_bot.call(part(photo_location(scene, scene.bot, thumb_size=size.letter), 0, MIB))
        assert answer.bytes == size.content.read(0, size.content.size)
    await assert_refused(raw_bot, part(photo_location(scene, scene.bot, thumb_size="q")), 400, "LOCATION_INVALID")


async def test_locations_are_checked(raw_bot: RawClient, scene: Scene) -> None:
    bot, photo = scene.bot, scene.photo
    for wrong in (
        document_location(scene, scene.person),
        document_location(scene, bot, id=1),
        document_location(scene, bot, thumb_size="m"),
        document_location(scene, bot, id=photo.id, access_hash=scene.world.access_hash(bot.id, photo)),
        types.InputEncryptedFileLocation(1, 2),
    ):
        await assert_refused(raw_bot, part(wrong), 400, "LOCATION_INVALID")
    await assert_refused(raw_bot, part(document_location(scene, bot, file_reference=b"")), 400, "FILE_REFERENCE_EMPTY")
    forged = document_location(scene, bot, file_reference=scene.world.file_reference(photo))
    await assert_refused(raw_bot, part(forged), 400, "FILE_REFERENCE_EXPIRED")


async def test_file_references_expire(raw_bot: RawClient, scene: Scene) -> None:
    stale = document_location(scene, scene.bot)
    await raw_bot.call(part(stale))
    scene.world.expire_references([scene.document])
    await assert_refused(raw_bot, part(stale), 400, "FILE_REFERENCE_EXPIRED")
    request = functions.messages.GetMessagesRequest([types.InputMessageID(scene.document_post.id)])
    (message,) = (await raw_bot.call(request)).messages
    fresh = document_location(scene, scene.bot, file_reference=message.media.document.file_reference)
    assert (await raw_bot.call(part(fresh))).bytes == scene.document.read(0, 4096)


async def test_files_are_served_where_they_live(raw_bot: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    scene.document.dc = 4
    request = part(document_location(scene, scene.bot))
    await assert_refused(raw_bot, request, 303, "FILE_MIGRATE_4")
    exported = await raw_bot.call(functions.auth.ExportAuthorizationRequest(4))
    await elsewhere.initialise(functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes))
    assert (await elsewhere.call(request)).bytes == scene.document.read(0, 4096)


async def test_hashes_cover_the_file(raw_bot: RawClient, scene: Scene) -> None:
    file: File = scene.document
    location = document_location(scene, scene.bot)
    covered = 0
    while covered < file.size:
        hashes = await raw_bot.call(functions.upload.GetFileHashesRequest(location, covered))
        for entry in hashes:
            assert entry.offset == covered
            assert entry.hash == sha256(file.read(entry.offset, entry.limit)).digest()
            covered += entry.limit
    assert covered == file.size


# -- faults on order


async def test_faults_strike_as_ordered(raw_bot: RawClient, scene: Scene) -> None:
    faults, request = scene.world.faults, part(document_location(scene, scene.bot))
    honest = scene.document.read(0, 4096)
    faults.add("upload.getFile", error=420, message="FLOOD_WAIT_3", skip=1)
    assert (await raw_bot.call(request)).bytes == honest
    await assert_refused(raw_bot, request, 420, "FLOOD_WAIT_3")
    faults.add("upload.getFile", corrupt=True)
    spoiled = (await raw_bot.call(request)).bytes
    assert spoiled != honest and len(spoiled) == len(honest)
    faults.add("upload.getFile", truncate=100)
    assert (await raw_bot.call(request)).bytes == honest[:100]
    faults.add("upload.getFile", matches=lambda parameters: parameters["offset"] == 4096, error=500, message="X")
    assert (await raw_bot.call(request)).bytes == honest
    await assert_refused(raw_bot, part(request.location, 4096), 500, "X")
    faults.add("upload.getFile", cut=True)
    raw_bot.send(request)
    with pytest.raises((ConnectionError, EOFError)):
        await raw_bot.receive()


async def test_a_narrow_line_is_narrow(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.bandwidth = 1_000_000
    started = time.monotonic()
    await raw_bot.call(part(document_location(scene, scene.bot), 0, 256 * 1024))
    assert time.monotonic() - started > 0.25


async def test_slow_answers_are_acknowledged_at_once(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.add("updates.getState", delay=0.05)
    sent = raw_bot.send(GET_STATE)
    acknowledgement = (await raw_bot.receive()).value
    assert isinstance(acknowledgement, types.MsgsAck) and acknowledgement.msg_ids == [sent]
    assert (await raw_bot.expect(RpcResult)).req_msg_id == sent


async def test_an_error_of_the_server_is_recorded(raw_bot: RawClient, scene: Scene) -> None:
    scene.document_post.post.date = "yesterday"  # type: ignore[assignment]  # which cannot be written
    request = functions.messages.GetMessagesRequest([types.InputMessageID(scene.document_post.id)])
    with pytest.raises(Refusal) as refusal:
        await raw_bot.call(request)
    assert refusal.value.code == 500
    assert [method for method, _ in scene.server.failures] == ["messages.getMessages"]
    scene.server.failures.clear()
