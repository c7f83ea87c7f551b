"""What is pushed, to whom, and how a client catches up."""

from __future__ import annotations

import pytest
from telethon.tl import functions, types

from tests.simulator.mtproto.conftest import Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient, with_layer
from tests.simulator.mtproto.wire import (
    GET_STATE,
    input_channel,
)

pytestmark = pytest.mark.anyio


async def test_new_messages_are_pushed_to_those_who_want_them(raw_bot: RawClient, scene: Scene) -> None:
    pts = (await raw_bot.call(GET_STATE)).pts
    sent = scene.world.send(scene.person, scene.bot, "news")
    updates = (await raw_bot.receive()).value
    (update,) = updates.updates
    assert (update.message.message, update.pts, update.pts_count) == ("news", pts + 1, 1)
    assert update.message.id != sent.id
    scene.world.send(scene.person, scene.channel, "channel news")
    (update,) = (await raw_bot.receive()).value.updates
    assert isinstance(update, types.UpdateNewChannelMessage)


async def test_they_are_not_pushed_to_others(raw: RawClient, scene: Scene) -> None:
    sign_in_bot = functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", scene.bot.token)
    await raw.call(functions.InvokeWithoutUpdatesRequest(with_layer(sign_in_bot)))
    scene.world.send(scene.person, scene.bot, "news")
    raw.send(functions.PingRequest(3))
    assert isinstance((await raw.receive()).value, types.Pong)


async def test_differences_tell_what_was_missed(raw_bot: RawClient, reconnect: Reconnect, scene: Scene) -> None:
    state = await raw_bot.call(GET_STATE)
    client = await reconnect(raw_bot, same_session=False)
    await raw_bot.close()
    kept = scene.world.send(scene.person, scene.bot, "kept")
    gone = scene.world.send(scene.person, scene.bot, "gone")
    scene.world.edit(kept, text="edited")
    scene.world.delete(gone)
    request = functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts)
    difference = await client.call(request)
    assert [message.message for message in difference.new_messages] == ["edited"]
    assert [type(update) for update in difference.other_updates] == [
        types.UpdateEditMessage,
        types.UpdateDeleteMessages,
    ]
    assert difference.state.pts == state.pts + 4
    request = functions.updates.GetDifferenceRequest(difference.state.pts, state.date, state.qts)
    assert isinstance(await client.call(request), types.updates.DifferenceEmpty)


async def test_long_differences_come_in_slices(raw_bot: RawClient, reconnect: Reconnect, scene: Scene) -> None:
    state = await raw_bot.call(GET_STATE)
    await raw_bot.close()
    for number in range(150):
        scene.world.send(scene.person, scene.bot, f"message {number}")
    client = await reconnect(raw_bot, same_session=False)
    first = await client.call(functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts))
    assert isinstance(first, types.updates.DifferenceSlice) and len(first.new_messages) == 100
    pts = first.intermediate_state.pts
    rest = await client.call(functions.updates.GetDifferenceRequest(pts, state.date, state.qts))
    assert isinstance(rest, types.updates.Difference) and len(rest.new_messages) == 50


async def test_channels_have_differences_of_their_own(raw_bot: RawClient, scene: Scene) -> None:
    channel = input_channel(scene, scene.bot, scene.channel)
    request = functions.updates.GetChannelDifferenceRequest(channel, types.ChannelMessagesFilterEmpty(), 1, 100)
    difference = await raw_bot.call(request)
    assert [message.message for message in difference.new_messages] == ["in the channel"]
    assert difference.final and difference.pts == scene.channel.mailbox.pts
    request.pts = difference.pts
    assert isinstance(await raw_bot.call(request), types.updates.ChannelDifferenceEmpty)
