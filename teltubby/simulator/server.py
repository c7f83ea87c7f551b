"""The whole simulated Telegram in one background thread, for tests and the demo."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypedDict, TypeVar, TypeVarTuple

from teltubby.simulator.bot_api import BotApi
from teltubby.simulator.curator import Curator
from teltubby.simulator.people import HOME_DC, User
from teltubby.simulator.world import World

if TYPE_CHECKING:
    from teltubby.simulator.mtproto.rsa_key import RsaKey
    from teltubby.simulator.mtproto.server import MTProtoServer

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

HOST = "127.0.0.1"
STOP_SECONDS = 10.0


class _MTProtoOptions(TypedDict):
    dcs: Sequence[int]
    media_only: bool
    strict_duplicates: bool
    tmp_sessions: int | None


class SimulatedTelegram:
    """Both servers over one world, on ephemeral loopback ports, with an event loop and thread of their own.

    A context manager. It never shares a loop with the product, so the product may run on asyncio or trio. The world
    must only be touched through `call` (or by `add_bot`, `add_curator` and the curators, which use it). With
    `mtproto=False` only the Bot API runs. `dcs`, `media_only`, `strict_duplicates` and `tmp_sessions` are those of
    MTProtoServer.
    """

    def __init__(
        self,
        *,
        mtproto: bool = True,
        seed: int = 0,
        world: World | None = None,
        dcs: Sequence[int] = (HOME_DC,),
        media_only: bool = False,
        strict_duplicates: bool = True,
        tmp_sessions: int | None = None,
    ) -> None:
        self.world = world or World(seed=seed)
        self.bot_api = BotApi(self.world)
        self.bot_api_url = ""
        self.mtproto_ports: dict[int, int] = {}
        self.mtproto_media_ports: dict[int, int] = {}
        self._wants_mtproto = mtproto
        self._options: _MTProtoOptions = {
            "dcs": dcs,
            "media_only": media_only,
            "strict_duplicates": strict_duplicates,
            "tmp_sessions": tmp_sessions,
        }
        self._mtproto: MTProtoServer | None = None
        self._rsa_key: RsaKey | None = None
        # Not asyncio.new_event_loop(): within trio_asyncio its policy would answer with another kind of loop.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name="simulated-telegram", daemon=True)

    def __enter__(self) -> SimulatedTelegram:
        self._thread.start()
        try:
            self.bot_api_url = self._await(self.bot_api.start(HOST))
            if self._wants_mtproto:
                self._start_mtproto()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop both servers and the thread."""
        if not self._thread.is_alive():
            return
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)

    # -- how clients reach it

    @property
    def mtproto_dc(self) -> str:
        """The home data centre in the form of MTPROTO_DC: "2@127.0.0.1:port"."""
        return f"{HOME_DC}@{HOST}:{self.mtproto_ports[HOME_DC]}"

    @property
    def mtproto_server(self) -> MTProtoServer:
        """The MTProto server, for its own faults and counters; touch it through `call`."""
        if self._mtproto is None:
            raise RuntimeError("MTProto is not running")
        return self._mtproto

    @property
    def public_key_pem(self) -> str:
        """The server's RSA key that MTProto clients must know, as PEM."""
        if self._rsa_key is None:
            raise RuntimeError("MTProto is not running")
        return self._rsa_key.public_key_pem

    def write_public_key(self, path: Path) -> Path:
        """Write it to a file, as MTPROTO_PUBLIC_KEY names one."""
        path.write_text(self.public_key_pem)
        return path

    # -- the world

    def call(self, function: Callable[[*Ts], R], *args: *Ts) -> R:
        """Run a function on the world's thread and return what it returns or raises. It must not block.

        Before the start and after the end there is no such thread, and it runs at once.
        """
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            return function(*args)
        outcome: Future[R] = Future()

        def run() -> None:
            try:
                outcome.set_result(function(*args))
            except BaseException as exc:  # noqa: BLE001 - it goes to the caller, in another thread
                outcome.set_exception(exc)

        self._loop.call_soon_threadsafe(run)
        return outcome.result()

    def add_bot(
        self,
        first_name: str = "Teltubby",
        username: str = "teltubby_bot",
        *,
        token: str | None = None,
        home_dc: int = HOME_DC,
    ) -> User:
        """A bot; its token is `.token`."""
        return self.call(lambda: self.world.add_bot(first_name, username, token=token or None, home_dc=home_dc))

    def add_curator(
        self,
        bot: User,
        first_name: str = "Ada",
        *,
        id: int | None = None,
        last_name: str | None = None,
        username: str | None = None,
        phone: str | None = None,
        language_code: str | None = "en",
        password: str | None = None,
        home_dc: int = HOME_DC,
    ) -> Curator:
        """A person who will talk to the bot (and has not yet)."""
        user = self.call(
            lambda: self.world.add_user(
                first_name,
                id=id,
                last_name=last_name,
                username=username,
                phone=phone,
                language_code=language_code,
                password=password,
                home_dc=home_dc,
            )
        )
        return Curator(self, self.world, user, bot)

    # -- inner workings

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _await(self, coroutine: Coroutine[object, object, R]) -> R:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _start_mtproto(self) -> None:
        from teltubby.simulator.mtproto.rsa_key import make_rsa_key
        from teltubby.simulator.mtproto.server import MTProtoServer

        self._rsa_key = make_rsa_key()
        self._mtproto = MTProtoServer(self.world, self._rsa_key, **self._options)
        self.mtproto_ports = self._await(self._mtproto.start(HOST))
        self.mtproto_media_ports = dict(self._mtproto.media_ports)

    async def _stop(self) -> None:
        if self._mtproto is not None:
            await self._mtproto.stop()
            self._mtproto = None
        await self.bot_api.stop()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
