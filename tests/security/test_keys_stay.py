"""No name that anybody chooses leads out of the prefix of the archive, in a folder or in a bucket."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.object_keys import check_key
from teltubby.errors import MalformedMessage, ObjectExists
from teltubby.messages.wire_fields import KEY_PREFIX, object_key
from tests.actors.bot_wing import bot_wing
from tests.actors.stage import restarts
from tests.actors.updates import sent, update
from tests.actors.world import World, assert_true
from tests.fuzz.shapes import TEXTS, examples

BODY = b"some bytes"
DIGEST = hashlib.sha256(BODY).hexdigest()
HOSTILE = [
    *("..", "../../../../etc/cron.d/x", "/etc/passwd", "..\\..\\x", "%2e%2e%2f%2e%2e%2fx", "%00", "a\0b", "\0", "."),
    *(
        "\u202egnp.exe",
        "\u2024\u2024/\u2024\u2024/x",
        "\uff0e\uff0e\uff0fx",
        "a" * 300,
        "😀" * 300,
        "../" * 100,
        "-rf ~",
    ),
    *(
        "$(id)",
        "`id`",
        "a;b|c&d",
        "a\nb\r\nX-Amz-Acl: public-read",
        "?acl",
        "#",
        "CON",
        "aux.txt",
        " ",
        "\u200b",
        "..%c0%af",
    ),
    *(".teltubby-uploads/x", "message.json", "../message.json", "previews/x", "teltubby-backups/x", "a//b", "~root"),
]
NAMES = st.lists(TEXTS | st.sampled_from(HOSTILE), min_size=1, max_size=4).map("/".join)
SEGMENTS = re.compile(r"teltubby/\d{4}/\d{2}(/[a-z0-9._-]{1,255}){2,4}", re.ASCII)


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
async def test_hostile_names_become_plain_keys(tmp_path: Path) -> None:
    world = World(folder=tmp_path)
    async with bot_wing(world) as wing:
        for number, name in enumerate(HOSTILE, start=10):
            chat = {"id": -100, "type": "channel", "title": name, "username": name}
            origin = {"type": "channel", "chat": chat, "message_id": 1, "date": 1, "author_signature": name}
            by_name = {"type": "hidden_user", "sender_user_name": name, "date": 1}
            file = sent(world.telegram, "document", number, name=name)
            wing.telegram.deliver(
                update(2 * number, file, caption=name, forward_origin=origin if number % 2 else by_name),
                update(
                    2 * number + 1, sent(world.telegram, "photo", 1000 + number), caption=name, forward_origin=by_name
                ),
            )
        await wing.rests()
        assert restarts(wing.tree) == {}
    assert_true(world)
    assert len(world.files()) == 2 * len(HOSTILE)
    root = tmp_path / "root"
    for stored in world.objects:
        assert SEGMENTS.fullmatch(stored) and not {".", ".."}.intersection(stored.split("/")), stored
        assert (root / stored).resolve().is_relative_to(root / "teltubby")


@examples(12)
@given(
    st.lists(st.lists(TEXTS | st.sampled_from(HOSTILE), min_size=1, max_size=3).map("/".join), min_size=6, max_size=6)
)
@example(HOSTILE)
@example([f"teltubby/{name}" for name in HOSTILE])
def test_a_folder_store_writes_nothing_beside_its_folder(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    root = home / "deep" / "store"
    root.mkdir(parents=True)

    async def run() -> None:
        store = FolderStore(root, part_size=64)
        await store.open()
        for one in keys:
            try:
                await store.put(one, BODY, content_type="a/b", sha256=DIGEST)
            except (ValueError, ObjectExists):
                continue
            assert await store.get(one) == BODY
        await store.aclose()

    anyio.run(run)
    assert [path for path in home.rglob("*") if path.is_file() and not path.is_relative_to(root)] == []


@pytest.mark.parametrize("key", ["teltubby/a\0b", "teltubby/\0", "\0"])
def test_a_key_holds_no_nul(key: str) -> None:
    """Where the kernel would end it, or a server."""
    with pytest.raises(ValueError, match="not an object key"):
        check_key(key)


@examples(60)
@given(NAMES)
@example("teltubby/../backups/x")
@example("teltubby/a/%2e%2e/b\0")
def test_a_message_names_no_object_outside_of_the_prefix(text: str) -> None:
    """A worker writes what a job says, and both stores take such keys only."""
    for name in (text, KEY_PREFIX + text):
        try:
            allowed = object_key(name)
        except (ValueError, MalformedMessage):
            continue
        assert allowed.startswith(KEY_PREFIX) and check_key(allowed) == allowed
        assert (Path("/a") / allowed).resolve().is_relative_to("/a/teltubby")
