"""A phone's camera: reads the QR codes that pictures and terminals show."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy
import zxingcpp
from PIL import Image

BLACK, WHITE = 0, 255

_HALVES = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
_COLOURED = re.compile("\x1b\\[38;5;16;48;5;231m([ ▀▄█]*)\x1b\\[0m")
_PIXELS, _MARGIN = 6, 40


def read_picture(picture: Image.Image) -> list[str]:
    """What the codes in a picture say."""
    return [code.text for code in zxingcpp.read_barcodes(picture)]


def read_lines(lines: Sequence[str], *, ink: int, ground: int) -> list[str]:
    """What the codes in these lines say, on a terminal that is black around them."""
    halves = [[[_HALVES[character][half] for character in line] for line in lines] for half in (0, 1)]
    rows = numpy.array([row for pair in zip(*halves, strict=True) for row in pair])
    modules = numpy.where(rows, ink, ground).astype(numpy.uint8)
    pixels = numpy.kron(modules, numpy.ones((_PIXELS, _PIXELS), numpy.uint8))
    return read_picture(Image.fromarray(numpy.pad(pixels, _MARGIN, constant_values=BLACK)))


def coloured_lines(text: str) -> list[str]:
    """The lines that are drawn black on white, without what makes them so."""
    return _COLOURED.findall(text)
