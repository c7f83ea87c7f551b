"""Everything that one scenario has for itself: a Telegram, wires, a bucket, a virtual host, disks, processes."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import BucketArchive
from tests.acceptance.conftest import rabbit_settings, s3_settings
from tests.acceptance.household import Household
from tests.acceptance.queues import JOBS, Queues
from tests.chaos.crew import AGAIN_SECONDS, Crew
from tests.chaos.crowd import Crowd
from tests.chaos.disks import Disks
from tests.chaos.ground import Ground
from tests.chaos.person import Nobody, PersonWhoFetches
from tests.chaos.power import Disk
from tests.chaos.recoveries import Recoveries
from tests.servers.rabbitmq import RabbitUnavailable
from tests.servers.s3_proxy import S3Proxy
from tests.servers.tcp_proxy import TcpProxy

CURATORS = 3
LARGER_THAN = 300_000
"""Bytes; what is larger goes through the queue, so that large files can be small ones."""
JOB_GOES_ON = "worker killed → job goes on"
UPLOADING = "store back → uploading"
CONSUMING = "broker back → consuming"
SESSION = "the bot's session ended → signed in again, consuming"
LOGIN = "auth.importBotAuthorization"
"""What a worker asks to be signed in as the bot."""


class Wire(StrEnum):
    """From whom to whom."""

    BOT_BROKER = "bot–broker"
    WORKER_BROKER = "worker–broker"
    STORE = "store"
    BOT_API = "bot–Telegram"
    MTPROTO = "worker–Telegram"


class Stage:
    """A context manager; `settings` go beyond the usual ones."""

    def __init__(self, ground: Ground, home: Path, seed: int, *, by_person: bool = False, **settings: str) -> None:
        self.ground = ground
        self.home = home
        self.story: list[str] = []
        self.recoveries = Recoveries()
        self.crowd: Crowd
        self._began = time.monotonic()
        self._seed = seed
        self._by_person = by_person
        self._settings = settings
        self._telling = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        with ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _build(self, stack: ExitStack) -> None:
        rabbit, swift = self.ground.rabbit, self.ground.swift
        self.home.mkdir(parents=True)
        vhost = rabbit.create_vhost(f"chaos-{uuid.uuid4().hex[:12]}")
        stack.callback(self._leave_broker)
        self.vhost = vhost
        self.queues = Queues(node=rabbit, vhost=vhost)
        bucket = BucketArchive(swift, f"chaos-{uuid.uuid4().hex[:12]}")
        stack.callback(bucket.close)
        bucket.create()
        self.bucket = bucket
        telegram = stack.enter_context(SimulatedTelegram(seed=self._seed))
        self.disks = Disks(self.home)
        stack.callback(self.disks.close)
        self.power = Disk(self.home / "safe", self.disks.place("spool"))
        self.store = S3Proxy(swift)
        stack.callback(self.store.close)
        self._uploaded_at = 0.0
        self.store.answered = self._answered
        ports = {
            Wire.BOT_BROKER: rabbit.port,
            Wire.WORKER_BROKER: rabbit.port,
            Wire.STORE: _port(self.store.endpoint),
            Wire.BOT_API: _port(telegram.bot_api_url),
            Wire.MTPROTO: telegram.mtproto_ports[2],
        }
        self.wires: dict[Wire, TcpProxy] = {}
        for wire, port in ports.items():
            self.wires[wire] = TcpProxy(port)
            stack.callback(self.wires[wire].close)
        self.house = Household(
            telegram,
            self.home,
            bucket,
            self.ground.nursery.fork,
            {
                **rabbit_settings(rabbit, vhost),
                **s3_settings(swift, bucket),
                "TELTUBBY_BACKEND": "asyncio",
                "S3_ENDPOINT": f"http://127.0.0.1:{self.wires[Wire.STORE].port}",
                "S3_MULTIPART_PART_SIZE_MB": "5",
                "TELEGRAM_BOT_API_URL": f"http://127.0.0.1:{self.wires[Wire.BOT_API].port}",
                "MTPROTO_DC": f"2@127.0.0.1:{self.wires[Wire.MTPROTO].port}",
                "SPOOL_DIR": str(self.disks.place("spool") / "spool"),
                "SQLITE_PATH": str(self.disks.place("database") / "teltubby.db"),
                "BOT_API_MAX_FILE_SIZE_BYTES": str(LARGER_THAN),
                "IO_TIMEOUT_SECONDS": "8",
                "WORKER_MAX_RETRIES": "20",
                **self.power.environment,
                **self._settings,
            },
        )
        self.house.without_flood_control()
        self.person = PersonWhoFetches(self.house, self.recoveries, self.is_consuming) if self._by_person else Nobody()
        self.crew = Crew(self.house, self.tell)
        stack.callback(self.house.kill)
        others = [self.house.welcome(f"Curator {number}") for number in range(1, CURATORS)]
        self.curators = [self.house.ada, *others]

    # -- what happens

    def tell(self, what: str) -> None:
        """Write into the story."""
        with self._telling:
            self.story.append(f"{time.monotonic() - self._began:6.2f} {what}")

    def kill(self, role: str, *, away: float = AGAIN_SECONDS) -> None:
        """kill -9; for any thread."""
        self.crew.kill(role, away=away)
        if role == "worker":
            self._measure_job(time.monotonic())

    def on_broker(self, expression: str) -> None:
        """Evaluate Erlang in the broker, if it runs."""
        if self.ground.rabbit.running:
            self.ground.rabbit.evaluate(expression)

    def forget_uploads(self) -> None:
        """Have the store lose what is under way."""
        if not self.ground.swift.running:
            return
        client = self.bucket.client
        for upload in client.list_multipart_uploads(Bucket=self.bucket.name).get("Uploads", ()):
            client.abort_multipart_upload(Bucket=self.bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])

    def sign_out(self, *, cut: bool) -> None:
        """End the login of the account that fetches files."""
        if self.person.sign_out(cut=cut):
            return
        self.house.in_world(lambda: self.house.telegram.mtproto_server.sign_out(self.house.bot, cut=cut))
        server = self.house.telegram.mtproto_server
        logins = sum(call.method == LOGIN for call in self.house.in_world(lambda: tuple(server.calls)))

        def is_back() -> bool:
            calls = self.house.in_world(lambda: tuple(server.calls))
            return sum(call.method == LOGIN for call in calls) > logins and self.is_consuming()

        self.recoveries.expect(SESSION, is_back)

    def heal(self) -> None:
        """Everything works again, whatever was broken."""
        for wire in self.wires.values():
            wire.accept()
            wire.resume()
            wire.lag(None)
        self.store.clear()
        self.house.in_world(self.house.telegram.world.faults.clear)
        self.crew.may_end = False

    def _leave_broker(self) -> None:
        """Without our queues. After a kill RabbitMQ 3.10 may have lost what moves its dead letters: then a new one."""
        try:
            self.ground.rabbit.delete_vhost(self.vhost)
        except RabbitUnavailable:
            self.ground.rabbit.renew()

    # -- how it stands

    def is_consuming(self) -> bool:
        """Whether a worker has a consumer at the queue of jobs."""
        if not self.ground.rabbit.running:
            return False
        name = f'rabbit_misc:r(<<"{self.vhost}">>, queue, <<"{JOBS}">>)'
        try:
            answer = self.ground.rabbit.evaluate(
                f"case rabbit_amqqueue:lookup({name}) of {{ok, Q}} -> length(rabbit_amqqueue:consumers(Q)); _ -> 0 end"
            )
        except RabbitUnavailable:
            return False
        return answer.startswith("{ok,") and answer[5:].strip(" }\n") not in ("", "0")

    def count(self, of: str) -> int:
        """So many rows of the ledger, as far as there is one."""
        try:
            return int(self.house.rows(f"SELECT count(*) FROM {of}")[0][0])
        except sqlite3.OperationalError:
            return 0

    def wire_is_back(self, wire: Wire) -> None:
        """Measure what follows."""
        if wire is Wire.WORKER_BROKER:
            self.expect_consumer()
        if wire is Wire.STORE:
            self.expect_uploads()

    def expect_consumer(self) -> None:
        """The broker is there again: measure until a worker takes jobs, unless it does already."""
        if not self.is_consuming():
            self.recoveries.expect(CONSUMING, self.is_consuming)

    def expect_uploads(self) -> None:
        """The store is there again: if anything waits for it, measure until it has the next."""
        if self.count("inbox WHERE done_at IS NULL"):
            since = time.monotonic()
            self.recoveries.expect(UPLOADING, lambda: self._uploaded_at > since, since=since)

    def _measure_job(self, since: float) -> None:
        """Until the next worker is sent parts; those that the killed one asked for are sent by the time it is there."""
        killed, before = self.crew.of("worker"), list[int]()

        def goes_on() -> bool:
            if self.crew.of("worker") is killed:
                return False
            served = self.house.telegram.mtproto_server.served
            before.append(sum(sum(counted.values()) for counted in tuple(served.parts.values())))
            return before[-1] > before[0]

        if self.count("jobs WHERE state = 'PROCESSING'"):
            self.recoveries.expect(JOB_GOES_ON, goes_on, since=since)

    def _answered(self, line: str, status: int) -> None:
        if status < 300 and line.startswith(("PUT", "POST")):
            self._uploaded_at = time.monotonic()


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
