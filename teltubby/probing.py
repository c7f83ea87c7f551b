"""`teltubby health`: asks the process that runs on this machine how it is, for scripts and container health checks."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from threading import Event, Timer
from typing import Annotated, Any

import typer

from teltubby.config import load_health
from teltubby.exit_codes import EX_FAILED, exit_codes

ANSWER_WITHIN = 5.0
"""Seconds for all of it; the process answers from memory, and one that needs longer hangs."""
LONGEST_ANSWER = 1 << 20
"""Bytes; a report has some thousand."""
NO_ANSWER = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError)
"""What `told_on` raises, and who looks for what it is not told."""
_WELL = "ok"


def health(
    ready: Annotated[
        bool, typer.Option("--ready", help="Whether the work goes on, all of it; not only whether the process lives.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what it answers, one JSON object.")] = False,
    port: Annotated[int | None, typer.Option(help="The port to ask, instead of HEALTH_PORT.", min=1, max=65535)] = None,
) -> None:
    """Ask the process that runs on this machine how it is: 0 when it is well, 1 when not or when nobody answers."""
    with exit_codes():
        asked = port or load_health().port
        path = "/readyz" if ready else "/healthz"
        try:
            is_well, report = _ask(asked, path)
        except (OSError, ValueError, http.client.HTTPException) as error:
            typer.echo(f"No teltubby answers on http://127.0.0.1:{asked}{path}: {error}.", err=True)
            raise typer.Exit(EX_FAILED) from None
        typer.echo(json.dumps(report, ensure_ascii=False) if as_json else "\n".join(_lines(report, is_well=is_well)))
        if not is_well:
            raise typer.Exit(EX_FAILED)


def register(app: typer.Typer) -> None:
    """Add the command to `teltubby`."""
    app.command()(health)


def told_on(address: str, *, within: float) -> Any:
    """What a process on this machine answers, from JSON; `within` so many seconds it has to begin. Raises NO_ANSWER."""
    # Without the environment's proxies: the process is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=within) as response:
        return json.loads(response.read(LONGEST_ANSWER))


def _ask(port: int, path: str) -> tuple[bool, Mapping[str, Any]]:
    """Raises OSError, HTTPException, and ValueError for what is no report of ours."""
    status, body = _answer(port, path)
    try:
        report = json.loads(body)
    except (ValueError, RecursionError):
        report = None
    if status not in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE) or not _is_report(report):
        raise ValueError("its answer is no report of health: another program has this port")
    return status == HTTPStatus.OK, report


def _answer(port: int, path: str) -> tuple[int, bytes]:
    """Status and body. The clock runs for the whole: whoever answers byte by byte gets no more time than others."""
    connection, is_over = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN), Event()
    connection.connect()
    wire = connection.sock  # the connection lets it go before the answer is read

    def end() -> None:
        is_over.set()
        with suppress(OSError):  # it has just ended by itself
            wire.shutdown(socket.SHUT_RDWR)

    clock = Timer(ANSWER_WITHIN, end)
    clock.daemon = True
    clock.start()
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            body = answer.read(LONGEST_ANSWER)
    except (OSError, http.client.HTTPException):
        if is_over.is_set():
            raise TimeoutError("timed out") from None
        raise
    finally:
        clock.cancel()
        connection.close()
    if is_over.is_set():
        raise TimeoutError("timed out")
    return answer.status, body


def _is_report(report: object) -> bool:
    match report:
        case {"unwell": list(unwell), "troubles": dict(troubles), **more}:
            standings = more.get("dependencies", {})
            return (
                all(isinstance(each, str) for each in (*unwell, *troubles.values()))
                and isinstance(standings, dict)
                and all(
                    isinstance(each, dict) and {"state", "since", "detail"} <= each.keys()
                    for each in standings.values()
                )
            )
        case _:
            return False


def _lines(report: Mapping[str, Any], *, is_well: bool) -> Iterator[str]:
    yield "well" if is_well else "not well"
    for actor in report["unwell"]:
        yield f"  {actor} is not ready, or hangs"
    for where, reason in report["troubles"].items():
        yield f"  {where}: {reason}"
    for name, standing in report.get("dependencies", {}).items():
        if standing["state"] != _WELL:
            yield f"  {name} is {standing['state']} since {standing['since']}: {standing['detail']}"
