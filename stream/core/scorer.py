"""Progressive validation: the score of what was served, once its truth is known."""

from collections.abc import Mapping, Sequence
from typing import Any

from stream.core.class_scores import ClassScores
from stream.core.delays import Delays
from stream.core.errors import CheckpointError
from stream.core.metrics import plan_metrics
from stream.core.records import Label, Task
from stream.core.regression_scores import RegressionScores

_MOST_BUFFERED = 1024
_FIELDS = 6


class Scorer:
    """Scores served predictions against the labels that come later.

    A label is only put aside; the arithmetic is done on chunks. No result depends on
    where chunks end, so reports and checkpoints can be taken at any moment, and change
    nothing that comes after.

    A report holds each metric over all labels (`cumulative`; equal to River's object to the
    last bit), over the last `window` scored ones (`window`; as a fresh object of River's), and
    with weights that fall by `fading` per scored label (`fading`; see `FadingSums`; without
    metrics that River does not define for weights, and its Rolling ones, whose `cumulative`
    value is over their own 1000 labels). Two baselines are scored on the same labels by the
    metrics that need no probabilities.

    A prediction of None is counted as abstained and not scored, nor is a baseline's; where
    the probability is None or NaN, metrics that need it leave the label out. So do RMSLE where
    truth or prediction is -1 or less, and MAPE where it would be beyond 1e201; and a regression
    counts a prediction that is no number, or beyond 1e100, as abstained. A value that is not
    defined, or over no label, is None.

    Parameters
    ----------
    task
        What is predicted.
    metrics
        Names of classes in `river.metrics`; the task's defaults when None.
    every
        Labels between two reports.
    window
        Scored labels in the window.
    fading
        From 0.5 to 1; 0.999 remembers about 1000 labels.

    Attributes
    ----------
    metrics
        The names of the metrics, in the order of a report.

    Raises
    ------
    ValueError
        When a metric does not fit the task, or a number is out of its range.

    Examples
    --------
    >>> scorer = Scorer("binary", ["Accuracy"], every=2)
    >>> scorer.add(True, True, 0.9, None, None, 0.0)
    False
    >>> scorer.add(False, True, 0.6, True, True, 0.0)
    True
    >>> scorer.report()["cumulative"]
    {'Accuracy': 0.5}
    """

    def __init__(
        self,
        task: Task,
        metrics: Sequence[str] | None = None,
        every: int = 1000,
        window: int = 1000,
        fading: float = 0.999,
    ) -> None:
        for name, value in (("every", every), ("window", window)):
            if value < 1:
                raise ValueError(f"{name} is {value}; it has to be a number of labels, at least 1")
        if not 0.5 <= fading <= 1:
            raise ValueError(f"fading is {fading}; it has to be from 0.5 to 1 (0.999 is usual)")
        self._plan = plan_metrics(task, metrics)
        self.metrics = tuple(self._plan.kinds)
        self._every = every
        self._settings = {
            "task": task, "metrics": list(self.metrics), "window": window, "fading": fading,
        }  # fmt: skip
        self._window = window
        self._fading = fading
        self._scores = self._fresh_scores()
        self._delays = Delays()
        self._flushed = 0
        self._buffer: list[Any] = []  # flat: a tuple per label would cost 0.08 us more
        self._room = self._next_room()

    @property
    def labels(self) -> int:
        """How many labels were added."""
        return self._flushed + len(self._buffer) // _FIELDS

    def add(
        self,
        y: Label,
        prediction: Label | None,
        probability: float | Mapping[Label, float] | None,
        no_change: Label | None,
        majority: Label | None,
        delay: float,
    ) -> bool:
        """Take in a label.

        Parameters
        ----------
        y
            The truth.
        prediction, probability
            What was served: the answer, and the probability of true (binary) or of each class
            (multiclass). None when the model abstained.
        no_change, majority
            What the two baselines would have served at that moment; None at the start.
        delay
            Label time less event time, in seconds; below 0 counts as 0.

        Returns
        -------
        bool
            Whether a report is due.
        """
        buffer = self._buffer
        buffer += (y, prediction, probability, no_change, majority, delay)
        if len(buffer) < self._room:
            return False
        self._flush()
        return self._flushed % self._every == 0

    def report(self) -> dict[str, Any]:
        """Give the scores so far.

        `kappa_temporal` and `kappa_m` are the shares of the errors of the no-change and the
        majority baseline that are avoided: ``(p0 - pb) / (1 - pb)`` of two accuracies, each
        over the labels for which there was an answer (Bifet et al., "Efficient online
        evaluation of big data stream classifiers", KDD 2015). None for regression.
        `per_class` is over all labels; `label_delay` is in seconds and within 1 percent.
        """
        self._flush()
        return {
            "labels": self._flushed,
            **self._scores.report(),
            "label_delay": self._delays.report(),
        }

    def state(self) -> dict[str, Any]:
        """Give all that was added as plain values that JSON keeps exactly.

        Equal histories give equal states, whatever reports or states were taken on the way.
        """
        self._flush()
        return {
            "settings": self._settings,
            "labels": self._flushed,
            "delays": self._delays.state(),
            "scores": self._scores.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave, in place of what was added.

        Raises
        ------
        CheckpointError
            When it was given under other settings of the scorer.
        """
        for name, value in self._settings.items():
            if state["settings"][name] != value:
                raise CheckpointError(
                    f"the checkpoint's scores were kept with {name} = {state['settings'][name]!r} "
                    f"and the configuration says {value!r}; set it back, or replay"
                )
        self._buffer.clear()
        self._flushed = state["labels"]
        self._room = self._next_room()
        self._delays.restore(state["delays"])
        self._scores = self._fresh_scores()
        self._scores.restore(state["scores"])

    def _fresh_scores(self) -> ClassScores | RegressionScores:
        kind = RegressionScores if self._plan.task == "regression" else ClassScores
        return kind(self._plan, self._window, self._fading)

    def _next_room(self) -> int:
        return _FIELDS * min(_MOST_BUFFERED, self._every - self._flushed % self._every)

    def _flush(self) -> None:
        if self._buffer:
            *columns, delays = (self._buffer[place::_FIELDS] for place in range(_FIELDS))
            self._scores.add(*columns)
            self._delays.add(delays)
            self._flushed += len(delays)
            self._buffer.clear()
            self._room = self._next_room()
