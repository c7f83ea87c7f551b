"""Files that misbehave, as a client sees it: wrong places, silence, stalls, references, lies about size and hashes."""

from __future__ import annotations

import asyncio
from collections import Counter
from hashlib import sha256
from typing import Any

import pytest
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from teltubby.simulator.faults import FileHashes
from teltubby.simulator.files import File, FileKind
from tests.simulator.mtproto.conftest import MIB, Reconnect, Scene, bots_copy
from tests.simulator.mtproto.raw_client import RawClient, Refusal
from tests.simulator.mtproto.wire import GET_STATE, assert_refused, document_location, part

pytestmark = pytest.mark.anyio

RANGE = 128 * 1024
LARGEST = 4_194_304_000


async def asked_again(client: RawClient, scene: Scene) -> Any:
    """The document as it is in the message now."""
    request = functions.messages.GetMessagesRequest([types.InputMessageID(scene.document_post.id)])
    (message,) = (await client.call(request)).messages
    return message.media.document


async def sent(client: RawClient, scene: Scene, file: File) -> Any:
    """The location of a file that the person sends to the bot now, and its size as it is told."""
    post = bots_copy(scene.world.send(scene.person, scene.bot, media=file), scene.bot)
    await client.receive()
    request = functions.messages.GetMessagesRequest([types.InputMessageID(post.id)])
    (message,) = (await client.call(request)).messages
    document = message.media.document
    assert document.id == file.id
    reference = document.file_reference
    return types.InputDocumentFileLocation(document.id, document.access_hash, reference, ""), document.size


# -- what is answered


async def test_bytes_of_another_place(raw_bot: RawClient, scene: Scene) -> None:
    faults, file = scene.world.faults, scene.document
    request = part(document_location(scene, scene.bot), MIB, MIB)
    faults.add("upload.getFile", shift=4096)
    assert (await raw_bot.call(request)).bytes == file.read(MIB + 4096, MIB)
    faults.add("upload.getFile", shift=-10 * MIB)
    assert (await raw_bot.call(request)).bytes == file.read(0, MIB)
    faults.add("upload.getFile", shift=10 * MIB)
    last = (await raw_bot.call(part(request.location, 3 * MIB, MIB))).bytes
    assert len(last) == 12_345 and last == file.read(3 * MIB, MIB)
    faults.add("upload.getFile", shift=10 * MIB, corrupt=True, truncate=100)
    damaged = (await raw_bot.call(request)).bytes
    assert damaged[1:] == file.read(file.size - MIB, 100)[1:] and len(damaged) == 100
    assert (await raw_bot.call(request)).bytes == file.read(MIB, MIB)


async def test_nothing_at_all(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.add("upload.getFile", truncate=0)
    assert (await raw_bot.call(part(document_location(scene, scene.bot)))).bytes == b""


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("LOCATION_NOT_AVAILABLE", 400),
        ("FLOOD_WAIT_3", 420),
        ("FLOOD_PREMIUM_WAIT_7", 420),
        ("FILE_MIGRATE_4", 303),
        ("AUTH_KEY_UNREGISTERED", 401),
        ("AUTH_KEY_DUPLICATED", 406),
        ("INTERNAL", 500),
        ("Timedout", -503),
    ],
)
async def test_errors_have_their_code(raw_bot: RawClient, scene: Scene, message: str, code: int) -> None:
    scene.world.faults.add("upload.getFile", message=message)
    request = part(document_location(scene, scene.bot))
    await assert_refused(raw_bot, request, code, message)
    assert (await raw_bot.call(request)).bytes == scene.document.read(0, 4096)


async def test_trouble_by_chance(raw_bot: RawClient, scene: Scene) -> None:
    flood = scene.world.faults.add("upload.getFile", chance=0.2, seed=5, times=10**9, message=range(1, 4))
    request = part(document_location(scene, scene.bot))
    outcomes: Counter[str] = Counter()
    for _ in range(100):
        try:
            outcomes[str((await raw_bot.call(request)).bytes == scene.document.read(0, 4096))] += 1
        except Refusal as refusal:
            outcomes[refusal.message] += 1
    assert outcomes.keys() == {"True", "FLOOD_WAIT_1", "FLOOD_WAIT_2", "FLOOD_WAIT_3"}
    assert 8 <= flood.used == 100 - outcomes["True"] <= 35


# -- what is not answered


async def test_a_request_that_is_never_answered(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.add("upload.getFile", silent=True)
    request = part(document_location(scene, scene.bot))
    unanswered = raw_bot.send(request)
    ping = raw_bot.send(functions.PingRequest(3))
    assert (await raw_bot.expect(types.Pong)).msg_id == ping
    assert (await raw_bot.call(request)).bytes == scene.document.read(0, 4096)
    raw_bot.send(types.MsgsStateReq([unanswered]))
    assert ord((await raw_bot.receive()).value.info[0]) == 4 + 32


async def test_a_connection_that_stalls(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    raw_bot.send(functions.PingDelayDisconnectRequest(5, 1))
    await raw_bot.expect(types.Pong)
    scene.world.faults.add("upload.getFile", stall=True)
    raw_bot.send(part(document_location(scene, scene.bot)))
    raw_bot.send(functions.PingRequest(3))
    raw_bot.send(GET_STATE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.3):
            await raw_bot.reader.read(1)
    other = await reconnect(raw_bot, same_session=False)
    answer = await other.call(part(document_location(scene, scene.bot)))
    assert answer.bytes == scene.document.read(0, 4096)


async def test_a_stall_stops_in_the_middle(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.bandwidth = 1_000_000
    location = document_location(scene, scene.bot)
    raw_bot.send(part(location, 0, MIB))
    await raw_bot.reader.readexactly(50_000)
    scene.world.faults.add("upload.getFile", stall=True)
    raw_bot.send(part(location, MIB, MIB))
    received = 50_000
    with pytest.raises(TimeoutError):
        while True:
            async with asyncio.timeout(0.3):
                received += len(await raw_bot.reader.read(MIB))
    assert received < 512 * 1024


# -- references and documents


async def test_references_that_wear_out(raw_bot: RawClient, scene: Scene) -> None:
    scene.document.reference_uses = 2
    request = part(document_location(scene, scene.bot))
    for _ in range(2):
        await raw_bot.call(request)
    for _ in range(2):
        await assert_refused(raw_bot, request, 400, "FILE_REFERENCE_EXPIRED")
    document = await asked_again(raw_bot, scene)
    fresh = part(document_location(scene, scene.bot, file_reference=document.file_reference))
    assert document.file_reference != request.location.file_reference
    for _ in range(2):
        assert (await raw_bot.call(fresh)).bytes == scene.document.read(0, 4096)
    await assert_refused(raw_bot, fresh, 400, "FILE_REFERENCE_EXPIRED")
    await assert_refused(raw_bot, request, 400, "FILE_REFERENCE_EXPIRED")


async def test_a_reference_that_expires_on_order(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.add("upload.getFile", expire=True, skip=1)
    request = part(document_location(scene, scene.bot))
    await raw_bot.call(request)
    await assert_refused(raw_bot, request, 400, "FILE_REFERENCE_EXPIRED")
    await assert_refused(raw_bot, request, 400, "FILE_REFERENCE_EXPIRED")
    document = await asked_again(raw_bot, scene)
    assert document.id == scene.document.id
    await raw_bot.call(part(document_location(scene, scene.bot, file_reference=document.file_reference)))


async def test_a_document_that_is_another_one_when_asked_again(raw_bot: RawClient, scene: Scene) -> None:
    world, file = scene.world, scene.document
    other = world.add_file(FileKind.VIDEO, file.size, seed=99)
    world.faults.add("upload.getFile", expire=True, then=lambda: world.swap_file(file, other))
    request = part(document_location(scene, scene.bot))
    assert (await asked_again(raw_bot, scene)).id == file.id
    await assert_refused(raw_bot, request, 400, "FILE_REFERENCE_EXPIRED")
    assert (await asked_again(raw_bot, scene)).id == other.id
    assert world.message(scene.person, scene.bot, scene.document_post.post.copies[0].id) is not None
    assert scene.document_post.post.edits == 0


@pytest.mark.parametrize("claimed", [0, 100, 5 * MIB])
async def test_a_size_that_lies(raw_bot: RawClient, scene: Scene, claimed: int) -> None:
    file = scene.world.add_file(FileKind.DOCUMENT, 3 * MIB, claimed_size=claimed)
    location, size = await sent(raw_bot, scene, file)
    assert size == claimed
    parts = [(await raw_bot.call(part(location, offset, MIB))).bytes for offset in range(0, 5 * MIB, MIB)]
    assert b"".join(parts) == file.read(0, 3 * MIB)


@pytest.mark.parametrize("size", [0, LARGEST])
async def test_the_smallest_and_the_largest_file(raw_bot: RawClient, scene: Scene, size: int) -> None:
    file = scene.world.add_file(FileKind.DOCUMENT, size, seed=1)
    location, told = await sent(raw_bot, scene, file)
    assert told == size
    last = max(0, (size - 1) // MIB * MIB)
    answer = await raw_bot.call(part(location, last, MIB))
    assert len(answer.bytes) == size - last
    assert answer.bytes == file.read(last, MIB)
    assert (await raw_bot.call(part(location, -(-size // MIB) * MIB, MIB))).bytes == b""
    hashes = await raw_bot.call(functions.upload.GetFileHashesRequest(location, last))
    covered = b"".join(sha256(answer.bytes[n : n + RANGE]).digest() for n in range(0, len(answer.bytes), RANGE))
    assert b"".join(entry.hash for entry in hashes) == covered
    assert await raw_bot.call(functions.upload.GetFileHashesRequest(location, size)) == []


# -- hashes


async def test_hashes_start_with_the_range_that_holds_the_offset(raw_bot: RawClient, scene: Scene) -> None:
    location = document_location(scene, scene.bot)
    for offset in (0, 1, RANGE - 1, RANGE, 2 * RANGE + 5):
        first, second, *_ = await raw_bot.call(functions.upload.GetFileHashesRequest(location, offset))
        start = offset // RANGE * RANGE
        assert [(entry.offset, entry.limit) for entry in (first, second)] == [(start, RANGE), (start + RANGE, RANGE)]
    await assert_refused(raw_bot, functions.upload.GetFileHashesRequest(location, -1), 400, "OFFSET_INVALID")


async def test_hashes_may_be_missing(raw_bot: RawClient, scene: Scene) -> None:
    request = functions.upload.GetFileHashesRequest(document_location(scene, scene.bot), 0)
    scene.world.faults.hashes = FileHashes.EMPTY
    assert await raw_bot.call(request) == []
    scene.world.faults.hashes = FileHashes.REFUSED
    await assert_refused(raw_bot, request, 400, "METHOD_INVALID")


async def test_hashes_may_be_wrong(raw_bot: RawClient, scene: Scene) -> None:
    request = functions.upload.GetFileHashesRequest(document_location(scene, scene.bot), 0)
    honest = await raw_bot.call(request)
    scene.world.faults.hashes = FileHashes.WRONG
    wrong = await raw_bot.call(request)
    scene.world.faults.hashes = FileHashes.TRUE
    scene.world.faults.add("upload.getFileHashes", corrupt=True)
    for hashes in (wrong, await raw_bot.call(request)):
        assert [(entry.offset, entry.limit) for entry in hashes] == [(entry.offset, entry.limit) for entry in honest]
        assert all(entry.hash != good.hash for entry, good in zip(hashes, honest, strict=True))
    assert [entry.hash for entry in await raw_bot.call(request)] == [entry.hash for entry in honest]


# -- what was served


async def test_what_was_served_is_counted(raw_bot: RawClient, scene: Scene) -> None:
    served, document = scene.server.served, scene.document.id
    location = document_location(scene, scene.bot)
    for offset in (0, MIB, 0, 3 * MIB, 9 * MIB):
        await raw_bot.call(part(location, offset, MIB))
    scene.world.faults.add("upload.getFile", message="FLOOD_WAIT_1")
    await assert_refused(raw_bot, part(location, 2 * MIB, MIB), 420, "FLOOD_WAIT_1")
    assert served.parts[document] == {(0, MIB): 2, (MIB, MIB): 1, (3 * MIB, 12_345): 1}
    assert (served.bytes(document), served.repeated(document)) == (3 * MIB + 12_345, MIB)


async def test_an_answer_that_was_cut_off_is_lost(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.add("upload.getFile", chance=0.5, seed=3, times=10**9, cut=True)
    request = part(document_location(scene, scene.bot))
    answered = 0
    with pytest.raises((ConnectionError, EOFError)):
        for _ in range(50):
            sent = raw_bot.send(request)
            answered += (await raw_bot.expect(RpcResult)).req_msg_id == sent
    assert answered < 50
    assert scene.server.served.bytes(scene.document.id) == 4096 * answered
