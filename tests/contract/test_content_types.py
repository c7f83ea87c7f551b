"""Who sends a file chooses its type, and its name, from which one is guessed: no store must refuse the file for it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.actors.job_run import content_type
from tests.contract.stores import S3World
from tests.fuzz.shapes import TEXTS, examples

BYTES = "application/octet-stream"
HEADER = "a/b\r\nX-Amz-Acl: public-read"
HOSTILE = [
    *(HEADER, "a/b\0", "a\x7f/b", "\x1b[2J/x", "\ud83d/x", "тип/x", " a/b ", "a/b\n", "a/", "/b", "a", "", "a/b/c"),
    *("a/b;", "a/b; c", 'a/b; c="', 'a/b; c="\r\n"', 'a/b; c="\\"', "a/" + "b" * 126, "a/b, c/d", "a/b; c=d; é=1"),
]
NAMES = [f"data:{HEADER};,", "data:a/b\0,", "data:\ud83d/x,", "data:" + "a" * 300 + "/b,", "data:,", "a\r\nb.pdf\r\n"]
USUAL = ["video/mp4", "text/plain; charset=utf-8", 'text/plain;charset="a; b"', "a/" + "b" * 125]


@examples(100)
@given(TEXTS | st.sampled_from(HOSTILE + USUAL) | st.none(), TEXTS | st.sampled_from(NAMES) | st.none())
@example(HEADER, None)
@example(None, NAMES[0])
def test_whatever_is_chosen_is_no_more_than_a_type(said: str | None, name: str | None) -> None:
    served = content_type(name, said)
    assert served.isascii() and served.isprintable() and served == served.strip() and len(served) <= 127
    group, _, kind = served.partition(";")[0].partition("/")
    assert group and kind and "/" not in kind


@pytest.mark.parametrize("said", USUAL)
def test_a_type_is_kept(said: str) -> None:
    assert content_type("a.pdf", said) == said


@pytest.mark.parametrize("said", HOSTILE)
def test_what_is_none_is_guessed_from_the_name(said: str) -> None:
    assert (content_type("a.pdf", said), content_type("a", said)) == ("application/pdf", BYTES)


@pytest.mark.parametrize("name", NAMES[:4])
def test_nor_is_a_name_that_says_its_type_believed(name: str) -> None:
    assert content_type(name, None) == content_type(name, HEADER) == BYTES


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_bucket_takes_all_of_them(s3_world: S3World) -> None:
    chosen = [(said, None) for said in (*HOSTILE, *USUAL)] + [(None, name) for name in NAMES]
    async with s3_world.store() as store:
        for number, (said, name) in enumerate(chosen):
            key, body, served = f"teltubby/{number}", b"%d" % number, content_type(name, said)
            await store.put(key, body, content_type=served, sha256=hashlib.sha256(body).hexdigest())
            assert await store.get(key) == body
            assert s3_world.client.head_object(Bucket=s3_world.bucket, Key=key)["ContentType"] == served
        for said in (HEADER, *USUAL):
            upload = await store.begin("teltubby/large", content_type=content_type(NAMES[0], said))
            await store.abort("teltubby/large", upload)
