"""`teltubby verify` beside a purge, beside foreign files, and with artifacts of any size."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.base import ObjectInfo
from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.sqlite_catalogue import Catalogue
from teltubby.adapters.sqlite_comparison import Comparison
from teltubby.archive.claims import ARTIFACT_BYTES_MAX, Claim, is_artifact_key
from teltubby.fixity.check import state_of, verified
from teltubby.fixity.survey import ARTIFACT_BATCH, ARTIFACT_BATCH_BYTES, together
from teltubby.fixity.wanted import Wanted
from teltubby.messages.media import ItemStatus
from teltubby.trees import parts
from tests.unit.fixity.archives import CHAT, Bench, Sent

FILES = 12
ALL = Wanted()


class Watched(FolderStore):
    """Counts what is asked of it; before the content that is read as the `at`th one, something happens."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, part_size=100)
        self.at, self.happens = 0, lambda: None
        self.artifacts: list[str] = []
        self.contents: list[str] = []
        self.listings, self.listed = 0, 0

    async def read(self, key: str, offset: int, length: int) -> bytes:
        (self.artifacts if is_artifact_key(key) else self.contents).append(key)
        if not is_artifact_key(key) and len(self.contents) == self.at:
            await anyio.to_thread.run_sync(self.happens)
        return await super().read(key, offset, length)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self.listings += 1
        async for info in super().list(prefix):
            self.listed += 1
            yield info


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.hand_in_many([([Sent(content=number, unique=number)], None) for number in range(FILES)])
    return bench


@pytest.fixture
def store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Watched:
    store = Watched(bench.folder)
    monkeypatch.setattr(parts, "store", lambda _: lambda: store)
    return store


def verify(bench: Bench, wanted: Wanted = ALL) -> tuple[int, dict[str, Any]]:
    """Run it with --json: the exit code and what it printed."""
    said: list[str] = []
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731

    async def run() -> int:
        return await verified(
            bench.config,
            state_of(bench.config, None),
            wanted,
            said.append,
            said.append,
            as_json=True,
            restart=False,
            told=nothing,
        )

    code = anyio.run(run)
    return code, json.loads(said[-1])


@pytest.mark.parametrize("has_ledger", [True, False])
def test_a_purge_while_contents_are_read_is_no_loss(bench: Bench, store: Watched, has_ledger: bool) -> None:
    """What was listed is gone by order, with the artifacts that named it."""

    def purge() -> None:
        if has_ledger:
            with bench.ledger() as ledger:
                ledger.files.forget(CHAT)
        for path in sorted(bench.folder.rglob("*")):
            if path.is_file():
                path.unlink()

    if not has_ledger:
        for path in bench.home.glob("ledger.db*"):
            path.unlink()
    store.at, store.happens = 3, purge
    code, told = verify(bench)
    assert (code, told["findings"]) == (0, [])


def test_a_loss_while_contents_are_read_is_one(bench: Bench, store: Watched) -> None:
    lost = max(bench.keys)  # it is read last
    store.at, store.happens = 1, (bench.folder / lost).unlink
    code, told = verify(bench)
    assert code == 1
    found = {(finding["kind"], finding["key"]) for finding in told["findings"]}
    assert found == {("missing", lost), ("lying artifact", str(Path(lost).parent / "message.json"))}


def test_an_object_that_shrinks_while_it_is_read_has_another_size(bench: Bench, store: Watched) -> None:
    cut = max(bench.keys)  # it is read last
    size = (bench.folder / cut).stat().st_size
    store.at, store.happens = 1, lambda: os.truncate(bench.folder / cut, 0)
    code, told = verify(bench)
    assert code == 1
    (finding,) = [each for each in told["findings"] if each["key"] == cut]
    assert (finding["kind"], finding["detail"]) == ("wrong size", f"0 bytes instead of {size}")


def test_what_no_artifact_could_be_is_not_read(bench: Bench, store: Watched) -> None:
    (bench.folder / "teltubby/huge").mkdir()
    with (bench.folder / "teltubby/huge/message.json").open("wb") as sparse:
        sparse.truncate(ARTIFACT_BYTES_MAX + 1)
    code, told = verify(bench)
    assert code == 1
    (finding,) = told["findings"]
    assert finding["kind"] == "unreadable artifact" and "no artifact has so many" in finding["detail"]
    assert not any("huge" in key for key in store.artifacts)


def test_foreign_files_cost_no_second_look_at_everything(bench: Bench, store: Watched) -> None:
    """One at the top, and a folder full of them: neither is the archive read again for them, nor each beside each."""
    bench.put("teltubby/README.txt", b"of somebody")
    for number in range(40):
        bench.put(f"teltubby/dump/{number}.txt", b"of somebody")
    code, told = verify(bench)
    assert code == 1 and told["counts"]["orphan"] == 41
    assert len(store.artifacts) == FILES
    assert (store.listings, store.listed) == (3, 2 * FILES + 41), "all, and the artifacts of two folders"


INFOS = st.lists(st.builds(ObjectInfo, key=st.just("a/message.json"), size=st.integers(0, 8 << 20)), max_size=200)


@given(INFOS)
def test_artifacts_are_entered_in_batches_that_fit_into_memory(infos: list[ObjectInfo]) -> None:
    batches = list(together(infos))
    assert [info for batch in batches for info in batch] == infos
    for batch in batches:
        assert 1 <= len(batch) <= ARTIFACT_BATCH
        assert len(batch) == 1 or sum(info.size for info in batch) <= ARTIFACT_BATCH_BYTES


def test_each_sample_is_another_one(bench: Bench, store: Watched) -> None:
    samples = set()
    for _ in range(3):
        store.contents.clear()
        assert verify(bench, Wanted(limit=FILES // 2))[0] == 0
        assert len(store.contents) == FILES // 2
        samples.add(frozenset(store.contents))
    assert len(samples) > 1, "by chance once in a million runs"


def test_samples_are_unbiased_and_told_by_their_seed(tmp_path: Path) -> None:
    """Of 40 objects each one is as likely to be read as any other, also those that are named alike."""
    with closing(Catalogue.open(tmp_path / "check")) as catalogue:
        keys = [f"teltubby/2025/01/curator/1/{number:03d}.bin" for number in range(40)]
        catalogue.add_objects([ObjectInfo(key=key, size=1) for key in keys])
        claims = [Claim(key=key, status=ItemStatus.STORED, sha256="0" * 64, size_bytes=1) for key in keys]
        catalogue.add_ledger_claims(claims)
        comparison = Comparison(catalogue)
        drawn: Counter[str] = Counter()
        for seed in range(300):
            samples = []
            for _ in range(2):
                comparison.plan(str(seed), percent=25.0, limit=None)
                samples.append([row["key"] for page in comparison.to_hash() for row in page])
            assert samples[0] == samples[1]
            drawn.update(samples[0])
        assert sum(drawn.values()) == pytest.approx(3000, rel=0.05)
        assert all(45 <= drawn[key] <= 105 for key in keys), "75 each, within four deviations"
