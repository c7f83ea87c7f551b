"""Reads one file of media, as a process of its own; arguments: path, and `--preview` where that is wanted.

Writes JSON lines for media_details to stdout. What is known is said as soon as it is: a file that ends this process
does not take back what was said before.
"""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

NOT_INSTALLED = 3
"""The exit code where hachoir or Pillow is missing, as `media_details` knows it."""
PREVIEW = "--preview"
PREVIEW_PIXELS = 320

MEMORY_BYTES = 768 << 20
CPU_SECONDS = 15
MOST_PIXELS = 50_000_000
"""Of pictures that get a preview: decoded they take four bytes each."""
MOST_TRACKS = 64
FIRST_YEAR = 1980
"""Cameras whose clock was never set tell earlier ones."""

_PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_FILMS_AND_SOUNDS = ("video", "audio", "container")
_QUALITY = 80
_NICE = 10
_EXIF_IFD, _ORIENTATION = 0x8769, 0x0112
_TAKEN = ((0x9003, 0x9011), (0x9004, 0x9012))
"""EXIF tags DateTimeOriginal and DateTimeDigitized, each with its offset from UTC."""
_DARKEN = 255 / 65535
"""What makes 8 bits of 16."""
_LYING = (5, 6, 7, 8)
"""EXIF orientations of pictures that are shown turned by a quarter."""


def main() -> int:
    """Read the file, and say what is known."""
    try:
        import hachoir  # type: ignore[import-untyped]  # noqa: F401
        import PIL  # noqa: F401
    except ImportError:
        return NOT_INSTALLED
    _limit()
    for told in read(sys.argv[1], with_preview=PREVIEW in sys.argv[2:]):
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    return 0


def read(path: str, *, with_preview: bool) -> Iterator[dict[str, Any]]:
    """What is known of the file: its facts, then a preview, where it is wanted."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # dimensions are facts, however large; MOST_PIXELS is for what is decoded
    Image.init()
    try:
        image = Image.open(path, formats=[name for name in _PICTURES if name in Image.OPEN])
    except UnidentifiedImageError:
        yield from film_or_sound(path)
        return
    with image:
        yield {"width": image.width, "height": image.height, "codec": image.format}
        image.draft("RGB", (2 * PREVIEW_PIXELS, 2 * PREVIEW_PIXELS))  # JPEGs are decoded in about that size
        if image.width * image.height <= MOST_PIXELS:
            yield exif_facts(image)
            if with_preview:
                yield {"preview": base64.b64encode(preview(image)).decode()}


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    os.nice(_NICE)


# -- pictures


def exif_facts(image: Image.Image) -> dict[str, Any]:
    """What the camera noted. A PNG may have that behind its pixels, which are decoded then."""
    exif = image.getexif()
    facts: dict[str, Any] = {"taken_at": _taken_at(exif)}
    return facts | {"lies": True} if exif.get(_ORIENTATION) in _LYING else facts


def preview(image: Image.Image) -> bytes:
    """A small JPEG, upright, on white, with nothing of the picture's own metadata."""
    from PIL import Image, ImageOps

    small = image.convert("RGBA") if image.mode in ("P", "PA", "LA") or "transparency" in image.info else image
    if small.mode.startswith("I;16"):  # scans: Pillow does not shrink them, and makes white of them where RGB is wanted
        small = small.convert("I").point(lambda value: value * _DARKEN).convert("L")
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    small = ImageOps.exif_transpose(small)
    if small.mode == "RGBA":
        paper = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(paper, small)
    shown, into = small.convert("RGB"), io.BytesIO()
    shown.info.clear()  # Pillow writes the picture's comment otherwise
    shown.save(into, "JPEG", quality=_QUALITY)
    return into.getvalue()


def _taken_at(exif: Image.Exif) -> str | None:
    """In ISO 8601; EXIF 2.32 writes `YYYY:MM:DD HH:MM:SS`, and in a tag of its own the offset."""
    tags = exif.get_ifd(_EXIF_IFD)
    for moment, offset in _TAKEN:
        date, _, time = str(tags.get(moment, "")).strip("\0 ").partition(" ")
        zone = str(tags.get(offset, "")).strip("\0 ")
        for written in (f"{date.replace(':', '-')}T{time}{zone}", f"{date.replace(':', '-')}T{time}"):
            if (known := _plausible(written)) is not None:
                return known.isoformat()
    return None


def _plausible(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if FIRST_YEAR <= moment.year <= (datetime.now(UTC) + timedelta(days=1)).year else None


# -- films and sounds


def film_or_sound(path: str) -> Iterator[dict[str, Any]]:
    """The facts of a film or sound, then how it is coded; nothing of any other file."""
    import hachoir.core.config as hachoir_config  # type: ignore[import-untyped]
    from hachoir.metadata import extractMetadata  # type: ignore[import-untyped]
    from hachoir.parser import createParser  # type: ignore[import-untyped]

    hachoir_config.quiet = True
    parser = createParser(path)
    if parser is None or parser.PARSER_TAGS["category"] not in _FILMS_AND_SOUNDS:
        return
    with parser:
        metadata = extractMetadata(parser)
        if metadata is None:
            return
        duration = _get(metadata, "duration")
        yield {
            "duration": None if duration is None else duration.total_seconds(),
            "taken_at": _said_in_utc(_get(metadata, "creation_date")),
            "width": _of(metadata, "video", "width"),
            "height": _of(metadata, "video", "height"),
        }
        yield mp4_codecs(parser) if parser.PARSER_TAGS["id"] == "mov" else _codecs(metadata)


def mp4_codecs(parser: Any) -> dict[str, str]:
    """The sample formats of the first film and the first sound (ISO/IEC 14496-12, 8.5.2)."""
    found: dict[str, str] = {}
    for track in _below(parser, "movie", "track"):
        for media in _below(track, "media"):
            kinds = [handler["subtype"].value for handler in _below(media, "hdlr")]
            formats = [
                entry["format"].value.decode("ascii", "replace")
                for sizes in _below(media, "minf", "stbl", "stsd")
                for entry in sizes.array("sample_entry")
            ]
            for kind, name in (("vide", "codec"), ("soun", "audio_codec")):
                if kind in kinds and formats:
                    found.setdefault(name, formats[0].strip())
    return found


def _below(field: Any, *names: str) -> list[Any]:
    """The atoms of these names, each inside one of the name before; hachoir wraps what an atom holds in the atom."""
    found = [field]
    for name in names:
        found = [atom[name] for outer in found for atom in outer if atom.is_field_set and name in atom][:MOST_TRACKS]
    return found


def _codecs(metadata: Any) -> dict[str, str | None]:
    """As Matroska, Ogg, AVI and the formats of sound alone have them."""
    codec, audio_codec = _of(metadata, "video", "compression"), _of(metadata, "audio", "compression")
    if codec is None and audio_codec is None:
        return {"audio_codec": _get(metadata, "compression")}
    return {"codec": codec, "audio_codec": audio_codec}


def _of(metadata: Any, kind: str, name: str) -> Any:
    """What a stream of that kind says, or the whole file where it has no streams."""
    groups = metadata.iterGroups() if hasattr(metadata, "iterGroups") else ()
    for group in groups:
        if str(group.header).lower().startswith(kind) and group.has(name):
            return group.get(name)
    return None if name == "compression" else _get(metadata, name)


def _get(metadata: Any, name: str) -> Any:
    return metadata.get(name) if metadata.has(name) else None


def _said_in_utc(moment: object) -> str | None:
    """The formats of films keep it in UTC, and hachoir without a zone."""
    if not isinstance(moment, datetime):
        return None
    known = _plausible(moment.replace(tzinfo=UTC).isoformat())
    return None if known is None else known.isoformat()


if __name__ == "__main__":
    sys.exit(main())
