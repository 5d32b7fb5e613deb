"""The shape of events: fields that come, go or change their type, texts never seen, dead letters.

All of it is counted over chunks of 256 records. How surprising a count is follows from the
Chernoff bound of a binomial, ``exp(-n KL(k/n || p))`` (Hoeffding, "Probability inequalities for
sums of bounded random variables", JASA 58, 1963), which holds for small rates too. The rate of
texts never seen before is taken from those seen once so far (Good, "The population frequencies
of species", Biometrika 40, 1953).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp, inf, log
from typing import Any, Literal, NamedTuple

from detectors.bins import Tally

What = Literal[
    "new_field", "missing_field", "changed_type", "unseen_category", "dead_letters",
    "out_of_range", "missing_required", "missing_rate",
]  # fmt: skip

_LEAST = 2048
"""Records of reference before anything is said to be unusual."""

_MOST_TEXTS = 1000
"""Different texts of one field that are remembered; a field with more is open and not watched."""


_CALM = 64
"""Chunks without more of it than is usual by then, after which a broken rule is told anew."""


class Breach(NamedTuple):
    """Records of a chunk that are not as a field was declared to be.

    Attributes
    ----------
    records
        How many.
    usual
        The share of them that was declared to be usual; 0 where there should be none.
    detail
        What was declared, and some of the values.
    """

    what: What
    name: str
    records: int
    usual: float
    detail: str


class ShapeChange(NamedTuple):
    """A change of shape.

    Attributes
    ----------
    what, name
        What happened, and to which field ("" for dead letters).
    records, of
        In how many records of the last chunk.
    before
        The share of records until then.
    detail
        The new type, or the unseen texts, the reasons of the dead letters, what was declared.
    """

    what: What
    name: str
    records: int
    of: int
    before: float
    detail: str


class Chunk(NamedTuple):
    """What a chunk of records has shown.

    Attributes
    ----------
    records
        All of them, usable or not.
    events
        Those that could be used.
    present
        In how many of these each known field had a value.
    strays
        In how many records each unknown field had a value.
    clashes
        Records by field and type where another type was expected.
    dead
        Dead letters by reason.
    texts
        Values of each text field whose categories are not declared.
    breaches
        What is not as it was declared.
    """

    records: int
    events: int
    present: Mapping[str, int]
    strays: Mapping[str, int]
    clashes: Mapping[tuple[str, str], int]
    dead: Mapping[str, int]
    texts: Mapping[str, Tally]
    breaches: Sequence[Breach] = ()


class Shape:
    """Watches the shape of events, chunk by chunk.

    Memory: the names of fields, and up to 1,000 texts of each text field.

    Parameters
    ----------
    per_100k
        False alarms promised per 100,000 records while nothing changes.
    """

    def __init__(self, per_100k: float = 0.1) -> None:
        self.per_100k = per_100k
        self.records = 0
        self.events = 0
        self.dead = 0
        self.surging = False
        self.present: dict[str, int] = {}
        self.since: dict[str, int] = {}  # events before each field was first known
        self.gone: list[str] = []
        self.told: list[list[str]] = []  # strays and clashes that an alarm has named
        self.odd: dict[str, int] = {}  # records with strays and clashes that none has named
        self.seen: dict[str, dict[str, int]] = {}
        self.open: list[str] = []
        self.broken: dict[str, int] = {}  # records that broke each rule, while it was usual
        self.breaking: dict[str, int] = {}  # calm chunks since each breach that was told

    def take(self, chunk: Chunk) -> list[ShapeChange]:
        """Take a chunk; give what changed with it."""
        signals = len(self.present) + len(chunk.strays) + len(chunk.clashes) + len(self.seen) + 1
        bar = log((signals + len(chunk.breaches)) / (self.per_100k * 256 / 100_000))
        fields = self._fields(chunk, bar)
        gone = [each.name for each in fields]
        changes = [
            *fields,
            *(each for each in self._breaches(chunk, bar) if each.name not in gone),
            *self._strays(chunk, bar),
            *self._texts(chunk, bar),
            *self._dead(chunk, bar),
        ]
        self.records += chunk.records
        self.events += chunk.events
        return changes

    def _fields(self, chunk: Chunk, bar: float) -> list[ShapeChange]:
        changes = []
        for name, count in chunk.present.items():
            if name not in self.present:
                self.present[name] = 0
                self.since[name] = self.events
                if self.records >= _LEAST and count:
                    changes.append(ShapeChange("new_field", name, count, chunk.events, 0.0, ""))
            known = self.events - self.since[name]
            share = self.present[name] / known if known else 0.0
            if name in self.gone:
                if count > chunk.events / 2:
                    self.gone.remove(name)
                    back = ShapeChange("new_field", name, count, chunk.events, 0.0, "is back")
                    changes.append(back)
                continue
            absent = chunk.events - count
            few = count <= chunk.events // 100 and known >= _LEAST
            if few and surprise(absent, chunk.events, 1 - share) > bar:
                self.gone.append(name)
                changes.append(ShapeChange("missing_field", name, absent, chunk.events, share, ""))
                continue
            self.present[name] += count
        return changes

    def _breaches(self, chunk: Chunk, bar: float) -> list[ShapeChange]:
        """Tell of rules that are broken for the first time, or much more often than so far."""
        changes = []
        for key, calm in list(self.breaking.items()):
            self.breaking[key] = calm + 1
            if calm >= _CALM:
                del self.breaking[key]
        for what, name, count, usual, detail in chunk.breaches:
            key = f"{what}/{name}"
            before = self.broken.get(key, 0)
            rate = max(usual, (before + 1) / (self.records + 2)) if before or usual else 0.0
            if surprise(count, chunk.records, rate) <= bar:
                self.broken[key] = before + count
                continue
            if key not in self.breaking:
                share = before / max(self.records, 1)
                changes.append(ShapeChange(what, name, count, chunk.records, share, detail))
                self.broken[key] = before + 1  # from here on it is not the first
            self.breaking[key] = 0
        return changes

    def _strays(self, chunk: Chunk, bar: float) -> list[ShapeChange]:
        changes = []
        kinds = [(["new_field", name, ""], count) for name, count in chunk.strays.items()]
        kinds += [(["changed_type", *pair], count) for pair, count in chunk.clashes.items()]
        for key, count in kinds:
            if key in self.told:
                continue
            word = "/".join(key)
            before = self.odd.get(word, 0)
            self.odd[word] = before + count
            rate = (before + 1) / (self.records + 2)
            if self.records >= _LEAST and surprise(count, chunk.records, rate) > bar:
                self.told.append(key)
                what: Any = key[0]
                changes.append(
                    ShapeChange(what, key[1], count, chunk.records, before / self.records, key[2])
                )
        del self.told[: -_MOST_TEXTS]
        while len(self.odd) > _MOST_TEXTS:
            del self.odd[next(iter(self.odd))]
        return changes

    def _texts(self, chunk: Chunk, bar: float) -> list[ShapeChange]:
        changes = []
        for name, tally in chunk.texts.items():
            if name in self.open:
                continue
            seen = self.seen.setdefault(name, {})
            total = sum(seen.values())
            new = {text: count for text, count in tally.items() if text and text not in seen}
            there = sum(tally.values()) - tally.get(None, 0)
            if new and total >= _LEAST:
                once = sum(count == 1 for count in seen.values())
                rate = (once + 1) / (total + 1)
                count = sum(new.values())
                if surprise(count, there, min(rate, 1.0)) > bar:
                    shown = sorted(new, key=lambda text: (-new[text], text))[:5]
                    detail = ", ".join(shown)
                    changes.append(
                        ShapeChange("unseen_category", name, count, there, rate, detail)
                    )
            for text, count in tally.items():
                if text is not None:
                    seen[text] = seen.get(text, 0) + count
            if len(seen) > _MOST_TEXTS:
                self.open.append(name)
                del self.seen[name]
        return changes

    def _dead(self, chunk: Chunk, bar: float) -> list[ShapeChange]:
        count = sum(chunk.dead.values())
        rate = (self.dead + 1) / (self.records + 2)
        unusual = self.records >= _LEAST and surprise(count, chunk.records, rate) > bar
        starts = unusual and not self.surging
        self.surging = unusual
        before = self.dead / max(self.records, 1)
        if not unusual:
            self.dead += count
        if not starts:
            return []
        reasons = sorted(chunk.dead, key=lambda reason: (-chunk.dead[reason], reason))
        detail = ", ".join(f"{reason} {chunk.dead[reason]}" for reason in reasons[:3])
        return [ShapeChange("dead_letters", "", count, chunk.records, before, detail)]

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {name: getattr(self, name) for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        for name in _STATE:
            setattr(self, name, state.get(name, getattr(self, name)))


_STATE = (
    "records", "events", "dead", "surging", "present", "since", "gone", "told", "odd", "seen",
    "open", "broken", "breaking",
)  # fmt: skip


def surprise(count: int, of: int, rate: float) -> float:
    """Bound how unlikely so many of so many are: minus the logarithm of the probability.

    Examples
    --------
    >>> round(surprise(3, 256, 1e-4), 1)
    11.3
    >>> surprise(1, 256, 0.5)
    0.0
    """
    if not of or count <= rate * of:
        return 0.0
    share = count / of
    if rate <= 0:
        return inf
    total = share * log(share / rate)
    if share < 1:
        total += (1 - share) * log((1 - share) / (1 - rate))
    return of * total


def likelihood(surprised: float) -> float:
    """Give the bound as a probability."""
    return exp(-min(surprised, 700.0))


def tally(values: list[Any]) -> Tally:
    """Count texts; None for a missing one."""
    return Counter(values)
