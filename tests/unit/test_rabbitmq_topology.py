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
    exchanges,
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
    assert exchanges(NAMES) == ("teltubby.exchange", "teltubby.dlx")
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


@given(st.floats(min_value=0.001, max_value=RETRY_LEVELS[-1]))
def test_a_delay_waits_where_nothing_waits_twice_as_long(delay: float) -> None:
    target = route(NAMES, Destination.RETRY, delay)
    (level,) = [seconds for seconds, name in retry_queues(NAMES).items() if name == target.routing_key]
    assert target.expiration == delay
    assert delay <= level < max(2 * delay, 1.001)


def test_an_endless_delay_is_cut() -> None:
    target = route(NAMES, Destination.RETRY, 1e9)
    assert (target.routing_key, target.expiration) == ("teltubby.retry_jobs.65536s", 65536)


def test_levels_double_and_expire_by_themselves() -> None:
    assert RETRY_LEVELS[0] == 1
    assert all(longer == 2 * shorter for shorter, longer in itertools.pairwise(RETRY_LEVELS))
    by_name = {declaration.name: declaration for declaration in queues(NAMES, "quorum")}
    for seconds, name in retry_queues(NAMES).items():
        assert by_name[name].arguments["x-message-ttl"] == seconds * 1000
        assert by_name[name].arguments["x-dead-letter-strategy"] == "at-least-once"
        assert "x-expires" not in by_name[name].arguments


def test_headers_of_the_broker_are_not_ours() -> None:
    headers = {"schema": "1.0", "x-reason": "why", "x-death": [{}], "x-first-death-queue": "q", "x-delivery-count": 3}
    assert own_headers(headers) == {"schema": "1.0", "x-reason": "why"}
