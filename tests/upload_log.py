"""In-memory twin of the log that a spool keeps of its upload."""

from __future__ import annotations

from dataclasses import replace

from teltubby.messages.transfer import BegunUpload, PartReceipt
from tests.twins import Script, Watcher, nobody_watches


class MemoryLog:
    """`UploadLog`, strict: receipts come in order, without a gap, and only for an upload that was begun.

    Its calls are `log begin`, `log add` and `log forget`. It outlives whoever writes it, as the file on disk does.
    """

    def __init__(self, begun: BegunUpload | None = None, *, watch: Watcher = nobody_watches) -> None:
        self.script = Script(watch)
        self._begun = begun

    @property
    def begun(self) -> BegunUpload | None:
        return self._begun

    @property
    def noted(self) -> int:
        """How many parts it has receipts of."""
        return 0 if self._begun is None else len(self._begun.receipts)

    async def begin(self, upload: BegunUpload) -> None:
        await self.script.begin("log begin")
        assert not upload.receipts, "what was just begun has no parts yet"
        self._begun = upload
        await self.script.end("log begin")

    async def add(self, receipt: PartReceipt) -> None:
        await self.script.begin("log add", receipt.number)
        assert self._begun is not None, "no upload was begun"
        assert receipt.number == len(self._begun.receipts) + 1, "receipts come in order"
        self._begun = replace(self._begun, receipts=(*self._begun.receipts, receipt))
        await self.script.end("log add")

    async def forget(self) -> None:
        await self.script.begin("log forget")
        self._begun = None
        await self.script.end("log forget")
