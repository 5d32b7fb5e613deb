"""How far apart two histograms are, and how unusual a ratio is."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TINY = 1e-300
"""Makes the logarithm of nothing finite, and changes no other."""


class Moved(NamedTuple):
    """A signal that no longer is distributed as it was.

    Attributes
    ----------
    name
        The signal.
    js, psi, ks
        Jensen-Shannon divergence in bits (0 to 1), population stability index in nats, and the
        largest difference of the two cumulative distributions (0 to 1; of an order of texts
        that is arbitrary), between the newest `chunks` chunks and those before.
    deviate
        How unusual that is, as a normal deviate.
    chunks
        Chunks of 256 records that are compared with the reference.
    missing
        Whether it is the share of missing values that moved, and not the values.
    before, after
        Counts in the bins: missing first, then in the order of `bins`.
    bins
        What the bins are.
    """

    name: str
    js: float
    psi: float
    ks: float
    deviate: float
    chunks: int
    missing: bool
    before: list[int]
    after: list[int]
    bins: list[str]

    @classmethod
    def between(
        cls, before: Floats, after: Floats, name: str, deviate: float, chunks: int,
        missing: bool, bins: list[str],
    ) -> "Moved":  # fmt: skip
        """Tell how far apart two histograms are."""
        js, psi, ks = differences(before, after)
        then, now = before.astype(int).tolist(), after.astype(int).tolist()
        return cls(name, js, psi, ks, deviate, chunks, missing, then, now, bins)


def differences(before: Floats, after: Floats) -> tuple[float, float, float]:
    """Compare two histograms over the same bins (missing first): JS in bits, PSI, KS.

    PSI takes half a record for an empty bin.

    Examples
    --------
    >>> same = np.array([0.0, 50, 50])
    >>> differences(same, same)
    (0.0, 0.0, 0.0)
    >>> [round(each, 3) for each in differences(same, np.array([0.0, 0, 100]))]
    [0.311, 2.612, 0.5]
    """
    _, js = divergence(after[None], before[None])
    p, q = (after + 0.5) / (after + 0.5).sum(), (before + 0.5) / (before + 0.5).sum()
    used = (after + before) > 0
    psi = float(((p - q) * np.log(p / q))[used].sum())
    there, then = after[1:].sum(), before[1:].sum()
    ks = 0.0
    if there and then:
        ks = float(np.abs(np.cumsum(after[1:]) / there - np.cumsum(before[1:]) / then).max())
    return float(js[0] / np.log(2)), psi, ks


def statistics(counts: Floats) -> Floats:
    """Give the statistic of the values that are there, and that of the share that is missing.

    Both are what `divergence` gives, but for rounding, in as few steps as it takes: this is
    where the time of watching goes.

    Parameters
    ----------
    counts
        The newest histograms, and the older ones, over the last axis.

    Returns
    -------
    numpy.ndarray
        The statistics, values first, over the other axes of what was given.
    """
    sizes = np.empty((*counts.shape[:-1], 2))  # values, and records
    there = counts[..., 1:].sum(axis=-1, out=sizes[..., 0])
    whole = np.add(there, counts[..., 0], out=sizes[..., 1])
    shares = np.empty((3, *counts.shape[1:-1], counts.shape[-1] + 1))
    both = shares[:2]
    np.divide(counts[..., 1:], np.maximum(there, 1)[..., None], out=both[..., :-2])
    some = np.maximum(whole, 1)
    np.divide(there, some, out=both[..., -2])
    np.divide(counts[..., 0], some, out=both[..., -1])
    np.add(both[0], both[1], out=shares[2])
    shares[2] *= 0.5
    terms = np.log(shares + _TINY)
    terms *= shares
    less = np.add.reduceat(terms, (0, counts.shape[-1] - 1), axis=-1)  # entropies
    nats = np.maximum((less[0] + less[1]) / 2 - less[2], 0.0)
    n, m = sizes
    return np.moveaxis(8 * nats * n * m / np.maximum(n + m, 1), -1, 0)


def divergence(newest: Floats, older: Floats) -> tuple[Floats, Floats]:
    """Chi-square-like statistic and Jensen-Shannon divergence in nats, over the last axis."""
    n, m = newest.sum(axis=-1), older.sum(axis=-1)
    p = newest / np.maximum(n, 1)[..., None]
    q = older / np.maximum(m, 1)[..., None]
    middle = (p + q) / 2
    safe = np.where(middle > 0, middle, 1.0)
    terms = p * np.log(np.where(p > 0, p / safe, 1.0)) + q * np.log(np.where(q > 0, q / safe, 1.0))
    nats = np.maximum(terms.sum(axis=-1) / 2, 0.0)
    nats = np.where((n > 0) & (m > 0), nats, 0.0)
    return 8 * nats * n * m / np.maximum(n + m, 1), nats


def apart(after: npt.NDArray[np.int64], before: Floats) -> tuple[float, float]:
    """Give both of two histograms without their missing values; the divergence in bits."""
    value, nats = divergence(after[1:].astype(float), before[1:])
    return float(value), float(nats / np.log(2))


def f_deviate(ratio: Floats, upper: Floats, lower: Floats) -> Floats:
    """Turn an F ratio into a normal deviate (Paulson 1942)."""
    root = np.cbrt(ratio)
    a, b = 2 / (9 * upper), 2 / (9 * lower)
    deviate: Floats = ((1 - b) * root - (1 - a)) / np.sqrt(b * root**2 + a)
    return deviate


def f_ratio(deviate: float, upper: Floats, lower: Floats) -> Floats:
    """Turn a normal deviate into the F ratio that has it; infinite where none has.

    Examples
    --------
    >>> ratio = f_ratio(3.0, np.array(5.0), np.array(40.0))
    >>> float(f_deviate(ratio, np.array(5.0), np.array(40.0)).round(9))
    3.0
    """
    a, b = 2 / (9 * upper), 2 / (9 * lower)
    square = deviate**2
    lead = (1 - b) ** 2 - square * b
    reached = (lead > 0) & (b < 1)
    root = square * (a * (1 - b) ** 2 + b * (1 - a) ** 2 - square * a * b)
    found = (1 - a) * (1 - b) + np.sqrt(np.where(reached, root, 0.0))
    ratio: Floats = np.where(reached, (found / np.where(reached, lead, 1.0)) ** 3, np.inf)
    return ratio


def normal_quantile(tail: float) -> float:
    """Give the deviate beyond which a standard normal lies with this probability."""
    return -NormalDist().inv_cdf(min(max(tail, 1e-300), 0.5))
