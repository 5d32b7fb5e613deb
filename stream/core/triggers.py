"""Reasons to train that lie in the stream itself, and how much training there may be."""

from collections.abc import Iterator
from typing import Any

from stream.core.counts import Counts
from stream.core.records import Metrics
from stream.core.settings import Budget, Training, Trigger

_EVERY = 64
"""Event records between two looks at intervals of event time."""

_NEVER = float("inf")


class Triggers:
    """Intervals and performance, and the books of what has begun.

    Attributes
    ----------
    look
        Count of event records at which `intervals` is to be asked again.
    """

    def __init__(self, policy: Training) -> None:
        self._triggers = policy.triggers
        self._due: list[float | None] = [
            float(each.records) if each.records else None for each in self._triggers
        ]
        self._last: int | None = None  # labels at the last beginning
        self._begun: list[float] = []  # moments of beginnings in the present period
        timed = any(each.records or each.seconds for each in self._triggers)
        self.look: float = 1 if timed else _NEVER

    def intervals(self, events: int, now: float) -> Iterator[tuple[Trigger, dict[str, Any]]]:
        """Give the intervals that are over, by records or by event time."""
        nearest = _NEVER
        for place, trigger in enumerate(self._triggers):
            every = trigger.records or trigger.seconds
            if not every:
                continue
            reached = events if trigger.records else now
            due = self._due[place]
            if due is None or reached >= due:
                self._due[place] = reached + every
                if due is not None:
                    unit = "records" if trigger.records else "seconds"
                    yield trigger, {"kind": "interval", unit: every}
            after = self._due[place]
            assert after is not None
            nearest = min(nearest, after if trigger.records else events + _EVERY)
        self.look = nearest

    def performance(self, report: Metrics) -> Iterator[tuple[Trigger, dict[str, Any]]]:
        """Give those for which a report is reason enough."""
        for trigger in self._triggers:
            if trigger.metric is None:
                continue
            value = report["window"].get(trigger.metric)
            if value is None:
                continue
            bar = None
            if trigger.baseline is not None:
                bar = report["baselines"].get(trigger.baseline, {}).get(trigger.metric)
            missed = (
                (trigger.below is not None and value < trigger.below)
                or (trigger.above is not None and value > trigger.above)
                or (bar is not None and (value >= bar if trigger.less_is_better else value <= bar))
            )
            if missed:
                cause = {"kind": "performance", "metric": trigger.metric, "value": value}
                if bar is not None:
                    cause |= {"baseline": trigger.baseline, "baseline_value": bar}
                yield trigger, cause

    def over_budget(
        self, budget: Budget, counts: Counts, now: float, answered: int, seconds: float
    ) -> dict[str, Any] | None:
        """Say what forbids another challenger; None where nothing does.

        Parameters
        ----------
        answered, seconds
            What models in the shadow have answered, and what it took to make some of them.
        """
        if self._last is not None and counts.scored - self._last < budget.cooldown:
            return {"budget": "cooldown", "labels": counts.scored - self._last}
        if budget.most:
            recent = [moment for moment in self._begun if moment > now - budget.period]
            if len(recent) >= budget.most:
                return {"budget": "most", "begun": len(recent)}
        if budget.extra and answered > budget.extra * counts.events:
            return {"budget": "extra", "answers": answered}
        if budget.seconds and seconds > budget.seconds * counts.events / 1e6:
            return {"budget": "seconds", "seconds": seconds}
        return None

    def began(self, budget: Budget, counts: Counts, now: float) -> None:
        """Note that a challenger begins."""
        self._last = counts.scored
        self._begun = [*self._begun, now][-max(budget.most, 1) :]

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        look = None if self.look == _NEVER else self.look
        return {"due": self._due, "last": self._last, "begun": self._begun, "look": look}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        if len(state["due"]) == len(self._due):  # else other triggers were declared since
            self._due = list(state["due"])
        self._last = state["last"]
        self._begun = list(state["begun"])
        if self.look != _NEVER:
            self.look = 1 if state["look"] is None else state["look"]
