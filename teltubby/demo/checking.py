"""Whether the archive holds what was handed in, judged from the files on disk and nothing that the product says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "teltubby"
ARTIFACT = "message.json"
STORED, DUPLICATE = "stored", "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFile:
    """A file as its sender knows it; `route` is the way on which it must have come, if it is new."""

    kind: str
    size: int
    sha256: str
    file_unique_id: str
    file_name: str | None
    extension: str
    route: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message or album that was handed in; `duplicate` when its content was handed in before."""

    title: str
    chat_slug: str
    sender_slug: str
    caption: str | None
    caption_slug: str
    forwarded_from: str | None
    duplicate: bool
    seconds: float
    files: tuple[ExpectedFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedObject:
    """A file that must be in the archive; `bytes` and `sha256` are those on disk, None when it is not there."""

    key: str
    kind: str
    route: str
    bytes: int | None
    sha256: str | None
    source_sha256: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it is there and its content is the source's."""
        return self.sha256 == self.source_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedArtifact:
    """A message.json: the keys that it names, and of what they are a duplicate."""

    key: str
    title: str
    keys: tuple[str, ...]
    duplicate_of: str | None
    seconds: float
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is in the archive, and every mistake in it, one sentence each."""

    objects: tuple[CheckedObject, ...]
    artifacts: tuple[CheckedArtifact, ...]
    problems: tuple[str, ...]


def check_archive(folder: Path, submissions: Sequence[Submission]) -> Findings:
    """Compare a folder store with what was handed in, in that order: every object, every artifact, nothing else.

    All stored bytes are read and hashed, in pieces.
    """
    check = _Check(folder)
    artifacts = sorted((key for key in check.found if key.endswith(f"/{ARTIFACT}")), key=_message_id)
    if len(artifacts) != len(submissions):
        check.problems.append(f"There are {len(artifacts)} artifacts ({ARTIFACT}), but should be {len(submissions)}.")
    for submission, key in zip(submissions, artifacts, strict=False):
        check.submission(submission, key)
    check.problems.extend(
        f"{key}: nobody handed this in." for key in sorted(check.found.keys() - check.wanted - set(artifacts))
    )
    return Findings(objects=tuple(check.objects), artifacts=tuple(check.artifacts), problems=tuple(check.problems))


class _Check:
    """Goes through submissions and collects what it finds."""

    def __init__(self, folder: Path) -> None:
        paths = (path for path in (folder / PREFIX).rglob("*") if not path.is_dir())
        self.found = {path.relative_to(folder).as_posix(): path for path in paths}
        self.wanted: set[str] = set()
        self.objects: list[CheckedObject] = []
        self.artifacts: list[CheckedArtifact] = []
        self.problems: list[str] = []
        self._first_copies: dict[str, str] = {}

    def submission(self, submission: Submission, artifact_key: str) -> None:
        before = len(self.problems)
        artifact = self._read(artifact_key)
        telegram = _mapping(artifact.get("telegram"))
        items = [_mapping(item) for item in _sequence(telegram.get("items"))]
        base = artifact_key.removesuffix(ARTIFACT)
        keys = [
            self._item(submission, file, item, ordinal, base)
            for ordinal, (file, item) in enumerate(zip(submission.files, items, strict=False), start=1)
        ]
        first = keys[0] if submission.duplicate and keys else None
        self._compare(
            artifact_key,
            artifact,
            schema_version="1.0",
            base_path=base,
            files_count=len(submission.files),
            total_bytes_uploaded=0 if submission.duplicate else sum(file.size for file in submission.files),
            keys=keys,
            duplicate_of=first,
        )
        origin = _mapping(telegram.get("forward_origin"))
        self._compare(
            artifact_key,
            telegram | {"items": len(items), "forwarded_from": _mapping(origin.get("chat")).get("title")},
            message_id=base.split("/")[-2],
            caption_plain=submission.caption,
            items=len(submission.files),
            forwarded_from=submission.forwarded_from,
        )
        self.artifacts.append(
            CheckedArtifact(
                key=artifact_key,
                title=submission.title,
                keys=tuple(keys),
                duplicate_of=first,
                seconds=submission.seconds,
                ok=len(self.problems) == before,
            )
        )

    def _item(
        self, submission: Submission, file: ExpectedFile, item: Mapping[str, Any], ordinal: int, base: str
    ) -> str:
        """Check one item of an artifact and the object that it names; the key that it must have."""
        where = f"{base}{ARTIFACT}, item {ordinal}"
        named = str(item.get("s3_key"))
        key = self._first_copies.get(file.sha256, named) if submission.duplicate else named
        self._compare(
            where,
            item,
            ordinal=ordinal,
            type=file.kind,
            size_bytes=file.size,
            sha256=file.sha256,
            file_unique_id=file.file_unique_id,
            original_filename=file.file_name,
            status=DUPLICATE if submission.duplicate else STORED,
            route=None if submission.duplicate else file.route,
            s3_key=key,
            duplicate_of=key if submission.duplicate else None,
        )
        if not submission.duplicate:
            if not re.fullmatch(_key_pattern(submission, file, ordinal, base), key):
                self.problems.append(f"{where}: the key {key} is not as the layout wants it.")
            self._object(file, key, submission.seconds)
        return key

    def _object(self, file: ExpectedFile, key: str, seconds: float) -> None:
        """Hash what is stored under `key` and compare it with the source."""
        self.wanted.add(key)
        self._first_copies.setdefault(file.sha256, key)
        path = self.found.get(key)
        checked = CheckedObject(
            key=key,
            kind=file.kind,
            route=file.route,
            bytes=path.stat().st_size if path else None,
            sha256=_sha256(path) if path else None,
            source_sha256=file.sha256,
            seconds=seconds,
        )
        self.objects.append(checked)
        if path is None:
            self.problems.append(f"{key}: the object is missing.")
        elif not checked.ok:
            self.problems.append(
                f"{key}: {checked.bytes} bytes with SHA-256 {checked.sha256} are stored, "
                f"but {file.size} bytes with {file.sha256} were handed in."
            )

    def _read(self, key: str) -> Mapping[str, Any]:
        try:
            return _mapping(json.loads(self.found[key].read_bytes()))
        except ValueError as error:
            self.problems.append(f"{key}: it is not JSON ({error}).")
            return {}

    def _compare(self, where: str, found: Mapping[str, Any], **wanted: object) -> None:
        self.problems.extend(
            f"{where}: {name} is {found.get(name)!r}, but should be {value!r}."
            for name, value in wanted.items()
            if found.get(name) != value
        )


def _key_pattern(submission: Submission, file: ExpectedFile, ordinal: int, base: str) -> str:
    """The key layout of compatibility.md for this file, the album's id and the moment being any."""
    group = r"-g\d+" if len(submission.files) > 1 else ""
    # In an album only the first message has the caption.
    caption = f"_{re.escape(submission.caption_slug)}" if submission.caption_slug and ordinal == 1 else ""
    slugs = f"{re.escape(submission.chat_slug)}_{re.escape(submission.sender_slug)}"
    name = rf"\d{{8}}-\d{{6}}_{slugs}_m\d+{group}_{ordinal:03d}{caption}\.{re.escape(file.extension)}"
    return rf"{PREFIX}/\d{{4}}/\d{{2}}/{re.escape(submission.chat_slug)}/{re.escape(base.split('/')[-2])}/{name}"


def _message_id(artifact_key: str) -> tuple[int, str]:
    """Orders artifacts by the id that their folder is named after."""
    name = artifact_key.split("/")[-2]
    return int(name) if name.isdecimal() else 0, artifact_key


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []
