"""Coming and going in groups and channels, and what their admins may do."""

from __future__ import annotations

import time
from collections.abc import Callable

from teltubby.simulator.listeners import Listeners
from teltubby.simulator.messages import MembershipChanged
from teltubby.simulator.people import AdminRights, Chat, Membership, User
from teltubby.simulator.registry import Registry


class Memberships(Registry, Listeners):
    """Changes who is in a chat, and tells of it. Nobody is asked whether they may: that is the caller's to know."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.time) -> None:
        Registry.__init__(self, seed=seed, clock=clock)
        Listeners.__init__(self)

    def join(self, chat: Chat, user: User, *, rights: AdminRights | None = None) -> None:
        """Become a member, or with `rights` an admin with just these; also of somebody who was kicked before.

        Raises LookupError for a chat that was deleted.
        """
        if chat.deleted:
            raise LookupError(f"{chat.title!r} was deleted")
        before = chat.membership(user.id)
        chat.kicked.discard(user.id)
        chat.members.add(user.id)
        self._demote(chat, user)
        if rights is not None:
            chat.admins.add(user.id)
            chat.rights[user.id] = rights
        self._tell(chat, user, before)

    def leave(self, chat: Chat, user: User) -> None:
        """Go of one's own will."""
        before = chat.membership(user.id)
        chat.members.discard(user.id)
        self._demote(chat, user)
        self._tell(chat, user, before)

    def kick(self, chat: Chat, user: User) -> None:
        """Be removed, and kept out."""
        before = chat.membership(user.id)
        chat.members.discard(user.id)
        self._demote(chat, user)
        chat.kicked.add(user.id)
        self._tell(chat, user, before)

    def delete_chat(self, chat: Chat) -> None:
        """Delete a group or channel: whoever was in it finds it closed, as if they had been kicked."""
        chat.deleted = True
        chat.username = None
        for member in sorted(chat.members):
            self.kick(chat, self.users[member])

    def _demote(self, chat: Chat, user: User) -> None:
        chat.admins.discard(user.id)
        chat.rights.pop(user.id, None)

    def _tell(self, chat: Chat, user: User, before: Membership) -> None:
        after = chat.membership(user.id)
        if after is not before:
            self.tell(MembershipChanged(chat=chat, user=user, before=before, after=after))
