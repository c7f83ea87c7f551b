"""What the processes of an installation stand on: a queue, a store, the wires to them and to Telegram, and disks."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from teltubby.adapters.base.broker import Destination
from teltubby.simulator.people import HOME_DC as HOME
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import Archive, BucketArchive, FolderArchive
from tests.acceptance.conftest import rabbit_settings, s3_settings
from tests.acceptance.queues import DEAD, EVENTS, JOBS, Queues
from tests.chaos.cables import Cable, before_other_addresses, laid
from tests.chaos.disks import Disks
from tests.chaos.ground import Ground
from tests.chaos.installation import Wire
from tests.servers.rabbitmq import RabbitUnavailable
from tests.servers.s3_proxy import S3Proxy
from tests.servers.swift import SwiftNode

STANDING_TYPE = "teltubby.worker.standing"
LOOPBACK = "127.0.0.1"


class Depths(Protocol):
    """How many messages wait in which queue."""

    def depths(self) -> Mapping[str, int]:
        """Of those that are not empty."""
        ...


class Backing(Protocol):
    """The queue and the store; `settings` tell processes of them."""

    settings: dict[str, str]
    archive: Archive
    queues: Depths

    def is_consuming(self) -> bool:
        """Whether a worker has a consumer at the queue of jobs."""
        ...

    def forget_uploads(self) -> int:
        """Have the store lose what is under way; returns how many there were."""
        ...


class Servers:
    """RabbitMQ, and S3 behind `store`, which `stack` lets go of in the end."""

    def __init__(self, ground: Ground, store: S3Proxy, wires: Mapping[Wire, Cable], stack: ExitStack) -> None:
        rabbit, swift = ground.rabbit, ground.swift
        self._ground = ground
        self._vhost = rabbit.create_vhost(f"chaos-{uuid.uuid4().hex[:12]}")
        stack.callback(self._leave_broker)
        bucket = _Bucket(swift, store, f"chaos-{uuid.uuid4().hex[:12]}")
        stack.callback(bucket.close)
        bucket.create()
        self._bucket = bucket
        self.archive: Archive = bucket
        self.queues: Depths = Queues(node=rabbit, vhost=self._vhost)
        self.settings = {
            **rabbit_settings(rabbit, self._vhost),
            **s3_settings(swift, bucket),
            "S3_ENDPOINT": f"http://{LOOPBACK}:{wires[Wire.STORE].ports[0]}",
            "S3_MULTIPART_PART_SIZE_MB": "5",
        }

    def is_consuming(self) -> bool:
        if not self._ground.rabbit.running:
            return False
        name = f'rabbit_misc:r(<<"{self._vhost}">>, queue, <<"{JOBS}">>)'
        try:
            answer = self._ground.rabbit.evaluate(
                f"case rabbit_amqqueue:lookup({name}) of {{ok, Q}} -> length(rabbit_amqqueue:consumers(Q)); _ -> 0 end"
            )
        except RabbitUnavailable:
            return False
        return answer.startswith("{ok,") and answer[5:].strip(" }\n") not in ("", "0")

    def forget_uploads(self) -> int:
        if not self._ground.swift.running:
            return 0
        client, name = self._bucket.client, self._bucket.name
        uploads = client.list_multipart_uploads(Bucket=name).get("Uploads", ())
        for upload in uploads:
            client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        return len(uploads)

    def _leave_broker(self) -> None:
        """Without our queues. After a kill RabbitMQ 3.10 may have lost what moves its dead letters: then a new one."""
        try:
            self._ground.rabbit.delete_vhost(self._vhost)
        except RabbitUnavailable:
            self._ground.rabbit.renew()


class _Bucket(BucketArchive):
    """Also what Swift has and does not list, after a kill between an object and its line in the listing.

    Amazon's S3 promises to list it; with Swift a daemon that does not run here sees to it.
    """

    def __init__(self, node: SwiftNode, store: S3Proxy, bucket: str) -> None:
        super().__init__(node, bucket)
        self._store = store

    def stored(self) -> list[str]:
        listed = set(super().stored())
        paths = (urlsplit(line.partition(" ")[2]).path for line in tuple(self._store.requests) if line[:3] == "PUT")
        written = {unquote(path).removeprefix(f"/{self.name}/") for path in paths}
        return sorted(listed | {key for key in written - listed if self._has(key)})

    def _has(self, key: str) -> bool:
        try:
            self.client.head_object(Bucket=self.name, Key=key)
        except ClientError:
            return False
        return True


class OneBox:
    """The embedded queue, on the disk of the databases, and a folder."""

    def __init__(self, home: Path, disks: Disks) -> None:
        folder = FolderArchive(home / "archive")
        folder.root.mkdir()
        self.archive: Archive = folder
        queue = disks.place("database") / "queue.db"
        self.queues: Depths = EmbeddedQueues(queue)
        self.settings = {"STORAGE_FOLDER": str(folder.root), "EMBEDDED_QUEUE_PATH": str(queue)}

    def is_consuming(self) -> bool:
        return True

    def forget_uploads(self) -> int:
        """A folder forgets nothing."""
        return 0


_NAMES = {Destination.EVENTS.value: EVENTS, Destination.DEAD.value: DEAD}
"""What RabbitMQ calls the queues that are looked at."""


class EmbeddedQueues:
    """The queue's file, read without the product.

    What a worker says of itself does not count: the last word of one that stops with its bot is read at the next start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def depths(self) -> Mapping[str, int]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "SELECT queue, count(*) FROM queue_messages WHERE type <> ? GROUP BY queue", (STANDING_TYPE,)
            )
            return {_NAMES.get(queue, queue): count for queue, count in found}


def laid_wires(telegram: SimulatedTelegram, ground: Ground, store: S3Proxy, stack: ExitStack) -> dict[Wire, Cable]:
    """One for each of them."""
    ports = {
        Wire.BOT_BROKER: ground.rabbit.port,
        Wire.WORKER_BROKER: ground.rabbit.port,
        Wire.STORE: port_of(store.endpoint),
        Wire.BOT_API: port_of(telegram.bot_api_url),
        Wire.MTPROTO: telegram.mtproto_ports[HOME],
    }
    wires = {wire: laid([port], stack) for wire, port in ports.items()}
    telegram.call(lambda: telegram.mtproto_server.advertise(HOME, wires[Wire.MTPROTO].ports[0]))
    return wires | {Wire.FILES: before_other_addresses(telegram, HOME, stack)}


def port_of(url: str) -> int:
    """Where a server listens. Raises AssertionError for a URL that does not say it."""
    port = urlsplit(url).port
    assert port is not None
    return port
