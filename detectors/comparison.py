"""Two tables side by side: how far each column moved, and what was done to it.

The divergences, the bins and the causes are those that watch a stream (`divergence`, `bins`,
`diagnosis`); only what is compared differs: the whole of one table with the whole of another.
Two things have to hold before a column is said to differ: it moved so far that somebody may
care, by the population stability index, and further than rows drawn twice from one table
would, by the Jensen-Shannon statistic, which is chi-square then (see `distribution`).
"""

from collections import Counter
from collections.abc import Sequence
from math import gcd, log
from typing import Any, Literal, NamedTuple

import numpy as np

from detectors.bins import Bins
from detectors.columns import Column, Columns, Floats
from detectors.diagnosis import cause_of
from detectors.distribution import CHUNK, Distributions
from detectors.divergence import (
    Moved,
    differences,
    f_deviate,
    normal_quantile,
    statistics,
)
from detectors.incidents import Incident
from detectors.shape import surprise

Why = Literal["", "gone", "new", "type", "moved", "missing", "unseen"]
Unseen = tuple[tuple[str, int], ...]

BAR = 0.1
"""PSI from which on a column is said to differ: of old, below 0.1 is little, above 0.25 much."""

CHANCE = 0.001
"""How often two halves of one table may be said to differ."""

_UNSEEN = 0.01
"""Share of values that the other table does not have, from which on a column differs."""

_MANY = 1e9
_REFERENCE, _NEWEST = 60, 4
"""Chunks of each table that are shown to the watch, which then names causes."""


class Difference(NamedTuple):
    """One column in both tables.

    Attributes
    ----------
    why
        In what way it differs; "" where it does not.
    kinds, missing
        What most of its values are and the share that is missing, in the first and the second.
    js, psi, ks
        As of `divergence.Moved`; None where they were not compared. Texts have no KS.
    unseen
        Texts of the second that the first has not, commonest first, and in how many rows.
    unseen_share
        The share of the second's texts that are such.
    note
        Why the values were not compared.
    bins, before, after
        What was compared: rows by bin, those without a value first.
    """

    name: str
    why: Why
    kinds: tuple[str, str]
    missing: tuple[float, float]
    js: float | None = None
    psi: float | None = None
    ks: float | None = None
    unseen: Unseen = ()
    unseen_share: float = 0.0
    note: str = ""
    bins: tuple[str, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


class Comparison(NamedTuple):
    """What came of it: columns, those that moved most first, and what was recognised."""

    fields: list[Difference]
    causes: list[dict[str, Any]]

    @property
    def differ(self) -> list[Difference]:
        """The columns that differ."""
        return [each for each in self.fields if each.why]


def compare(first: Columns, second: Columns, bar: float = BAR) -> Comparison:
    """Compare two tables.

    Parameters
    ----------
    bar
        PSI from which on a column differs.

    Examples
    --------
    >>> low, high = Columns(), Columns()
    >>> low.take([{"a": n % 100, "b": n % 7} for n in range(3000)])
    >>> high.take([{"a": 1.8 * (n % 100) + 32, "b": n % 7} for n in range(3000)])
    >>> found = compare(low, high)
    >>> [each.name for each in found.differ], found.causes[0]["text"]
    (['a'], 'a: new = 1.8 * old + 32: Celsius to Fahrenheit?')
    """
    names = list(dict.fromkeys([*first.columns, *second.columns]))
    tests = 3 * max(len(names), 1)
    fields = [_field(name, first, second, bar, tests) for name in names]
    fields.sort(key=lambda each: (each.why not in ("gone", "new", "type"), -(each.js or 0.0)))
    return Comparison(fields, _causes(first, second, fields))


def _field(name: str, first: Columns, second: Columns, bar: float, tests: int) -> Difference:
    old, new = first.columns.get(name), second.columns.get(name)
    if new is None or old is None or not (old.there and new.there):
        return _one_sided(name, first, second)
    kinds = old.kind, new.kind
    missing = first.missing(name), second.missing(name)
    if ("text" in kinds or "nested" in kinds) and kinds[0] != kinds[1]:
        return Difference(name, "type", kinds, missing)
    note = _unfit(old, new)
    bins = None if note else _bins(old)
    before, after = _counts(old, first, bins), _counts(new, second, bins)
    moved = _moved(name, bins, before, after)
    unseen, share, strange = ((), 0.0, False) if note else _unseen(old, new, tests)
    why: Why = "unseen" if strange else ""
    if not why and moved.deviate > normal_quantile(CHANCE / tests) and moved.psi >= bar:
        why = "missing" if moved.missing else "moved"
    ordered = bins is not None and bins.texts is None
    return Difference(
        name, why, kinds, missing, moved.js, moved.psi, moved.ks if ordered else None,
        unseen, share, note, tuple(moved.bins), tuple(moved.before), tuple(moved.after),
    )  # fmt: skip


def _one_sided(name: str, first: Columns, second: Columns) -> Difference:
    sides = [(table, table.columns.get(name)) for table in (first, second)]
    there = [column is not None and column.there > 0 for _, column in sides]
    kinds = [column.kind if column is not None else "never there" for _, column in sides]
    missing = [1.0 if column is None else table.missing(name) for table, column in sides]
    why: Why = "" if not any(there) else "gone" if there[0] else "new"
    return Difference(name, why, (kinds[0], kinds[1]), (missing[0], missing[1]))


def _unfit(old: Column, new: Column) -> str:
    """Say why the values of a column cannot be compared; "" where they can."""
    if old.kind == "nested":
        return "lists or objects"
    if old.kind == "text":
        return "hardly any text comes twice" if old.open() or new.open() else ""
    for column in (old, new):
        values = column.numbers()
        if len(values) < 100 or not np.all(np.diff(values) > 0):
            return ""
    return "runs with the rows"


def _bins(old: Column) -> Bins:
    if old.kind == "text":
        assert old.texts is not None
        return Bins.of_texts([Counter(old.texts)])
    return Bins.of_numbers(old.numbers())


def _counts(column: Column, table: Columns, bins: Bins | None) -> Floats:
    """Count rows into bins, those without a value first; of numbers, rows of the sample."""
    if bins is None:
        return np.array([table.rows - column.there, column.there], dtype=float)
    if bins.texts is None:
        return bins.count_numbers(column.numbers()).astype(float)
    counts = bins.count(Counter(column.texts))
    counts[0] = table.rows - column.kinds["text"]
    return counts.astype(float)


def _moved(name: str, bins: Bins | None, before: Floats, after: Floats) -> Moved:
    js, psi, ks = differences(before, after)
    value, missing = (float(each) for each in statistics(np.stack([after, before])))
    free = max(np.count_nonzero((before + after)[1:]) - 1.0, 1.0)
    of_values, of_missing = _deviate(value, free), _deviate(missing, 1.0)
    return Moved(
        name, js, psi, ks, max(of_values, of_missing), _NEWEST, of_missing > of_values,
        [int(count) for count in before], [int(count) for count in after],
        ["any"] if bins is None else bins.labels(),
    )  # fmt: skip


def _deviate(statistic: float, free: float) -> float:
    ratio, upper, lower = (np.array(each) for each in (statistic / free, free, _MANY))
    return float(f_deviate(ratio, upper, lower))


def _unseen(old: Column, new: Column, tests: int) -> tuple[Unseen, float, bool]:
    """Give the texts that are new, their share, and whether there are more than is usual."""
    if old.kind != "text" or old.texts is None or new.texts is None:
        return (), 0.0, False
    found = {text: count for text, count in new.texts.items() if text not in old.texts}
    total, count = sum(new.texts.values()), sum(found.values())
    once = sum(times == 1 for times in old.texts.values())
    usual = (once + 1) / (sum(old.texts.values()) + 1)  # Good 1953, as in `shape`
    strange = surprise(count, total, min(usual, 1.0)) > log(tests / CHANCE)
    share = count / max(total, 1)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(ordered), share, strange and share >= _UNSEEN


# --- what was done ---------------------------------------------------------------------------


def _causes(first: Columns, second: Columns, fields: list[Difference]) -> list[dict[str, Any]]:
    """Name what is recognised in the columns that differ, by the functions that watch a stream."""
    if min(first.sampled, second.sampled) < _NEWEST * CHUNK:
        return []
    watch = Distributions()
    for table, most in ((first, _REFERENCE), (second, _NEWEST)):
        _show(watch, table, first, most)
    incident = Incident(0, 0, 0.0, 0.0)
    values = [each for each in fields if each.why in ("moved", "missing", "unseen")]
    incident.moved = [_moved_again(each) for each in values if each.name in watch.names]
    for each in fields:
        if each.why in ("gone", "new"):
            what = "missing_field" if each.why == "gone" else "new_field"
            incident.shape.append({
                "what": what, "name": each.name, "records": second.rows, "of": second.rows,
                "detail": "",
            })  # fmt: skip
    came = [each.name for each in fields if each.why == "new"]
    samples: dict[str, Sequence[object]] = {name: _sample(second.columns[name]) for name in came}
    found: list[dict[str, Any]] = []
    while (cause := cause_of(incident, watch, samples)) is not None:
        found.append(cause)
        named = cause["fields"]
        incident.moved = [each for each in incident.moved if each["name"] not in named]
        incident.shape = [each for each in incident.shape if each["name"] not in named]
    return found


def _moved_again(each: Difference) -> dict[str, Any]:
    assert each.js is not None
    assert each.psi is not None
    return Moved(
        each.name, each.js, each.psi, each.ks or 0.0, 0.0, _NEWEST, each.why == "missing",
        list(each.before), list(each.after), list(each.bins),
    )._asdict()  # fmt: skip


def _sample(column: Column) -> list[Any]:
    order = _shuffled(len(column.sample))[: _NEWEST * CHUNK]
    return [column.sample[place] for place in order if column.sample[place] is not None]


def _show(watch: Distributions, table: Columns, first: Columns, most: int) -> None:
    """Show a watch some chunks of a table, in an order that has nothing to do with its own."""
    order = _shuffled(table.sampled)
    numbers, words = {}, {}
    for name, column in first.columns.items():
        other = table.columns.get(name)
        if column.kind == "text" and not column.open():
            values = [None] * table.sampled if other is None else other.words()
            words[watch.know(name, text=True)] = [values[place] for place in order]
        elif column.kind in ("number", "bool"):
            empty = np.full(table.sampled, np.nan)
            numbers[watch.know(name, text=False)] = (
                empty if other is None else other.numbers()
            )[order]
    for chunk in range(min(most, table.sampled // CHUNK)):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        rows = np.array([each[part] for each in numbers.values()]).reshape(len(numbers), CHUNK)
        texts = {place: Counter(each[part]) for place, each in words.items()}
        watch.take(rows, list(numbers), texts)


def _shuffled(size: int) -> list[int]:
    """Give the places of a list in an order that jumps over all of it, always the same."""
    step = max(round(size * 0.618), 1)  # the golden section spreads them most evenly
    while gcd(step, size) > 1:
        step += 1
    return [place * step % size for place in range(size)] if size else []
