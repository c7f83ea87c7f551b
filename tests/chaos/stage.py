"""Everything that one scenario has for itself: a Telegram, wires, queue and store, disks, processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from teltubby.simulator.people import HOME_DC
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.household import Household
from tests.chaos.backing import LOOPBACK, Backing, OneBox, Servers, laid_wires
from tests.chaos.crew import AGAIN_SECONDS, Crew
from tests.chaos.crowd import ABROAD, Crowd
from tests.chaos.disks import Disks
from tests.chaos.ground import Ground
from tests.chaos.installation import BOT, SECOND_WORKER, WORKER, Installation, Wire
from tests.chaos.person import Nobody, PersonWhoFetches
from tests.chaos.power import Disk
from tests.chaos.recoveries import Recoveries, gone_and_back
from tests.servers.s3_proxy import S3Proxy

if TYPE_CHECKING:
    from tests.chaos.faults.base import Fault

CURATORS = 3
LARGER_THAN = 300_000
"""Bytes; what is larger goes through the queue, so that large files can be small ones."""
JOB_GOES_ON = "worker killed → job goes on"
UPLOADING = "store back → uploading"
CONSUMING = "broker back → consuming"
SESSION = "the bot's session ended → signed in again, consuming"


class Stage:
    """A context manager; `settings` go beyond the usual ones."""

    def __init__(self, ground: Ground, home: Path, seed: int, installation: Installation, **settings: str) -> None:
        self.ground = ground
        self.home = home
        self.installation = installation
        self.story: list[str] = []
        self.met: list[Fault] = []
        """The faults that met something."""
        self.recoveries = Recoveries()
        self.crowd: Crowd
        self._began = time.monotonic()
        self._seed = seed
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
        self.home.mkdir(parents=True)
        telegram = stack.enter_context(
            SimulatedTelegram(seed=self._seed, dcs=(HOME_DC, ABROAD), media_only=self.installation.for_media)
        )
        self.disks = Disks(self.home)
        stack.callback(self.disks.close)
        spool, databases = self.disks.place("spool") / "spool", self.disks.place("database")
        self.power = Disk(self.home / "safe", spool, databases, sees_sqlite=self.ground.clocks.can_step)
        self.store = S3Proxy(self.ground.swift)
        stack.callback(self.store.close)
        self._uploaded_at = 0.0
        self.store.answered = self._answered
        self.wires = laid_wires(telegram, self.ground, self.store, stack)
        self.backing: Backing
        if self.installation.is_box:
            self.backing = OneBox(self.home, self.disks)
        else:
            self.backing = Servers(self.ground, self.store, self.wires, stack)
        self.house = Household(
            telegram,
            self.home,
            self.backing.archive,
            self.ground.nursery.fork,
            {
                **self.backing.settings,
                "TELTUBBY_BACKEND": "asyncio",
                "TELEGRAM_BOT_API_URL": f"http://{LOOPBACK}:{self.wires[Wire.BOT_API].ports[0]}",
                "MTPROTO_DC": f"{HOME_DC}@{LOOPBACK}:{self.wires[Wire.MTPROTO].ports[0]}",
                "SPOOL_DIR": str(spool),
                "SQLITE_PATH": str(databases / "teltubby.db"),
                "BOT_API_MAX_FILE_SIZE_BYTES": str(LARGER_THAN),
                "IO_TIMEOUT_SECONDS": "8",
                "WORKER_MAX_RETRIES": "20",
                **self.power.environment,
                **self._settings,
            },
        )
        self.house.without_flood_control()
        consuming = self.backing.is_consuming
        by_person = self.installation.by_person
        self.person = PersonWhoFetches(self.house, self.recoveries, consuming) if by_person else Nobody()
        self.crew = Crew(self.house, self.installation.roles, self.tell)
        stack.callback(self.house.kill)
        others = [self.house.welcome(f"Curator {number}") for number in range(1, CURATORS)]
        self.curators = [self.house.ada, *others]

    # -- what happens

    def tell(self, what: str) -> None:
        """Write into the story."""
        with self._telling:
            self.story.append(f"{time.monotonic() - self._began:6.2f} {what}")

    def meets(self, fault: Fault) -> None:
        """The fault met something; for any thread, and as often as it does."""
        with self._telling:
            if all(known is not fault for known in self.met):
                self.met.append(fault)

    def kill(self, role: str, *, away: float = AGAIN_SECONDS) -> None:
        """kill -9; for any thread."""
        self.crew.kill(role, away=away)
        if role == WORKER:
            self._measure_job(time.monotonic())

    def cut_power(self, role: str, *, away: float) -> None:
        """Of the machine of that process: of all workers, of the bot, or of the box."""
        lost = 0
        of_workers = role in (WORKER, SECOND_WORKER)
        for each in self.installation.roles:
            if each == role or (of_workers and each in (WORKER, SECOND_WORKER)):
                self.kill(each, away=away)
                self.crew.of(each).wait()
        if role != BOT:
            lost += self.power.cut_spool()
        if not of_workers:
            self.disks.free("database")  # a machine that boots has room
            lost += self.power.cut_databases()
        self.tell(f"{lost} bytes were lost")

    def on_broker(self, expression: str) -> None:
        """Evaluate Erlang in the broker, if it runs."""
        if self.ground.rabbit.running:
            self.ground.rabbit.evaluate(expression)

    def sign_out(self, *, cut: bool, moved: bool) -> None:
        """End the login of the account that fetches files, and measure what follows."""
        self.end_login(cut=cut, moved=moved)
        if self.person.account is None:
            self.recoveries.expect(SESSION, gone_and_back(self.backing.is_consuming))

    def end_login(self, *, cut: bool, moved: bool = False) -> None:
        """Of the account that fetches files, whose home is elsewhere from now on if it is `moved`."""
        server, account = self.house.telegram.mtproto_server, self.person.account or self.house.bot

        def end() -> None:
            if moved:
                account.home_dc = ABROAD
            server.sign_out(account, cut=cut)

        self.house.in_world(end)
        self.person.is_signed_out = True

    def heal(self) -> None:
        """Everything works again, whatever was broken."""
        for wire in self.wires.values():
            wire.accept()
            wire.resume()
            wire.lag(None)
        self.store.clear()
        self.house.in_world(self.house.telegram.world.faults.clear)
        self.crew.may_end = False

    # -- how it stands

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
        if not self.backing.is_consuming():
            self.recoveries.expect(CONSUMING, self.backing.is_consuming)

    def expect_uploads(self) -> None:
        """The store is there again: if anything waits for it, measure until it has the next."""
        if self.count("inbox WHERE done_at IS NULL"):
            since = time.monotonic()
            self.recoveries.expect(UPLOADING, lambda: self._uploaded_at > since, since=since)

    def _measure_job(self, since: float) -> None:
        """Until the next worker is sent parts of a file of which the killed one was sent some, and not all.

        What that one asked for is sent by the time the next is there. Other jobs go on earlier.
        """
        killed, begun = self.crew.of(WORKER), dict[int, int]()

        def goes_on() -> bool:
            if self.crew.of(WORKER) is killed:
                return False
            if not begun:
                begun.update(self._half_served())
            served = self.house.telegram.mtproto_server.served
            return bool(self.house.in_world(lambda: any(served.bytes(file) > sent for file, sent in begun.items())))

        alone = self.installation.workers == 1  # else the other one may go on before there is a next one
        if alone and self.count("jobs WHERE state = 'PROCESSING'"):
            self.recoveries.expect(JOB_GOES_ON, goes_on, since=since)

    def _half_served(self) -> Mapping[int, int]:
        """The large files of which something and not all was sent, by id, and how many bytes that were in all."""
        files = {file.id: file.size for one in self.crowd.handed_in for file in one.files if file.size > LARGER_THAN}
        served = self.house.telegram.mtproto_server.served

        def half() -> dict[int, int]:
            return {file: served.bytes(file) for file, size in files.items() if 0 < served.covered(file) < size}

        return dict(self.house.in_world(half))

    def _answered(self, line: str, status: int) -> None:
        if status < 300 and line.startswith(("PUT", "POST")):
            self._uploaded_at = time.monotonic()
