"""River's scaler with a linear model behind it, laid together while they learn."""

from math import exp
from typing import Any

from river import linear_model, optim

from learners.plain import Features, is_number
from learners.scaling import is_plain_scaler


class _Input:
    """What is known of a feature.

    Attributes
    ----------
    number
        Its value in the event at hand, and once that is scaled, the scaled one.
    """

    def __init__(self, name: Any) -> None:
        self.name = name
        self.count = 0.0
        self.mean = 0.0
        self.variance = 0.0
        self.deviation = 0.0
        self.weight = 0.0
        self.number = 0.0


class ScaledLinear:
    """`StandardScaler` and a linear model with plain stochastic gradient descent, in one pass.

    River keeps four tables and looks each up several times a feature. Here what is known of a
    feature lies together, and is worked on by River's formulas in their order: the same to the
    last bit, in a third of the time. `write_back` puts all of it into River's objects, which hold
    what there is of state for whoever looks at them.

    What is not plain (a feature that is new, a text, a label of another type) goes through
    River's objects themselves.

    Parameters
    ----------
    scaler, model
        What `is_plain` has found fit; the state is theirs.
    """

    def __init__(self, scaler: Any, model: Any) -> None:
        self._scaler = scaler
        self._model = model
        self._logistic = type(model) is linear_model.LogisticRegression
        self._rate: float = float(model.optimizer.lr.learning_rate)
        self._intercept_rate: float = float(model.intercept_lr.learning_rate)
        self._clip: float = float(model.clip_gradient)
        self._inputs: dict[Any, _Input] = {}
        self._row: list[_Input] = []  # the features of the last event
        self._intercept: float = 0.0
        self._iterations: int = 0
        self._ahead = False  # of River's objects
        self._read(scaler.counts)

    def learn(self, x: Features, y: Any) -> None:
        """Do ``scaler.learn_one(x)``, then ``model.learn_one(scaler.transform_one(x), y)``."""
        if type(y) is not (bool if self._logistic else float) or not self._take(x):
            return self._learn_slowly(x, y)
        row = self._row
        raw: float = 0.0
        for each in row:
            number = each.number
            count = each.count + 1.0
            each.count = count
            old = each.mean
            mean = old + (number - old) / count
            each.mean = mean
            variance = each.variance
            variance += ((number - old) * (number - mean) - variance) / count
            each.variance = variance
            scaled = 0.0
            if variance != 0.0:
                deviation: float = variance**0.5
                each.deviation = deviation
                scaled = (number - mean) / deviation
            else:
                each.deviation = 0.0
            each.number = scaled
            raw += scaled * each.weight
        gradient = self._gradient(raw + self._intercept, y)
        self._intercept -= self._intercept_rate * gradient
        rate = self._rate
        for each in row:
            each.weight -= rate * (each.number * gradient)
        self._iterations += 1
        self._ahead = True
        return None

    def raw(self, x: Features) -> float:
        """Give what the model predicts, before a logistic one makes a probability of it."""
        if not self._take(x):
            return self._raw_slowly(x)
        raw: float = 0.0
        for each in self._row:
            if each.deviation != 0.0:
                raw += (each.number - each.mean) / each.deviation * each.weight
            else:
                raw += 0.0 * each.weight
        return raw + self._intercept

    def chance(self, x: Features) -> float:
        """Give the probability of true, as ``predict_proba_one`` of a logistic model does."""
        raw = self.raw(x)
        if raw < -30.0:
            return 0.0
        if raw > 30.0:
            return 1.0
        return 1.0 / (1.0 + exp(-raw))

    def predict_proba_one(self, x: Features) -> dict[bool, float]:
        """Do ``model.predict_proba_one(scaler.transform_one(x))``."""
        yes = self.chance(x)
        return {False: 1.0 - yes, True: yes}

    def predict_one(self, x: Features) -> float:
        """Do ``model.predict_one(scaler.transform_one(x))`` of a regression."""
        return self.raw(x)

    def write_back(self) -> None:
        """Put the state into River's objects, which have been left behind."""
        self._write(self._inputs)
        self._ahead = False

    def _take(self, x: Features) -> bool:
        """Take up the values of an event; False where River has to see to it."""
        row = self._row
        at = 0
        for name, value in x.items():
            if at == len(row) or not (row[at].name is name or row[at].name == name):
                if not self._find(x):
                    return False
                row = self._row
            if type(value) is float:
                row[at].number = value
            elif is_number(value):
                row[at].number = float(value)
            else:
                return False
            at += 1
        if at != len(row):
            del row[at:]
        return True

    def _find(self, x: Features) -> bool:
        """Find what is known of the features of an event; False where one is new."""
        row: list[_Input] = []
        for name in x:
            known = self._inputs.get(name)
            if known is None:
                return False
            row.append(known)
        self._row = row
        return True

    def _gradient(self, raw: float, y: Any) -> float:
        """Give the derivative of the loss, as `optim.losses` does, clipped."""
        if self._logistic:
            sign = 1.0 if y else -1.0
            z = raw * sign
            if z > 18.0:
                gradient = exp(-z) * -sign
            elif z < -18.0:
                gradient = -sign
            else:
                gradient = -sign / (exp(z) + 1.0)
        else:
            truth: float = y
            gradient = 2 * (raw - truth)
        return max(min(gradient, self._clip), -self._clip)

    def _learn_slowly(self, x: Features, y: Any) -> None:
        self._write(x)
        try:
            self._scaler.learn_one(x)
            self._model.learn_one(self._scaler.transform_one(x), y)
        finally:
            self._read(x)

    def _raw_slowly(self, x: Features) -> float:
        self._write(x)
        raw: float = self._model._raw_dot_one(self._scaler.transform_one(x))
        return raw

    def _write(self, names: Any) -> None:
        """Put what is known of these features into River's objects, if they were left behind."""
        if not self._ahead:
            return
        scaler, model = self._scaler, self._model
        for name in names:
            each = self._inputs.get(name)
            if each is not None:
                scaler.counts[name] = int(each.count)
                scaler.means[name] = each.mean
                scaler.vars[name] = each.variance
                model._weights[name] = each.weight
        model.intercept = self._intercept
        model.optimizer.n_iterations = self._iterations

    def _read(self, names: Any) -> None:
        """Take up what River's objects hold of these features."""
        scaler, model = self._scaler, self._model
        for name in names:
            if name not in scaler.counts or name not in model._weights:
                continue
            each = self._inputs.get(name)
            if each is None:
                each = self._inputs[name] = _Input(name)
            variance: float = scaler.vars[name]
            each.count = float(scaler.counts[name])
            each.mean = scaler.means[name]
            each.variance = variance
            each.deviation = variance**0.5
            each.weight = model._weights[name]
        self._intercept = model.intercept
        self._iterations = model.optimizer.n_iterations


def is_plain(scaler: Any, model: Any) -> bool:
    """Tell whether they are River's own, and with nothing in them that `ScaledLinear` leaves out.

    No window, no penalty, no weights of the classes, constant rates of learning.
    """
    if not is_plain_scaler(scaler):
        return False
    loss: Any = getattr(model, "loss", None)
    if type(model) is linear_model.LogisticRegression:
        fit = type(loss) is optim.losses.Log and loss.weight_pos == loss.weight_neg == 1.0
    elif type(model) is linear_model.LinearRegression:
        fit = type(loss) is optim.losses.Squared
    else:
        return False
    return (
        fit
        and not model.l1
        and not model.l2
        and type(model.initializer) is optim.initializers.Zeros
        and type(model.optimizer) is optim.SGD
        and type(model.optimizer.lr) is optim.schedulers.Constant
        and type(model.intercept_lr) is optim.schedulers.Constant
    )
