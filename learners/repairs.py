"""River made repeatable: parts of it that go over a set do so in sorted order.

Texts hash differently in every process, so whatever goes over a set of them gives other
results in another process or after a restore. River 0.26 does so in the places below. They
are mended on River's own classes, once per process, because trees, ensembles and wrappers
make more instances of them as they learn. What is stored stays River's own, sets and all;
and each mended method does what it did, in one of the orders in which it could have done it.
Trees that bound their size estimate it from what they hold, and not from where it lies.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, Final

from river import (
    compose,
    dummy,
    feature_extraction,
    forest,
    multiclass,
    neighbors,
    preprocessing,
    rules,
    tree,
)
from river.tree import hoeffding_tree
from river.tree.splitter.nominal_splitter_classif import NominalSplitterClassif

from learners.sizes import size_of

Method = Callable[..., Any]

_SETS_GONE_OVER: Final[Sequence[tuple[type, str, str]]] = (
    (compose.Select, "transform_one", "keys"),
    (dummy.NoChangeClassifier, "predict_proba_one", "classes"),
    (forest.AMFClassifier, "predict_proba_one", "_classes"),
    (neighbors.KNNClassifier, "predict_proba_one", "classes"),
    (tree.HoeffdingAdaptiveTreeClassifier, "predict_proba_one", "classes"),
    (NominalSplitterClassif, "best_evaluated_split_suggestion", "_att_values"),
)
"""Classes, the methods of theirs that go over a set, and the attribute that holds it."""


def repair_river() -> None:
    """Mend River in this process; doing it again changes nothing."""
    for cls, name, attribute in _SETS_GONE_OVER:
        _replace(cls, name, partial(_in_order, attribute=attribute))
    for cls, name, mend in _MENDED:
        _replace(cls, name, mend)
    vars(hoeffding_tree)["calculate_object_size"] = size_of  # `_estimate_model_size` calls it


def _replace(cls: type, name: str, mend: Callable[[Method], Method]) -> None:
    method = getattr(cls, name)
    if not hasattr(method, "__wrapped__"):
        setattr(cls, name, wraps(method)(mend(method)))


def sort_key(member: Any) -> tuple[str, Any]:
    """Give a key by which labels and values of several types can be sorted."""
    return type(member).__name__, member


def _in_order(method: Method, attribute: str) -> Method:
    """Let a method find a sorted list where it looks for a set."""

    def ordered(self: Any, *args: Any, **kwargs: Any) -> Any:
        members = getattr(self, attribute)
        setattr(self, attribute, sorted(members, key=sort_key))
        try:
            return method(self, *args, **kwargs)
        finally:
            setattr(self, attribute, members)

    return ordered


def _pair_in_order(_: Method) -> Method:
    """Let the classifiers of one-vs-one come to be, and so vote, in the order of the classes."""

    def learn_one(self: Any, x: dict[str, Any], y: Any, **kwargs: Any) -> None:
        self.classes.add(y)
        for other in sorted(self.classes - {y}, key=sort_key):
            pair = (other, y) if other < y else (y, other)
            self.classifiers[pair].learn_one(x, y=other < y, **kwargs)

    return learn_one


def _count_in_order(_: Method) -> Method:
    """Count each term of a document once, in the order of the document."""

    def learn_one(self: Any, x: Any) -> None:
        self.dfs.update(list(dict.fromkeys(self.process_text(x))))
        self.n += 1

    return learn_one


def _encode_in_order(init: Method) -> Method:
    """Let categories that are given as sets have their columns in sorted order."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # it replaces one
        init(self, *args, **kwargs)
        if any(isinstance(each, (set, frozenset)) for each in self.values.values()):
            self._zero_dict = dict(sorted(self._zero_dict.items()))

    return __init__


def _number_rules(learn_one: Method) -> Method:
    """Give the rules numbers from 0 on, where River takes their addresses in memory."""

    def numbered(self: Any, *args: Any, **kwargs: Any) -> None:
        learn_one(self, *args, **kwargs)
        rules = self._rules
        if rules and next(reversed(rules)) != len(rules) - 1:  # one came, or one went
            self._rules = dict(enumerate(rules.values()))

    return numbered


_MENDED: Final[Sequence[tuple[type, str, Callable[[Method], Method]]]] = (
    (multiclass.OneVsOneClassifier, "learn_one", _pair_in_order),
    (feature_extraction.TFIDF, "learn_one", _count_in_order),
    (preprocessing.OneHotEncoder, "__init__", _encode_in_order),
    (rules.AMRules, "learn_one", _number_rules),
)
