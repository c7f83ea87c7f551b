"""The journal: what was written is read again, and whatever happens to it, never more than what was written."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.messages.transfer import BegunUpload, PartReceipt
from teltubby.transfer import journal
from teltubby.transfer.journal import (
    Done,
    Fact,
    History,
    PartWritten,
    Session,
    SpooledFile,
    Synced,
    UnusableJournal,
    UploadBegun,
    UploadForgotten,
    UploadPartStored,
    first_line,
    line,
    read_journal,
)
from tests.unit.archive.samples import ANY_TEXT, INT64

PARTS = 8
FILE = SpooledFile(job_id="j-1", document_id=5899747659685562555, size=8 * 1024 - 5, key="a/b.mp4", part_bytes=1024)
BOOT = "b0"

texts = st.text(max_size=10)
receipts = st.builds(PartReceipt, number=st.integers(1, 4), etag=texts, size=st.integers(0, 2**40), sha256=texts)
uploads = st.builds(BegunUpload, key=texts, upload_id=texts, part_size=st.integers(1, 2**30))
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(PartWritten, st.integers(0, PARTS - 1)),
    st.builds(PartWritten, st.integers(0, PARTS - 1)),
    st.builds(Synced, st.integers(0, 1000)),
    st.builds(Session, st.sampled_from([BOOT, "b1", None])),
    st.builds(UploadBegun, uploads),
    st.builds(UploadPartStored, receipts),
    st.just(UploadForgotten()),
    st.just(Done()),
)


def written(facts: Iterable[Fact], file: SpooledFile = FILE) -> list[bytes]:
    """The lines of a journal with these facts."""
    head, checksum = first_line(file)
    lines = [head]
    for fact in facts:
        text, checksum = line(fact, checksum)
        lines.append(text)
    return lines


def sensible(facts: Iterable[Fact]) -> list[Fact]:
    """The same without receipts that are not the next of an upload."""
    kept: list[Fact] = []
    stored: int | None = None
    for fact in facts:
        match fact:
            case UploadBegun():
                stored = 0
            case UploadForgotten():
                stored = None
            case UploadPartStored(receipt=receipt):
                if stored is None or receipt.number != stored + 1:
                    continue
                stored += 1
        kept.append(fact)
    return kept


def expected(lines: Sequence[bytes], facts: Sequence[Fact], boot_id: str | None) -> tuple[object, ...]:
    """What the facts say, by another way than the journal's: looking back from the end."""
    present = set()
    upload: BegunUpload | None = None
    for number, fact in enumerate(facts):
        later = list(enumerate(facts[number + 1 :], start=number + 1))
        match fact:
            case PartWritten(index=index):
                boot = next((f.boot_id for f in reversed(facts[:number]) if isinstance(f, Session)), None)
                end = sum(map(len, lines[: number + 2]))
                for _, event in later:
                    if isinstance(event, Synced) and event.covered >= end:
                        present.add(index)
                        break
                    if isinstance(event, Session) and (event.boot_id is None or event.boot_id != boot):
                        break
                else:
                    if boot is not None and boot == boot_id:
                        present.add(index)
            case UploadBegun(upload=begun):
                upload = begun
            case UploadPartStored(receipt=receipt):
                assert upload is not None
                upload = BegunUpload(
                    key=upload.key,
                    upload_id=upload.upload_id,
                    part_size=upload.part_size,
                    receipts=(*upload.receipts, receipt),
                )
            case UploadForgotten():
                upload = None
    return present, upload, any(isinstance(fact, Done) for fact in facts)


def told(history: History) -> tuple[object, ...]:
    return history.present, history.upload, history.done


@given(st.lists(facts, max_size=25).map(sensible), st.sampled_from([BOOT, "b1", None]))
@example([PartWritten(0), PartWritten(0), Synced(148)], None)
def test_what_was_written_is_read_again(facts: list[Fact], boot_id: str | None) -> None:
    lines = written(facts)
    history = read_journal(b"".join(lines), boot_id=boot_id)
    assert history.file == FILE
    assert told(history) == expected(lines, facts, boot_id)
    assert history.end == sum(map(len, lines))


@given(
    st.builds(SpooledFile, job_id=ANY_TEXT, document_id=INT64, size=st.integers(0, 2**40), key=ANY_TEXT),
    ANY_TEXT,
)
def test_any_name_can_be_written(file: SpooledFile, text: str) -> None:
    upload = BegunUpload(key=text, upload_id=text, part_size=1)
    body = b"".join(written([UploadBegun(upload)], file))
    assert body.isascii() and body.count(b"\n") == 2
    history = read_journal(body, boot_id=None)
    assert (history.file, history.upload) == (file, upload)


@given(st.lists(facts, max_size=12).map(sensible), st.data())
def test_a_journal_that_was_cut_off_holds_up_to_there(facts: list[Fact], data: st.DataObject) -> None:
    lines = written(facts)
    body = b"".join(lines)
    cut = data.draw(st.integers(0, len(body)))
    assert_holds_up_to(lines, facts, body[:cut], cut)


@given(st.lists(facts, max_size=12).map(sensible), st.data())
def test_a_journal_with_flipped_bits_holds_up_to_there(facts: list[Fact], data: st.DataObject) -> None:
    lines = written(facts)
    body = bytearray(b"".join(lines))
    bits = data.draw(st.sets(st.integers(0, 8 * len(body) - 1), min_size=1, max_size=3))
    for bit in bits:
        body[bit // 8] ^= 1 << bit % 8
    assert_holds_up_to(lines, facts, bytes(body), min(bits) // 8)


def assert_holds_up_to(lines: list[bytes], facts: list[Fact], damaged: bytes, where: int) -> None:
    """All lines that end before the damage count, and none after it."""
    whole = max(count for count in range(len(lines) + 1) if sum(map(len, lines[:count])) <= where)
    if whole == 0:
        with pytest.raises(UnusableJournal):
            read_journal(damaged, boot_id=BOOT)
        return
    history = read_journal(damaged, boot_id=BOOT)
    assert history.end == sum(map(len, lines[:whole]))
    assert told(history) == expected(lines[:whole], facts[: whole - 1], BOOT)


@given(st.binary(max_size=300))
def test_anything_else_is_no_journal(body: bytes) -> None:
    with pytest.raises(UnusableJournal):
        read_journal(body, boot_id=BOOT)


@given(
    st.lists(facts, min_size=1, max_size=8).map(sensible),
    st.lists(facts, min_size=1, max_size=8).map(sensible),
    st.integers(0, 8),
)
def test_no_line_of_another_history_follows(before: list[Fact], after: list[Fact], kept: int) -> None:
    """What a cut leaves of an older tail stands behind newer lines, perhaps exactly where a line may begin."""
    old = written(before)
    kept = min(kept, len(before))
    new = written([*before[:kept], *after])
    reached = read_journal(b"".join([*new, *old[kept + 1 :]]), boot_id=BOOT).end
    if new != old[: len(new)]:  # else it is no other history
        assert reached == sum(map(len, new))


def test_the_format_can_be_read_by_people() -> None:
    upload = BegunUpload(key="a/b.mp4", upload_id="u", part_size=5)
    receipt = PartReceipt(number=1, etag="e", size=5, sha256="00")
    everything: list[Fact] = [
        *(Session(BOOT), PartWritten(0), Synced(9), UploadBegun(upload)),
        *(UploadPartStored(receipt), UploadForgotten(), Done()),
    ]
    checksum = 0
    seen: set[str] = set()
    for text in written(everything):
        sealed, _, members = text.rstrip(b"\n").partition(b" ")
        checksum = zlib.crc32(members, checksum)
        assert int(sealed, 16) == checksum and len(sealed) == 8
        seen.add(next(iter(json.loads(members))))
    documented = (journal.__doc__ or "").split("=\n", 1)[1]
    assert all(f'`{{"{name}": ' in documented for name in seen), "every kind of line is described"
    assert documented.count('`{"') == len(seen), "and no other"


def sealed(*members: object) -> bytes:
    """Lines with good checksums, whatever they say."""
    body, checksum = b"", 0
    for each in members:
        text = json.dumps(each).encode()
        checksum = zlib.crc32(text, checksum)
        body += b"%08x %b\n" % (checksum, text)
    return body


HEAD = {"spool": 1, "job_id": "j", "document_id": 1, "size": 10, "key": "k", "part_bytes": 4}


@pytest.mark.parametrize(
    "head",
    [
        {**HEAD, "spool": 2},
        {"spool": 2, "another": "shape"},
        {**HEAD, "size": -1},
        {**HEAD, "size": "10"},
        {**HEAD, "part_bytes": 0},
        {name: value for name, value in HEAD.items() if name != "key"},
        {"session": "b0"},
        [],
        7,
    ],
)
def test_a_first_line_of_another_kind_is_not_used(head: object) -> None:
    with pytest.raises(UnusableJournal):
        read_journal(sealed(head, {"part": 0}), boot_id=BOOT)


@pytest.mark.parametrize(
    "members",
    [
        {"part": 3},
        {"part": -1},
        {"part": "1"},
        {"stored": 1, "etag": "", "size": 4, "sha256": ""},
        {"from the future": 1},
        {"spool": 1},
        {},
        [],
        "part",
    ],
)
def test_reading_ends_at_what_cannot_stand_there(members: object) -> None:
    before = sealed(HEAD, {"session": BOOT}, {"part": 2})
    history = read_journal(sealed(HEAD, {"session": BOOT}, {"part": 2}, members, {"part": 1}), boot_id=BOOT)
    assert (history.present, history.end) == ({2}, len(before))


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(0, []), (1, [1]), (1024, [1024]), (1025, [1024, 1]), (3 * 1024, [1024] * 3)],
)
def test_a_file_is_cut_into_parts(size: int, sizes: list[int]) -> None:
    file = SpooledFile(job_id="j", document_id=1, size=size, key="k", part_bytes=1024)
    assert [file.part_size(index) for index in range(file.parts)] == sizes
