"""`teltubby health`: asks the process that runs on this machine how it is, for scripts and container health checks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from teltubby.config import load_health
from teltubby.exit_codes import EX_FAILED, exit_codes

ANSWER_WITHIN = 5.0
"""Seconds; the process answers from memory, and one that needs longer hangs."""
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


def _ask(port: int, path: str) -> tuple[bool, Mapping[str, Any]]:
    """Raises OSError, HTTPException, and ValueError for what is no report of ours."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        report = json.loads(answer.read())
    finally:
        connection.close()
    if not isinstance(report, dict) or not isinstance(report.get("unwell"), list):
        raise ValueError("its answer is no report of health")
    return answer.status == http.client.OK, report


def _lines(report: Mapping[str, Any], *, is_well: bool) -> Iterator[str]:
    yield "well" if is_well else "not well"
    for actor in report["unwell"]:
        yield f"  {actor} is not ready, or hangs"
    for where, reason in report.get("troubles", {}).items():
        yield f"  {where}: {reason}"
    for name, standing in report.get("dependencies", {}).items():
        if standing["state"] != _WELL:
            yield f"  {name} is {standing['state']} since {standing['since']}: {standing['detail']}"
