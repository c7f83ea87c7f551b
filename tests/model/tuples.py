"""Tuples that are changed in one place, and tuples that are bags."""

from __future__ import annotations

from typing import TypeVar

from teltubby.messages.jobs import JobState
from tests.model.states import Message, Report

T = TypeVar("T")
B = TypeVar("B", bound=Message | Report)

OVER = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


def put(items: tuple[T, ...], at: int, item: T) -> tuple[T, ...]:
    """The tuple with another item in this place."""
    return (*items[:at], item, *items[at + 1 :])


def more(bag: tuple[B, ...], *items: B) -> tuple[B, ...]:
    """The bag with these as well."""
    return tuple(sorted((*bag, *items)))


def less(bag: tuple[B, ...], item: B) -> tuple[B, ...]:
    """The bag without one of these."""
    at = bag.index(item)
    return (*bag[:at], *bag[at + 1 :])
