"""River's `HoeffdingTreeClassifier`, predicting and learning with half of the work.

River computes the votes of Naive Bayes once to predict and once more to learn, copies the class
counts deeply to find the largest, and makes nine calls for each feature. Here the tree is walked
once where the label comes with its event, and numbers are added up where they lie. It works on
River's own objects, by its formulas in their order: predictions, state and digest are the same
to the last bit. Whatever is rare (a new leaf, a new feature, a split, a missing feature) is left
to River's methods. A text with many values is counted once, and not summed up for each event.
"""

from collections.abc import Callable
from math import exp, inf, isnan, log, tau
from typing import Any, Final

from river.tree import HoeffdingTreeClassifier
from river.tree.nodes.branch import NumericBinaryBranch
from river.tree.nodes.htc_nodes import LeafMajorityClass, LeafNaiveBayes, LeafNaiveBayesAdaptive
from river.tree.splitter import GaussianSplitter
from river.tree.splitter.nominal_splitter_classif import NominalSplitterClassif
from river.tree.utils import do_naive_bayes_prediction

Features = dict[Any, Any]  # a step before may have named them as it likes
Votes = dict[Any, float]
Totals = dict[int, tuple[Votes, list[float]]]
"""By the address of a table of counts: the table itself, which so stays there, and its sum."""

_LEAVES: Final = (LeafNaiveBayesAdaptive, LeafNaiveBayes, LeafMajorityClass)
_Gaussian: Final[Any] = GaussianSplitter
_Nominal: Final[Any] = NominalSplitterClassif
_HALF_LOG_TAU: Final = 0.5 * log(tau)

_MANY: Final = 16
"""Values of a text from which on the sum of their counts is kept."""


def tree_calls(
    estimator: Any, *, same: bool = True
) -> tuple[Callable[[Features, Any], None], Callable[[Features], Votes]] | None:
    """Give what does ``learn_one`` and ``predict_proba_one`` of a tree, to the same bit.

    Parameters
    ----------
    estimator
        It goes on to hold all there is of state.
    same
        Whether an event is learnt as the very mapping it was predicted for, unchanged; what was
        found for the prediction then serves to learn from it, if nothing was learnt between.

    Returns
    -------
    tuple or None
        None where it is not exactly a `HoeffdingTreeClassifier` with Gaussian splitters.

    Examples
    --------
    >>> tree, same = HoeffdingTreeClassifier(), HoeffdingTreeClassifier()
    >>> learn, predict = tree_calls(tree)
    >>> for k in range(500):
    ...     learn({"x": k % 7}, k % 7 > 3)
    ...     same.learn_one({"x": k % 7}, k % 7 > 3)
    >>> predict({"x": 2}) == same.predict_proba_one({"x": 2})
    True
    """
    if type(estimator) is not HoeffdingTreeClassifier or type(estimator.splitter) is not _Gaussian:
        return None
    return _calls(estimator, same)


def _calls(
    tree: Any, same: bool
) -> tuple[Callable[[Features, Any], None], Callable[[Features], Votes]]:
    zeros: Votes = {}
    # What is known of the tree until it learns by other hands, or grows:
    learnt = tree._train_weight_seen_by_model
    totals: Totals = {}
    # What the last prediction found, until the tree learns: for whom, at which leaf, which votes.
    asked: Features | None = None
    found: tuple[Any, Any, Votes | None] = (None, None, None)

    def forget() -> None:
        nonlocal learnt, asked
        learnt, asked = tree._train_weight_seen_by_model, None
        totals.clear()

    def predict(x: Features) -> Votes:
        nonlocal zeros, asked, found
        if learnt != tree._train_weight_seen_by_model:
            forget()
        if len(zeros) != len(tree.classes):
            zeros = dict.fromkeys(sorted(tree.classes), 0.0)
        node, parent, known = tree._root, None, True
        if node is None:
            return zeros.copy()
        while type(node) not in _LEAVES:
            parent = node
            try:
                node = _next(node, x)
            except KeyError:
                _, node = node.most_common_path()
                known = False
        votes = None
        answer: Votes
        if not _adapts(node):
            answer = node.prediction(x, tree=tree)
        elif node._nb_correct_weight >= node._mc_correct_weight:
            answer = votes = _naive_bayes(x, node.stats, node.splitters, totals)
        else:
            answer = _shares(node.stats)
        if same:
            asked, found = (x, (node, parent, votes)) if known else (None, found)
        return zeros | answer

    def learn(x: Features, y: Any) -> None:
        nonlocal learnt, asked
        if learnt != tree._train_weight_seen_by_model:
            forget()
        votes = None
        if asked is x:
            leaf, parent, votes = found
        else:
            leaf, parent = tree._root, None
            try:
                while leaf is not None and type(leaf) not in _LEAVES:
                    parent, leaf = leaf, _next(leaf, x)
            except Exception:  # River's method meets it as well, and does what it does then
                leaf = None
        if leaf is None:  # none yet, or none on the way of this event
            tree.learn_one(x, y)
            forget()
            return
        asked = None
        tree.classes.add(y)
        tree._train_weight_seen_by_model = learnt = learnt + 1.0
        if leaf.splitters is None:
            leaf.update_stats(y, 1.0)
        else:
            _learn_at(leaf, x, y, votes, tree, totals)
            if tree._growth_allowed and _grow(tree, leaf, parent, x):
                totals.clear()
        if learnt % tree.memory_estimate_period == 0:
            tree._estimate_model_size()
            totals.clear()

    return learn, predict


def _next(branch: Any, x: Features) -> Any:
    if type(branch) is NumericBinaryBranch:
        return branch.children[0 if x[branch.feature] <= branch.threshold else 1]
    return branch.children[branch.branch_no(x)]


def _adapts(leaf: Any) -> bool:
    return type(leaf) is LeafNaiveBayesAdaptive and leaf.splitters is not None


def _learn_at(
    leaf: Any, x: Features, y: Any, votes: Votes | None, tree: Any, totals: Totals
) -> None:
    stats, splitters = leaf.stats, leaf.splitters
    if type(leaf) is LeafNaiveBayesAdaptive:
        if not stats or _likeliest(_shares(stats)) == y:
            leaf._mc_correct_weight += 1.0
        if votes is None:
            votes = _naive_bayes(x, stats, splitters, totals)
        if votes and _likeliest(votes) == y:
            leaf._nb_correct_weight += 1.0
    stats[y] = stats[y] + 1.0 if y in stats else 1.0
    disabled = leaf._disabled_attrs
    for name, value in x.items():
        if name in disabled:
            continue
        splitter = splitters.get(name)
        if type(splitter) is not _Gaussian:
            if type(splitter) is _Nominal and value is not None:
                splitter._att_values.add(value)
                counts = splitter._att_dist_per_class[y]
                counts[value] = counts[value] + 1.0 if value in counts else 1.0
                splitter._total_weight_observed += 1.0
                if (kept := totals.get(id(counts))) is not None:
                    kept[1][0] += 1.0
            else:
                leaf.update_splitters({name: value}, y, 1.0, tree.nominal_attributes)
            continue
        seen = splitter._att_dist_per_class.get(y)
        if seen is None or value is None:
            splitter.update(value, y, 1.0)
            continue
        if value < splitter._min_per_class[y]:
            splitter._min_per_class[y] = value
        if value > splitter._max_per_class[y]:
            splitter._max_per_class[y] = value
        variance = seen._var
        mean = variance.mean
        count = mean.n = mean.n + 1.0
        old = mean._mean
        new = mean._mean = old + 1.0 / count * (value - old)
        variance._S += (value - old) * (value - new)


def _grow(tree: Any, leaf: Any, parent: Any, x: Features) -> bool:
    """Split a leaf when it is time to, as `learn_one` of the tree does; tells whether it did."""
    if leaf.depth >= tree.max_depth:
        leaf.deactivate()
        tree._n_active_leaves -= 1
        tree._n_inactive_leaves += 1
        return True
    weight = sum(leaf.stats.values())
    if weight - leaf._last_split_attempt_at < tree.grace_period:
        return False
    before = tree._root, tree._n_active_leaves, tree._n_inactive_leaves
    tree._attempt_to_split(leaf, parent, None if parent is None else parent.branch_no(x))
    leaf._last_split_attempt_at = weight
    return before != (tree._root, tree._n_active_leaves, tree._n_inactive_leaves)


def _shares(stats: Votes) -> Votes:
    """Give the share of each class in a leaf."""
    total = sum(stats.values())
    if total == 0 or isnan(total):
        return stats.copy()
    factor = 1 / total
    return {label: weight * factor for label, weight in stats.items()}


def _likeliest(votes: Votes) -> Any:
    return max(votes, key=votes.__getitem__)


def _naive_bayes(
    x: Features, stats: Votes, splitters: dict[str, Any], totals: Totals
) -> Votes:
    """Give the class probabilities of Naive Bayes in a leaf."""
    total = sum(stats.values())
    if not stats or total == 0:
        return {}
    logs: Votes = {}
    for label, weight in stats.items():
        if not weight > 0:
            logs[label] = 0.0
            continue
        vote = log(weight / total)
        for name, splitter in splitters.items():
            if name not in x:
                continue
            if type(splitter) is not _Gaussian:
                counts = splitter._att_dist_per_class[label]
                count = counts.get(x[name], 0.0)
                if count > 0:
                    vote += log(count / _total(counts, totals))
                continue
            seen = splitter._att_dist_per_class.get(label)
            if seen is None:
                continue
            variance = seen._var
            mean = variance.mean
            over = mean.n - variance.ddof
            if over > 0 and (spread := variance._S / over) > 0.0:
                vote += (
                    (x[name] - mean._mean) ** 2 / (-2.0 * spread)
                    - _HALF_LOG_TAU
                    - 0.5 * log(spread)
                )
        if not vote > -inf:  # River leaves such a feature out
            rivers: Votes = do_naive_bayes_prediction(x, stats, splitters)
            return rivers
        logs[label] = vote
    highest = max(logs.values())
    norm = highest + log(sum([exp(vote - highest) for vote in logs.values()]))
    return {label: exp(vote - norm) for label, vote in logs.items()}


def _total(counts: Votes, totals: Totals) -> float:
    """Give the sum of the counts; kept where any order of adding them gives the same."""
    if len(counts) < _MANY:
        return sum(counts.values())
    kept = totals.get(id(counts))
    if kept is None:
        total = sum(counts.values())
        if not all(count % 1.0 == 0.0 for count in counts.values()):
            return total
        kept = totals[id(counts)] = (counts, [total])
    return kept[1][0]
