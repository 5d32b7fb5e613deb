"""Labels that came before their event: they wait, bounded and with a time to live."""

from collections import OrderedDict
from typing import Any, NamedTuple

from stream.core.records import DeadLetter, Label


class EarlyLabel(NamedTuple):
    """A label whose event has not been seen.

    Attributes
    ----------
    arrived
        The watermark when it came.
    letter
        The dead letter it becomes when no event comes.
    """

    label: Label
    time: Any
    moment: float | None
    arrived: float
    letter: DeadLetter


class EarlyLabels:
    """The labels that wait for their event.

    Parameters
    ----------
    ttl
        How long one waits, in the unit of the watermark.
    most
        How many may wait; beyond it the oldest is given up.
    """

    def __init__(self, ttl: float, most: int) -> None:
        self.ttl = ttl
        self.most = most
        self.next_expiry = float("inf")
        self._latest = float("-inf")
        self._waiting: OrderedDict[str, EarlyLabel] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, identity: str) -> bool:
        return identity in self._waiting

    def add(self, identity: str, early: EarlyLabel) -> DeadLetter | None:
        """Let a label wait; gives the dead letter of the oldest when there are too many."""
        self._latest = max(early.arrived, self._latest)
        self._waiting[identity] = early._replace(arrived=self._latest)
        overflow = None
        if len(self._waiting) > self.most:
            _, oldest = self._waiting.popitem(last=False)
            overflow = oldest.letter
            overflow["reason"] = "too_many_early"
            overflow["detail"] = f"more than {self.most} labels were waiting for their event"
        self._look()
        return overflow

    def pop(self, identity: str) -> EarlyLabel | None:
        """Take the label for this id out, None when none waits."""
        if not self._waiting:
            return None
        early = self._waiting.pop(identity, None)
        if early is not None:
            self._look()
        return early

    def expire(self, watermark: float) -> list[DeadLetter]:
        """Take out what has waited longer than the time to live, as dead letters."""
        letters = []
        while self.next_expiry < watermark:
            letters.append(self._waiting.popitem(last=False)[1].letter)
            self._look()
        return letters

    def _look(self) -> None:
        oldest = next(iter(self._waiting.values()), None)
        self.next_expiry = float("inf") if oldest is None else oldest.arrived + self.ttl

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "latest": self._latest if self._latest > float("-inf") else None,
            "waiting": [[identity, *early] for identity, early in self._waiting.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self._latest = float("-inf") if state["latest"] is None else state["latest"]
        self._waiting = OrderedDict(
            (identity, EarlyLabel(*rest)) for identity, *rest in state["waiting"]
        )
        self._look()
