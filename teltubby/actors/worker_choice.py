"""Which worker somebody means who signs one in."""

from __future__ import annotations

from teltubby.actors.phrases import sign_in as words
from teltubby.actors.workers import Workers
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionStanding
from teltubby.messages.workers import WorkerStanding


class WorkerChoice:
    """The only one, the one in need, or the one whose number was given; numbers stay as each admin read them."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._listed: dict[int, tuple[str, ...]] = {}
        """The places that each admin was given numbers for."""

    def of(self, user_id: int, number: str | None) -> WorkerStanding | str:
        """The worker that is meant, or what there is to say instead, as HTML."""
        known = self._workers.answering or self._workers.known
        workers = [worker for worker in known if _has_person(worker)]
        if not workers:
            return words.NO_PERSONS_ACCOUNT if known else words.NO_WORKER
        if number is not None:
            return self._numbered(self._listed.get(user_id) or tuple(worker.place for worker in workers), number)
        in_need = [worker for worker in workers if persons_session(worker).is_trouble]
        if len(workers) == 1 or len(in_need) == 1:
            return (in_need or workers)[0]
        self._listed[user_id] = tuple(worker.place for worker in workers)
        return words.choose(workers)

    def _numbered(self, listed: tuple[str, ...], number: str) -> WorkerStanding | str:
        at = int(number) if len(number) <= 3 else 0
        by_place = {worker.place: worker for worker in self._workers.known if _has_person(worker)}
        found = by_place.get(listed[at - 1]) if 1 <= at <= len(listed) else None
        return words.no_such_number(len(listed)) if found is None else found


def persons_session(worker: WorkerStanding) -> SessionStanding:
    """The session of the worker's user account, which it has."""
    return next(session for session in worker.sessions if session.account is AccountKind.USER)


def _has_person(worker: WorkerStanding) -> bool:
    return any(session.account is AccountKind.USER for session in worker.sessions)
