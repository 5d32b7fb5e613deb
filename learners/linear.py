"""River's scaler with a linear model behind it, kept in arrays while they learn."""

from math import exp
from typing import Any

from river import linear_model, optim

from learners.plain import Features, is_number
from learners.scaling import is_plain_scaler


class ScaledLinear:
    """`StandardScaler` and a linear model with plain stochastic gradient descent, in one pass.

    River keeps four tables and looks each up several times a feature. Here each feature has a
    place, and what is known of it lies in lists, worked on by River's formulas in their order:
    the same to the last bit, in a third of the time. `write_back` puts all of it into River's
    objects, which hold what there is of state for whoever looks at them.

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
        self._places: dict[Any, int] = {}
        self._names: list[Any] = []
        self._last: tuple[Any, ...] = ()  # features of the last event, and their places
        self._last_places: list[int] = []
        self._counts: list[int] = []
        self._means: list[float] = []
        self._variances: list[float] = []
        self._deviations: list[float] = []
        self._weights: list[float] = []
        self._intercept: float = 0.0
        self._iterations: int = 0
        self._ahead = False  # of River's objects
        self._read(scaler.counts)

    def learn(self, x: Features, y: Any) -> None:
        """Do ``scaler.learn_one(x)``, then ``model.learn_one(scaler.transform_one(x), y)``."""
        if type(y) is not (bool if self._logistic else float):
            return self._learn_slowly(x, y)
        places = self._places_of(x)
        values: list[float] = []
        for value in x.values():
            if not is_number(value):
                return self._learn_slowly(x, y)
            values.append(float(value))
        if len(places) != len(values):
            return self._learn_slowly(x, y)
        counts, means, variances = self._counts, self._means, self._variances
        deviations, weights = self._deviations, self._weights
        raw: float = 0.0
        size = len(places)
        for at in range(size):
            here, number = places[at], values[at]
            count = counts[here] + 1
            counts[here] = count
            old = means[here]
            mean = old + (number - old) / count
            means[here] = mean
            variance = variances[here]
            variance += ((number - old) * (number - mean) - variance) / count
            variances[here] = variance
            scaled = 0.0
            if variance != 0.0:
                deviation: float = variance**0.5
                deviations[here] = deviation
                scaled = (number - mean) / deviation
            else:
                deviations[here] = 0.0
            values[at] = scaled
            raw += scaled * weights[here]
        gradient = self._gradient(raw + self._intercept, y)
        self._intercept -= self._intercept_rate * gradient
        rate = self._rate
        for at in range(size):
            here = places[at]
            weights[here] -= rate * (values[at] * gradient)
        self._iterations += 1
        self._ahead = True
        return None

    def raw(self, x: Features) -> float:
        """Give what the model predicts, before a logistic one makes a probability of it."""
        means, deviations, weights = self._means, self._deviations, self._weights
        places = self._places_of(x)
        if len(places) != len(x):
            return self._raw_slowly(x)
        raw: float = 0.0
        for at, value in enumerate(x.values()):
            if not is_number(value):
                return self._raw_slowly(x)
            here = places[at]
            number: float = float(value)
            deviation = deviations[here]
            scaled = (number - means[here]) / deviation if deviation != 0.0 else 0.0
            raw += scaled * weights[here]
        return raw + self._intercept

    def predict_proba_one(self, x: Features) -> dict[bool, float]:
        """Do ``model.predict_proba_one(scaler.transform_one(x))``."""
        raw = self.raw(x)
        if raw < -30:
            yes = 0.0
        elif raw > 30:
            yes = 1.0
        else:
            yes = 1.0 / (1.0 + exp(-raw))
        return {False: 1.0 - yes, True: yes}

    def predict_one(self, x: Features) -> float:
        """Do ``model.predict_one(scaler.transform_one(x))`` of a regression."""
        return self.raw(x)

    def write_back(self) -> None:
        """Put the state into River's objects, which have been left behind."""
        self._write(self._names)
        self._ahead = False

    def _places_of(self, x: Features) -> list[int]:
        """Give the places of features, as far as they are known: all of them, or the first."""
        names = tuple(x)
        if names != self._last:
            places: list[int] = []
            for name in names:
                place: Any = self._places.get(name)
                if place is None:
                    return places
                places.append(place)
            self._last, self._last_places = names, places
        return self._last_places

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
            place: Any = self._places.get(name)
            if place is not None:
                here: int = place
                scaler.counts[name] = self._counts[here]
                scaler.means[name] = self._means[here]
                scaler.vars[name] = self._variances[here]
                model._weights[name] = self._weights[here]
        model.intercept = self._intercept
        model.optimizer.n_iterations = self._iterations

    def _read(self, names: Any) -> None:
        """Take up what River's objects hold of these features."""
        scaler, model = self._scaler, self._model
        for name in names:
            if name not in scaler.counts or name not in model._weights:
                continue
            if name not in self._places:
                self._places[name] = len(self._names)
                self._names.append(name)
                self._counts.append(0)
                self._means.append(0.0)
                self._variances.append(0.0)
                self._deviations.append(0.0)
                self._weights.append(0.0)
            place = self._places[name]
            variance: float = scaler.vars[name]
            self._counts[place] = scaler.counts[name]
            self._means[place] = scaler.means[name]
            self._variances[place] = variance
            self._deviations[place] = variance**0.5
            self._weights[place] = model._weights[name]
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
