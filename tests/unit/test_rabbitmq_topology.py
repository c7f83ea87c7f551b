"""The declarations at RabbitMQ: names, arguments and the choice of a retry queue."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.base import Destination
from teltubby.adapters.rabbitmq_delivery import own_headers
from teltubby.adapters.rabbitmq_topology import (
    RETRY_LEVELS,
    BrokerNames,
    answer_queue,
    broadcast_route,
    exchanges,
    listener_queue,
    question_route,
    queue_names,
    queues,
    retry_queues,
    route,
)

NAMES = BrokerNames()
OTHER_NAMES = BrokerNames(
    exchange="x", dlx_exchange="d", jobs="jobs", priority="urgent", retry="again", dead="lost", events="news"
)


def test_the_names_are_those_of_the_contract() -> None:
    assert exchanges(NAMES) == {
        "teltubby.exchange": "direct",
        "teltubby.dlx": "direct",
        "teltubby.control": "fanout",
    }
    names = [declaration.name for declaration in queues(NAMES, "quorum")]
    assert {
        "teltubby.large_files",
        "teltubby.priority_jobs",
        "teltubby.retry_jobs",
        "teltubby.failed_jobs",
        "teltubby.events",
        "teltubby.questions",
    } <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
def test_every_dead_letter_target_is_declared(queue_type: str) -> None:
    declared = {(d.exchange, d.name): d.arguments for d in queues(OTHER_NAMES, queue_type)}  # type: ignore[arg-type]  # the two of QueueType
    for arguments in declared.values():
        assert arguments["x-queue-type"] == queue_type
        if "x-dead-letter-exchange" in arguments:
            assert (arguments["x-dead-letter-exchange"], arguments["x-dead-letter-routing-key"]) in declared


def test_every_destination_has_a_queue_that_is_declared_where_it_is_published() -> None:
    declared = {(d.exchange, d.name) for d in queues(OTHER_NAMES, "quorum")}
    for destination in Destination:
        assert all(name in {queue for _, queue in declared} for name in queue_names(OTHER_NAMES, destination))
        target = route(OTHER_NAMES, destination, 0)
        assert (target.exchange, target.routing_key) in declared
        assert target.expiration is None


@given(st.floats(min_value=-1, max_value=60))
def test_a_question_expires_with_its_askers_patience(patience: float) -> None:
    target = question_route(OTHER_NAMES, patience)
    assert (target.exchange, target.routing_key) in {(d.exchange, d.name) for d in queues(OTHER_NAMES, "quorum")}
    assert target.expiration == max(patience, 0), "RabbitMQ closes the channel over a negative one"


def test_every_asker_has_a_queue_of_its_own() -> None:
    one, two = answer_queue(NAMES, "1"), answer_queue(NAMES, "2")
    assert (one.name, one.exchange) == ("teltubby.answers.1", "teltubby.exchange")
    assert one.name != two.name
    assert one.arguments == {"x-queue-type": "classic"}, "no other type can be exclusive"


def test_a_broadcast_goes_to_every_listener_and_nowhere_else() -> None:
    target, one, two = broadcast_route(NAMES), listener_queue(NAMES, "1"), listener_queue(NAMES, "2")
    assert exchanges(NAMES)[target.exchange] == "fanout"
    assert (one.name, one.exchange) == ("teltubby.control.1", target.exchange)
    assert one.name != two.name
    assert all(declaration.exchange != target.exchange for declaration in queues(NAMES, "quorum"))
    assert one.arguments["x-queue-type"] == "classic", "no other type can be exclusive"
    assert {"x-message-ttl", "x-max-length-bytes"} <= set(one.arguments), "nobody need read it"


DELAYED = {Destination.RETRY: ("again", "jobs"), Destination.RETRY_PRIORITY: ("again.priority", "urgent")}
delayed = pytest.mark.parametrize("destination", DELAYED)


@delayed
@given(delay=st.floats(min_value=0.001, max_value=RETRY_LEVELS[-1]))
def test_a_delay_waits_where_nothing_waits_twice_as_long(destination: Destination, delay: float) -> None:
    target = route(OTHER_NAMES, destination, delay)
    first, _ = DELAYED[destination]
    (level,) = [seconds for seconds, name in retry_queues(first).items() if name == target.routing_key]
    assert target.expiration == delay
    assert delay <= level < max(2 * delay, 1.001)


@delayed
def test_an_endless_delay_is_cut(destination: Destination) -> None:
    target = route(OTHER_NAMES, destination, 1e9)
    assert (target.routing_key, target.expiration) == (f"{DELAYED[destination][0]}.65536s", 65536)


@delayed
def test_what_has_waited_goes_where_it_would_go_without_a_delay(destination: Destination) -> None:
    by_name = {declaration.name: declaration.arguments for declaration in queues(OTHER_NAMES, "quorum")}
    _, target = DELAYED[destination]
    assert route(OTHER_NAMES, destination, 0).routing_key == target
    for name in queue_names(OTHER_NAMES, destination):
        assert by_name[name]["x-dead-letter-routing-key"] == target


def test_the_two_kinds_of_retries_do_not_meet() -> None:
    assert not set(queue_names(NAMES, Destination.RETRY)) & set(queue_names(NAMES, Destination.RETRY_PRIORITY))


def test_levels_double_and_expire_by_themselves() -> None:
    assert RETRY_LEVELS[0] == 1
    assert all(longer == 2 * shorter for shorter, longer in itertools.pairwise(RETRY_LEVELS))
    by_name = {declaration.name: declaration for declaration in queues(NAMES, "quorum")}
    for first in ("teltubby.retry_jobs", "teltubby.retry_jobs.priority"):
        for seconds, name in retry_queues(first).items():
            assert by_name[name].arguments["x-message-ttl"] == seconds * 1000
            assert by_name[name].arguments["x-dead-letter-strategy"] == "at-least-once"
            assert "x-expires" not in by_name[name].arguments


def test_headers_of_the_broker_are_not_ours() -> None:
    headers = {"schema": "1.0", "x-reason": "why", "x-death": [{}], "x-first-death-queue": "q", "x-delivery-count": 3}
    assert own_headers(headers) == {"schema": "1.0", "x-reason": "why"}
