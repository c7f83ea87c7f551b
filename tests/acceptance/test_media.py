"""Everything that can be handed in: kinds, origins, captions, names, sizes at the limits."""

from __future__ import annotations

from functools import partial
from typing import Any

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import Origin, OriginChannel, OriginChat, OriginHiddenUser, OriginUser
from teltubby.simulator.people import ChatKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

MIB = 1 << 20
KINDS: dict[str, tuple[FileKind, str, dict[str, Any]]] = {
    "photo": (FileKind.PHOTO, "jpg", {}),
    "document": (FileKind.DOCUMENT, "tar", {"name": "Archive.v2.TAR"}),
    "nameless document": (FileKind.DOCUMENT, "bin", {}),
    "video": (FileKind.VIDEO, "mp4", {"width": 640, "height": 360, "duration": 9}),
    "audio": (FileKind.AUDIO, "flac", {"name": "Song.Flac", "duration": 200}),
    "nameless audio": (FileKind.AUDIO, "mp3", {}),
    "voice": (FileKind.VOICE, "ogg", {"duration": 3}),
    "video note": (FileKind.VIDEO_NOTE, "mp4", {"width": 240, "height": 240, "duration": 5}),
    "animation": (FileKind.ANIMATION, "gif", {"name": "fun.gif", "width": 320, "height": 200}),
    "nameless animation": (FileKind.ANIMATION, "mp4", {}),
    "sticker": (FileKind.STICKER, "webp", {"width": 512, "height": 512}),
    "animated sticker": (FileKind.STICKER, "tgs", {"is_animated": True, "mime_type": "application/x-tgsticker"}),
    "video sticker": (FileKind.STICKER, "webm", {"is_video": True, "mime_type": "video/webm"}),
}


def assert_stored(house: Household, message: int, file: File, *, chat: str = "ada") -> dict[str, Any]:
    """The one file of the message is in the archive, true to the byte; returns its item."""
    [item] = house.settled(message, "stored", chat=chat)
    assert (item["sha256"], item["size_bytes"]) == (file.sha256(), file.size)
    assert sha256(house.archive, item["s3_key"]) == file.sha256()
    assert item["s3_key"].startswith(house.folder(message, chat=chat))
    return item


def test_every_kind(box: Household) -> None:
    """Its type, its extension, its measures."""
    box.without_flood_control()
    box.start("run")
    ada, sent = box.ada, {}
    for number, (name, (kind, _, fields)) in enumerate(KINDS.items()):
        file = ada.new_file(kind, 10_000 + number, **fields)
        sent[name] = (ada.send_media(file), file)
    for name, (message, file) in sent.items():
        kind, extension, fields = KINDS[name]
        item = assert_stored(box, message, file)
        assert item["type"] == kind.value and item["s3_key"].endswith(f"_001.{extension}"), name
        said = None if kind in (FileKind.VIDEO_NOTE, FileKind.STICKER) else file.mime_type  # as the Bot API does
        assert item["original_filename"] == fields.get("name") and item["mime_type"] == said, name
        for measure in ("width", "height", "duration"):
            if measure in fields and not (kind is FileKind.VIDEO_NOTE and measure == "height"):
                assert item[measure] == fields[measure], name
        assert f"Archived 1 file ({kind.value.replace('_', ' ')})" in box.answer(message, "Archived")


def origins(house: Household) -> dict[str, Origin]:
    """Where a forward can come from, by the slug of its directory."""
    world = house.telegram.world

    def make() -> dict[str, Origin]:
        bob = world.add_user("Bob", last_name="Müller")
        named = world.add_user("Carol", username="Carol_W")
        channel = world.add_chat(ChatKind.CHANNEL, "News", username="My_Channel")
        untitled = world.add_chat(ChatKind.CHANNEL, "🎉🎉🎉")
        group = world.add_chat(ChatKind.SUPERGROUP, "Наша Группа")
        return {
            "bob-muller": OriginUser(user=bob, date=world.now()),
            "carol_w": OriginUser(user=named, date=world.now()),
            "hidden-person": OriginHiddenUser(name="Hidden Person", date=world.now()),
            "unknown": OriginHiddenUser(name="!!!", date=world.now()),
            "my_channel": OriginChannel(chat=channel, message_id=7, date=world.now(), author_signature="Ed"),
            str(abs(untitled.bot_api_id)): OriginChannel(chat=untitled, message_id=8, date=world.now()),
            "nasha-gruppa": OriginChat(chat=group, date=world.now()),
        }

    return dict(house.telegram.call(make))


@ON_ASYNCIO
def test_forwards(box: Household) -> None:
    """The directory is the origin's, the artifact says whose; a large one too."""
    box.without_flood_control()
    box.start("run")
    ada, sent = box.ada, {}
    for number, (slug, origin) in enumerate(origins(box).items()):
        large = slug == "my_channel"
        file = ada.new_file(FileKind.VIDEO if large else FileKind.PHOTO, (21 * MIB if large else 10_000) + number)
        sent[slug] = (ada.send_media(file, forward_origin=origin), file, origin)
    for slug, (message, file, origin) in sent.items():
        item = assert_stored(box, message, file, chat=slug)
        assert f"_{slug}_ada_m" in item["s3_key"]
        told = box.artifact(message, chat=slug)["telegram"]["forward_origin"]
        kind = {OriginUser: "user", OriginHiddenUser: "hidden_user", OriginChat: "chat", OriginChannel: "channel"}
        assert told["type"] == kind[type(origin)] and told["date"] == origin.date
    assert box.artifact(sent["my_channel"][0], chat="my_channel")["telegram"]["forward_origin"]["message_id"] == 7


@ON_ASYNCIO
def test_uniform_directories(box: Household) -> None:
    """KEY_CHAT_SLUG=curator keeps old buckets as they are."""
    box.start("run", KEY_CHAT_SLUG="curator")
    file = box.ada.new_file(FileKind.PHOTO, 10_000)
    message = box.ada.send_photo(file, forward_origin=origins(box)["my_channel"])
    assert_stored(box, message, file, chat="ada")


NAMES = {
    "../../../etc/passwd": "bin",
    "/etc/cron.d/evil.sh": "sh",
    "..": "bin",
    "a/b\\c.d/e.TXT": "txt",
    "nul\x00byte.pdf": "pdf",
    "nul.p\x00df": "pdf",
    "invoice\u202efdp.exe": "exe",
    "💾🎉.zip": "zip",
    "😀.😀": "bin",
    "x" * 296 + ".png": "png",
    "ж" * 300: "bin",
    "<b>bold</b> & 'q'.html": "html",
    "CON.aux": "aux",
    "tab\tand\nnewline.csv": "csv",
    ".hidden": "bin",
    "a." + "y" * 60: "bin",
}


@ON_TRIO
def test_hostile_names(box: Household) -> None:
    """A name decides nothing but the extension; it is kept in the artifact as it was, and shown escaped."""
    box.without_flood_control()
    box.start("run")
    ada, sent = box.ada, {}
    for number, name in enumerate(NAMES):
        file = ada.new_file(FileKind.DOCUMENT, 5_000 + number, name=name)
        sent[name] = (ada.send_document(file), file)
    for name, (message, file) in sent.items():
        item = assert_stored(box, message, file)
        assert item["s3_key"].endswith(f"_001.{NAMES[name]}"), (name, item["s3_key"])
        assert item["original_filename"] == name
    queued: list[tuple[int, File, str]] = []
    for name in ("<b>bold</b> & co.mp4", "../" * 20 + "x.mp4", "nul\x00.mp4", "invoice\u202efdp.mp4", "ж" * 300):
        file = ada.new_file(FileKind.VIDEO, 21 * MIB + len(queued), name=name)
        queued.append((ada.send_video(file), file, name))
    for message, file, name in queued:
        told = box.answer(message, "archived successfully")
        shown = name[:8].replace("\x00", " ").replace("\u202e", "")
        assert shown in told, "Telegram shows what was meant: no tags, and no letters the other way round"
        assert_stored(box, message, file)
    everything = {path.relative_to(box.home).parts[0] for path in box.home.rglob("*") if path.is_file()}
    assert everything <= {
        *("archive", "spool", "telegram.pem", "1-run.log"),
        *("teltubby.key", "bot.session", "bot.session.lock", "user.session.lock"),
    } | {f"{base}.db{end}" for base in ("teltubby", "queue") for end in ("", "-wal", "-shm")}


@ON_ASYNCIO
def test_captions(box: Household) -> None:
    """1024 characters of anything: the artifact has all of it, the key its first words."""
    box.without_flood_control()
    box.start("run")
    ada = box.ada
    captions = {
        "x" * 1024: "x" * 20,
        "Ä" * 1024: "a" * 20,
        "<b>not bold</b> & <script>": "b-not-bold-b-script",
        "one two three four five six seven": "one-two-three-four-five-six",
        "🎉🎉🎉": "",
        "../..": "",
        "a\u202eb\x00c\nd": "",
        "日本語 テキスト": "ri-ben-yu",
    }
    for number, (caption, slug) in enumerate(captions.items()):
        file = ada.new_file(FileKind.PHOTO, 20_000 + number)
        message = ada.send_photo(file, caption=caption)
        item = assert_stored(box, message, file)
        name = item["s3_key"].rpartition("/")[2]
        assert slug in name and len(name) <= 120 and len(item["s3_key"]) <= 512, name
        assert box.artifact(message)["telegram"]["caption_plain"] == caption
        assert "Archived 1 file (photo)" in box.answer(message, "Archived")


def test_sizes_at_the_limits(box: Household) -> None:
    """Empty; exactly what the Bot API serves, and a byte more; of unknown size; over MAX_FILE_GB; over any photo."""
    box.without_flood_control()
    box.start("run", MAX_FILE_GB="0.03")
    ada = box.ada
    limit, most = 20_971_520, int(0.03 * (1 << 30))
    cases: dict[str, tuple[File, str, str]] = {
        "empty": (ada.new_file(FileKind.DOCUMENT, 0, name="empty.txt"), "bot_api", ""),
        "at the limit": (ada.new_file(FileKind.DOCUMENT, limit, name="limit.bin"), "bot_api", ""),
        "a byte more": (ada.new_file(FileKind.DOCUMENT, limit + 1, name="more.bin"), "mtproto_bot", ""),
        "unknown, small": (ada.new_file(FileKind.VIDEO, 30_000, size_known=False), "mtproto_bot", ""),
        "unknown, empty": (ada.new_file(FileKind.AUDIO, 0, size_known=False, name="e.mp3"), "mtproto_bot", ""),
        "unknown, large": (ada.new_file(FileKind.VIDEO, 22 * MIB, size_known=False), "mtproto_bot", ""),
        "unknown photo": (ada.new_file(FileKind.PHOTO, 30_000, size_known=False), "bot_api", ""),
        "as large as it may be": (ada.new_file(FileKind.VIDEO, most), "mtproto_bot", ""),
        "too large": (ada.new_file(FileKind.VIDEO, most + 1), "", "exceeds_cfg_limit"),
        "photo that is too large": (ada.new_file(FileKind.PHOTO, limit + 1), "", "exceeds_bot_limit"),
    }
    sent = {name: ada.send_media(file) for name, (file, _, _) in cases.items()}
    for name, (file, route, reason) in cases.items():
        if reason:
            assert reason in box.answer(sent[name], "was not archived"), name
            [item] = box.settled(sent[name], "skipped")
            assert (item["reason"], item["s3_key"], item["sha256"]) == (reason, None, None), name
            assert box.artifact(sent[name])["files_count"] == 0, name
            continue
        items = eventually(partial(done, box, sent[name]), within=60, what=name)
        if file.size == 0:  # all empty files have the same content
            assert items[0]["status"] in ("stored", "duplicate") and items[0]["size_bytes"] == 0
        else:
            assert assert_stored(box, sent[name], file)["route"] == route, name


@ON_TRIO
def test_unknown_size_that_turns_out_too_large(box: Household) -> None:
    """Found out by the worker: failed with a reason that names the setting."""
    box.start("run", MAX_FILE_GB="0.001")
    message = box.ada.send_video(box.ada.new_file(FileKind.VIDEO, 22 * MIB, size_known=False))
    assert "MAX_FILE_GB" in box.answer(message, "Processing failed")
    [item] = box.settled(message, "failed")
    assert "MAX_FILE_GB" in item["reason"] and item["s3_key"] is None


def done(house: Household, message: int) -> list[dict[str, Any]]:
    """The items of a message once none is on its way any more."""
    key = house.folder(message) + "message.json"
    if key not in set(house.archive.stored()):
        return []
    items = house.items(message)
    return [] if any(item["status"] == "queued" for item in items) else items


@ON_ASYNCIO
def test_protected_content_is_refused(box: Household) -> None:
    """Its owner protected it: said, recorded, not kept; small or large, whatever else the album holds."""
    box.start("run")
    ada = box.ada
    files = [ada.new_file(FileKind.PHOTO, 10_000), ada.new_file(FileKind.VIDEO, 21 * MIB)]
    album = ada.send_album(files, protected=True)
    assert "its owner protected it" in box.answer(album[0], "protected_content")
    items = box.settled(album[0], "skipped", "skipped")
    assert {item["reason"] for item in items} == {"protected_content"}
    assert box.archive.stored() == [box.folder(album[0]) + "message.json"]
    assert box.calls("getFile") == 0


def test_an_album_of_everything(box: Household) -> None:
    """Small, large, too large and duplicate in one album: one answer for what is settled, a line for what is not."""
    box.start("run", MAX_FILE_GB="0.03")
    ada = box.ada
    small, large = ada.new_file(FileKind.PHOTO, 10_000), ada.new_file(FileKind.VIDEO, 21 * MIB, name="v.mp4")
    huge = ada.new_file(FileKind.VIDEO, 40 * MIB)
    album = ada.send_album([(small, "first"), large, huge, small, ada.new_file(FileKind.VIDEO, 22 * MIB)])
    told = box.answer(album[0], "Archived 1 file (photo)")
    assert "exceeds_cfg_limit" in told and "Item 4 (photo) is archived already" in told
    items = box.settled(album[0], "stored", "stored", "skipped", "duplicate", "stored")
    assert [item["route"] for item in items] == ["bot_api", "mtproto_bot", None, None, "mtproto_bot"]
    assert items[3]["duplicate_of"] == items[0]["s3_key"]
    artifact = box.artifact(album[0])
    assert artifact["files_count"] == 4 and artifact["total_bytes_uploaded"] == 10_000 + 43 * MIB
    box.answer(album[1], "archived successfully")
    box.answer(album[4], "archived successfully")
    assert len(box.answers(album[0])) == 1
