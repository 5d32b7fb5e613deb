"""Labelled events that are kept for training: the newest, and a sample of all there were."""

from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from heapq import heappush, heapreplace
from typing import Any, NamedTuple

from stream.core.records import Features, Label

_MOST_CLASSES = 64
"""Classes that a sample keeps apart."""


class Labelled(NamedTuple):
    """An event and its truth."""

    moment: float
    features: Features
    label: Label


class History:
    """The newest labelled events, in the order their labels came, and a sample of all.

    Parameters
    ----------
    newest
        How many of the newest are kept; 0 for none.
    sample
        How many of all are kept, shared out equally among the classes; 0 for none. Which ones
        depends on a hash of their ids alone: each event is as likely as any other.
    """

    def __init__(self, newest: int, sample: int = 0) -> None:
        self._newest: deque[Labelled] = deque(maxlen=newest)
        self._most = sample
        self._samples: dict[str, list[tuple[int, int, Labelled]]] = {}
        self._came = 0

    def add(self, identity: str, row: Labelled, group: str) -> None:
        """Keep a labelled event; `group` is its class, or the same for all of a regression."""
        self._newest.append(row)
        if not self._most:
            return
        self._came += 1
        if group not in self._samples and len(self._samples) == _MOST_CLASSES:
            group = next(iter(self._samples))
        kept = self._samples.setdefault(group, [])
        key = -int.from_bytes(sha256(identity.encode()).digest()[:7], "big")
        entry = (key, self._came, row)
        if len(kept) < self._most:
            heappush(kept, entry)
        elif kept[0][0] < key:
            heapreplace(kept, entry)

    def newest(self, count: int) -> list[Labelled]:
        """Give the newest, oldest first."""
        rows = self._newest
        return list(rows) if count >= len(rows) else list(rows)[len(rows) - count :]

    def since(self, moment: float, count: int) -> list[Labelled]:
        """Give up to `count` of the newest whose event came at this moment or later."""
        return [row for row in self.newest(count) if row.moment >= moment]

    def sampled(self, count: int, without: Sequence[Sequence[float]]) -> list[Labelled]:
        """Give up to `count` of all history, as many of each class, in order of their labels.

        Parameters
        ----------
        without
            Spans of moments, from and to, that are left out.
        """
        share = count // max(len(self._samples), 1)
        chosen: list[tuple[int, int, Labelled]] = []
        for entries in self._samples.values():
            fit = [e for e in entries if not any(a <= e[2].moment <= b for a, b in without)]
            chosen += sorted(fit, key=lambda entry: -entry[0])[:share]
        return [row for _, _, row in sorted(chosen, key=lambda entry: entry[1])]

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "newest": [[*row] for row in self._newest],
            "came": self._came,
            "samples": {
                name: [[key, came, [*row]] for key, came, row in sorted(kept, key=_order)]
                for name, kept in self._samples.items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self._newest.clear()
        self._newest.extend(Labelled(*row) for row in state["newest"])
        self._came = state["came"]
        self._samples = {
            name: [(key, came, Labelled(*row)) for key, came, row in kept]
            for name, kept in state["samples"].items()
        }


def _order(entry: tuple[int, int, Labelled]) -> tuple[int, int]:
    return entry[:2]
