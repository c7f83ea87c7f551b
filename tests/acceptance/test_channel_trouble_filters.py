"""Of a forum's posts those are archived that fit all of what an admin wrote behind /track, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.people import ChatKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_TRIO
from tests.acceptance.channels import Kept, collecting
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.test_duplicates import objects

LONG_AGO = 40 * 86_400
"""Seconds."""


@ON_TRIO
def test_a_filter_of_kind_size_date_words_and_topic(box: Household) -> None:
    kept = collecting(box, 5, roles=("run",))
    world, ada, new = box.telegram.world, box.ada.user, box.ada.new_file
    forum = box.in_world(
        lambda: world.add_chat(
            ChatKind.SUPERGROUP, "Forum", username="the_forum", members=tuple(world.users.values()), admins=(ada,)
        )
    )
    box.in_world(lambda: world.make_forum(forum))
    rockets, cats = (box.in_world(partial(world.create_topic, forum, ada, title)) for title in ("Rockets", "Cats"))

    def posted(text: str, file: File, topic: int, *, age: float = 0) -> int:
        def post() -> int:
            message = world.send(ada, forum, text, media=file, topic=topic)
            message.post.date -= round(age)
            return int(message.id)

        return int(box.in_world(post))

    def photo(size: int = 50_000) -> File:
        return new(FileKind.PHOTO, size, width=640, height=480)

    first = photo()
    wanted = {posted("The ROCKET starts", first, rockets.id): first}
    posted("no such word", photo(), rockets.id)
    posted("a rocket among cats", photo(), cats.id)
    posted("a rocket on paper", new(FileKind.DOCUMENT, 5000, name="rocket.pdf"), rockets.id)
    posted("a small rocket", photo(2000), rockets.id)
    posted("a large rocket", photo(900_000), rockets.id)
    posted("an old rocket", photo(), rockets.id, age=LONG_AGO)
    since = datetime.now(UTC) - timedelta(days=2)
    box.answer(
        box.ada.send_text(
            f"/track @the_forum media=photo min=10KB max=500KB since={since:%Y-%m-%d} words=rocket topics={rockets.id}"
        ),
        "Forum",
    )
    late = photo(60_000)
    wanted[posted("another rocket", late, rockets.id)] = late
    Kept(box, forum, kept.database).await_equal()

    def jobs() -> set[int]:
        return {number for (number,) in box.rows("SELECT message_id FROM jobs WHERE state = 'COMPLETED'")}

    eventually(lambda: jobs() >= set(wanted), within=90, what="the files that fit")
    assert kept.rows("SELECT count(*) FROM media_wanted") == [(len(wanted),)], "and nothing else was asked for"
    assert sorted(sha256(box.archive, key) for key in objects(box)) == sorted(one.sha256() for one in wanted.values())
    topics = dict(kept.rows("SELECT topic_id, count(*) FROM posts WHERE media_kind IS NOT NULL GROUP BY topic_id"))
    assert topics[rockets.id] == 7 and topics[cats.id] == 1
