"""Runs one check with its file, which is there for as long as the check is not over."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio

from teltubby.adapters.folder_files import SQLITE_SIDES
from teltubby.adapters.sqlite_catalogue import Catalogue
from teltubby.config import Config
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.exit_codes import EX_FAILED
from teltubby.fixity.reading import Pace, Reader, opened
from teltubby.fixity.report import MOST_IN_JSON, MOST_IN_TABLE, Write, console_for_table, told_as_json, told_in_words
from teltubby.fixity.survey import InTurn, Told
from teltubby.fixity.verify import Verification, left_of
from teltubby.fixity.wanted import Wanted

EXIT_WELL, EXIT_FOUND = 0, EX_FAILED


class CheckUnderWay(DatabaseUnavailable):
    """Another process makes the same check."""


def state_of(config: Config, state: Path | None) -> Path:
    """Where a check keeps how far it is: beside the ledger, unless it is told otherwise."""
    path = config.ingest.sqlite_path
    return path.with_name(f"{path.name}.verify") if state is None else state


async def verified(
    config: Config,
    state: Path,
    wanted: Wanted,
    write: Write,
    complain: Write,
    *,
    as_json: bool,
    restart: bool,
    told: Told,
) -> int:
    """Check the store, say what came of it, and return the exit code; `complain` is told what an early end leaves over.

    Raises CheckUnderWay, ConfigurationError, and what the store and the ledger raise.
    """
    in_turn = InTurn()
    is_over = False
    async with opened(config) as store:
        catalogue = await in_turn(partial(_open, state, restart=restart))
        try:
            reader = Reader(store, Pace(wanted.rate))
            check = Verification(
                reader, catalogue, ledger=config.ingest.sqlite_path, wanted=wanted, in_turn=in_turn, told=told
            )
            result = await check.run()
            most = MOST_IN_JSON if as_json else MOST_IN_TABLE
            findings = await in_turn(partial(check.comparison.findings, most))
            if as_json:
                told_as_json(result, findings, write)
            else:
                told_in_words(result, findings, console_for_table(), write)
            is_over = True
        finally:
            with anyio.CancelScope(shield=True):
                if not is_over:
                    complain(f"Not done: {await in_turn(partial(left_of, catalogue))}. The same command goes on.")
                await in_turn(catalogue.close)
                if is_over:
                    await in_turn(partial(remove, state))
    return EXIT_WELL if result.is_well else EXIT_FOUND


def remove(path: Path) -> None:
    """The file of a check, or of a rebuilding, with what SQLite keeps beside it."""
    for name in (path.name, *(path.name + side for side in (*SQLITE_SIDES, "-journal"))):
        with suppress(FileNotFoundError):
            path.with_name(name).unlink()


def _open(state: Path, *, restart: bool) -> Catalogue:
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        mistake = f"A check keeps how far it is in {state}, whose folder cannot be made: {error.strerror}; see --state."
        raise ConfigurationError((mistake,)) from error
    try:
        catalogue = Catalogue.open(state)
    except DatabaseUnavailable as error:
        if not error.says("is locked"):
            raise
        raise CheckUnderWay(f"another check is under way: it has {state}") from error
    if restart:
        catalogue.clear()
    return catalogue
