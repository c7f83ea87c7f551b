"""The simulated Telegram by lines of JSON: what there is, and orders to change it, for whoever runs it as a process.

Every order is an object with `do`; the answer is an object, with `error` when the order was refused:

- line: any of `latency`, `bandwidth`, `shared_bandwidth` (seconds, bytes per second or null).
- fault: `method` and what Faults.add takes; `message` may be [least, most] for FLOOD_WAIT, `matches` gives parameters
  that must be equal, `effects` and `then` are not to be had.
- flood_control: `enabled` or not, for what the bot says.
- hashes: `mode` of upload.getFileHashes (true, empty, refused, wrong).  clear: no trouble any more.
- send: `file` as "size[:seed[:dc]]", sent to the bot; answers like an entry of `files`.  sha256: of a `document`.
- said: what the bot answered to the message `message_id` (the bot's number of it), as it reads now, oldest first.
- expire: every file reference.  forget_keys: all, or those of a `dc`.
- counters: CPU seconds of the process, parts sent by document, calls by method, violations, failures.
- reset: forget which parts were sent.
- Those about accounts and channels are in console_accounts.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import TypedDict, cast

from teltubby.simulator.console_accounts import AccountOrders, Answer, Fields
from teltubby.simulator.content import sha256_of
from teltubby.simulator.faults import FaultFields, FileHashes
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import copy_in
from teltubby.simulator.mtproto.rpc import RpcError
from teltubby.simulator.server import SimulatedTelegram

API_ID, API_HASH = 1, "hash"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
NOT_BY_JSON = ("then", "effects")


class SentFile(TypedDict):
    """A document that the curator sent to the bot; `message_id` is the bot's, in its chat `chat_id`."""

    document_id: int
    file_unique_id: str
    chat_id: int
    message_id: int
    size: int
    dc: int
    name: str
    sha256: str | None


class Description(TypedDict):
    """Everything that clients need to know of the running servers; ports are by data centre."""

    api_id: int
    api_hash: str
    bot_id: int
    bot_token: str
    curator_id: int
    curator_phone: str | None
    bot_api_url: str
    mtproto_dc: str
    ports: dict[str, int]
    media_ports: dict[str, int]
    public_key: str
    files: list[SentFile]


class Console:
    """Carries out orders on a running simulation, with one bot and one curator of its own."""

    def __init__(
        self, telegram: SimulatedTelegram, *, home_dc: int, phone: str | None = None, password: str | None = None
    ) -> None:
        self._telegram = telegram
        self._world = telegram.world
        self._bot = telegram.add_bot(home_dc=home_dc)
        self._curator = telegram.add_curator(self._bot, phone=phone, password=password, home_dc=home_dc)
        self._curator.send_text("/start")
        self._orders: dict[str, Callable[[Fields], Answer]] = {
            "line": self._line,
            "fault": self._fault,
            "flood_control": self._flood_control,
            "hashes": self._hashes,
            "clear": self._clear,
            "said": self._said,
            "expire": self._expire,
            "forget_keys": self._forget_keys,
            "counters": self._counters,
            "reset": self._reset,
            **AccountOrders(telegram, self._bot, self._curator).orders,
        }
        # Those that take long, or go to the world's thread by themselves.
        self._outside: dict[str, Callable[[Fields], Answer]] = {"send": self._send, "sha256": self._sha256}

    def answer(self, line: str) -> str:
        """Carry out one order and answer it, both as a line of JSON without its end."""
        try:
            order = json.loads(line)
            outside = self._outside.get(order["do"])
            answer = outside(order) if outside else self._telegram.call(self._orders[order["do"]], order)
        except RpcError as exc:
            answer = {"error": exc.message}
        except (ValueError, TypeError, LookupError) as exc:
            answer = {"error": f"{type(exc).__name__}: {exc}"}
        return json.dumps(answer)

    def send(self, file: str, *, hashed: bool = False) -> SentFile:
        """Have the curator send "size[:seed[:dc]]" to the bot; sizes may end in K, M or G."""
        size, seed, dc, *_ = [*file.split(":"), "", ""]
        sent = self._curator.new_file(
            FileKind.DOCUMENT,
            int(size.rstrip("KMG")) * UNITS.get(size[-1:], 1),
            seed=int(seed) if seed else None,
            dc=int(dc) if dc else None,
            name=f"file-{len(self._world.files)}.bin",
        )
        own = self._curator.send_document(sent)
        return self._telegram.call(self._described, sent, own, sent.sha256() if hashed else None)

    def describe(self, files: list[SentFile]) -> Description:
        """What clients need to know."""
        return Description(
            api_id=API_ID,
            api_hash=API_HASH,
            bot_id=self._bot.id,
            bot_token=self._bot.token or "",
            curator_id=self._curator.user.id,
            curator_phone=self._curator.user.phone,
            bot_api_url=self._telegram.bot_api_url,
            mtproto_dc=self._telegram.mtproto_dc,
            ports={str(dc): port for dc, port in self._telegram.mtproto_ports.items()},
            media_ports={str(dc): port for dc, port in self._telegram.mtproto_media_ports.items()},
            public_key=self._telegram.public_key_pem,
            files=files,
        )

    def _described(self, file: File, message_id: int, sha256: str | None) -> SentFile:
        message = self._world.message(self._curator.user, self._bot, message_id)
        received = copy_in(message.post, self._bot.mailbox) if message else None
        return SentFile(
            document_id=file.id,
            file_unique_id=file.unique_id,
            chat_id=self._curator.user.id,
            message_id=received.id if received else 0,
            size=file.size,
            dc=file.dc,
            name=file.name or "",
            sha256=sha256,
        )

    def _send(self, order: Fields) -> Answer:
        return dict(self.send(str(order["file"])))

    def _sha256(self, order: Fields) -> Answer:
        return {"sha256": sha256_of(self._world.files[_integer(order["document"])].content)}

    # -- orders that run on the world's thread

    def _line(self, order: Fields) -> Answer:
        faults = self._world.faults
        if "latency" in order:
            faults.latency = _number(order["latency"]) or 0.0
        if "bandwidth" in order:
            faults.bandwidth = _number(order["bandwidth"])
        if "shared_bandwidth" in order:
            faults.shared_bandwidth = _number(order["shared_bandwidth"])
        return {
            "latency": faults.latency,
            "bandwidth": faults.bandwidth,
            "shared_bandwidth": faults.shared_bandwidth,
        }

    def _fault(self, order: Fields) -> Answer:
        fields = {name: value for name, value in order.items() if name not in ("do", "method")}
        unknown = fields.keys() - (FaultFields.__annotations__.keys() - set(NOT_BY_JSON))
        if unknown:
            raise LookupError(f"a fault has no {', '.join(sorted(unknown))}")
        if isinstance(message := fields.get("message"), list):
            least, most = message
            fields["message"] = range(least, most + 1)
        if isinstance(wanted := fields.get("matches"), dict):
            fields["matches"] = lambda parameters: all(parameters.get(name) == value for name, value in wanted.items())
        self._world.faults.add(str(order["method"]), **cast(FaultFields, fields))
        return {"programmed": len(self._world.faults.programmed)}

    def _flood_control(self, order: Fields) -> Answer:
        self._world.flood_rule.enabled = bool(order["enabled"])
        return {"enabled": self._world.flood_rule.enabled}

    def _hashes(self, order: Fields) -> Answer:
        self._world.faults.hashes = FileHashes(str(order["mode"]))
        return {"mode": self._world.faults.hashes}

    def _clear(self, order: Fields) -> Answer:
        self._world.faults.clear()
        return {}

    def _said(self, order: Fields) -> Answer:
        answered = _integer(order["message_id"])
        history = self._world.history(self._bot, self._curator.user)
        return {"texts": [line.post.text for line in history if line.reply_to and line.reply_to.id == answered]}

    def _expire(self, order: Fields) -> Answer:
        self._world.expire_references()
        return {}

    def _forget_keys(self, order: Fields) -> Answer:
        self._telegram.mtproto_server.forget_keys(dc=_dc(order))
        return {}

    def _counters(self, order: Fields) -> Answer:
        server = self._telegram.mtproto_server
        served = server.served
        return {
            "cpu_seconds": time.process_time(),
            "documents": {
                str(document): {
                    "bytes": served.bytes(document),
                    "covered": served.covered(document),
                    "repeated": served.repeated(document),
                    "parts": [[*part, times] for part, times in sorted(parts.items())],
                }
                for document, parts in served.parts.items()
            },
            "calls": Counter(call.method for call in server.calls),
            "violations": list(server.violations),
            "failures": [f"{method}: {exc!r}" for method, exc in server.failures],
        }

    def _reset(self, order: Fields) -> Answer:
        self._telegram.mtproto_server.served.clear()
        return {}


def _number(value: object) -> float | None:
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _dc(order: Fields) -> int | None:
    return _integer(order["dc"]) if order.get("dc") is not None else None
