"""Which signals moved together: one change is one incident, whatever it was first seen in.

Signals are put side by side by the time of the *prediction*, not of the label: an error that
rose on predictions made in July belongs to what happened to the inputs in July, even when the
labels come in September.
"""

from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any, Literal, NamedTuple

import numpy as np

from detectors.divergence import divergence
from detectors.levels import Levels

Kind = Literal["concept", "data", "prediction", "schema", "label"]

HORIZON = 8
"""Chunks of 256 events within which signals belong to one change."""

_MOST = 16
"""Incidents that are remembered, for labels that come late."""

_FEW = 128
"""Labels since the change that are too few to judge the errors of each class by."""

_ENOUGH = 256
"""Labels since the change by which it is judged; those after tell what the learner made of it."""

_OWN = 0.5
"""Share of a rise of the error that the mix of classes may leave unexplained."""

_SETTLED = 1024
"""Labels of predictions since the change after which it is said to have had no effect."""


class Mix(NamedTuple):
    """How the mix of classes changed, and what the errors before make of the new one.

    Attributes
    ----------
    js
        Jensen-Shannon divergence of the classes before and since, in bits.
    before, due, now
        The mean error before; with the new mix, if each class is got wrong as often as before;
        and as it is.
    noise
        Three standard deviations of `now`, if `due` is right.

    A learner takes to a new mix within some hundred labels, and then errs less than is due; so an
    error below it speaks for a change of the mix as well.
    """

    js: float
    before: float
    due: float
    now: float
    noise: float

    def fits(self) -> bool:
        """Whether the new mix makes, of the old errors of each class, most of the rise at least."""
        return self.now - self.due < max(_OWN * abs(self.now - self.before), self.noise)

    def explains(self) -> bool:
        """Whether the new mix makes the error rise, beyond chance, and that is most of the rise."""
        made = self.due - self.before
        return made > self.noise and self.now - self.due < _OWN * (self.now - self.before)


@dataclass(slots=True)
class Incident:
    """One change, and everything that showed it.

    Attributes
    ----------
    number
        Number of its alarm; 0 until it has one.
    chunk
        Chunk of events at which it was opened.
    since, begins, until
        Moment of the first record of the change; signals from `begins` on belong to it, up to
        `until`, which is None while the horizon lasts.
    moved
        Features that moved (see `Moved`), most first.
    shape
        What changed in the shape of events (see `ShapeChange`).
    rise
        The rise of the error (see `Rise`), None while there is none.
    prediction, label
        How the predictions and the labels moved.
    cause
        What the change was recognised as: ``{"what": ..., "text": ..., ...}``.
    before
        Mean error before it; None where no labels had come.
    labels, errors
        Labels of predictions since the change, and the sum of their errors.
    classes_before, classes_since
        Of each class: labels, and errors among them, before the change and since (256 labels).
    harmless
        Whether enough of them came without a rise.
    verdict
        The diagnosis in one word, as last told.
    detector, signal
        What first showed it, and in what.
    amended
        How often it was told anew.
    suppressed
        Signals that told of it once more.
    """

    number: int
    chunk: int
    since: float
    begins: float
    until: float | None = None
    moved: list[dict[str, Any]] = field(default_factory=list)
    shape: list[dict[str, Any]] = field(default_factory=list)
    rise: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    label: dict[str, Any] | None = None
    cause: dict[str, Any] | None = None
    before: float | None = None
    labels: int = 0
    errors: float = 0.0
    classes_before: dict[str, list[float]] = field(default_factory=dict)
    classes_since: dict[str, list[float]] = field(default_factory=dict)
    harmless: bool = False
    verdict: str = ""
    detector: str = ""
    signal: str = ""
    amended: int = 0
    suppressed: int = 0

    def mix(self) -> Mix | None:
        """Compare the classes, and the errors of each, before and since.

        Under label shift the errors within a class are what they were; under concept drift they
        change. None while there are too few labels to say.
        """
        total = sum(each[0] for each in self.classes_since.values())
        known = sum(each[0] for each in self.classes_before.values())
        if total < _FEW or known < _FEW:
            return None
        before = sum(each[1] for each in self.classes_before.values()) / known
        now = sum(each[1] for each in self.classes_since.values()) / total
        due = spread = 0.0
        for name, (count, _) in self.classes_since.items():
            times, wrong = self.classes_before.get(name, (0.0, 0.0))
            rate = wrong / times if times >= 1 else 1.0
            due += count * rate / total
            spread += count * (1 - rate) * rate / total
        names = sorted({*self.classes_before, *self.classes_since})
        counts = [
            np.array([classes.get(name, (0.0, 0.0))[0] for name in names])
            for classes in (self.classes_since, self.classes_before)
        ]
        js = float(divergence(*counts)[1] / np.log(2))
        return Mix(js, before, due, now, 3 * sqrt(max(spread, 0.01) / total))

    def covers(self, since: float) -> bool:
        """Whether a signal that began at this moment belongs to it."""
        return self.begins <= since and (self.until is None or since <= self.until)


@dataclass(slots=True)
class Signal:
    """Something moved.

    Attributes
    ----------
    since
        Moment of the first record (of predictions: for a label, the moment of its prediction).
    detail
        What is kept of it in the incident: a list for features and shape, else a mapping.
    """

    kind: Kind
    detector: str
    name: str
    since: float
    detail: Any


class Incidents:
    """The changes that are still being looked at.

    Memory: 16 incidents.
    """

    def __init__(self) -> None:
        self.kept: list[Incident] = []

    def spans(self) -> list[tuple[float, float]]:
        """Give from when to when something was changing, as far as it is remembered."""
        return [
            (each.since, float("inf") if each.until is None else each.until) for each in self.kept
        ]

    def take(
        self, signal: Signal, chunk: int, begins: float, levels: Levels
    ) -> Incident:
        """Put a signal to the incident it belongs to, or open one; gives the incident.

        Parameters
        ----------
        chunk
            The present chunk of events.
        begins
            Moment from which other signals belong to the same change.
        levels
            What the errors were.
        """
        for incident in reversed(self.kept):
            if incident.covers(signal.since):
                self._add(incident, signal)
                return incident
        incident = Incident(
            0, chunk, signal.since, begins, before=levels.before(signal.since),
            classes_before=levels.classes(signal.since),
        )  # fmt: skip
        self.kept.append(incident)
        del self.kept[:-_MOST]
        self._add(incident, signal)
        return incident

    def _add(self, incident: Incident, signal: Signal) -> None:
        if signal.kind == "data":
            known = {each["name"] for each in incident.moved}
            new = [each for each in signal.detail if each["name"] not in known]
            incident.moved = sorted([*incident.moved, *new], key=lambda each: -each["js"])
            again = not new
        elif signal.kind == "schema":
            new = [each for each in signal.detail if each not in incident.shape]
            incident.shape += new
            again = not new
        else:
            place = {"concept": "rise"}.get(signal.kind, signal.kind)
            again = getattr(incident, place) is not None
            if not again:
                setattr(incident, place, signal.detail)
        incident.suppressed += again

    def advance(self, chunk: int, moment: float) -> None:
        """Close the horizon of incidents that are old enough."""
        for incident in self.kept:
            if incident.until is None and chunk - incident.chunk >= HORIZON:
                incident.until = moment

    def waits(self) -> bool:
        """Whether any incident still wants labels."""
        return any(each.labels < _SETTLED and not each.harmless for each in self.kept)

    def settle(self, moment: float, error: float, name: str | None = None) -> list[Incident]:
        """Count a label; gives the incidents of which it says more."""
        told = []
        for incident in self.kept:
            if incident.harmless or moment < incident.since or incident.labels >= _SETTLED:
                continue
            incident.labels += 1
            incident.errors += error
            if name is not None and incident.labels <= _ENOUGH:
                each = incident.classes_since.setdefault(name, [0.0, 0.0])
                each[0] += 1
                each[1] += error
            incident.harmless = incident.labels == _SETTLED and incident.rise is None
            if incident.harmless or (name is not None and incident.labels in (_FEW, _ENOUGH)):
                told.append(incident)
        return told

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {"kept": [asdict(incident) for incident in self.kept]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.kept = [Incident(**each) for each in state["kept"]]
