"""A leaf of River's Hoeffding tree, its numbers in lists while it learns.

River computes the votes of Naive Bayes once to predict and once more to learn, copies the class
counts deeply to find the largest, and asks several objects for each feature and class. Here what
they hold lies in lists, worked on by River's formulas in their order: the same to the last bit.
Logarithms of variances are kept until the class learns again, and so are the sums of the counts
of a text. What is rare (a new feature, class or kind of value) is left to River's own methods.
"""

from math import exp, inf, isnan, log, tau
from typing import Any, Final

from river.tree.nodes.htc_nodes import LeafNaiveBayes, LeafNaiveBayesAdaptive
from river.tree.splitter import GaussianSplitter
from river.tree.splitter.nominal_splitter_classif import NominalSplitterClassif
from river.tree.utils import do_naive_bayes_prediction

from learners.plain import Features, is_number

_Gaussian: Final[Any] = GaussianSplitter
_Nominal: Final[Any] = NominalSplitterClassif
_HALF_LOG_TAU: Final = 0.5 * log(tau)


class _Column:
    """A feature, and its value in the event at hand."""

    def __init__(self, name: Any, at: int, numeric: bool) -> None:
        self.name = name
        self.at = at
        self.numeric = numeric
        self.observed = 0.0  # weight of all texts
        self.value: Any = None
        self.number = 0.0


class _Cell:
    """What was seen of a feature in a class: moments and extremes, or counts of texts."""

    def __init__(self) -> None:
        self.seen: Any = None  # River's variance, None where the class is new
        self.count = 0.0
        self.mean = 0.0
        self.square = 0.0
        self.least: Any = None  # as it came: an integer stays one
        self.most: Any = None
        self.low = 0.0
        self.high = 0.0
        self.divisor = 0.0  # minus twice the variance, 0 where it has none
        self.half = 0.0  # half of its logarithm
        self.table: Any = None  # River's counts of each text
        self.sum = 0.0


class Leaf:
    """What an active leaf has seen of each feature in each class.

    Parameters
    ----------
    node
        River's leaf. Its class counts are kept up to date at any time, as other parts of the
        tree look at them; the rest by `write_back`.

    Attributes
    ----------
    plain
        Whether it can be kept like this: it has been counting by ones.
    labels
        The classes, in the order of shares and votes.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self._splitters = node.splitters
        self.plain = True
        self._adaptive = type(node) is LeafNaiveBayesAdaptive
        self._bayesian = type(node) is LeafNaiveBayes
        self._majority_right: float = node._mc_correct_weight if self._adaptive else 0.0
        self._bayes_right: float = node._nb_correct_weight if self._adaptive else 0.0
        self.labels: list[Any] = list(node.stats)
        self._places: dict[Any, int] = {label: at for at, label in enumerate(self.labels)}
        self._weights: list[float] = list(node.stats.values())
        self._columns: list[_Column] = []
        self._named: dict[Any, _Column] = {}
        self._cells: list[list[_Cell]] = [[] for _ in self.labels]  # by class, then by feature
        self._stale: list[bool] = [True] * len(self.labels)  # what follows from the variances
        self._ahead: list[bool] = [False] * len(self.labels)  # of River's objects
        for name, splitter in node.splitters.items():
            self._read(name, splitter)

    def _read(self, name: Any, splitter: Any) -> None:
        """Take up what River's objects hold of a feature."""
        numeric = type(splitter) is _Gaussian
        column = _Column(name, len(self._columns), numeric)
        self._columns.append(column)
        self._named[name] = column
        if not numeric and type(splitter) is not _Nominal:
            self.plain = False
        elif not numeric:
            column.observed = float(splitter._total_weight_observed)
        for place, label in enumerate(self.labels):
            cell = _Cell()
            self._cells[place].append(cell)
            if not self.plain or label not in splitter._att_dist_per_class:
                continue
            if not numeric:
                table = splitter._att_dist_per_class[label]
                cell.table = table
                cell.sum = float(sum(table.values()))
                self.plain = all(count % 1.0 == 0.0 for count in table.values())
                continue
            variance = splitter._att_dist_per_class[label]._var
            self.plain = bool(variance.ddof == 1)
            cell.seen = variance
            cell.count = float(variance.mean.n)
            cell.mean = float(variance.mean._mean)
            cell.square = float(variance._S)
            cell.least = splitter._min_per_class[label]
            cell.most = splitter._max_per_class[label]
            cell.low = float(cell.least)
            cell.high = float(cell.most)

    def write_back(self) -> None:
        """Put the state into River's objects, which have been left behind."""
        ahead = self._ahead
        if True not in ahead:
            return
        self._ahead = [False] * len(ahead)
        node = self.node
        if self._adaptive:
            node._mc_correct_weight = self._majority_right
            node._nb_correct_weight = self._bayes_right
        if not self.is_current():
            return
        for column in self._columns:
            splitter = node.splitters[column.name]
            if not column.numeric:
                splitter._total_weight_observed = column.observed
                continue
            for place, label in enumerate(self.labels):
                cell = self._cells[place][column.at]
                if ahead[place] and cell.seen is not None:
                    mean = cell.seen.mean
                    mean.n = cell.count
                    mean._mean = cell.mean
                    cell.seen._S = cell.square
                    splitter._min_per_class[label] = cell.least
                    splitter._max_per_class[label] = cell.most

    def is_current(self) -> bool:
        """Whether the tree has not put the leaf out of action since; then it begins anew."""
        return self.node.splitters is self._splitters

    def trusts_bayes(self, threshold: float) -> bool:
        """Whether it answers with `bayes` and not with `shares`."""
        if self._adaptive:
            return self._bayes_right >= self._majority_right
        return self._bayesian and sum(self._weights) >= threshold

    def shares(self) -> list[float]:
        """Give the share of each class."""
        total = sum(self._weights)
        if total == 0 or isnan(total):
            return self._weights.copy()
        factor = 1 / total
        return [weight * factor for weight in self._weights]

    def bayes(self, x: Features) -> list[float]:
        """Give the probability of each class by Naive Bayes; [] where nothing was seen."""
        weights = self._weights
        total = sum(weights)
        if not weights or total == 0:
            return []
        present: list[_Column] = []
        for column in self._columns:
            if column.name not in x:
                continue
            value = x[column.name]
            if column.numeric:
                if type(value) is float:
                    column.number = value
                elif is_number(value):
                    column.number = float(value)
                else:
                    return self._rivers(x)
            else:
                column.value = value
            present.append(column)
        logs: list[float] = []
        for place in range(len(weights)):
            weight = weights[place]
            if not weight > 0:
                logs.append(0.0)
                continue
            if self._stale[place]:
                self._follow(place)
            row = self._cells[place]
            vote: float = log(weight / total)
            for column in present:
                cell = row[column.at]
                if column.numeric:
                    if cell.divisor != 0.0:
                        apart = column.number - cell.mean
                        vote += apart**2.0 / cell.divisor - _HALF_LOG_TAU - cell.half
                else:
                    count: float = self._table(place, column).get(column.value, 0.0)
                    if count > 0:
                        vote += log(count / cell.sum)
            if not vote > -inf:  # River leaves such a feature out
                return self._rivers(x)
            logs.append(vote)
        highest = max(logs)
        norm: float = highest + log(sum([exp(vote - highest) for vote in logs]))
        return [exp(vote - norm) for vote in logs]

    def learn(self, x: Features, y: Any, votes: list[float] | None) -> bool:
        """Learn from an event as ``node.learn_one`` does; False where that has to do it.

        Parameters
        ----------
        votes
            What `bayes` has said of the event since this leaf learnt last, if it was asked.
        """
        found: Any = self._places.get(y)
        if found is None:
            return False
        place: int = found
        row = self._cells[place]
        columns: list[_Column] = []
        for name, value in x.items():
            column = self._named.get(name)
            if column is None:
                if name in self.node._disabled_attrs:
                    continue
                return False
            if column.numeric:
                if row[column.at].seen is None or not (type(value) is float or is_number(value)):
                    return False
            elif value is None:
                return False
            columns.append(column)
        if self._adaptive:
            if _highest(self.shares()) == place:
                self._majority_right += 1.0
            if votes is None:
                votes = self.bayes(x)
            if votes and _highest(votes) == place:
                self._bayes_right += 1.0
        stats = self.node.stats
        stats[y] = stats[y] + 1.0
        self._weights[place] = stats[y]
        for column in columns:
            value = x[column.name]
            if column.numeric:
                _add(row[column.at], value)
            else:
                self._count(place, column, value)
        self._stale[place] = True
        self._ahead[place] = True
        return True

    def _count(self, place: int, column: _Column, value: Any) -> None:
        """Count a text in, or what else is one of several values."""
        table = self._table(place, column)
        if value in table:
            table[value] += 1.0
        else:
            table[value] = 1.0
            self.node.splitters[column.name]._att_values.add(value)
        self._cells[place][column.at].sum += 1.0
        column.observed += 1.0

    def _table(self, place: int, column: _Column) -> Any:
        """Give the counts of a text in a class; River makes them when it first looks."""
        cell = self._cells[place][column.at]
        if cell.table is None:
            splitter = self.node.splitters[column.name]
            cell.table = splitter._att_dist_per_class[self.labels[place]]
        return cell.table

    def _follow(self, place: int) -> None:
        """Work out what follows from the variances of a class."""
        for cell in self._cells[place]:
            cell.divisor = 0.0
            over = cell.count - 1.0
            if over > 0.0:
                spread = cell.square / over
                if spread > 0.0:
                    cell.divisor = -2.0 * spread
                    cell.half = 0.5 * log(spread)
        self._stale[place] = False

    def _rivers(self, x: Features) -> list[float]:
        self.write_back()
        votes = do_naive_bayes_prediction(x, self.node.stats, self.node.splitters)
        return [votes[label] for label in self.labels]


def _add(cell: _Cell, value: Any) -> None:
    """Count a number in."""
    number: float = float(value)
    if number < cell.low:
        cell.low, cell.least = number, value
    if number > cell.high:
        cell.high, cell.most = number, value
    count = cell.count + 1.0
    old = cell.mean
    new = old + 1.0 / count * (number - old)
    cell.count = count
    cell.mean = new
    cell.square += (number - old) * (number - new)


def _highest(votes: list[float]) -> int:
    """Give the place of the highest, the first of several; as `max` it passes NaN by."""
    best, highest = 0, votes[0]
    for place in range(1, len(votes)):
        if votes[place] > highest:
            best, highest = place, votes[place]
    return best
