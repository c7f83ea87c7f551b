"""Objects that nobody will ever name: what a cut-off run stored, or the store itself, long after it was asked to."""

from __future__ import annotations

import json
import logging

import anyio

from teltubby.adapters.base import ObjectStore
from teltubby.archive.claims import ARTIFACT_BYTES_MAX, is_artifact_key
from teltubby.archive.keys import preview_key
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_doubts import ClaimLeftover, DoubtfulKey, DoubtLooked, DueDoubts, Verdict
from teltubby.messages.transfer import DropObject, FindLeftover, Leftover, UploadMessage
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
AT_ONCE = 200
"""Keys looked at in a row: two requests to the store each, one after the other, so that hand-ins are not held up."""
LOOK_SECONDS = 30.0
"""After so long no further key is looked at: the reconciler has other work, and a store may be slow."""
MOST_FAILURES = 3
"""So many looks that fail in a row are the store's trouble."""


async def find_leftover(store: ObjectStore, key: str) -> Leftover | None:
    """What lies under the key and that of its preview, None for nothing. Raises what the store does.

    The artifacts beside it are read where there is something: they may know more than a ledger that was restored.
    """
    preview = preview_key(key)
    there = {one: info for one in (preview, key) if one is not None and (info := await store.head(one)) is not None}
    if not there:
        return None
    size = there[key].size if key in there else None
    names = [json.dumps(one, ensure_ascii=False).encode() for one in there]
    artifacts = [info async for info in store.list(key[: key.rfind("/") + 1]) if is_artifact_key(info.key)]
    for info in artifacts:
        artifact = b"" if info.size > ARTIFACT_BYTES_MAX else await store.get(info.key)
        if not artifact or any(name in artifact for name in names):
            return Leftover(keys=tuple(there), named=True, size=size)
    return Leftover(keys=tuple(there), named=False, size=size)


class Leftovers:
    """Looks from time to time whether something lies at a doubtful key, and has it deleted when nothing names it.

    The ledger says so, and from then on nobody names it again; so does the artifact that lies beside it.
    """

    def __init__(self, *, ledger: Ref[LedgerMessage], upload: Ref[UploadMessage]) -> None:
        self._ledger = ledger
        self._upload = upload

    async def look(self) -> None:
        """Look at the keys that are due, as many as there is time for. Raises what the ledger does."""
        failures, ends_at = 0, anyio.current_time() + LOOK_SECONDS
        for doubtful in await self._ledger.ask(DueDoubts(limit=AT_ONCE), within=ASK_SECONDS):
            try:
                await self._look(doubtful)
            except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                why = str(error) or "the store took too long"
                _LOG.warning("it is looked later whether something is left under %s: %s", doubtful.key, why)
                await self._looked(doubtful, counts=False)
                failures += 1
            else:
                failures = 0
            if failures == MOST_FAILURES or anyio.current_time() >= ends_at:
                return  # the others are still due

    async def _look(self, doubtful: DoubtfulKey) -> None:
        found = await self._upload.ask(FindLeftover(key=doubtful.key), within=ASK_SECONDS)
        if found is None:
            await self._looked(doubtful)
            return
        claim = ClaimLeftover(key=doubtful.key, named=found.named, size=found.size)
        match await self._ledger.ask(claim, within=ASK_SECONDS):
            case Verdict.DELETE:
                for key in found.keys:  # the file last: what is cut off in between is found by it
                    _LOG.warning("%s is deleted, which nothing names: %s", key, doubtful.why)
                    await self._upload.ask(DropObject(key=key), within=ASK_SECONDS)
                await self._looked(doubtful)
            case Verdict.NAMED:
                await self._looked(doubtful)
            case Verdict.LATER:
                await self._looked(doubtful, counts=False)
            case Verdict.KEPT:
                _LOG.warning("%s stays, and the ledger does not name it: see the audit trail", doubtful.key)

    async def _looked(self, doubtful: DoubtfulKey, *, counts: bool = True) -> None:
        await self._ledger.ask(DoubtLooked(key=doubtful.key, counts=counts), within=ASK_SECONDS)
