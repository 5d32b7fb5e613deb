"""Error streams with known switches: River's generators under a Hoeffding tree that learns on.

The tree is never told of a switch and never reset, as with driftline's default response. A
switch that raises the error by less than 5 points over the next 1,000 labels is not counted
for or against a detector.
"""

import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from river import tree
from river.datasets import synth

SEGMENT = 5_000
GRADUAL = 1_000
Concept = Callable[[int, int], Any]

STREAMS: dict[str, tuple[Concept, int]] = {
    "SEA": (lambda k, seed: synth.SEA(variant=(2, 0, 3, 1)[k % 4], seed=seed, noise=0.05), 4),
    "Agrawal": (
        lambda k, seed: synth.Agrawal((0, 1, 2, 3, 4)[k % 5], seed=seed, perturbation=0.05), 5,
    ),
    "STAGGER": (lambda k, seed: synth.STAGGER(k % 3, seed=seed), 4),
    "LED": (lambda k, seed: _Permuted(synth.LED(seed=seed, noise_percentage=0.1), k), 4),
    "Sine": (lambda k, seed: synth.Sine(k % 4, seed=seed), 4),
    "Mixed": (lambda k, seed: synth.Mixed(k % 2, seed=seed), 4),
    "Hyperplane flip": (lambda k, seed: _Flipped(synth.Hyperplane(seed=seed, n_features=5), k), 4),
}  # fmt: skip


class _Permuted:
    """Each concept shows the classes under other features."""

    def __init__(self, inner: Any, k: int) -> None:
        self.inner, self.k = inner, k

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Any]]:
        for x, y in self.inner:
            names = list(x)
            turned = names[self.k :] + names[: self.k]
            yield dict(zip(names, (x[name] for name in turned), strict=True)), y


class _Flipped:
    """A share of 0.3 of the labels swaps meaning in every other concept."""

    def __init__(self, inner: Any, k: int) -> None:
        self.inner, self.k = inner, k

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Any]]:
        for x, y in self.inner:
            flip = self.k % 2 and x[0] > 0.6
            yield x, (1 - y if flip else y)


def errors_of(name: str, gradual: bool, seed: int) -> np.ndarray:
    """Give the errors of a fresh tree on one stream, 1 for a wrong answer."""
    make, concepts = STREAMS[name]
    coin = random.Random(seed)
    model = tree.HoeffdingTreeClassifier()
    sources = [iter(make(k, 1000 * seed + k)) for k in range(concepts)]
    errors = []
    for place in range(SEGMENT * concepts):
        k = place // SEGMENT
        if gradual and k and coin.random() > (place - k * SEGMENT) / GRADUAL:
            k -= 1
        x, y = next(sources[k])
        errors.append(model.predict_one(x) != y)
        model.learn_one(x, y)
    return np.array(errors, dtype=np.uint8)


def load(folder: Path, name: str, gradual: bool, seed: int) -> np.ndarray:
    """Give the same from a folder, where it is kept once it was made."""
    path = folder / f"{name.replace(' ', '-')}-{'gradual' if gradual else 'abrupt'}-{seed}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, errors_of(name, gradual, seed))
    found: np.ndarray = np.load(path)
    return found


def switches(errors: np.ndarray) -> list[int]:
    """Give the switches that raised the error by 5 points or more over 1,000 labels."""
    found = []
    for at in range(SEGMENT, len(errors), SEGMENT):
        before, after = errors[at - 1000 : at].mean(), errors[at : at + 1000].mean()
        if after - before >= 0.05:
            found.append(at)
    return found


def take(stream: Any, count: int) -> list[Any]:
    """Give the first so many records of a stream."""
    return list(islice(stream, count))
