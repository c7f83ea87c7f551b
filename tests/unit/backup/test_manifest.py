"""Manifests and names: they read back, and whatever was changed in them is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.backup_key import BackupKey
from teltubby.backup.errors import BackupDamaged
from teltubby.backup.manifest import BackedUp, Content, Manifest
from teltubby.backup.names import PREFIX, BackupName, series
from teltubby.config import Role
from tests.unit.backup.installation import KEY

BACKUP_KEY = BackupKey(KEY)
NAMES = st.builds(
    BackupName.new,
    st.text(max_size=80),
    st.sampled_from(Role),
    st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
SIZES = st.integers(0, 1 << 42)


def manifests(*, is_sealed: bool) -> st.SearchStrategy[Manifest]:
    contents = [content for content in Content if is_sealed or content.is_database]
    files = st.builds(
        BackedUp,
        content=st.sampled_from(contents),
        size=SIZES,
        sha256=SHA256,
        stored_size=SIZES,
        stored_sha256=SHA256,
        schema=st.none() | st.integers(0, 99),
    )
    return st.builds(
        Manifest,
        name=NAMES,
        version=st.text(max_size=10),
        sealed_with=st.just(BACKUP_KEY.name if is_sealed else None),
        files=st.lists(files, max_size=5).map(tuple),
        left_out=st.dictionaries(st.sampled_from(Content), st.text(max_size=20)),
    )


@given(st.booleans().flatmap(lambda is_sealed: manifests(is_sealed=is_sealed)))
def test_a_manifest_reads_back(manifest: Manifest) -> None:
    key = None if manifest.sealed_with is None else BACKUP_KEY
    assert Manifest.read(manifest.write(key), manifest.name, key) == manifest


@given(manifests(is_sealed=True), manifests(is_sealed=False), st.data())
def test_a_changed_byte_is_noticed(sealed: Manifest, clear: Manifest, data: st.DataObject) -> None:
    """Unless JSON says the same with it, as white space does, or an upper-case letter in an escape.

    One that names another key now cannot be checked, and is not restored with ours.
    """
    for manifest, key in ((sealed, BACKUP_KEY), (clear, None)):
        body = bytearray(manifest.write(key))
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            found = Manifest.read(bytes(body), manifest.name, key)
        except BackupDamaged:
            continue
        assert found == manifest or (key is not None and found.sealed_with not in (None, key.name))


@given(manifests(is_sealed=True), manifests(is_sealed=False), st.data())
def test_a_cut_manifest_is_refused(sealed: Manifest, clear: Manifest, data: st.DataObject) -> None:
    for manifest, key in ((sealed, BACKUP_KEY), (clear, None)):
        body = manifest.write(key).rstrip()
        with pytest.raises(BackupDamaged):
            Manifest.read(body[: data.draw(st.integers(0, len(body) - 1))], manifest.name, key)


@given(manifests(is_sealed=True), NAMES)
def test_a_manifest_of_another_backup_is_refused(manifest: Manifest, name: BackupName) -> None:
    if name != manifest.name:
        with pytest.raises(BackupDamaged):
            Manifest.read(manifest.write(BACKUP_KEY), name, BACKUP_KEY)


@given(manifests(is_sealed=True))
def test_who_has_not_the_key_can_list_a_sealed_one_and_make_none(manifest: Manifest) -> None:
    body = manifest.write(BACKUP_KEY)
    assert (
        Manifest.read(body, manifest.name, None) == manifest == Manifest.read(body, manifest.name, BackupKey("y" * 32))
    )
    forged = manifest.write(None)
    with pytest.raises(BackupDamaged):
        Manifest.read(forged, manifest.name, BACKUP_KEY)


@given(NAMES)
def test_secrets_in_the_clear_are_none_of_ours(name: BackupName) -> None:
    """A sealed manifest from which somebody took the seal."""
    file = BackedUp(
        content=Content.SETTINGS, size=1, sha256="0" * 64, stored_size=1, stored_sha256="0" * 64, schema=None
    )
    manifest = Manifest(name=name, version="1", bot=None, sealed_with=None, files=(file,), left_out={})
    with pytest.raises(BackupDamaged, match="secrets in the clear"):
        Manifest.read(manifest.write(None), name, BACKUP_KEY)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"digest": 1, "format": 2}'])
def test_what_is_no_manifest_is_refused(body: bytes) -> None:
    with pytest.raises(BackupDamaged):
        Manifest.read(body, BackupName.new("box", Role.BOX, datetime.now(UTC)), None)


@given(manifests(is_sealed=False), st.sampled_from(["size_bytes", "stored_bytes", "schema_version", "name"]))
def test_fields_of_another_kind_are_refused(manifest: Manifest, field: str) -> None:
    body = json.loads(manifest.write(None))
    if body["files"]:
        body["files"][0][field] = "another"
        with pytest.raises(BackupDamaged):
            Manifest.read(json.dumps(body).encode(), manifest.name, None)


@given(NAMES)
def test_names_read_back_and_are_keys(name: BackupName) -> None:
    assert BackupName.read(str(name)) == name
    assert BackupName.of_key(f"{name.folder}manifest.json") == name
    assert name.folder.startswith(series(name)) and series(name).startswith(PREFIX)
    assert not name.folder.startswith("teltubby/"), "/purge and the quota would take it for the archive"


@given(st.text())
def test_other_texts_are_no_names(text: str) -> None:
    found = BackupName.read(text)
    assert found is None or str(found) == text


@pytest.mark.parametrize("text", ["box/box/20261301-000000", "../box/20261122-000000", "box/20261122-000000", ""])
def test_what_looks_like_a_name_and_is_none(text: str) -> None:
    assert BackupName.read(text) is None
