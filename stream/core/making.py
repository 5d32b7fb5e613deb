"""How a challenger is made: anew, from the champion, or from a model that was champion before.

What takes long (`takes_long`) may be made elsewhere: `Maker.material` gives all it is made of, and
`made_of` makes it, here or in another process.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from learners.batch import is_batch
from learners.build import Learner, LearnerError
from stream.core.labelled import History, Labelled
from stream.core.orders import Fitted
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


class Material(NamedTuple):
    """What a challenger is made of; it can be pickled.

    Attributes
    ----------
    rows
        The labelled events of its window.
    champion, parent
        Estimator and name of the model that it goes on from; None for one that begins anew.
    past
        Where the rest of the window is to be read, when there is more than `rows`.
    """

    window: Window
    rows: list[Labelled]
    champion: object | None
    parent: str | None
    past: "Past | None"


class Past(NamedTuple):
    """Where labelled events that are no longer in the state can be read.

    Attributes
    ----------
    position
        They came before it.
    contract
        The state of the contract there.
    wanted
        How many of the newest.
    since
        Moment before which none is; None where any will do.
    """

    position: dict[str, int]
    contract: dict[str, Any]
    wanted: int
    since: float | None


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
        self._beside = policy.beside
        self._most = policy.remembered if _transfers(policy) else 0
        newest, sample = _wanted(policy)
        self._newest = newest
        self.history = History(newest, sample)
        self.keeps = bool(newest or sample)
        self._memories: list[_Memory] = []
        self._lines: dict[int, int] = {}  # which memory a version goes on from

    def make(
        self, partition: "Partition", how: How, window: Window, since: float | None
    ) -> Made | None:
        """Make a challenger; None where none of before will do, and a fresh one takes long.

        Parameters
        ----------
        since
            Moment of the first event after a change, where there was one.
        """
        if how == "transfer":
            return self._transfer(partition, window, since)
        return made_of(self.material(partition, how, window, since), self._parts, self._regression)

    def taken_up(self, fitted: Fitted) -> Made | str:
        """Give what was made beside the stream, or why there is nothing."""
        if fitted.estimator is None:
            return fitted.failure
        try:
            learner = self._parts.wrap(fitted.estimator)
        except LearnerError as error:  # made for a task of before
            return str(error)
        return Made(learner, fitted.how, fitted.parent, fitted.window)

    def takes_long(self, partition: "Partition", how: How, window: Window) -> bool:
        """Whether it fits a model that learns in batches only, searches windows, or reads back."""
        long = is_batch(partition.learner.estimator) or window.policy == "dynamic"
        return how != "transfer" and (long or self._more_than_kept(window))

    def _more_than_kept(self, window: Window) -> bool:
        newest = window.policy not in ("none", "representative")
        return newest and self._beside and _newest_of(window) > self._newest

    def material(
        self, partition: "Partition", how: How, window: Window, since: float | None
    ) -> Material:
        """Give what a challenger is made of that is fresh or warm; `since` as for `make`."""
        rows, past = self._rows(window, since, partition), None
        if self._more_than_kept(window):
            earliest = since if window.policy == "change" else None
            position, contract = dict(partition.position), partition.contract.state()
            past = Past(position, contract, _newest_of(window), earliest)
        if how == "warm":
            return Material(window, rows, partition.learner.estimator, partition.model, past)
        return Material(window, rows, None, None, past)

    def _rows(
        self, window: Window, since: float | None, partition: "Partition"
    ) -> list[Labelled]:
        if window.policy == "none":
            return []
        if window.policy == "representative":
            return self.history.sampled(window.size, partition.watch.incidents.spans())
        if window.policy == "change" and since is not None:
            return self.history.since(since, window.size)
        return self.history.newest(_newest_of(window))

    def _transfer(
        self, partition: "Partition", window: Window, since: float | None
    ) -> Made | None:
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
            if self._beside and self.takes_long(partition, "fresh", window):
                return None
            return made_of(
                self.material(partition, "fresh", window, since), self._parts, self._regression
            )
        learner, memory = copies[place], memories[place]
        self._lines[partition.version + 1] = memory.line
        if not is_batch(learner.estimator):  # which would forget what it was kept for
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
        losses = [_loss(learner, row, self._regression) for row in rows]
        return sum(losses) / len(rows) if rows else 0.0

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


def made_of(material: Material, parts: Parts, regression: bool) -> Made:
    """Make a challenger out of what was gathered for it."""
    window, rows, champion, parent, _ = material
    if champion is not None:
        learner, how = parts.wrap(deepcopy(champion)), "warm"
    elif window.policy == "dynamic":
        return _searched(window, rows, parts, regression)
    else:
        learner = parts.fresh_learner()
        how = "refit" if is_batch(learner.estimator) else "fresh"
    _teach(learner, rows)
    described = _described(window, rows) if window.policy != "none" else None
    return Made(learner, how, parent, described)


def _searched(window: Window, rows: list[Labelled], parts: Parts, regression: bool) -> Made:
    """Train on windows of several sizes; keep what does best on what came after all of them."""
    past, trial = rows[: max(len(rows) - _TRIAL, 0)], rows[max(len(rows) - _TRIAL, 0) :]
    sizes = sorted({max(window.size // part, 1) for part in (8, 4, 2, 1)})
    search: list[dict[str, Any]] = []
    learners: list[Learner] = []
    for size in sizes:
        learner = parts.fresh_learner()
        _teach(learner, past[-size:])
        losses = 0.0
        for row in trial:
            losses += _loss(learner, row, regression)
            learner.learn(row.features, row.label)
        learners.append(learner)
        search.append({"size": size, "error": losses / len(trial) if trial else None})
    best = min(range(len(sizes)), key=lambda place: (search[place]["error"] or 0.0, place))
    described = _described(window, rows[-(sizes[best] + len(trial)) :])
    how = "refit" if is_batch(learners[best].estimator) else "fresh"
    return Made(learners[best], how, None, described | {"search": search})


def _loss(learner: Learner, row: Labelled, regression: bool) -> float:
    answer = learner.predict(row.features)[0]
    if not regression:
        return float(answer != row.label)
    return abs(float(row.label) - (0.0 if answer is None else float(answer)))


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
            newest = max(newest, _newest_of(window))
    newest = max(newest, _TRIAL * _transfers(policy))
    return min(newest, policy.kept) if policy.beside else newest, sample


def _newest_of(window: Window) -> int:
    """Give how many of the newest labelled events a window is of."""
    return window.size + _TRIAL * (window.policy == "dynamic")


def _described(window: Window, rows: Sequence[Labelled]) -> dict[str, Any]:
    """Say what a model was trained on."""
    moments = [row.moment for row in rows]
    span = {"from": min(moments), "to": max(moments)} if moments else {}
    return {"policy": window.policy, "size": window.size, "labels": len(rows), **span}
