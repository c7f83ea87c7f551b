"""QR codes: what a phone's camera reads from the picture and from the terminal."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from teltubby.adapters import qr_codes
from tests.qr_reading import BLACK, WHITE, coloured_lines, read_lines, read_picture

URL = "tg://login?token=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
urls = st.binary(min_size=1, max_size=64).map(lambda token: f"tg://login?token={token.hex()}")


@given(urls)
def test_the_picture_is_read(url: str) -> None:
    assert read_picture(Image.open(BytesIO(qr_codes.png(url)))) == [url]


@given(urls)
def test_in_colours_it_is_black_on_white_whatever_the_terminal_looks_like(url: str) -> None:
    shown = qr_codes.terminal(url)
    lines = coloured_lines(shown)
    assert len(lines) == len(shown.split("\n"))
    assert read_lines(lines, ink=BLACK, ground=WHITE) == [url]


@given(urls)
def test_without_colours_it_is_right_on_a_dark_terminal(url: str) -> None:
    assert read_lines(qr_codes.terminal(url, colours=False).split("\n"), ink=WHITE, ground=BLACK) == [url]


@pytest.mark.parametrize("colours", [True, False])
def test_a_login_code_fits_into_the_smallest_terminal(colours: bool) -> None:
    lines = [re.sub("\x1b[^m]*m", "", line) for line in qr_codes.terminal(URL, colours=colours).split("\n")]
    assert len(lines) <= 22 and {len(line) for line in lines} == {37}  # 80 × 24, with room for a sentence
