"""The counts of the newest chunks, and of windows of them."""

import numpy as np
import numpy.typing as npt

from detectors.bins import BINS
from detectors.divergence import divergence
from detectors.history import SCALES

_MOST = 80
"""Chunks of counts that are kept."""

_SPARE = 16
"""Chunks of room beyond those, so that they are moved once in so many."""

_WINDOWS = np.tri(SCALES[-1])[[scale - 1 for scale in SCALES], ::-1]
"""For each length, 1 for each of the newest chunks that it has, oldest first."""

Floats = npt.NDArray[np.float64]


class Counted:
    """How many records of each chunk fell into each bin of each signal.

    Attributes
    ----------
    kept
        Whole numbers by chunk (oldest first), signal and bin: a view, good until the next `push`.

    Parameters
    ----------
    fixed
        Keep the first 64 chunks and the newest 16, and not the newest 80.
    """

    def __init__(self, *, fixed: bool) -> None:
        self.fixed = fixed
        self._room: Floats = np.zeros((_MOST + _SPARE, 0, BINS))
        self._end = 0
        self.kept: Floats = self._room[:0]

    def __len__(self) -> int:
        return len(self.kept)

    def closed(self) -> bool:
        """Whether the reference no longer moves."""
        return self.fixed and len(self.kept) == _MOST

    def widen(self) -> None:
        """Make room for one more signal."""
        self._room = np.concatenate([self._room, np.zeros((_MOST + _SPARE, 1, BINS))], axis=1)
        self.kept = self._room[self._end - len(self.kept) : self._end]

    def push(self, here: Floats) -> None:
        """Add the next chunk."""
        kept = self.kept
        if self.closed():
            middle = _MOST - SCALES[-1]
            kept[middle:-1] = kept[middle + 1 :].copy()
            kept[-1] = here
            return
        if self._end == len(self._room):
            self._end = _MOST - 1
            self._room[: self._end] = kept[1:].copy()
        self._room[self._end] = here
        self._end += 1
        self.kept = self._room[self._end - min(len(kept) + 1, _MOST) : self._end]

    def windows(self) -> Floats:
        """Give the sums over the newest chunks, for each length, and over those before them."""
        last = self.kept[-SCALES[-1] :]
        sums = np.empty((2, len(SCALES), *last.shape[1:]))
        newest = sums[0].reshape(len(SCALES), -1)
        np.matmul(_WINDOWS[:, -len(last) :], last.reshape(len(last), -1), out=newest)
        np.subtract(self.kept.sum(axis=0), sums[0], out=sums[1])
        return sums

    def apart(self, back: int) -> Floats:
        """Give how far so many newest chunks are from those before, as JS in bits by signal."""
        _, nats = divergence(self.kept[-back:].sum(axis=0), self.kept[:-back].sum(axis=0))
        bits: Floats = nats / np.log(2)
        return bits

    def restore(self, kept: npt.NDArray[np.uint16]) -> None:
        """Take up counts that were kept."""
        self._end = len(kept)
        self._room = np.zeros((_MOST + _SPARE, *kept.shape[1:]))
        self.kept = self._room[: self._end]
        self.kept[:] = kept
