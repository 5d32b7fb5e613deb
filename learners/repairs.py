"""River made repeatable: its parts that go over sets are given ordered ones.

Texts hash differently in every process, so whatever goes over a set of them gives other
results in another process, or after a restore. Here such sets are replaced in what was
built, and in the one part that River makes later, by itself, as a tree grows.
"""

from typing import Any

from river.tree.nodes import efdtc_nodes, htc_nodes
from river.tree.splitter.nominal_splitter_classif import NominalSplitterClassif

from learners.ordered import OrderedSet

_MOST_DEPTH = 20


class OrderedNominalSplitter(NominalSplitterClassif):  # type: ignore[misc]  # River's is untyped
    """River's splitter for nominal features, which tries their values in the order they came."""

    def __init__(self) -> None:
        super().__init__()
        self._att_values = OrderedSet()


def repair_river() -> None:
    """Let trees of this process use the ordered splitter; doing it again changes nothing."""
    for module in (htc_nodes, efdtc_nodes):
        module.NominalSplitterClassif = OrderedNominalSplitter


def order_sets(estimator: object) -> None:
    """Replace the sets in a freshly built estimator by ordered ones, in sorted order."""
    _order(estimator, set(), 0)


def _order(obj: Any, seen: set[int], depth: int) -> None:
    if id(obj) in seen or depth > _MOST_DEPTH:
        return
    seen.add(id(obj))
    if isinstance(obj, dict):
        children = list(obj.values())
    elif isinstance(obj, (list, tuple)):
        children = list(obj)
    elif type(obj).__module__.startswith("river.") and hasattr(obj, "__dict__"):
        for name, value in vars(obj).items():
            if type(value) is set:
                setattr(obj, name, OrderedSet(sorted(value, key=lambda m: (str(type(m)), str(m)))))
        children = list(vars(obj).values())
    else:
        return
    for child in children:
        _order(child, seen, depth + 1)
