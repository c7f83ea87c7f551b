"""Channels are collected by a proxy (TELEGRAM_PROXY), and it is told when the proxy does not connect us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.channels import collecting
from tests.acceptance.household import Household
from tests.acceptance.nursery import Nursery
from tests.acceptance.polling import always, eventually
from tests.acceptance.study import Study
from tests.servers.http_proxy import HttpProxy
from tests.servers.proxy_server import ProxyServer
from tests.servers.socks_proxy import Socks4Proxy

PASSWORD = "hunter2"
FEW = 10
"""Connections to a proxy that turns two accounts away for some seconds; a storm would be hundreds."""


@pytest.fixture
def proxy() -> Iterator[HttpProxy]:
    """It wants a name and a password."""
    with closing(HttpProxy(("ada", PASSWORD))) as server:
        yield server


def address(proxy: ProxyServer, password: str = PASSWORD) -> str:
    return f"{proxy.scheme}://ada:{password}@127.0.0.1:{proxy.port}"


def channels(house: Household) -> str:
    """What /channels answers."""
    return house.answer(house.ada.send_text("/channels"), "The News")


@ON_TRIO
def test_history_by_a_proxy_and_by_one_that_turns_us_away(
    telegram: SimulatedTelegram, tmp_path: Path, backend: str, nursery: Nursery, proxy: HttpProxy
) -> None:
    with closing(Study(telegram, tmp_path, backend, nursery, posts=120)) as study:
        study.sign_in()
        refused = study.runs("sync-history", TELEGRAM_PROXY=address(proxy, "guessed"), MTPROTO_RETRY_MAX="1")
        assert refused.code == 1 and "the proxy does not connect us: 407" in refused.complained
        assert "guessed" not in refused.complained and "Traceback" not in refused.complained
        assert 1 <= proxy.turned_away <= FEW and proxy.reached == []
        ended = study.runs("sync-history", TELEGRAM_PROXY=address(proxy))
        assert ended.code == 0 and study.stored_ids() == study.world_ids(), ended.complained
        assert {port for _, port in proxy.reached} == {telegram.mtproto_ports[2]}
        with closing(Socks4Proxy(("ada", ""))) as other:
            study.in_world(lambda: telegram.world.send(study.reader, study.channel, "the newest"))
            again = study.runs("sync-history", TELEGRAM_PROXY=address(other))
            assert again.code == 0 and again.summary["new"] == 1, again.complained
            assert other.reached


@ON_ASYNCIO
def test_a_proxy_that_is_away_and_then_turns_us_away(box: Household, proxy: HttpProxy) -> None:
    """The worker waits for it with patience, says what is wrong, and collects what happened meanwhile."""
    kept = collecting(box, 40, roles=("run",), TELEGRAM_PROXY=address(proxy))
    kept.await_equal()
    assert proxy.reached
    proxy.close()
    kept.in_channel(lambda: box.telegram.world.send(box.ada.user, kept.chat, "nobody hears it"))
    run = box.processes[0]
    run.wait_logged("cannot be reached by the proxy of TELEGRAM_PROXY")
    with closing(HttpProxy(("ada", "another"), port=proxy.port)) as strict:
        eventually(lambda: strict.turned_away >= 2, within=90, what="it to be tried again")
        run.wait_logged("the proxy does not connect us: 407")
        eventually(lambda: "the proxy does not connect us" in channels(box), within=90, what="the reason in /channels")
        before = strict.turned_away
        always(lambda: strict.turned_away <= before + FEW, seconds=5)
        assert run.get("/healthz")[0] == 200 and PASSWORD not in run.log
        strict.credentials = ("ada", PASSWORD)
        kept.await_equal()
        box.stop()
