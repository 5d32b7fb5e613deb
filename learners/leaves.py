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
        self._names: list[Any] = list(node.splitters)
        self._columns: dict[Any, int] = {name: at for at, name in enumerate(self._names)}
        self._numeric: list[bool] = []
        self._observed: list[float] = []
        # By class, then by feature; of numbers:
        cells = len(self.labels) * len(self._names)
        self._seen: list[Any] = [None] * cells  # River's variance, None where the class is new
        self._counts: list[float] = [0.0] * cells
        self._means: list[float] = [0.0] * cells
        self._squares: list[float] = [0.0] * cells
        self._least: list[Any] = [None] * cells  # as it came: an integer stays one
        self._most: list[Any] = [None] * cells
        self._low: list[float] = [0.0] * cells
        self._high: list[float] = [0.0] * cells
        self._divisors: list[float] = [0.0] * cells  # minus twice the variance, 0 where it has none
        self._halves: list[float] = [0.0] * cells  # half of its logarithm
        # and of texts:
        self._tables: list[Any] = [None] * cells  # River's counts of each value
        self._sums: list[float] = [0.0] * cells
        self._stale: list[bool] = [True] * len(self.labels)  # what follows from the variances
        self._ahead: list[bool] = [False] * len(self.labels)  # of River's objects
        for column, name in enumerate(self._names):
            self._read(column, node.splitters[name])

    def _read(self, column: int, splitter: Any) -> None:
        """Take up what River's objects hold of a feature."""
        numeric = type(splitter) is _Gaussian
        self._numeric.append(numeric)
        self._observed.append(0.0 if numeric else splitter._total_weight_observed)
        if not numeric and type(splitter) is not _Nominal:
            self.plain = False
            return
        for place, label in enumerate(self.labels):
            if label not in splitter._att_dist_per_class:
                continue
            cell = place * len(self._names) + column
            if not numeric:
                table = splitter._att_dist_per_class[label]
                self._tables[cell] = table
                self._sums[cell] = float(sum(table.values()))
                self.plain = self.plain and all(count % 1.0 == 0.0 for count in table.values())
                continue
            variance = splitter._att_dist_per_class[label]._var
            self.plain = self.plain and variance.ddof == 1
            self._seen[cell] = variance
            self._counts[cell] = variance.mean.n
            self._means[cell] = variance.mean._mean
            self._squares[cell] = variance._S
            self._least[cell] = splitter._min_per_class[label]
            self._most[cell] = splitter._max_per_class[label]
            self._low[cell] = self._least[cell]
            self._high[cell] = self._most[cell]

    def write_back(self) -> None:
        """Put the state into River's objects, which have been left behind."""
        ahead = self._ahead
        if True not in ahead:
            return
        self._ahead = [False] * len(ahead)
        node, width = self.node, len(self._names)
        if self._adaptive:
            node._mc_correct_weight = self._majority_right
            node._nb_correct_weight = self._bayes_right
        if not self.is_current():
            return
        for column, name in enumerate(self._names):
            splitter = node.splitters[name]
            if not self._numeric[column]:
                splitter._total_weight_observed = self._observed[column]
                continue
            for place, label in enumerate(self.labels):
                cell = place * width + column
                variance = self._seen[cell]
                if ahead[place] and variance is not None:
                    mean = variance.mean
                    mean.n = self._counts[cell]
                    mean._mean = self._means[cell]
                    variance._S = self._squares[cell]
                    splitter._min_per_class[label] = self._least[cell]
                    splitter._max_per_class[label] = self._most[cell]

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
        weights, width = self._weights, len(self._names)
        total = sum(weights)
        if not weights or total == 0:
            return []
        columns: list[int] = []
        values: list[Any] = []
        numbers: list[float] = []
        for column in range(width):
            name = self._names[column]
            if name not in x:
                continue
            value = x[name]
            number: float = 0.0
            if self._numeric[column]:
                if not is_number(value):
                    return self._rivers(x)
                number = float(value)
            columns.append(column)
            values.append(value)
            numbers.append(number)
        logs: list[float] = []
        for place in range(len(weights)):
            weight = weights[place]
            if not weight > 0:
                logs.append(0.0)
                continue
            if self._stale[place]:
                self._follow(place)
            vote: float = log(weight / total)
            for at in range(len(columns)):
                column = columns[at]
                cell = place * width + column
                if self._numeric[column]:
                    divisor = self._divisors[cell]
                    if divisor != 0.0:
                        apart = numbers[at] - self._means[cell]
                        vote += apart**2.0 / divisor - _HALF_LOG_TAU - self._halves[cell]
                else:
                    count: float = self._table(place, column).get(values[at], 0.0)
                    if count > 0:
                        vote += log(count / self._sums[cell])
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
        base = place * len(self._names)
        columns: list[int] = []
        values: list[Any] = []
        for name, value in x.items():
            known: Any = self._columns.get(name)
            if known is None:
                if name in self.node._disabled_attrs:
                    continue
                return False
            column: int = known
            if self._numeric[column]:
                if self._seen[base + column] is None or not is_number(value):
                    return False
            elif value is None:
                return False
            columns.append(column)
            values.append(value)
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
        for at in range(len(columns)):
            column = columns[at]
            if self._numeric[column]:
                self._add(base + column, values[at])
            else:
                self._count(place, column, values[at])
        self._stale[place] = True
        self._ahead[place] = True
        return True

    def _add(self, cell: int, value: Any) -> None:
        """Count a number in."""
        number: float = float(value)
        if number < self._low[cell]:
            self._low[cell], self._least[cell] = number, value
        if number > self._high[cell]:
            self._high[cell], self._most[cell] = number, value
        count = self._counts[cell] + 1.0
        old = self._means[cell]
        new = old + 1.0 / count * (number - old)
        self._counts[cell] = count
        self._means[cell] = new
        self._squares[cell] += (number - old) * (number - new)

    def _count(self, place: int, column: int, value: Any) -> None:
        """Count a text in, or what else is one of several values."""
        table = self._table(place, column)
        if value in table:
            table[value] += 1.0
        else:
            table[value] = 1.0
            self.node.splitters[self._names[column]]._att_values.add(value)
        self._sums[place * len(self._names) + column] += 1.0
        self._observed[column] += 1.0

    def _table(self, place: int, column: int) -> Any:
        """Give the counts of a text in a class; River makes them when it first looks."""
        cell = place * len(self._names) + column
        table = self._tables[cell]
        if table is None:
            splitter = self.node.splitters[self._names[column]]
            table = self._tables[cell] = splitter._att_dist_per_class[self.labels[place]]
        return table

    def _follow(self, place: int) -> None:
        """Work out what follows from the variances of a class."""
        width = len(self._names)
        for cell in range(place * width, (place + 1) * width):
            self._divisors[cell] = 0.0
            over = self._counts[cell] - 1
            if over > 0:
                spread = self._squares[cell] / over
                if spread > 0.0:
                    self._divisors[cell] = -2.0 * spread
                    self._halves[cell] = 0.5 * log(spread)
        self._stale[place] = False

    def _rivers(self, x: Features) -> list[float]:
        self.write_back()
        votes = do_naive_bayes_prediction(x, self.node.stats, self.node.splitters)
        return [votes[label] for label in self.labels]


def _highest(votes: list[float]) -> int:
    """Give the place of the highest, the first of several; as `max` it passes NaN by."""
    best, highest = 0, votes[0]
    for place in range(1, len(votes)):
        if votes[place] > highest:
            best, highest = place, votes[place]
    return best
