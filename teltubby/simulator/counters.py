"""The counters of a post, and who made them go up: views, forwards, reactions."""

from __future__ import annotations

from dataclasses import dataclass, field

PAID = "paid"
CUSTOM = "custom_"


@dataclass(slots=True, kw_only=True, eq=False)
class Counters:
    """What a channel shows below a post. The copies of a post share it; only those in channels show views.

    `reactions` counts by key: the emoji, or `custom_{document id}`, or `paid`. `chosen` says what each account chose
    (who gives stars does so once or several times); counts without anybody behind them are those of strangers.
    """

    views: int = 0
    forwards: int = 0
    reactions: dict[str, int] = field(default_factory=dict)
    viewers: set[int] = field(default_factory=set)
    chosen: dict[int, list[str]] = field(default_factory=dict)

    def see(self, account_id: int) -> bool:
        """Count the view of an account, once; whether it was its first."""
        if account_id in self.viewers:
            return False
        self.viewers.add(account_id)
        self.views += 1
        return True

    def react(self, account_id: int, reaction: str) -> bool:
        """Count a reaction of an account, each kind once, but stars as often as they are given; whether it counts."""
        chosen = self.chosen.setdefault(account_id, [])
        if reaction in chosen and reaction != PAID:
            return False
        if reaction not in chosen:
            chosen.append(reaction)
        self.reactions[reaction] = self.reactions.get(reaction, 0) + 1
        return True

    def unreact(self, account_id: int, reaction: str) -> bool:
        """Take a reaction of an account back; stars are spent. Whether there was one to take back."""
        chosen = self.chosen.get(account_id, [])
        if reaction not in chosen or reaction == PAID:
            return False
        chosen.remove(reaction)
        self.reactions[reaction] -= 1
        if not self.reactions[reaction]:
            del self.reactions[reaction]
        return True
