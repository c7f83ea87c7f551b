"""What is read from files of media: as they are, broken, and made to harm whoever reads them."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import sys
import wave
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from teltubby.adapters import media_details, media_reader
from teltubby.adapters.media_details import MediaDetails, details_of, read_details
from tests.adapters.films import mp4

pytestmark = pytest.mark.anyio

CREATED_AT = 1_700_000_000
EXIF_IFD, ORIENTATION, TAKEN, OFFSET = 0x8769, 0x0112, 0x9003, 0x9011


@pytest.fixture
def anyio_backend() -> str:
    """One is enough but for the first test: what is looked at here happens in another process."""
    return "asyncio"


def photo(path: Path, size: tuple[int, int], *, orientation: int = 1, taken: str = "", offset: str = "") -> Path:
    """A JPEG, red on the left and blue on the right, with what a camera notes."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(EXIF_IFD).update({TAKEN: taken, OFFSET: offset} if offset else {TAKEN: taken})
    image.save(path, exif=exif)
    return path


def png(width: int, height: int, content: bytes) -> bytes:
    """A PNG that says it is so large, with these compressed bytes for its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_photo(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", (1200, 800), taken="2024:05:06 07:08:09", offset="+02:00")
    details = await read_details(path)
    assert details is not None and details.preview is not None
    zone = timezone(timedelta(hours=2))
    assert (details.width, details.height, details.codec) == (1200, 800, "JPEG")
    assert details.taken_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=zone) and details.taken_at.tzinfo == zone
    preview = Image.open(io.BytesIO(details.preview))
    assert preview.format == "JPEG" and preview.size == (320, 213) and not preview.getexif()


async def test_a_photo_that_lies_on_its_side_is_as_it_is_shown(tmp_path: Path) -> None:
    details = await read_details(photo(tmp_path / "a.jpg", (1200, 800), orientation=6, taken="2024:05:06 07:08:09"))
    assert details is not None and details.preview is not None
    assert (details.width, details.height) == (800, 1200)
    assert details.taken_at == datetime(2024, 5, 6, 7, 8, 9)  # the camera told no zone
    preview = Image.open(io.BytesIO(details.preview)).convert("RGB")
    red, _, blue = preview.getpixel((100, 10))  # type: ignore[misc]
    assert preview.size == (213, 320) and red > 200 > 50 > blue, "what was left is above now"


async def test_a_preview_tells_nothing_that_the_picture_had_beside_its_pixels(tmp_path: Path) -> None:
    secret = b"where it was taken"
    image = Image.new("RGB", (640, 480), "red")
    image.save(tmp_path / "a.jpg", comment=secret, icc_profile=secret, dpi=(300, 300))
    image.save(tmp_path / "a.gif", comment=secret)
    for path in (tmp_path / "a.jpg", tmp_path / "a.gif"):
        assert secret in path.read_bytes()
        details = await read_details(path)
        assert details is not None and details.preview is not None
        assert secret not in details.preview and not Image.open(io.BytesIO(details.preview)).info.get("comment")


def test_what_is_too_large_is_no_preview() -> None:
    for size, is_one in ((media_details.PREVIEW_BYTES, True), (media_details.PREVIEW_BYTES + 1, False)):
        body = media_details.JPEG + bytes(size - 3)
        found = details_of(json.dumps({"preview": base64.b64encode(body).decode()}).encode())
        assert (found is not None) is is_one


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "1970:01:01 00:00:00", "yesterday", "2024:13:45 99:00:00", ""]
)
async def test_a_clock_that_was_never_set_tells_nothing(tmp_path: Path, taken: str) -> None:
    details = await read_details(photo(tmp_path / "a.jpg", (64, 48), taken=taken))
    assert details is not None and details.taken_at is None and details.width == 64


async def test_what_is_transparent_is_white_in_the_preview(tmp_path: Path) -> None:
    palette = Image.new("P", (50, 40), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "a.gif", transparency=0)
    for name in ("b.png", "c.webp"):
        Image.new("RGBA", (50, 40), (0, 0, 0, 0)).save(tmp_path / name)
    for path in sorted(tmp_path.iterdir()):
        details = await read_details(path)
        assert details is not None and details.preview is not None
        preview = Image.open(io.BytesIO(details.preview)).convert("L")
        assert preview.size == (50, 40) and preview.getextrema() == (255, 255), path.name


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
async def test_a_grey_of_16_bits_is_that_grey_in_the_preview(tmp_path: Path, name: str) -> None:
    row = struct.pack("<H", 16_384) * 1000 + struct.pack("<H", 49_152) * 1000
    Image.frombytes("I;16", (2000, 1000), row * 1000).save(tmp_path / name)
    details = await read_details(tmp_path / name)
    assert details is not None and details.preview is not None
    preview = Image.open(io.BytesIO(details.preview)).convert("L")
    assert preview.size == (320, 160)
    assert [preview.crop((x, 80, x + 1, 81)).getextrema()[0] for x in (80, 240)] == pytest.approx([64, 191], abs=3)


async def test_a_preview_that_is_not_wanted_is_not_made(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", (1200, 800), taken="2024:05:06 07:08:09")
    details = await read_details(path, preview=False)
    assert details == MediaDetails(width=1200, height=800, codec="JPEG", taken_at=datetime(2024, 5, 6, 7, 8, 9))


async def test_a_film(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(mp4(seconds=2.5, width=640, height=360, created_at=CREATED_AT, codec=b"hvc1"))
    assert await read_details(tmp_path / "a.bin") == MediaDetails(
        duration=2.5,
        width=640,
        height=360,
        codec="hvc1",
        audio_codec="mp4a",
        taken_at=datetime.fromtimestamp(CREATED_AT, UTC),
    )


async def test_a_sound(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 24000, "NONE", ""))
        sound.writeframes(bytes(48000))
    details = await read_details(tmp_path / "a.wav")
    assert details is not None and details.duration == 3.0 and details.audio_codec is not None
    assert details.width is None and details.codec is None


async def test_what_is_no_media_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("words\n" * 1000)
    (tmp_path / "empty").touch()
    (tmp_path / "page.html").write_text("<svg/onload=alert(1)>")
    for path in (*sorted(tmp_path.iterdir()), tmp_path / "absent", tmp_path):
        assert await read_details(path) is None, path


# -- files that are made to harm


async def test_a_small_file_of_a_huge_picture_tells_its_size_and_takes_no_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png(60_000, 60_000, zlib.compress(bytes(50_000_000), 9)))
    assert bomb.stat().st_size < 100_000
    assert await read_details(bomb) == MediaDetails(width=60_000, height=60_000, codec="PNG")


def put_reader(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """In the place of the real one."""
    (folder / "other_reader.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path.cwd()}")
    monkeypatch.setattr(media_details, "READER", "other_reader")


async def test_a_picture_that_needs_more_memory_than_there_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = tmp_path / "big.png"
    Image.new("RGB", (7000, 7000)).save(big, compress_level=1)
    put_reader(
        tmp_path,
        monkeypatch,
        "import sys\nfrom teltubby.adapters import media_reader\n"
        "media_reader.MEMORY_BYTES = 150 << 20\nsys.exit(media_reader.main())\n",
    )
    assert await read_details(big) == MediaDetails(width=7000, height=7000, codec="PNG")


async def test_a_truncated_picture_tells_its_size(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", (1200, 800), taken="2024:05:06 07:08:09")
    path.write_bytes(path.read_bytes()[:3000])
    details = await read_details(path)
    assert details is not None and (details.width, details.height, details.preview) == (1200, 800, None)


async def test_broken_films_end_nothing(tmp_path: Path) -> None:
    whole = mp4(seconds=2.5, width=640, height=360, created_at=CREATED_AT)
    dice = random.Random(1)
    for number in range(6):
        broken = bytearray(whole[: dice.randrange(40, len(whole))])
        for _ in range(8):
            broken[dice.randrange(8, len(broken))] = dice.choice((0, 0x7F, 0xFF))
        (tmp_path / f"{number}.mp4").write_bytes(broken)
        details = await read_details(tmp_path / f"{number}.mp4")
        assert details is None or details.preview is None


@pytest.mark.parametrize(
    "source", ["import time\ntime.sleep(600)", "print('{\"width\": 5}', flush=True)\nimport time\ntime.sleep(600)"]
)
async def test_a_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    put_reader(tmp_path, monkeypatch, source)
    monkeypatch.setattr(media_details, "READ_SECONDS", 1.0)
    assert await read_details(tmp_path / "any") is None


async def test_a_reader_that_takes_all_of_the_processor_is_ended_by_its_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_reader(
        tmp_path,
        monkeypatch,
        "from teltubby.adapters import media_reader\nmedia_reader.CPU_SECONDS = 1\nmedia_reader._limit()\n"
        "print('{\"width\": 5}', flush=True)\nwhile True: pass\n",
    )
    assert await read_details(tmp_path / "any") == MediaDetails(width=5)


async def test_a_reader_that_never_stops_talking_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_reader(
        tmp_path,
        monkeypatch,
        "import sys, time\nwhile True:\n    print('{\"width\": 5}\\n' * 20_000, flush=True)\n    time.sleep(0.02)\n",
    )
    assert await read_details(tmp_path / "any") == MediaDetails(width=5)


async def test_a_reader_that_its_file_took_over_finds_no_secret_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_reader(
        tmp_path,
        monkeypatch,
        "import json, os\nfrom teltubby.adapters import media_reader\nmedia_reader._limit()\n"
        "print(json.dumps({'codec': os.environ.get('S3_SECRET_ACCESS_KEY', 'nothing')}), flush=True)\n"
        f"with open({str(tmp_path / 'written')!r}, 'w') as file:\n    file.write('words')\n",
    )
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "hunter2")
    assert await read_details(tmp_path / "any") == MediaDetails(codec="nothing")
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").read_bytes()


async def test_without_the_extra_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hachoir.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    assert await read_details(photo(tmp_path / "a.jpg", (64, 48))) is None


async def test_an_interpreter_that_is_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert await read_details(tmp_path / "any") is None


def test_the_reader_and_who_asks_it_agree() -> None:
    for name in ("NOT_INSTALLED", "PREVIEW", "PREVIEW_PIXELS"):
        assert getattr(media_reader, name) == getattr(media_details, name)


# -- what the reader says is not believed


@given(st.binary(max_size=200))
def test_any_bytes_are_read(said: bytes) -> None:
    details_of(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(("duration", "width", "height", "codec", "audio_codec", "taken_at", "preview", "lies")), JSON
    )
)
def test_any_facts_are_read_as_what_they_can_be(facts: dict[str, object]) -> None:
    found = details_of(json.dumps(facts).encode())
    if found is not None:
        assert found.duration is None or 0 < found.duration < float("inf")
        assert all(side is None or side > 0 for side in (found.width, found.height))
        assert all(text is None or text.isprintable() for text in (found.codec, found.audio_codec))
