"""How a challenger is made: anew, from the champion, or from a model that was champion before."""

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from learners.batch import is_batch
from learners.build import Learner
from stream.core.labelled import History, Labelled
from stream.core.parts import Parts
from stream.core.settings import How, Settings, Training, Window

if TYPE_CHECKING:
    from stream.core.partition import Partition

_TRIAL = 200
"""Newest labelled events on which models of before, or windows, are compared."""


class Made(NamedTuple):
    """A challenger as it begins."""

    learner: Learner
    how: str
    parent: str | None
    window: dict[str, Any] | None


class _Memory(NamedTuple):
    """A champion of before: the copy of it, and the version it was copied from."""

    version: int
    line: int
    estimator: object


class Maker:
    """Makes challengers, and keeps what it needs for that.

    Parameters
    ----------
    settings, parts
        What is trained, by which policy.

    Attributes
    ----------
    keeps
        Whether it wants to see labelled events.
    history
        Those that it keeps.
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        policy = settings.training
        self._parts = parts
        self._regression = settings.task == "regression"
        self._most = policy.remembered if _transfers(policy) else 0
        newest, sample = _wanted(policy)
        self.history = History(newest, sample)
        self.keeps = bool(newest or sample)
        self._memories: list[_Memory] = []
        self._lines: dict[int, int] = {}  # which memory a version goes on from

    def make(
        self, partition: "Partition", how: How, window: Window, since: float | None
    ) -> Made:
        """Make a challenger.

        Parameters
        ----------
        since
            Moment of the first event after a change, where there was one.
        """
        if how == "transfer":
            return self._transfer(partition, window, since)
        if how == "warm":
            learner = self._parts.wrap(deepcopy(partition.learner.estimator))
            return Made(learner, "warm", partition.model, self._train(learner, window, since))
        if window.policy == "dynamic":
            return self._search(window)
        learner = self._parts.fresh_learner()
        described = self._train(learner, window, since, partition)
        return Made(learner, "refit" if is_batch(learner.estimator) else "fresh", None, described)

    def _train(
        self, learner: Learner, window: Window, since: float | None,
        partition: "Partition | None" = None,
    ) -> dict[str, Any] | None:  # fmt: skip
        rows = self._rows(window, since, partition)
        _teach(learner, rows)
        return _described(window, rows) if window.policy != "none" else None

    def _rows(
        self, window: Window, since: float | None, partition: "Partition | None"
    ) -> list[Labelled]:
        if window.policy == "none":
            return []
        if window.policy == "representative":
            spans = partition.watch.incidents.spans() if partition is not None else []
            return self.history.sampled(window.size, spans)
        if window.policy == "change" and since is not None:
            return self.history.since(since, window.size)
        return self.history.newest(window.size)

    def _search(self, window: Window) -> Made:
        """Train on windows of several sizes; keep what does best on what came after all of them."""
        rows = self.history.newest(window.size + _TRIAL)
        past, trial = rows[: max(len(rows) - _TRIAL, 0)], rows[max(len(rows) - _TRIAL, 0) :]
        sizes = sorted({max(window.size // part, 1) for part in (8, 4, 2, 1)})
        search: list[dict[str, Any]] = []
        learners: list[Learner] = []
        for size in sizes:
            learner = self._parts.fresh_learner()
            _teach(learner, past[-size:])
            losses = 0.0
            for row in trial:
                losses += self._loss(learner, row)
                learner.learn(row.features, row.label)
            learners.append(learner)
            search.append({"size": size, "error": losses / len(trial) if trial else None})
        best = min(range(len(sizes)), key=lambda place: (search[place]["error"] or 0.0, place))
        described = _described(window, rows[-(sizes[best] + len(trial)) :])
        return Made(learners[best], "fresh", None, described | {"search": search})

    def _transfer(self, partition: "Partition", window: Window, since: float | None) -> Made:
        """Go on from the model before that does best now; begin anew where none does."""
        newest = self.history.newest(_TRIAL)
        rows = [row for row in newest if since is None or row.moment >= since] or newest
        tried = [(self._error(partition.learner, rows), -1)]
        copies, memories = [], list(self._memories)
        for place, memory in enumerate(memories):
            copies.append(self._parts.wrap(deepcopy(memory.estimator)))
            tried.append((self._error(copies[place], rows), place))
        self._remember(partition)
        error, place = min(tried)
        if place < 0:
            learner = self._parts.fresh_learner()
            return Made(learner, "fresh", None, self._train(learner, window, since))
        learner, memory = copies[place], memories[place]
        self._lines[partition.version + 1] = memory.line
        _teach(learner, rows)
        described = {
            "policy": "newest", "labels": len(rows), "error": error, "champion_error": tried[0][0],
        }  # fmt: skip
        return Made(learner, "transfer", f"v{memory.version}", described)

    def _remember(self, partition: "Partition") -> None:
        """Keep a copy of the champion; one that goes on from a memory takes its place."""
        version = partition.champion
        line = self._lines.get(version, version)
        kept = [memory for memory in self._memories if memory.line != line]
        kept.append(_Memory(version, line, deepcopy(partition.learner.estimator)))
        self._memories = kept[-self._most :] if self._most else []
        alive = {memory.line for memory in self._memories}
        self._lines = {v: at for v, at in self._lines.items() if at in alive}

    def _error(self, learner: Learner, rows: Sequence[Labelled]) -> float:
        return sum(self._loss(learner, row) for row in rows) / len(rows) if rows else 0.0

    def _loss(self, learner: Learner, row: Labelled) -> float:
        answer = learner.predict(row.features)[0]
        if not self._regression:
            return float(answer != row.label)
        return abs(float(row.label) - (0.0 if answer is None else float(answer)))

    def estimators(self) -> list[object]:
        """Give the estimators that are remembered, oldest first."""
        return [memory.estimator for memory in self._memories]

    def state(self) -> dict[str, Any]:
        """Give the state as JSON, but for the estimators."""
        return {
            "history": self.history.state(),
            "memories": [[memory.version, memory.line] for memory in self._memories],
            "lines": [[version, line] for version, line in self._lines.items()],
        }

    def restore(self, state: dict[str, Any], estimators: Sequence[object]) -> None:
        """Take up a state that `state` gave, with the estimators as they were then."""
        self.history.restore(state["history"])
        self._memories = [
            _Memory(version, line, estimator)
            for (version, line), estimator in zip(state["memories"], estimators, strict=True)
        ]
        self._lines = dict(state["lines"])


def _teach(learner: Learner, rows: Sequence[Labelled]) -> None:
    if is_batch(learner.estimator):
        if rows:
            learner.estimator.learn_many_rows([(row.features, row.label) for row in rows])
        return
    for row in rows:
        learner.learn(row.features, row.label)


def _transfers(policy: Training) -> bool:
    return policy.how == "transfer" or any(each.how == "transfer" for each in policy.triggers)


def labelled_kept(policy: Training) -> int:
    """Give how many labelled events are kept for training, at most."""
    return sum(_wanted(policy))


def _wanted(policy: Training) -> tuple[int, int]:
    """Give how many of the newest labelled events are needed, and how many of all."""
    windows = [policy.window, *(each.window for each in policy.triggers if each.window)]
    newest = sample = 0
    for window in windows:
        if window.policy == "representative":
            sample = max(sample, window.size)
        elif window.policy != "none":
            newest = max(newest, window.size + _TRIAL * (window.policy == "dynamic"))
    return max(newest, _TRIAL * _transfers(policy)), sample


def _described(window: Window, rows: Sequence[Labelled]) -> dict[str, Any]:
    """Say what a model was trained on."""
    moments = [row.moment for row in rows]
    span = {"from": min(moments), "to": max(moments)} if moments else {}
    return {"policy": window.policy, "size": window.size, "labels": len(rows), **span}
