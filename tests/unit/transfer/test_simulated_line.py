"""Pacing, shares and parts together, on a simulated line: as fast as it allows, fair, and quiet when told to wait."""

from __future__ import annotations

import random

import pytest

from teltubby.messages.transfer import PART_BYTES
from teltubby.transfer.pacing import Limits
from tests.unit.transfer.line import Answer, Broken, Cut, Flood, Line, Request, Served, Server, Silence
from tests.unit.transfer.scheduler import Scheduler, bytes_of

MEGABYTE = 1_000_000.0


def trouble(seed: int, *, floods: float = 0.01, cuts: float = 0.01) -> Server:
    rng = random.Random(seed)

    def server(request: Request, now: float) -> Answer:
        fate = rng.random()
        if fate < floods:
            return Flood(rng.randint(1, 3))
        return Cut() if fate < floods + cuts else Served()

    return server


def download(line: Line, parts: float, limits: Limits | None = None, *, patience: float = 60.0) -> float:
    """Seconds that one file takes."""
    scheduler = Scheduler(line, limits, patience=patience)
    scheduler.add("file", bytes_of(parts))
    scheduler.run()
    return scheduler.seconds("file")


def test_a_long_shared_line_is_filled_from_the_start() -> None:
    seconds = download(Line(0.1, shared=80 * MEGABYTE), 512)
    assert bytes_of(512) / seconds >= 0.9 * 80 * MEGABYTE


def test_connections_that_are_each_slow_add_up() -> None:
    seconds = download(Line(0.05, each=40 * MEGABYTE), 1024)
    assert bytes_of(1024) / seconds >= 0.9 * 4 * 40 * MEGABYTE


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("rate", "round_trip"), [(40 * MEGABYTE, 0.05), (40 * MEGABYTE, 0.1), (80 * MEGABYTE, 0.05)])
def test_a_little_trouble_costs_little(seed: int, rate: float, round_trip: float) -> None:
    calm = download(Line(round_trip, shared=rate), 1024)
    line = Line(round_trip, shared=rate, server=trouble(seed))
    troubled = download(line, 1024)
    assert line.seen[Flood] and line.seen[Cut]
    assert calm / troubled >= 0.7
    assert line.seen[Served] <= 1024 + 16 * line.seen[Cut]


def test_equal_files_share_equally() -> None:
    scheduler = Scheduler(Line(0.1, shared=80 * MEGABYTE))
    scheduler.add("one", bytes_of(300))
    scheduler.add("other", bytes_of(300))
    scheduler.run()
    assert scheduler.seconds("one") == pytest.approx(scheduler.seconds("other"), rel=0.02)


def test_files_at_two_data_centres_share_equally_too() -> None:
    scheduler = Scheduler(Line(0.1, shared=80 * MEGABYTE))
    scheduler.add("here", bytes_of(300), data_centre=2)
    scheduler.add("there", bytes_of(300), data_centre=4)
    scheduler.run()
    assert scheduler.seconds("here") == pytest.approx(scheduler.seconds("there"), rel=0.02)


def test_a_small_file_is_served_promptly_beside_a_large_one() -> None:
    scheduler = Scheduler(Line(0.1, shared=80 * MEGABYTE))
    scheduler.add("large", 4_000_000_000)
    scheduler.add("small", bytes_of(5), at=10.0)
    scheduler.run()
    assert scheduler.seconds("small") < 1.0
    assert scheduler.seconds("large") < 1.1 * 4_000_000_000 / (80 * MEGABYTE)


def test_large_files_that_wait_hold_up_no_small_one() -> None:
    scheduler = Scheduler(Line(0.1, shared=80 * MEGABYTE))
    for number in range(4):
        scheduler.add(f"large {number}", bytes_of(1000))
    scheduler.add("small", bytes_of(5), at=1.0)
    scheduler.run()
    assert scheduler.seconds("small") < 1.0
    first, second, third, fourth = (scheduler.seconds(f"large {number}") for number in range(4))
    assert max(first, second) < 0.6 * min(third, fourth)


@pytest.mark.parametrize("data_centres", [(2, 2), (2, 4)])
def test_a_flood_of_everything_is_waited_out_quietly(data_centres: tuple[int, int]) -> None:
    def server(request: Request, now: float) -> Answer:
        return Flood(8.0 - now) if 3.0 <= now < 8.0 else Served()

    line = Line(0.1, shared=80 * MEGABYTE, server=server)
    scheduler = Scheduler(line)
    for name, data_centre in zip("ab", data_centres, strict=True):
        scheduler.add(name, bytes_of(400), data_centre=data_centre)
    scheduler.run()
    assert line.seen[Flood] <= 16, "nothing more was to be asked than what was on its way"
    assert max(scheduler.seconds("a"), scheduler.seconds("b")) < bytes_of(800) / (80 * MEGABYTE) + 5.0 + 1.5


def test_an_allowance_is_used_without_being_flooded_all_the_time() -> None:
    """The server gives out ten parts a second and answers FLOOD_WAIT to everything beyond."""
    allowance, at = 10.0, 0.0

    def server(request: Request, now: float) -> Answer:
        nonlocal allowance, at
        allowance, at = min(10.0, allowance + 10.0 * (now - at)), now
        if allowance < 1.0:
            return Flood(1.0)
        allowance -= 1.0
        return Served()

    line = Line(0.1, shared=80 * MEGABYTE, server=server)
    seconds = download(line, 500)
    assert 500 / seconds >= 0.7 * 10.0
    assert line.seen[Flood] < 500, "less than half of what is asked for is refused"


def test_a_server_that_refuses_more_connections_is_not_dialled_all_the_time() -> None:
    line = Line(0.05, shared=80 * MEGABYTE, accepts=lambda open_now, now: open_now < 2)
    seconds = download(line, 2000)
    assert bytes_of(2000) / seconds >= 0.9 * 80 * MEGABYTE
    assert line.seen["dial"] <= 4 + 8, "four at first, then one per wait, and each wait is twice the last"


def test_an_outage_is_survived_with_few_dials() -> None:
    def server(request: Request, now: float) -> Answer:
        return Cut() if 2.0 <= now < 60.0 else Served()

    line = Line(0.05, shared=40 * MEGABYTE, server=server, accepts=lambda open_now, now: not 2.0 <= now < 60.0)
    seconds = download(line, 200)
    assert 60.0 < seconds < 60.0 + 40.0
    assert line.seen["dial"] <= 4 + 8 + 4, "four before, one per wait, four after"


def test_a_connection_that_falls_silent_is_dropped_and_its_parts_come_by_others() -> None:
    def server(request: Request, now: float) -> Answer:
        return Silence() if request.connection == 1 and now > 1.0 else Served()

    line = Line(0.05, shared=40 * MEGABYTE, server=server)
    calm = download(Line(0.05, shared=40 * MEGABYTE), 1000)
    assert download(line, 1000, patience=10.0) < calm + 10.0
    assert line.seen[Silence] == 4


def test_a_server_in_trouble_is_asked_ever_less_often() -> None:
    def server(request: Request, now: float) -> Answer:
        return Broken() if 2.0 <= now < 62.0 else Served()

    line = Line(0.05, shared=40 * MEGABYTE, server=server)
    seconds = download(line, 400)
    assert seconds < 62.0 + 40.0
    assert line.seen[Broken] <= 60


@pytest.mark.parametrize("rate", [1_000_000.0, 100_000.0])
def test_a_slow_line_is_not_asked_for_more_than_it_carries(rate: float) -> None:
    line = Line(0.3, shared=rate)
    seconds = download(line, 60, patience=60.0)
    assert bytes_of(60) / seconds >= 0.8 * rate
    assert line.seen[Served] <= 60 + 4, "hardly a part was asked for twice"


def test_caps_of_one_still_come_to_an_end() -> None:
    limits = Limits(connections=1, window=1, parts_in_flight=1)
    seconds = download(Line(0.1, shared=80 * MEGABYTE, server=trouble(1)), 50, limits)
    assert seconds >= 50 * (0.1 + PART_BYTES / (80 * MEGABYTE))
