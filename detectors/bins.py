"""The bins that values are counted into: deciles, the values of a discrete number, texts.

Of many texts the commonest have bins of their own. When the others are together too many to be one
bin, they share several, by a checksum: a shift among them moves some of those, however many texts
there are, and the memory is the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

BINS = 13
"""Bins of every signal: one for what is missing and twelve for values, some of them unused."""

_RARE = 0.02
"""Share below which a text has no bin of its own."""

_MANY = 0.1
"""Share of the texts without a bin of their own, above which they have several together."""

_OWN = 7
"""Texts with a bin of their own then, at most: five bins are left for the others."""

Floats = npt.NDArray[np.float64]
Tally = Counter[str | None]


class Bins:
    """Where the values of one signal go; bin 0 is for missing ones.

    Parameters
    ----------
    edges
        For numbers: eleven lower bounds of the bins from the second on, unused ones infinite.
    texts
        For texts: those with a bin of their own.
    whole
        Whether the numbers were whole ones.
    shared
        How many bins all other texts share.
    """

    def __init__(
        self, edges: Floats, texts: list[str] | None = None, *, whole: bool = False, shared: int = 1
    ) -> None:
        self.edges = edges
        self.texts = texts
        self.whole = whole
        self.shared = shared
        self._place = {text: place + 1 for place, text in enumerate(texts or [])}

    @classmethod
    def of_numbers(cls, values: Floats) -> "Bins":
        """Make bins of some values: at most ten that hold equal shares, or one for each value."""
        present = np.sort(values[~np.isnan(values)])
        edges = np.full(BINS - 2, np.inf)
        if not len(present):
            return cls(edges)
        different = np.unique(present)
        if len(different) <= BINS - 4:  # one below, one above, and one for each
            middles = (different[:-1] + different[1:]) / 2
            low = different[0] - 0.5 * (different[1] - different[0]) if len(middles) else None
            high = different[-1] + 0.5 * (different[-1] - different[-2]) if len(middles) else None
            if low is None or high is None:
                low, high = different[0], np.nextafter(different[0], np.inf)
            cuts = np.array([low, *middles, high])
        else:
            cuts = np.unique(np.quantile(present, np.arange(1, 10) / 10, method="higher"))
        edges[: len(cuts)] = cuts
        return cls(edges, whole=are_whole(present))

    @classmethod
    def of_texts(cls, chunks: Sequence[Tally]) -> "Bins":
        """Make bins of the commonest texts of some chunks."""
        total: Tally = Counter()
        for chunk in chunks:
            total.update(chunk)
        size = sum(total.values())
        total.pop(None, None)
        ordered = sorted(total.items(), key=lambda item: (-item[1], str(item[0])))
        common = [str(text) for text, count in ordered if count >= _RARE * size][: BINS - 2]
        left = sum(count for _, count in ordered[len(common) :])
        shared = 1
        if left > _MANY * size:
            common = common[:_OWN]
            shared = BINS - 1 - len(common)
        return cls(np.full(BINS - 2, np.inf), common, shared=shared)

    def count(self, tally: Tally) -> npt.NDArray[np.int64]:
        """Count texts into the bins."""
        counts = [0] * BINS
        place, last, shared = self._place, len(self._place) + 1, self.shared
        for text, count in tally.items():
            if text is None:
                counts[0] += count
            elif text in place:
                counts[place[text]] += count
            elif shared == 1:
                counts[last] += count
            else:
                counts[last + crc32(text.encode("utf-8", "surrogatepass")) % shared] += count
        return np.array(counts)

    def count_numbers(self, values: Floats) -> npt.NDArray[np.int64]:
        """Count numbers into the bins; NaN is missing."""
        present = values[~np.isnan(values)]
        places = np.searchsorted(self.edges, present, side="right")
        counts = np.bincount(places + 1, minlength=BINS)
        counts[0] = len(values) - len(present)
        return counts.astype(np.int64)

    def labels(self) -> list[str]:
        """Say what each bin holds, without the one for missing values."""
        if self.texts is not None:
            if self.shared == 1:
                return [*self.texts, "other"]
            return [*self.texts, *(f"others, {n + 1} of {self.shared}" for n in range(self.shared))]
        cuts = [f"{edge:.6g}" for edge in self.edges if np.isfinite(edge)]
        if not cuts:
            return ["any"]
        return [f"< {cuts[0]}", *(f">= {cut}" for cut in cuts)]

    def state(self) -> list[Any]:
        """Give the bins as JSON."""
        finite = [float(edge) for edge in self.edges if np.isfinite(edge)]
        return [finite, self.texts, self.whole, self.shared]

    @classmethod
    def restored(cls, state: list[Any]) -> "Bins":
        """Take up bins that `state` gave."""
        finite, texts, whole, *shared = state
        edges = np.full(BINS - 2, np.inf)
        edges[: len(finite)] = finite
        return cls(edges, texts, whole=whole, shared=shared[0] if shared else 1)


def count_rows(numbers: Floats, edges: Floats) -> Floats:
    """Count rows of numbers, each into its own bins; NaN is missing.

    Parameters
    ----------
    edges
        What `bounds_of` gives, for each row.
    """
    reached = np.packbits(numbers[:, None] >= edges[:, :, None], axis=2)
    least = np.zeros((len(numbers), BINS + 1))
    least[:, 0] = numbers.shape[1]
    np.bitwise_count(reached).sum(axis=2, out=least[:, 1:BINS])
    return -np.diff(least)


def count_chunk(
    bins: Sequence[Bins | None], bounds: Floats, numbers: Floats, places: Sequence[int],
    texts: Mapping[int, Tally],
) -> Floats:  # fmt: skip
    """Count a chunk of signals into the bins of each, one row a signal; nothing where none are.

    Parameters
    ----------
    bounds
        What `bounds_of` gives, one row for each of `bins`.
    numbers
        One row for each of `places`; NaN where missing.
    texts
        How often each was there, by place.
    """
    counts = np.zeros((len(bins), BINS))
    rows = np.asarray(places, np.int64)
    if len(rows):
        counts[rows] = count_rows(numbers, bounds[rows])
    for place, tally in texts.items():
        its = bins[place]
        if its is not None:
            counts[place] = its.count(tally)
    if None in bins:
        counts[[each is None for each in bins]] = 0
    return counts


def bounds_of(bins: Bins | None) -> Floats:
    """Give the lower bounds of the bins from the first to the last, as a row; none are infinite."""
    edges = np.full((1, BINS - 2), np.inf) if bins is None else bins.edges[None]
    return np.hstack([[[-np.inf]], edges])


def are_whole(values: Floats) -> bool:
    """Whether these are whole numbers, but for rounding.

    Examples
    --------
    >>> are_whole(np.array([3.0, 60 * (7 / 60)])), are_whole(np.array([3.0, 0.5]))
    (True, False)
    """
    return bool(np.all(np.abs(values - np.round(values)) < 1e-6 * (1 + np.abs(values))))
