"""A served prediction that waits for its label, and how it is written down."""

from collections.abc import Sequence
from hashlib import sha256
from sys import intern
from typing import Any

import numpy as np
import orjson

from stream.core.compact import compact
from stream.core.records import Features

_MOST_SHAPES = 1000
"""Sets of feature names that are kept apart from the rows; rows of others hold their names."""


Shadow = list[Any]
"""Pairs of the number of a model and what it answered; lists, once they were written down."""


class Served:
    """What was served for an event, and all that is needed when its label comes.

    Parameters
    ----------
    arrived
        The watermark when it was served; the time to live counts from there.
    probability
        Of true (binary), or pairs of class and probability (multiclass).
    no_change, majority
        What the two baselines would have served at that moment.
    model
        The version that was served.
    shadow
        During a contest, what each version answered; the champion's first.
    """

    __slots__ = (
        "arrived", "features", "id", "majority", "model", "moment", "no_change", "prediction",
        "probability", "shadow", "time",
    )  # fmt: skip

    def __init__(
        self,
        identity: str,
        arrived: float,
        time: Any,
        moment: float,
        features: Features,
        prediction: Any,
        probability: Any,
        no_change: Any,
        majority: Any,
        model: str,
        shadow: Shadow | None = None,
    ) -> None:
        self.id = identity
        self.arrived = arrived
        self.time = time
        self.moment = moment
        self.features = features
        self.prediction = prediction
        self.probability = probability
        self.no_change = no_change
        self.majority = majority
        self.model = model
        self.shadow = shadow


class ServedRows:
    """How rows are encoded: the names of the features once for all events that have them.

    A row is then a third shorter, and the features come back under the very same text
    objects that the learner knows, which spares it comparing them letter by letter.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._names: list[tuple[str, ...]] = []
        self._last: tuple[str, ...] | None = None  # names that were looked up last
        self._last_number: int | None = None

    def meet(self, features: Features) -> None:
        """Give the names a number, if they have none and there is one left."""
        names = tuple(features)
        if names != self._last and names not in self._numbers and len(self._names) < _MOST_SHAPES:
            self._learn(names)

    def encode(self, place: int, served: Served) -> bytes:
        """Write a row as a JSON list: its place in the order of all rows, and what it holds."""
        features = served.features
        names = tuple(features)
        if names != self._last:
            self._last, self._last_number = names, self._numbers.get(names)
        number = self._last_number
        kept = features if number is None else tuple(features.values())
        return compact((
            place, served.id, served.arrived, served.time, served.moment, kept,
            served.prediction, served.probability, served.no_change, served.majority,
            served.model, served.shadow, number,
        ))  # fmt: skip

    def decode(self, row: bytes) -> Served:
        """Read a row."""
        _, *values, number = orjson.loads(row)
        if number is not None:
            values[4] = dict(zip(self._names[number], values[4], strict=True))
        return Served(*values)

    def _learn(self, names: tuple[str, ...]) -> None:
        names = tuple(map(intern, names))
        self._last, self._last_number = names, len(self._names)
        self._numbers[names] = len(self._names)
        self._names.append(names)

    def state(self) -> list[tuple[str, ...]]:
        """Give the names as JSON."""
        return list(self._names)

    def restore(self, state: list[list[str]]) -> None:
        """Take up a state that `state` gave."""
        self._numbers.clear()
        self._names.clear()
        self._last = None
        for names in state:
            self._learn(tuple(names))


def id_of(row: bytes) -> str:
    """Read the id of an encoded row."""
    identity: str = orjson.loads(row)[1]
    return identity


def hash_of(row: bytes) -> bytes:
    """Hash an encoded row to 256 bits."""
    return sha256(row).digest()


def sum_of(hashes: Sequence[bytes]) -> int:
    """Add hashes up, as numbers of 256 bits with the lowest byte first.

    Examples
    --------
    >>> sum_of([bytes([255] * 32), bytes([2] + [0] * 31)]) == 2**256 + 1
    True
    """
    words = np.frombuffer(b"".join(hashes), "<u4").reshape(-1, 8)
    totals: list[int] = words.sum(axis=0, dtype=np.uint64).tolist()
    return sum([total << 32 * at for at, total in enumerate(totals)])
