"""TLS to every service with an authority of one's own: what is right works, and what is wrong is called by its name."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.adapters.bot_api import AiogramGateway
from teltubby.adapters.rabbitmq import RabbitBroker
from teltubby.adapters.rabbitmq_topology import BrokerNames
from teltubby.adapters.tls import Tls, UnusableFiles, tls_fault
from teltubby.config import Config, Role, load
from teltubby.doctor.bot import look_at_bot
from teltubby.doctor.broker import look_at_broker
from teltubby.doctor.findings import Findings
from teltubby.doctor.store import look_at_store
from teltubby.doctor.troubles import Trouble
from teltubby.errors import BrokerUnavailable, ConfigurationError, StoreRefused, TelegramUnavailable
from teltubby.simulator.server import SimulatedTelegram
from teltubby.watching.telling import Unreached, tell
from tests.contract.brokers import JOBS, PATIENCE, message, opened, take_names
from tests.contract.stores import S3World, put
from tests.servers.rabbitmq import RabbitNode
from tests.servers.swift import PYTHON
from tests.servers.tls_proxy import TlsProxy

pytestmark = pytest.mark.anyio

WRONG = {
    "a stranger's": ("server.pem", "other-ca.pem", "signed by nobody whom we trust"),
    "expired": ("expired.pem", "ca.pem", "has expired"),
    "misnamed": ("misnamed.pem", "ca.pem", "is for another name: IP address mismatch.* '127.0.0.1'"),
}
"""The server's certificate, whom we trust, and what is said."""
wrong = pytest.mark.parametrize(("certificate", "authority", "said"), WRONG.values(), ids=WRONG.keys())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What make_authority.py writes."""
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run([PYTHON, "-P", "tests/servers/make_authority.py", folder], check=True)
    return folder


@pytest.fixture
def behind_tls() -> Iterator[Callable[[int, Path], int]]:
    """Puts TLS in front of a port; returns the new one."""
    proxies: list[TlsProxy] = []

    def begin(target: int, certificate: Path) -> int:
        proxies.append(TlsProxy(target, certificate))
        return proxies[-1].port

    yield begin
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def telegram() -> Iterator[SimulatedTelegram]:
    """The simulated Bot API."""
    with SimulatedTelegram(mtproto=False) as telegram:
        yield telegram


async def settings(**given: object) -> Config:
    """A bot's, with these; files are read."""
    return await to_thread.run_sync(partial(read_settings, given))


def read_settings(given: Mapping[str, object]) -> Config:
    enough = {
        "TELEGRAM_BOT_TOKEN": "123456:AAcanary_token-0123456789abcdefghijkl",
        "TELEGRAM_WHITELIST_IDS": "1",
        "STORAGE_FOLDER": "/nowhere",
        "IO_TIMEOUT_SECONDS": "30",
    }
    return load(Role.BOT, {**enough, **{name: str(value) for name, value in given.items()}}, None)


def only(findings: Findings) -> tuple[Trouble | None, str]:
    """The one line that there is."""
    (line,) = findings.lines
    return line.trouble, line.found


# -- RabbitMQ ----------------------------------------------------------------------------------------------------


def broker_at(node: RabbitNode, vhost: str, port: int, tls: Tls | None) -> RabbitBroker:
    return RabbitBroker(
        host=node.host, port=port, username=node.user, password=node.password, vhost=vhost, names=BrokerNames(),
        tls=tls, timeout=PATIENCE, client_name="contract-test",
    )  # fmt: skip


async def test_jobs_go_over_tls_with_certificates_on_both_sides(
    rabbit_node: RabbitNode, rabbit_vhost: str, pem: Path
) -> None:
    port = rabbit_node.listen_tls(pem / "server.pem", authority=pem / "ca.pem")
    tls = Tls(ca_file=pem / "ca.pem", certificate=pem / "client.pem")
    async with opened(broker_at(rabbit_node, rabbit_vhost, port, tls)) as broker:
        await broker.publish(JOBS[1], message("over TLS"))
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["over TLS"]
    with pytest.raises(BrokerUnavailable, match="certificate"):
        await broker_at(rabbit_node, rabbit_vhost, port, Tls(ca_file=pem / "ca.pem")).open()


async def test_a_key_in_a_file_of_its_own_and_files_that_are_renewed(
    rabbit_node: RabbitNode, rabbit_vhost: str, pem: Path, tmp_path: Path
) -> None:
    port = rabbit_node.listen_tls(pem / "server.pem", authority=pem / "ca.pem")
    tls = Tls(ca_file=tmp_path / "ca.pem", certificate=tmp_path / "client-cert.pem", key=tmp_path / "client-key.pem")
    renewed = ("ca.pem", "client-cert.pem", "client-key.pem")
    for name in renewed:
        (tmp_path / name).write_bytes((pem / ("other-ca.pem" if name == "ca.pem" else name)).read_bytes())
    broker = broker_at(rabbit_node, rabbit_vhost, port, tls)
    with pytest.raises(BrokerUnavailable, match="signed by nobody whom we trust"):
        await broker.open()
    (tmp_path / "ca.pem").write_bytes((pem / "ca.pem").read_bytes())
    async with opened(broker):
        await broker.publish(JOBS[1], message("with two files"))


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("client-cert.pem", "encrypted-key.pem", "the key is encrypted"),
        ("client-cert.pem", "server.pem", "the key is not that of the certificate"),
        ("client-cert.pem", None, "client-cert.pem: not a certificate and its key"),
        ("client-cert.pem", "gone.pem", "gone.pem: No such file"),
        ("client-cert.pem", ".", "Is a directory"),
        ("gone.pem", "client-key.pem", "gone.pem and .*: No such file"),
    ],
)
def test_files_of_our_own_that_cannot_be_used(pem: Path, certificate: str, key: str | None, said: str) -> None:
    tls = Tls(ca_file=pem / "ca.pem", certificate=pem / certificate, key=None if key is None else pem / key)
    with pytest.raises(UnusableFiles, match=said):
        tls.context()


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("client-cert.pem", "encrypted-key.pem", "its key is encrypted"),
        ("client-cert.pem", "gone.pem", "no such file"),
        ("client-cert.pem", "ca.pem", "it holds no private key"),
        ("client-cert.pem", "", "RABBITMQ_CLIENT_KEY is not set, so that .* must hold the key too"),
    ],
)
def test_they_are_looked_at_before_the_start(pem: Path, certificate: str, key: str, said: str) -> None:
    given = {"RABBITMQ_TLS": "true", "RABBITMQ_CLIENT_CERTIFICATE": pem / certificate}
    with pytest.raises(ConfigurationError, match=said):
        read_settings(given | ({"RABBITMQ_CLIENT_KEY": pem / key} if key else {}))


@wrong
async def test_a_broker_that_is_not_trusted(
    rabbit_node: RabbitNode, rabbit_vhost: str, pem: Path, certificate: str, authority: str, said: str
) -> None:
    port = rabbit_node.listen_tls(pem / certificate, authority=pem / "ca.pem")
    tls = Tls(ca_file=pem / authority, certificate=pem / "client.pem")
    with pytest.raises(BrokerUnavailable, match=said):
        await broker_at(rabbit_node, rabbit_vhost, port, tls).open()
    config = await settings(
        RABBITMQ_TLS="true", RABBITMQ_HOST=rabbit_node.host, RABBITMQ_PORT=port, RABBITMQ_VHOST=rabbit_vhost,
        RABBITMQ_CA_FILE=pem / authority, RABBITMQ_CLIENT_CERTIFICATE=pem / "client.pem",
    )  # fmt: skip
    findings = Findings()
    await look_at_broker(config, findings)
    trouble, found = only(findings)
    assert trouble is Trouble.CERTIFICATE_REFUSED
    assert said.partition(":")[0] in found


async def test_a_broker_that_speaks_no_tls_and_files_that_are_none(
    rabbit_node: RabbitNode, rabbit_vhost: str, pem: Path
) -> None:
    with pytest.raises(BrokerUnavailable, match="does not speak TLS at this port"):
        await broker_at(rabbit_node, rabbit_vhost, rabbit_node.port, Tls(ca_file=pem / "ca.pem")).open()
    with pytest.raises(BrokerUnavailable, match="our own files for TLS cannot be used"):
        await broker_at(rabbit_node, rabbit_vhost, rabbit_node.port, Tls(ca_file=pem / "gone.pem")).open()


def said_of(port: int, authority: Path) -> str | None:
    """What `tls_fault` makes of a connection that fails."""
    with pytest.raises(ssl.SSLError) as failed, socket.create_connection(("127.0.0.1", port)) as plain:
        Tls(ca_file=authority).context().wrap_socket(plain, server_hostname="127.0.0.1")
    return tls_fault(failed.value)


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated:DeprecationWarning")
def test_a_server_that_is_too_old_and_one_that_hangs_up(pem: Path) -> None:
    old = TlsProxy(1, pem / "server.pem", newest=ssl.TLSVersion.TLSv1_1)
    try:
        assert "knows no TLS as new as 1.2" in (said_of(old.port, pem / "ca.pem") or "")
    finally:
        old.close()
    with socket.create_server(("127.0.0.1", 0)) as server:
        hanging_up = threading.Thread(target=partial(_hang_up, server))
        hanging_up.start()
        with suppress(ConnectionError):  # where the end overtakes what is said first
            assert said_of(server.getsockname()[1], pem / "ca.pem") is None, "it is away, not untrusted"
        hanging_up.join()


# -- S3 ----------------------------------------------------------------------------------------------------------


async def test_a_store_with_an_authority_of_its_own(
    s3_world: S3World, pem: Path, behind_tls: Callable[[int, Path], int]
) -> None:
    endpoint = f"https://127.0.0.1:{behind_tls(s3_world.node.port, pem / 'server.pem')}"
    async with s3_world.store(endpoint=endpoint, ca_file=pem / "ca.pem") as store:
        await put(store, "k", b"over TLS")
    assert s3_world.read("k") == b"over TLS"


@wrong
async def test_a_store_that_is_not_trusted(
    s3_world: S3World, pem: Path, behind_tls: Callable[[int, Path], int], certificate: str, authority: str, said: str
) -> None:
    endpoint = f"https://127.0.0.1:{behind_tls(s3_world.node.port, pem / certificate)}"
    with pytest.raises(StoreRefused, match=f"{said}.*S3_CA_FILE"):
        async with s3_world.store(endpoint=endpoint, ca_file=pem / authority):
            pass
    async with s3_world.store(endpoint=endpoint, ca_file=pem / authority, tls_skip_verify=True) as store:
        await put(store, "k", b"whoever it is")
    config = await settings(
        STORAGE_FOLDER="", S3_ENDPOINT=endpoint, S3_BUCKET=s3_world.bucket, S3_CA_FILE=pem / authority,
        S3_ACCESS_KEY_ID=s3_world.node.access_key_id, S3_SECRET_ACCESS_KEY=s3_world.node.secret_access_key,
    )  # fmt: skip
    findings = Findings()
    await look_at_store(config, lambda: pytest.fail("no clock was compared"), findings)
    trouble, found = only(findings)
    assert trouble is Trouble.CERTIFICATE_REFUSED
    assert said.partition(":")[0] in found


# -- the Bot API -------------------------------------------------------------------------------------------------


def gateway_at(url: str, token: str, authority: Path) -> AiogramGateway:
    return AiogramGateway(token=token, api_url=url, local=False, timeout=PATIENCE, ca_file=authority)


async def test_a_bot_api_server_with_an_authority_of_its_own(
    telegram: SimulatedTelegram, pem: Path, behind_tls: Callable[[int, Path], int]
) -> None:
    bot = telegram.add_bot()
    url = f"https://127.0.0.1:{behind_tls(int(telegram.bot_api_url.rpartition(':')[2]), pem / 'server.pem')}"
    gateway = gateway_at(url, bot.token or "", pem / "ca.pem")
    await gateway.open()
    try:
        assert (await gateway.identify()).id == bot.id
    finally:
        await gateway.aclose()


@wrong
async def test_a_bot_api_server_that_is_not_trusted(
    telegram: SimulatedTelegram,
    pem: Path,
    behind_tls: Callable[[int, Path], int],
    certificate: str,
    authority: str,
    said: str,
) -> None:
    url = f"https://127.0.0.1:{behind_tls(int(telegram.bot_api_url.rpartition(':')[2]), pem / certificate)}"
    gateway = gateway_at(url, "123456:AAcanary", pem / authority)
    await gateway.open()
    try:
        with pytest.raises(TelegramUnavailable, match=said):
            await gateway.identify()
    finally:
        await gateway.aclose()
    findings = Findings()
    config = await settings(TELEGRAM_BOT_API_URL=url, TELEGRAM_BOT_API_CA_FILE=pem / authority)
    await look_at_bot(config, lambda: pytest.fail("no clock was compared"), findings)
    trouble, found = only(findings)
    assert trouble is Trouble.CERTIFICATE_REFUSED
    assert said.partition(":")[0] in found


def test_the_watch_trusts_the_same(
    telegram: SimulatedTelegram, pem: Path, behind_tls: Callable[[int, Path], int]
) -> None:
    bot = telegram.add_bot()
    ada = telegram.add_curator(bot, "Ada", username="ada")
    ada.send_text("/start")
    url = f"https://127.0.0.1:{behind_tls(int(telegram.bot_api_url.rpartition(':')[2]), pem / 'server.pem')}"
    given = {"TELEGRAM_BOT_TOKEN": bot.token, "TELEGRAM_BOT_API_URL": url}
    trusting = read_settings({**given, "TELEGRAM_BOT_API_CA_FILE": pem / "ca.pem"}).telegram
    assert tell(trusting, (ada.user.id,), "It is down.") == Unreached()
    assert tell(read_settings(given).telegram, (ada.user.id,), "It is down.").recipients == (ada.user.id,)
