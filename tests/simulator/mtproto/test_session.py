"""Encrypted sessions on the wire: salts, message numbers, containers, compression, acknowledgements, repetition."""

from __future__ import annotations

import struct
import time
from itertools import pairwise
from typing import Any

import pytest
from telethon.extensions import BinaryReader
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from tests.simulator.mtproto.conftest import Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient, Refusal, TransportError, container, gzipped, with_layer

pytestmark = pytest.mark.anyio

PING = functions.PingRequest(77)
GET_CONFIG = functions.help.GetConfigRequest()


async def rejection(client: RawClient) -> Any:
    return await client.expect(types.BadMsgNotification)


def msg_id_at(seconds: float) -> int:
    return int((time.time() + seconds) * 2**32) // 4 * 4


async def test_a_new_session_is_announced_once(raw: RawClient) -> None:
    first = raw.send(PING)
    announcement = await raw.receive()
    assert isinstance(announcement.value, types.NewSessionCreated)
    assert announcement.value.first_msg_id == first
    assert announcement.value.server_salt == raw.salt
    assert announcement.seqno == 1
    assert (await raw.receive()).value.ping_id == 77
    raw.send(PING)
    assert isinstance((await raw.receive()).value, types.Pong)


async def test_a_wrong_salt_is_corrected(raw: RawClient) -> None:
    sent = raw.send(PING, salt=raw.salt + 1)
    notice = (await raw.receive()).value
    assert isinstance(notice, types.BadServerSalt)
    assert (notice.bad_msg_id, notice.error_code, notice.new_server_salt) == (sent, 48, raw.salt)
    raw.send(PING, salt=notice.new_server_salt)
    await raw.expect(types.Pong)


async def test_salts_can_be_revoked(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    scene.server.revoke_salts()
    raw.send(PING)
    notice = await raw.expect(types.BadServerSalt)
    assert notice.new_server_salt != raw.salt
    raw.send(PING, salt=notice.new_server_salt)
    await raw.expect(types.Pong)


async def test_future_salts_follow_each_other(raw: RawClient) -> None:
    raw.send(functions.GetFutureSaltsRequest(8))
    salts = (await raw.expect(types.FutureSalts)).salts
    assert len(salts) == 8
    assert salts[0].salt == raw.salt
    assert all((later.valid_since - salt.valid_since).seconds == 1800 for salt, later in pairwise(salts))
    assert all((salt.valid_until - salt.valid_since).seconds == 3600 for salt in salts)


@pytest.mark.parametrize(
    "spoiled",
    [{"spoil_msg_key": True}, {"padding": 0}, {"padding": 1040}, {"length": 4096}, {"length": -4}, {"length": 10}],
)
async def test_a_malformed_packet_ends_the_connection(raw: RawClient, scene: Scene, spoiled: dict[str, Any]) -> None:
    body = bytes(PING) if "padding" not in spoiled else bytes(PING) + bytes(4)
    raw.send(body, **spoiled)
    with pytest.raises(TransportError) as turned_away:
        await raw.receive()
    assert turned_away.value.code == -404
    assert await raw.is_hung_up()
    assert scene.server.violations


@pytest.mark.parametrize(("seconds", "code"), [(-310, 16), (40, 17)])
async def test_clocks_that_are_wrong_are_told(raw: RawClient, seconds: float, code: int) -> None:
    sent = raw.send(PING, msg_id=msg_id_at(seconds))
    notice = await rejection(raw)
    assert (notice.bad_msg_id, notice.error_code) == (sent, code)


@pytest.mark.parametrize("remainder", [1, 2, 3])
async def test_message_ids_are_divisible_by_4(raw: RawClient, remainder: int) -> None:
    raw.send(PING, msg_id=msg_id_at(0) + remainder)
    assert (await rejection(raw)).error_code == 18


async def test_an_rpc_query_needs_an_odd_seqno(raw: RawClient) -> None:
    raw.send(GET_CONFIG, seqno=0)
    assert (await rejection(raw)).error_code == 35


async def test_acknowledgements_and_containers_need_an_even_seqno(raw: RawClient) -> None:
    raw.send(types.MsgsAck([1]), seqno=1)
    assert (await rejection(raw)).error_code == 34
    raw.send(container([(raw.next_msg_id(), 1, bytes(PING))]), seqno=1)
    assert (await rejection(raw)).error_code == 34


async def test_seqnos_follow_message_ids(raw: RawClient) -> None:
    early, middle, late = (raw.next_msg_id() for _ in range(3))
    raw.send(PING, msg_id=middle, seqno=5)
    await raw.expect(types.Pong)
    raw.send(PING, msg_id=late, seqno=3)
    assert (await rejection(raw)).error_code == 32
    raw.send(PING, msg_id=early, seqno=7)
    assert (await rejection(raw)).error_code == 33
    raw.send(PING, msg_id=late, seqno=5)
    assert (await rejection(raw)).error_code == 32
    raw.send(PING, msg_id=late, seqno=7)
    await raw.expect(types.Pong)


async def test_a_container_is_taken_apart(raw: RawClient) -> None:
    await raw.initialise()
    messages = [(raw.next_msg_id(), raw.next_seqno(content_related=True), bytes(q)) for q in (PING, GET_CONFIG)]
    raw.send(container(messages), content_related=False)
    answers = [await raw.receive() for _ in range(2)]
    by_type = {type(answer.value): answer for answer in answers}
    assert by_type[types.Pong].value.msg_id == messages[0][0]
    assert by_type[RpcResult].value.req_msg_id == messages[1][0]


async def test_several_answers_come_in_a_container(raw: RawClient) -> None:
    await raw.initialise()
    pings = [(raw.next_msg_id(), raw.next_seqno(content_related=True), bytes(PING)) for _ in range(5)]
    raw.send(container(pings), content_related=False)
    answers = [await raw.receive() for _ in range(5)]
    assert all(answer.contained for answer in answers)
    assert [answer.value.msg_id for answer in answers] == [msg_id for msg_id, _, _ in pings]


async def test_containers_that_break_the_rules_are_rejected(raw: RawClient) -> None:
    old = raw.next_msg_id()
    inner = [(raw.next_msg_id(), 1, bytes(PING))]
    raw.send(container(inner), msg_id=old, seqno=0)
    assert (await rejection(raw)).error_code == 64
    raw.send(container([(raw.next_msg_id(), 0, container(inner))]), seqno=0)
    assert (await rejection(raw)).error_code == 64
    raw.send(struct.pack("<Ii", 0x73F1F8DC, 5) + bytes(16), seqno=0)
    assert (await rejection(raw)).error_code == 64


async def test_a_container_number_is_not_used_twice(raw: RawClient) -> None:
    body = container([(raw.next_msg_id(), 1, bytes(PING))])
    sent = raw.send(body, seqno=2)
    await raw.expect(types.Pong)
    raw.send(body, msg_id=sent, seqno=2)
    assert (await rejection(raw)).error_code == 19


async def test_one_bad_message_does_not_spoil_its_container(raw: RawClient) -> None:
    await raw.initialise()
    bad, good = raw.next_msg_id(), raw.next_msg_id()
    raw.send(container([(bad, 2, bytes(GET_CONFIG)), (good, 3, bytes(PING))]), seqno=4)
    first, second = (await raw.receive()).value, (await raw.receive()).value
    assert (first.bad_msg_id, first.error_code) == (bad, 35)
    assert second.msg_id == good


async def test_compressed_queries_are_read(raw: RawClient) -> None:
    sent = raw.send(gzipped(with_layer(GET_CONFIG)))
    assert (await raw.result_of(sent, GET_CONFIG)).this_dc == 2
    broken = gzipped(with_layer(GET_CONFIG))[:-8] + bytes(8)
    with pytest.raises(Refusal) as refusal:
        await raw.call(broken)
    assert (refusal.value.code, refusal.value.message) == (400, "INPUT_FETCH_ERROR")


async def test_long_answers_are_compressed(raw: RawClient, scene: Scene) -> None:
    for _ in range(20):
        scene.world.send(scene.person, scene.bot, "much the same text again and again" * 3)
    await raw.sign_in_bot(scene.bot.token or "")
    request = functions.messages.GetMessagesRequest([types.InputMessageID(n) for n in range(4, 24)])
    raw.send(request)
    packet = await raw.read_packet()
    assert len(packet) < 1000
    raw.send(request)
    result = await raw.expect(RpcResult)
    assert len(result.body) > 2000
    assert len(request.read_result(BinaryReader(result.body)).messages) == 20


async def test_a_repeated_query_is_answered_again_and_run_once(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    sent = raw.send(GET_CONFIG)
    first = await raw.receive()
    raw.send(GET_CONFIG, msg_id=sent, seqno=3)
    again = await raw.receive()
    assert (again.msg_id, again.seqno, again.value.body) == (first.msg_id, first.seqno, first.value.body)
    assert [call.method for call in scene.server.calls].count("help.getConfig") == 2


async def test_unacknowledged_answers_come_again_on_the_next_connection(raw: RawClient, reconnect: Reconnect) -> None:
    await raw.initialise()
    sent = raw.send(GET_CONFIG)
    lost = await raw.receive()
    await raw.close()
    other = await reconnect(raw)
    other.send(PING)
    seen = [await other.receive() for _ in range(4)]
    assert lost.msg_id in [message.msg_id for message in seen]
    assert sent in [getattr(message.value, "req_msg_id", None) for message in seen]
    other.send(types.MsgsAck([message.msg_id for message in seen]), content_related=False)
    await other.close()
    third = await reconnect(other)
    third.send(PING)
    assert isinstance((await third.receive()).value, types.Pong)


async def test_a_large_answer_is_not_repeated(raw_bot: RawClient, scene: Scene) -> None:
    file = scene.document
    access_hash, reference = scene.world.access_hash(scene.bot.id, file), scene.world.file_reference(file)
    location = types.InputDocumentFileLocation(file.id, access_hash, reference, "")
    request = functions.upload.GetFileRequest(location, 0, 1024 * 1024)
    sent = raw_bot.send(request)
    await raw_bot.result_of(sent, request)
    raw_bot.send(request, msg_id=sent, seqno=1)
    raw_bot.send(PING)
    assert isinstance((await raw_bot.receive()).value, types.Pong)


async def test_the_state_of_messages_is_told(raw: RawClient) -> None:
    sent = raw.send(with_layer(GET_CONFIG))
    await raw.result_of(sent, GET_CONFIG)
    never, later = sent + 4, msg_id_at(20)
    ping = raw.send(PING)
    await raw.expect(types.Pong)
    raw.send(types.MsgsStateReq([sent, ping, never, later]))
    packet = await raw.receive()
    assert packet.value.info.encode("latin-1", "replace")[1:] == bytes((4, 2, 3))
    assert ord(packet.value.info[0]) == 4 + 32 + 64


async def test_lost_answers_are_repeated_on_request(raw: RawClient) -> None:
    await raw.initialise()
    raw.send(GET_CONFIG)
    answer = await raw.receive()
    raw.send(types.MsgResendReq([answer.msg_id]))
    assert (await raw.receive()).msg_id == answer.msg_id


async def test_answers_can_be_dropped(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    scene.world.faults.add("help.getNearestDc", delay=0.3)
    nearest = functions.help.GetNearestDcRequest()
    slow = raw.send(nearest)
    dropped = await raw.call(functions.RpcDropAnswerRequest(slow))
    assert isinstance(dropped, types.RpcAnswerDroppedRunning)
    unknown = await raw.call(functions.RpcDropAnswerRequest(123456))
    assert isinstance(unknown, types.RpcAnswerUnknown)


async def test_sessions_are_destroyed(raw: RawClient, reconnect: Reconnect) -> None:
    raw.send(PING)
    await raw.expect(types.Pong)
    other = await reconnect(raw, same_session=False)
    other.send(functions.DestroySessionRequest(raw.session_id))
    assert (await other.expect(types.DestroySessionOk)).session_id == raw.session_id
    other.send(functions.DestroySessionRequest(raw.session_id))
    assert (await other.expect(types.DestroySessionNone)).session_id == raw.session_id


async def test_a_client_that_stops_pinging_is_disconnected(raw: RawClient) -> None:
    raw.send(functions.PingDelayDisconnectRequest(5, 0))
    with pytest.raises((ConnectionError, EOFError)):
        while True:
            await raw.receive()


async def test_a_query_waits_for_the_one_it_names(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    scene.world.faults.add("help.getNearestDc", delay=0.2)
    nearest = functions.help.GetNearestDcRequest()
    slow = raw.send(nearest)
    after = raw.send(functions.InvokeAfterMsgRequest(slow, GET_CONFIG))
    results = [await raw.expect(RpcResult) for _ in range(2)]
    assert [result.req_msg_id for result in results] == [slow, after]


async def test_a_query_after_a_failed_one_fails(raw: RawClient) -> None:
    await raw.initialise()
    failed = raw.send(functions.updates.GetStateRequest())
    await raw.expect(RpcResult)
    with pytest.raises(Refusal) as refusal:
        await raw.call(functions.InvokeAfterMsgRequest(failed, GET_CONFIG))
    assert refusal.value.message == "MSG_WAIT_FAILED"
