"""The product as it runs in earnest: `teltubby bot` and `teltubby worker`, with RabbitMQ between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from benchmarks import settings
from benchmarks.child import Failed
from benchmarks.results import CannotRun
from benchmarks.store import Store
from benchmarks.telegram import Film, Telegram
from tests.acceptance.nursery import run_command
from tests.acceptance.product import Product
from tests.servers.rabbitmq import RabbitNode, RabbitUnavailable, url_parts

R = TypeVar("R")

LOOK_SECONDS = 0.02
DONE_WITHIN = 400.0


def wait_for(look: Callable[[], R | None], what: str, *, within: float = DONE_WITHIN) -> R:
    """What `look` finds, once it finds something. Raises Failed after `within` seconds."""
    deadline = time.monotonic() + within
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come within {within:g} s")
        time.sleep(LOOK_SECONDS)
    return found


class Rabbit:
    """A RabbitMQ node of this run alone; a context manager. Raises CannotRun where RabbitMQ is not installed."""

    def __init__(self, place: Path) -> None:
        self._node = RabbitNode(place)
        try:
            self._node.start()
        except RabbitUnavailable as error:
            raise CannotRun(str(error)) from error
        except BaseException:
            self._node.kill()  # Ctrl-C while it starts
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._node.kill()

    def server(self, house: str) -> Mapping[str, Any]:
        """Where a `RabbitBroker` finds it, in a virtual host of its own."""
        return url_parts(self._node, self._node.create_vhost(house))

    def settings(self, house: str) -> Mapping[str, str]:
        """How processes reach it, in a virtual host of their own."""
        return {
            "QUEUE_BACKEND": "rabbitmq",
            "RABBITMQ_HOST": self._node.host,
            "RABBITMQ_PORT": str(self._node.port),
            "RABBITMQ_USERNAME": self._node.user,
            "RABBITMQ_PASSWORD": self._node.password,
            "RABBITMQ_VHOST": self._node.create_vhost(house),
        }


class House:
    """A bot, and workers that are started as they are needed; a context manager that ends them all.

    `variables` go into their environment, beyond the usual ones.
    """

    def __init__(self, telegram: Telegram, rabbit: Rabbit, store: Store, home: Path, **variables: str) -> None:
        self.telegram = telegram
        self.store = store
        self.home = home
        self._environment = {
            **settings.product(telegram, home, store.settings),
            **rabbit.settings(home.name),
            **variables,
        }
        self._processes: list[Product] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.running:
                process.kill()

    def start(self, role: str, *, ready: bool = True) -> Product:
        """A new process; `ready` waits until every actor is."""
        process = Product(run_command, role, self._environment, self.home, len(self._processes) + 1)
        self._processes.append(process)
        return process.wait_ready() if ready else process

    def archived(self, film: Film) -> str | None:
        """The key of the file, once the artifact says that it is stored; Failed when it says that it never is."""
        for key in self.store.artifacts():
            if f"/{film.message_id}/" not in key:
                continue
            artifact = self.store.artifact(key)
            for item in () if artifact is None else artifact["telegram"]["items"]:
                if item["file_unique_id"] == film.unique_id:
                    return self._stored(item)
        return None

    def wait_archived(self, film: Film) -> str:
        """Its key, once it is archived."""
        return wait_for(lambda: self.archived(film), f"the end of the job of {film.size >> 20} MiB")

    def finish(self, film: Film) -> str:
        """Wait until it is archived, and check it byte for byte; its key."""
        key = self.wait_archived(film)
        self.store.check(key, film)
        return key

    @staticmethod
    def _stored(item: Mapping[str, Any]) -> str | None:
        match item["status"]:
            case "stored":
                return str(item["s3_key"])
            case "queued":
                return None
            case status:
                raise Failed(f"the product calls the file {status}: {item['reason']}")
