"""One part on its way: asked for, checked, written, and what every trouble on that way means."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
import anyio.lowlevel
from anyio import to_thread

from teltubby.errors import (
    BadRequest,
    ConnectionLost,
    ContentMismatch,
    FileMoved,
    FloodWait,
    PartUnavailable,
    ReferenceExpired,
    TeltubbyError,
    Unverifiable,
)
from teltubby.messages.transfer import PART_BYTES, RangeHash, VerifyHashes
from teltubby.transfer.file_fetch import FileFetch
from teltubby.transfer.hashes import RangeHashes, check
from teltubby.transfer.lines import Line, Lines
from teltubby.transfer.pacing import Pacing
from teltubby.transfer.patience import Patience

_LOG = logging.getLogger(__name__)

HASH_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to learn the hashes of a part that is here already."""

LONGEST_HASH_WAIT = 60.0


class PartFetch:
    """Asks for parts over `lines`, and tells `pacing` what came of it."""

    def __init__(self, lines: Lines, pacing: Pacing, verify: VerifyHashes) -> None:
        self._lines = lines
        self._pacing = pacing
        self._verify = verify
        self._patience = Patience()

    async def fetch(self, file: FileFetch, line: Line, index: int) -> ReferenceExpired | FileMoved | None:
        """Bring part `index` into the file, or give it back. Returns why the file is to be asked for otherwise."""
        pacing, asked_at, patience = self._pacing, anyio.current_time(), self._patience.seconds
        try:
            took = await self._try(file, line, index, patience)
        except FloodWait as error:
            now = anyio.current_time()
            until = pacing.flooded(line.number, error.seconds, now)
            file.flooded.add(now, until)
            file.missed(index, error, not_before=until)
        except ConnectionLost as error:
            file.missed(index, error)
            await self._lines.drop(line)
        except PartUnavailable as error:
            file.went_wrong(index, error, not_before=pacing.unavailable(line.number, anyio.current_time()))
        except TimeoutError:
            file.went_wrong(index, PartUnavailable("Telegram did not answer in time"))
            self._patience.ran_out(patience)
            if pacing.timed_out(line.number, anyio.current_time()):
                await self._lines.drop(line)
        except (ReferenceExpired, FileMoved) as error:
            pacing.withdrawn(line.number)
            file.missed(index, error)
            return error
        except ContentMismatch as error:
            _LOG.warning("part %d of document %d: %s", index, file.location.document_id, error)
            pacing.withdrawn(line.number)
            file.went_wrong(index, error)
        except TeltubbyError as error:
            pacing.withdrawn(line.number)
            file.missed(index, error)
            file.fail(error)
        except BaseException:
            pacing.withdrawn(line.number)
            raise
        else:
            now = anyio.current_time()
            self._patience.learn(took)
            pacing.succeeded(line.number, now - asked_at, now)  # with the writing: a slow disk is no reason to ask more
            file.arrived(index, now)
        finally:
            line.in_flight -= 1
            line.used_at = anyio.current_time()
        return None

    async def _try(self, file: FileFetch, line: Line, index: int, patience: float) -> float:
        """Fetch, check and keep one part; returns how long Telegram took to give it."""
        await anyio.lowlevel.checkpoint_if_cancelled()  # a file that ended meanwhile asks for nothing more
        began = anyio.current_time()
        data: bytes | memoryview = b""
        try:
            with anyio.fail_after(patience):
                data = await line.connection.fetch(file.location, index * PART_BYTES, PART_BYTES)
        except BadRequest:
            if file.length(index):
                raise  # else it says that there is nothing beyond the end, as it should be
        took = anyio.current_time() - began
        file.expect(index, data)
        if data:
            if ranges := await self._hashes(file, line, index):
                await to_thread.run_sync(check, index, data, ranges)
            await file.into.write(index, data)
        return took

    # -- what the part should be

    async def fetch_hashes(self, file: FileFetch, line: Line, index: int) -> None:
        """Ask for the hashes of part `index`, while it is on its way itself."""
        hashes = file.hashes
        if hashes is None:
            return
        try:
            await self._learn_hashes(file, hashes, line, index)
        except ConnectionLost:
            hashes.lost(index)  # the part may come over another, which is not to be blamed
        except TeltubbyError as error:
            hashes.fail(index, error)

    async def _hashes(self, file: FileFetch, line: Line, index: int) -> Sequence[RangeHash]:
        """What part `index`, which is here, is to be checked against."""
        while (hashes := file.hashes) is not None:
            ranges = await hashes.take(index, file.length(index))
            if ranges is not None:
                return ranges
            await self._learn_hashes(file, hashes, line, index)
        return ()

    async def _learn_hashes(self, file: FileFetch, hashes: RangeHashes, line: Line, index: int) -> None:
        try:
            ranges = await self._ask_hashes(file, line, index)
        except BadRequest as error:
            self._no_hashes(file, str(error))
            return
        if hashes.add(index, file.length(index), ranges):
            return
        if not ranges or self._verify is VerifyHashes.REQUIRE:
            self._no_hashes(file, "the server gives none that cover the part")
        else:
            _LOG.info("part %d of document %d has no hashes", index, file.location.document_id)
            hashes.skip(index)

    async def _ask_hashes(self, file: FileFetch, line: Line, index: int) -> Sequence[RangeHash]:
        """The part that waits for them is here already: so a passing trouble is waited out, and not for long."""
        for pause in HASH_PAUSES:
            try:
                with anyio.fail_after(self._patience.seconds):
                    return await line.connection.hashes(file.location, index * PART_BYTES)
            except FloodWait as error:
                if error.seconds > LONGEST_HASH_WAIT:
                    raise
                now = anyio.current_time()
                file.flooded.add(now, now + error.seconds)
                await anyio.sleep(error.seconds)
            except (PartUnavailable, TimeoutError):
                await anyio.sleep(pause)
        raise PartUnavailable("Telegram does not say what the part should be")

    def _no_hashes(self, file: FileFetch, reason: str) -> None:
        if self._verify is VerifyHashes.REQUIRE:
            file.fail(Unverifiable(f"the parts cannot be verified (MTPROTO_VERIFY_HASHES=require): {reason}"))
        elif file.hashes is not None:
            _LOG.info("document %d is not verified by hashes: %s", file.location.document_id, reason)
            file.hashes.give_up()
            file.hashes = None
