"""The whole state of a partition at one moment: taken apart, put back, and its digest.

All of it is plain values, written as JSON, but the learner and the detectors: these are
their library's own objects.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from detectors.error import DriftDetector
from stream.core.canonical import canonical_digest
from stream.core.counts import Counts

if TYPE_CHECKING:
    from stream.core.partition import Partition


Part = Literal["learner", "detectors", "scorer"]
"""What can begin afresh while all else goes on."""

OBJECTS: frozenset[Part] = frozenset({"learner", "detectors"})
"""The parts that are pickled."""


class Objects(NamedTuple):
    """The part of the state that only its own library can write down.

    Attributes
    ----------
    estimator
        The champion.
    others
        Those of the models in its shadow, and of the remembered ones.
    """

    estimator: object
    detectors: list[DriftDetector]
    others: list[object]


def plain_state(partition: "Partition") -> bytes:
    """Give everything but the objects as JSON; full pieces (see `segments`) by name."""
    return _plain(partition, partition.pending.state())


def _plain(partition: "Partition", pending: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "position": partition.position,
            "time": partition.time,
            "version": partition.version,
            "champion": partition.champion,
            "reports": partition.reports,
            "counts": partition.counts.state(),
            "contract": partition.contract.state(),
            "watermark": partition.watermark.state(),
            "response": partition.response.state(),
            "training": partition.training.state(),
            "no_change": partition.no_change.state(),
            "majority": partition.majority.state(),
            "watch": partition.watch.state(),
            "scorer": partition.scorer.state(),
            "early": partition.early.state(),
            "recent": partition.recent.state(),
            "lapsed": partition.lapsed.state(),
            "pending": pending,
        }
    )


def objects_of(partition: "Partition") -> Objects:
    """Give the objects themselves, not copies."""
    return Objects(
        partition.learner.estimator, partition.watch.detectors, partition.training.estimators()
    )


def recast(revived: Any) -> Objects:
    """Give the objects that were written down as a plain tuple."""
    estimator, detectors, others = revived
    return Objects(estimator, list(detectors), list(others))


def pieces_of(partition: "Partition") -> dict[str, bytes | None]:
    """Give the full pieces the state refers to; None for the bytes of those stored already."""
    return {
        **partition.pending.pieces(),
        **partition.recent.pieces(),
        **partition.lapsed.pieces(),
    }


def digest_of(partition: "Partition") -> str:
    """Give the sha256 of the whole state, independent of pickling, process and history."""
    objects = canonical_digest(*objects_of(partition))
    plain = _plain(partition, partition.pending.essence())
    return sha256(plain + objects.encode()).hexdigest()


def restore(
    partition: "Partition",
    plain: bytes,
    objects: Objects | None,
    pieces: dict[str, bytes],
    fresh: Collection[Part] = (),
) -> None:
    """Put a state back that `plain_state`, `objects_of` and `pieces_of` gave.

    Parameters
    ----------
    objects
        None when all that is made of them is to begin afresh.
    fresh
        Parts that are left as they are at the beginning: the configuration of them changed.
    """
    state: dict[str, Any] = orjson.loads(plain)
    partition.position = state["position"]
    partition.time = state["time"]
    partition.version = state["version"]
    partition.reports = state["reports"]
    partition.counts = Counts(**state["counts"])
    partition.contract.restore(state["contract"])
    partition.watermark.restore(state["watermark"])
    partition.response.restore(state["response"])
    partition.no_change.restore(state["no_change"])
    partition.majority.restore(state["majority"])
    if objects is not None and "detectors" not in fresh:
        partition.watch.restore(state["watch"], objects.detectors)
    if "scorer" not in fresh:
        partition.scorer.restore(state["scorer"])
    partition.early.restore(state["early"])
    partition.recent.restore(state["recent"], pieces)
    partition.lapsed.restore(state["lapsed"], pieces)
    partition.pending.restore(state["pending"], pieces)
    if objects is not None and "learner" not in fresh:
        wrap = partition.parts.wrap
        partition.learner = wrap(objects.estimator)
        partition.champion = state["champion"]
        partition.training.restore(state["training"], objects.others, wrap)
    else:
        partition.version += 1
        partition.champion = partition.version
        partition.training.records = state["training"]["records"]  # each has a number of its own
    partition.model = f"v{partition.champion}"
