"""The whole product beside a simulated Telegram: real processes, a real broker, a real store, and a curator."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from teltubby.simulator.curator import ChatLine, Curator
from teltubby.simulator.messages import copy_in
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import Archive, read_json
from tests.acceptance.polling import eventually
from tests.acceptance.product import Begin, Product, clean_environment

ANSWER_WITHIN = 60.0
ALBUM_SECONDS = "0.5"


class Household:
    """One installation. `settings` is what processes are started with from then on; `ada` may use the bot."""

    def __init__(
        self, telegram: SimulatedTelegram, home: Path, archive: Archive, begin: Begin, settings: dict[str, str]
    ) -> None:
        self.begin = begin
        self.telegram = telegram
        self.home = home
        self.archive = archive
        self.processes: list[Product] = []
        self.bot = telegram.add_bot()
        self.ada = telegram.add_curator(self.bot, username="ada")
        self.settings = clean_environment(home) | {
            "TELEGRAM_BOT_TOKEN": self.bot.token or "",
            "TELEGRAM_WHITELIST_IDS": str(self.ada.user.id),
            "TELEGRAM_BOT_API_URL": telegram.bot_api_url,
            "MTPROTO_API_ID": "12345",
            "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef",
            "MTPROTO_DC": telegram.mtproto_dc,
            "MTPROTO_PUBLIC_KEY": str(telegram.write_public_key(home / "telegram.pem")),
            "MTPROTO_BOT_SESSION_PATH": str(home / "bot.session"),
            "MTPROTO_SESSION_PATH": str(home / "user.session"),
            "SPOOL_DIR": str(home / "spool"),
            "SQLITE_PATH": str(home / "teltubby.db"),
            "EMBEDDED_QUEUE_PATH": str(home / "queue.db"),
            "ALBUM_AGGREGATION_WINDOW_SECONDS": ALBUM_SECONDS,
            "WORKER_RETRY_DELAY_SECONDS": "1",
            "IO_TIMEOUT_SECONDS": "10",
            "HEALTH_PORT": "0",
            "LOG_FORMAT": "json",
            **settings,
        }

    # -- people

    def welcome(self, first_name: str, *, username: str | None = None) -> Curator:
        """Another curator, on the whitelist of processes started from now on."""
        curator = self.telegram.add_curator(self.bot, first_name, username=username)
        self.settings["TELEGRAM_WHITELIST_IDS"] += f",{curator.user.id}"
        return curator

    # -- processes

    def start(self, *roles: str, **settings: str) -> Product:
        """Start processes and return the first of them when all are ready."""
        begun = [self.launch(role, **settings) for role in roles]
        for product in begun:
            product.wait_ready()
        return begun[0]

    def launch(self, role: str, **settings: str) -> Product:
        """Start a process and return at once."""
        product = Product(self.begin, role, self.settings | settings, self.home, len(self.processes) + 1)
        self.processes.append(product)
        return product

    def stop(self) -> None:
        """Stop what runs, workers first, and look at how every process did, and the simulated Telegram too."""
        self.stop_workers()
        for product in reversed(self.processes):
            if product.running:
                product.stop()
        for product in self.processes:
            product.look_at_log()
            assert (self.bot.token or "") not in product.log, f"{product} logged the bot token"
        assert self.telegram.mtproto_server.failures == []

    def stop_workers(self) -> None:
        """Stop the workers; the bot is there to hear what they say last."""
        for product in self.processes:
            if product.role == "worker" and product.running:
                product.stop()

    def kill(self) -> None:
        """End whatever still runs."""
        for product in self.processes:
            if product.running:
                product.kill()

    # -- what the curator sees

    def answers(self, message_id: int, *, curator: Curator | None = None) -> list[ChatLine]:
        """What the bot said in reply to a message of the curator."""
        return [line for line in (curator or self.ada).conversation() if line.from_bot and line.reply_to == message_id]

    def answer(
        self, message_id: int, text: str, *, curator: Curator | None = None, within: float = ANSWER_WITHIN
    ) -> str:
        """The reply to a message that has `text` in it, once there is one."""
        person = curator or self.ada

        def found() -> list[str]:
            return [line.text for line in self.answers(message_id, curator=person) if text in line.text]

        person.wait_for(lambda _: found(), within)
        return found()[0]

    def silent_towards(self, curator: Curator) -> bool:
        """Whether the bot never wrote to them."""
        return not any(line.from_bot for line in curator.conversation())

    def calls(self, method: str) -> int:
        """How often the bot called a Bot API method."""
        return self.telegram.call(lambda: self.telegram.bot_api.requests.get(method, 0))

    # -- what is there afterwards

    def number(self, message_id: int, *, curator: Curator | None = None) -> int:
        """The bot's own number of a message that the curator sent."""
        person: User = (curator or self.ada).user

        def find() -> int:
            message = self.telegram.world.message(person, self.bot, message_id)
            copy = None if message is None else copy_in(message.post, self.bot.mailbox)
            assert copy is not None, f"the bot has no copy of message {message_id}"
            return copy.id

        return self.telegram.call(find)

    def folder(self, message_id: int, *, chat: str = "ada", curator: Curator | None = None) -> str:
        """Where the message (or the album it begins) belongs, by compatibility.md."""
        person: User = (curator or self.ada).user
        sent = self.telegram.call(lambda: self.telegram.world.message(person, self.bot, message_id))
        assert sent is not None
        month = datetime.fromtimestamp(sent.post.date, UTC).strftime("%Y/%m")
        return f"teltubby/{month}/{chat}/{self.number(message_id, curator=person_of(curator, self.ada))}/"

    def artifact(self, message_id: int, *, chat: str = "ada", curator: Curator | None = None) -> dict[str, Any]:
        """The message.json of a message."""
        return read_json(self.archive, self.folder(message_id, chat=chat, curator=curator) + "message.json")

    def items(self, message_id: int, *, chat: str = "ada", curator: Curator | None = None) -> list[dict[str, Any]]:
        """The items in it."""
        return list(self.artifact(message_id, chat=chat, curator=curator)["telegram"]["items"])

    def settled(
        self, message_id: int, *statuses: str, chat: str = "ada", curator: Curator | None = None
    ) -> list[dict[str, Any]]:
        """The items, once they have these statuses in the archive."""

        def found() -> bool:
            key = self.folder(message_id, chat=chat, curator=curator) + "message.json"
            return key in self.archive.stored() and statuses == tuple(
                item["status"] for item in read_json(self.archive, key)["telegram"]["items"]
            )

        eventually(found, within=ANSWER_WITHIN, what=f"{statuses} in the artifact")
        return self.items(message_id, chat=chat, curator=curator)

    def spooled(self) -> list[str]:
        """Files in the spool."""
        spool = Path(self.settings["SPOOL_DIR"])
        return [str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file()]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the ledger's file says, read without the product."""
        with closing(sqlite3.connect(f"file:{self.settings['SQLITE_PATH']}?mode=ro", uri=True)) as connection:
            return list(connection.execute(query))

    def without_flood_control(self) -> None:
        """Let the bot write as fast as it likes."""
        self.telegram.call(lambda: setattr(self.telegram.world.flood_rule, "enabled", False))

    def in_world(self, function: Callable[[], Any]) -> Any:
        """Do something to the simulated Telegram."""
        return self.telegram.call(function)


def person_of(curator: Curator | None, default: Curator) -> Curator:
    """Who is meant."""
    return curator or default


def texts(lines: Sequence[ChatLine]) -> list[str]:
    """What they say."""
    return [line.text for line in lines]
