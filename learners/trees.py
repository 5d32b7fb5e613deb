"""River's `HoeffdingTreeClassifier`, predicting and learning with a fraction of the work.

The tree is walked once where the label comes with its event, and its leaves are kept in lists
while they learn (see `leaves`). River's own objects hold all there is of state after
`write_back`: predictions, state and digest are the same to the last bit. Whatever is rare (a new
leaf, a split, a new branch) is left to River's methods.
"""

from typing import Any, Final

from river.tree import HoeffdingTreeClassifier
from river.tree.nodes.branch import NumericBinaryBranch
from river.tree.nodes.htc_nodes import LeafMajorityClass, LeafNaiveBayes, LeafNaiveBayesAdaptive
from river.tree.splitter import GaussianSplitter

from learners.leaves import Leaf
from learners.plain import Features

Votes = dict[Any, float]

_LEAVES: Final = (LeafNaiveBayesAdaptive, LeafNaiveBayes, LeafMajorityClass)


class QuickTree:
    """Drives a tree; nobody else does so without calling `write_back` before.

    Parameters
    ----------
    tree
        What `quick_tree` has found fit.
    same
        Whether an event is learnt as the very mapping it was predicted for, unchanged; what was
        found for the prediction then serves to learn from it, if nothing was learnt between.

    Examples
    --------
    >>> tree, same = HoeffdingTreeClassifier(), HoeffdingTreeClassifier()
    >>> quick = QuickTree(tree, True)
    >>> for k in range(500):
    ...     quick.learn_one({"x": k % 7}, k % 7 > 3)
    ...     same.learn_one({"x": k % 7}, k % 7 > 3)
    >>> quick.predict_proba_one({"x": 2}) == same.predict_proba_one({"x": 2})
    True
    """

    def __init__(self, tree: Any, same: bool) -> None:
        self._tree = tree
        self._same = same
        self._zeros: Votes = {}
        # What is known of the tree until it learns by other hands, or changes its shape:
        self._learnt: Any = tree._train_weight_seen_by_model
        self._leaves: dict[Any, Leaf] = {}
        # What the last prediction found, until the tree learns: for whom, where, and its votes.
        self._asked: Any = None
        self._node: Any = None
        self._parent: Any = None
        self._votes: list[float] | None = None

    def predict_proba_one(self, x: Features) -> Votes:
        """Give the probability of each class, as the tree does."""
        tree = self._tree
        if self._learnt != tree._train_weight_seen_by_model:
            self._forget()
        if len(self._zeros) != len(tree.classes):
            self._zeros = dict.fromkeys(sorted(tree.classes), 0.0)
        answer = self._zeros.copy()
        node, parent, known = tree._root, None, True
        if node is None:
            return answer
        while type(node) not in _LEAVES:
            parent = node
            try:
                node = _next(node, x)
            except KeyError:
                _, node = node.most_common_path()
                known = False
        votes: list[float] | None = None
        leaf = self._leaf(node)
        if leaf is None:
            answer.update(node.prediction(x, tree=tree))
        else:
            if leaf.trusts_bayes(tree.nb_threshold):
                chances = votes = leaf.bayes(x)
            else:
                chances = leaf.shares()
            for place in range(len(chances)):
                answer[leaf.labels[place]] = chances[place]
        if self._same:
            self._asked, self._votes = x if known else None, votes
            self._node, self._parent = node, parent
        return answer

    def learn_one(self, x: Features, y: Any) -> None:
        """Learn from an event, as the tree does."""
        tree = self._tree
        if self._learnt != tree._train_weight_seen_by_model:
            self._forget()
        votes: list[float] | None = None
        known = True
        if self._asked is x:
            node, parent, votes = self._node, self._parent, self._votes
        else:
            node, parent = tree._root, None
            while node is not None and type(node) not in _LEAVES:
                parent = node
                try:
                    node = _next(node, x)
                except Exception:
                    node, known = _most_common(node, x), False
        self._asked = None
        if node is None:  # the tree is to have a new leaf for this event; no other is touched
            self._make_room(self._learnt + 1.0)
            tree.learn_one(x, y)
            self._learnt = tree._train_weight_seen_by_model
            return
        tree.classes.add(y)
        self._learnt = self._learnt + 1.0
        tree._train_weight_seen_by_model = self._learnt
        leaf = self._leaf(node)
        if leaf is None or not leaf.learn(x, y, votes):
            if leaf is not None:
                self._give_back(node)
            node.learn_one(x, y, w=1.0, tree=tree)
        if known and node.splitters is not None and tree._growth_allowed:
            self._grow(node, parent, x)
        if self._make_room(self._learnt):
            tree._estimate_model_size()

    def write_back(self) -> None:
        """Put all that was learnt into River's objects."""
        for leaf in self._leaves.values():
            leaf.write_back()

    def _forget(self) -> None:
        self._learnt, self._asked = self._tree._train_weight_seen_by_model, None
        self._leaves.clear()

    def _make_room(self, weight: float) -> bool:
        """Tell whether the tree looks at its size at this weight, which ends what is kept."""
        if weight % self._tree.memory_estimate_period != 0:
            return False
        self.write_back()
        self._leaves.clear()
        return True

    def _leaf(self, node: Any) -> Leaf | None:
        """Give what is kept of a leaf; None where that is left to River."""
        leaf = self._leaves.get(node)
        if leaf is not None and not leaf.is_current():
            self._give_back(node)
            leaf = None
        if leaf is None:
            if node.splitters is None:
                return None
            leaf = self._leaves[node] = Leaf(node)
        return leaf if leaf.plain else None

    def _give_back(self, node: Any) -> None:
        """Leave a leaf to River, for once."""
        leaf = self._leaves.pop(node, None)
        if leaf is not None:
            leaf.write_back()

    def _grow(self, node: Any, parent: Any, x: Features) -> None:
        """Split a leaf when it is time to, as `learn_one` of the tree does."""
        tree = self._tree
        if node.depth >= tree.max_depth:
            self._give_back(node)
            node.deactivate()
            tree._n_active_leaves -= 1
            tree._n_inactive_leaves += 1
            return
        weight = node.total_weight
        if weight - node._last_split_attempt_at < tree.grace_period:
            return
        self._give_back(node)
        tree._attempt_to_split(node, parent, None if parent is None else parent.branch_no(x))
        node._last_split_attempt_at = weight


def quick_tree(estimator: Any, *, same: bool = True) -> QuickTree | None:
    """Give what drives a tree; None where it is no plain tree with Gaussian splitters."""
    if type(estimator) is not HoeffdingTreeClassifier:
        return None
    if type(estimator.splitter) is not GaussianSplitter:
        return None
    return QuickTree(estimator, same)


def _next(branch: Any, x: Features) -> Any:
    if type(branch) is NumericBinaryBranch:
        return branch.children[0 if x[branch.feature] <= branch.threshold else 1]
    return branch.children[branch.branch_no(x)]


def _most_common(branch: Any, x: Features) -> Any:
    """Give where an event goes on without the feature of a branch; None where River decides."""
    if branch.feature in x:
        return None
    return branch.most_common_path()[1]
