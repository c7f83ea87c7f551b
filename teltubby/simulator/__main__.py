"""The simulated Telegram as a process of its own: `python -m teltubby.simulator --help`.

Prints one line of JSON that describes it (console.Description), then answers each line of standard input (see console)
with a line, and ends with its input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from teltubby.simulator.console import Console
from teltubby.simulator.people import HOME_DC
from teltubby.simulator.server import SimulatedTelegram


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input ends."""
    options = _parser().parse_args(arguments)
    with SimulatedTelegram(
        seed=options.seed,
        dcs=options.dcs,
        media_only=options.media_only,
        strict_duplicates=not options.lenient_duplicates,
        tmp_sessions=options.tmp_sessions,
    ) as telegram:
        console = Console(telegram, home_dc=options.home_dc, phone=options.phone, password=options.password)
        files = [console.send(file, hashed=options.sha256) for file in options.file]
        line = {name: getattr(options, name) for name in ("latency", "bandwidth", "shared_bandwidth")}
        for order in ({"do": "line", **line}, *({"do": "fault", **fault} for fault in options.fault)):
            answer = json.loads(console.answer(json.dumps(order)))
            if "error" in answer:
                sys.exit(answer["error"])
        _say(json.dumps(console.describe(files)))
        for asked in sys.stdin:
            _say(console.answer(asked))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _dcs(text: str) -> tuple[int, ...]:
    return tuple(int(dc) for dc in text.split(","))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m teltubby.simulator", description="A Telegram on loopback.")
    parser.add_argument("--dcs", type=_dcs, default=(HOME_DC,), metavar="2,4", help="data centres that listen")
    parser.add_argument("--home-dc", type=int, default=HOME_DC, help="where the bot and the curator are at home")
    parser.add_argument("--phone", help="the curator's phone number, by which they can sign in")
    parser.add_argument("--password", help="the curator's password, for a second factor")
    parser.add_argument("--media-only", action="store_true", help="one more port per data centre, for files")
    parser.add_argument("--lenient-duplicates", action="store_true", help="never answer AUTH_KEY_DUPLICATED")
    parser.add_argument("--tmp-sessions", type=int, help="connections that one key may use at once")
    parser.add_argument("--seed", type=int, default=0, help="what ids and tokens follow from")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="SIZE[:SEED[:DC]]",
        help="a document that the curator sends to the bot; sizes may end in K, M or G; repeatable",
    )
    parser.add_argument("--sha256", action="store_true", help="describe files with their digests (4 GB take seconds)")
    parser.add_argument("--latency", type=float, default=0.0, help="round trip in seconds")
    parser.add_argument("--bandwidth", type=float, help="bytes per second to each connection")
    parser.add_argument("--shared-bandwidth", type=float, help="bytes per second to all connections together")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=json.loads,
        metavar="JSON",
        help='such as {"method": "upload.getFile", "chance": 0.01, "times": 1000000, "message": [1, 3]}; repeatable',
    )
    return parser


if __name__ == "__main__":
    main()
