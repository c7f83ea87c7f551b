"""A place for the collector's commands: a person who is signed in, a channel, settings, and processes."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from teltubby.adapters.session_vault import SessionVault
from teltubby.collector.repositories import CollectorStore
from teltubby.config import Role, load
from teltubby.errors import DatabaseUnavailable
from teltubby.simulator.people import Chat, User
from teltubby.simulator.phone import Phone
from teltubby.simulator.server import SimulatedTelegram
from teltubby.trees import parts
from tests.acceptance.nursery import Nursery, Process
from tests.acceptance.product import clean_environment
from tests.acceptance.typed import ROOT, Typed

WITHIN = 90.0


@dataclass
class Ended:
    """A command that ended."""

    code: int
    said: str
    complained: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object on stdout."""
        summary: dict[str, Any] = json.loads(self.said)
        return summary


@dataclass
class Running:
    """A command that runs; what it says goes into two files."""

    process: Process
    out: Path
    err: Path

    def ends(self) -> Ended:
        """What came of it."""
        code = self.process.wait(WITHIN)
        return Ended(code, self.out.read_text(), self.err.read_text())

    def interrupt(self, number: signal.Signals) -> Ended:
        """Send it a signal, and return what came of it."""
        self.process.send_signal(number)
        return self.ends()

    @property
    def log(self) -> str:
        """What it said on stderr so far."""
        return self.err.read_text()


@dataclass
class Study:
    """`channel` has `posts` posts; its reader is signed in.

    Commands come from the `nursery`; without one, and those of another module, they are started from the command line.
    """

    telegram: SimulatedTelegram
    home: Path
    backend: str
    nursery: Nursery | None
    posts: int = 350
    settings: dict[str, str] = field(init=False)
    reader: User = field(init=False)
    channel: Chat = field(init=False)
    started: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.telegram.world
        self.reader = self.in_world(lambda: world.add_user("Reader", username="reader", phone="+4915123456789"))
        self.channel = self.add_channel("news", self.posts)
        self.settings = clean_environment(self.home) | {
            "TELTUBBY_BACKEND": self.backend,
            "MTPROTO_API_ID": "12345",
            "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef",
            "MTPROTO_DC": self.telegram.mtproto_dc,
            "MTPROTO_PUBLIC_KEY": str(self.telegram.write_public_key(self.home / "telegram.pem")),
            "MTPROTO_SESSION_PATH": str(self.home / "user.session"),
            "MTPROTO_BOT_SESSION_PATH": str(self.home / "bot.session"),
            "MTPROTO_DATABASE_PATH": str(self.database),
            "MTPROTO_ENABLED": "true",
            "MTPROTO_HISTORY_ENABLED": "true",
            "MTPROTO_UPDATES_ENABLED": "true",
            "MTPROTO_PEERS": "@news",
            "MTPROTO_RETRY_BACKOFF": "0.2",
            "IO_TIMEOUT_SECONDS": "10",
        }

    @property
    def database(self) -> Path:
        return self.home / "collector.db"

    # -- Telegram

    def in_world(self, function: Callable[[], Any]) -> Any:
        """Run it on Telegram's thread."""
        return self.telegram.call(function)

    def add_channel(self, name: str, posts: int) -> Chat:
        """A public channel which the reader reads, and in which they write."""
        chat: Chat = self.in_world(
            lambda: self.telegram.world.add_seeded_channel(name.title(), posts, username=name, admins=(self.reader,))
        )
        return chat

    def sign_in(self) -> None:
        """Leave the reader's session file, as a worker or `teltubby login` would have."""
        config = load(Role.WORKER, self.settings, None, checks=())
        phone = Phone(self.telegram, self.reader)

        async def scan() -> None:
            session = parts.personal_session(config)()
            await session.begin()
            shown = await session.show_qr()
            await asyncio.to_thread(phone.scan, shown.url)
            await session.wait_scanned()
            await session.aclose()

        asyncio.run(scan())

    def called(self, method: str = "") -> int:
        """How often Telegram was called so, or at all."""
        calls = self.telegram.mtproto_server.calls
        return int(self.in_world(lambda: sum(not method or call.method == method for call in calls)))

    def fault(self, method: str, **effects: Any) -> None:
        """Something goes wrong at Telegram."""
        self.in_world(lambda: self.telegram.world.faults.add(method, **effects))

    # -- commands

    def begin(self, *arguments: str, module: str = "teltubby", **settings: str) -> Running:
        """Start a command that nobody sits before."""
        number = len(self.started)
        out, err = self.home / f"{number}.out", self.home / f"{number}.err"
        environment = {**self.settings, **settings, "PYTHONPATH": str(ROOT)}
        if self.nursery is not None and module == "teltubby":
            forked = self.nursery.fork(arguments, environment, self.home, out, errors=err)
            self.started.append(Running(forked, out, err))
            return self.started[-1]
        with out.open("wb") as said, err.open("wb") as complained:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
                start_new_session=True,
            )
        self.started.append(Running(process, out, err))
        return self.started[-1]

    def runs(self, *arguments: str, module: str = "teltubby", **settings: str) -> Ended:
        """Run a command to its end."""
        return self.begin(*arguments, module=module, **settings).ends()

    def types(self, *arguments: str) -> Typed:
        """A command on a terminal."""
        return Typed(arguments, self.settings, self.home, nursery=self.nursery)

    def close(self) -> None:
        """End what still runs."""
        for running in self.started:
            running.process.send_signal(signal.SIGKILL)
            running.process.wait(WITHIN)

    def vault(self) -> SessionVault:
        """The reader's session file."""
        config = load(Role.WORKER, self.settings, None, checks=())
        return parts.vault(config, self.home / "user.session")

    # -- what is there

    def world_ids(self, channel: Chat | None = None) -> list[int]:
        """The messages that the channel has."""
        messages = (channel or self.channel).mailbox.messages
        return list(self.in_world(lambda: sorted(messages)))

    def stored_ids(self, channel: Chat | None = None) -> list[int]:
        """The messages that are stored of it, without those that are known to be deleted."""
        rows = self.rows("SELECT msg_id FROM posts WHERE channel_id = ? AND deleted_at IS NULL", channel)
        return sorted(row["msg_id"] for row in rows)

    def rows(self, query: str, channel: Chat | None = None) -> Sequence[Any]:
        """What the database has of the channel; nothing where there is none yet."""
        try:
            with closing(CollectorStore.open_to_read(self.database)) as store:
                return store.file.read(query, (channel or self.channel).id)
        except DatabaseUnavailable:
            return []
