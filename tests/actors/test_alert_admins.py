"""Alerts when Telegram lets one admin be told and not another, and when the bot dies between telling and writing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from teltubby.errors import DatabaseUnavailable, FloodWait
from tests.actors.bot_wing import BORIS, World, bot_wing
from tests.actors.stage import ANNA
from tests.actors.test_alerts import HOUR, MINUTE, RULES, alerts, all_well, fails, told
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def test_an_admin_who_blocked_the_bot_keeps_nothing_from_the_others(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await anyio.sleep(MINUTE)
        world.telegram.blocked.add(ANNA)
        outlook.dependencies.named("store").down("away")
        await told(wing, 1, chat=BORIS)
        outlook.dependencies.named("store").works()
        await told(wing, 2, chat=BORIS)
        assert alerts(wing, ANNA) == []


def flooded_for(chat: int, send: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    """Telegram takes everything but what goes to that chat."""

    async def sent(chat_id: int, html: str, **options: object) -> int:
        if chat_id == chat:
            raise FloodWait(3600)
        return await send(chat_id, html, **options)

    return sent


async def test_nothing_counts_as_told_while_only_one_who_blocked_the_bot_was_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Boris's message is held up by Telegram; then the bot dies."""
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await anyio.sleep(MINUTE)
        world.telegram.blocked.add(ANNA)
        outlook.dependencies.named("store").down("away")
        monkeypatch.setattr(wing.gateway, "send", flooded_for(BORIS, wing.gateway.send))
        await anyio.sleep(30 * MINUTE)
        assert world.facts("SELECT told_at FROM alerts")[0]["told_at"] is None
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await told(wing, 1, chat=BORIS)


async def test_where_nobody_can_ever_be_told_alerts_go_on(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await anyio.sleep(MINUTE)
        world.telegram.blocked.update((ANNA, BORIS))
        outlook.dependencies.named("store").down("away")
        await anyio.sleep(10 * MINUTE)
        world.telegram.blocked.discard(ANNA)
        outlook.dependencies.named("store").works()
        (over,) = await told(wing, 1)
        assert over.startswith("✅ <b>Over")


async def test_a_flood_delays_an_alert_and_doubles_nothing(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await anyio.sleep(MINUTE)
        wing.gateway.script.fail("send", *[FloodWait(300)] * 4)
        outlook.dependencies.named("store").down("away")
        await told(wing, 1)
        await told(wing, 1, chat=BORIS)


async def test_a_bot_that_dies_between_telling_and_writing_tells_that_once_more_and_nothing_else(world: World) -> None:
    outlook = all_well()
    outlook.dependencies.named("broker").down("away")
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        (broker,) = await told(wing, 1)
        outlook.dependencies.named("store").down("away")
        await until(lambda: len(world.facts("SELECT 1 FROM alerts")) == 2, within=HOUR)
        wing.ledger_script.break_down("WriteAlerts", DatabaseUnavailable("dead"))
        (_, store) = await told(wing, 2)
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        assert (await told(wing, 3))[2] == store
        assert "The broker is away" in broker and "The broker is away" not in store


async def test_hostile_names_make_no_markup_and_no_message_too_long(world: World) -> None:
    async with bot_wing(world, alert_rules=RULES) as wing:
        for number, reason in enumerate(("<b>&amp;</i>" * 900, "a\n*_[x](y)`\r\x00" * 300, "\u202egpj.exe " * 500)):
            await fails(wing, number + 1, reason)
        (text,) = await told(wing, 1)
        assert len(text) < 4096 and "&lt;b&gt;&amp;amp;" in text and "\u202e" not in text
