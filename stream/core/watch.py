"""Everything that watches: what came in, what was answered, and how right it was.

A record costs one append here. The work is done on chunks: 256 event records for features, 512
answers, 512 labels; the error alone is looked at after every 32.
Chunks are counted in records, so they end at the same place however records were batched,
and what stands in a chunk that is not full is part of the state.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress
from math import isfinite
from typing import Any

import numpy as np
import orjson

from detectors.clock import Clock
from detectors.distribution import CHUNK, Distributions
from detectors.divergence import Moved, normal_quantile
from detectors.error import DriftDetector, ErrorWatch, Evidence
from detectors.estimate import Estimate
from detectors.incidents import HORIZON, Incidents, Signal
from detectors.levels import Levels
from detectors.rise import ErrorRise
from detectors.scan import BLOCK
from detectors.shape import Chunk, Shape
from stream.core.columns import Gathered, Settled, confidences, said, take, tally, word
from stream.core.compact import compact
from stream.core.contract import Contract
from stream.core.judging import recognise
from stream.core.records import Features, Label
from stream.core.records import Shape as FieldShape
from stream.core.settings import Settings

SHARES = {"error": 0.4, "features": 0.3, "predictions": 0.1, "labels": 0.1, "shape": 0.1}
"""How the promised rate of false alarms is divided."""

_PROBE_EVERY = 16
"""Of so many chunks the model is asked about one again, to know whether it has changed itself."""

_LONG = 2
"""Chunks of events after which the answers are looked at, and as many labels."""

_DOUBT = normal_quantile(0.05)
"""How unlike the newest answers those to old events have to be, if it was not the model."""

_STARTS = 40
_GLANCE = 8
"""Labels of a block that are enough to doubt, if they are bad enough."""

_NAMED = 3
_ANSWER, _TRUTH = "prediction", "label"


Answer = Callable[[Features], tuple[Any, Any] | None]



class Watch:
    """The detectors of one partition.

    Parameters
    ----------
    settings
        The promised rate, the task, and which reference to compare with.
    detectors
        River detectors for the error, when the configuration names some; then the calibrated
        one is not used.

    Attributes
    ----------
    blind
        Whether it looks at nothing: so it is measured what watching costs.
    """

    def __init__(self, settings: Settings, detectors: Sequence[DriftDetector]) -> None:
        self.settings = settings
        rate = settings.false_alarms_per_100k
        regression = settings.task == "regression"
        fixed = settings.fixed_reference
        self.river = ErrorWatch(detectors)
        self._explicit = bool(detectors)
        self.rise = self._fresh_rise()
        self.features = Distributions(SHARES["features"] * rate, fixed=fixed)
        long = _LONG * CHUNK
        self.answers = Distributions(SHARES["predictions"] * rate, fixed=fixed, chunk=long)
        self.truths = Distributions(SHARES["labels"] * rate, fixed=fixed, chunk=long)
        self.shape = Shape(SHARES["shape"] * rate)
        self.clock = Clock()
        self.estimate = Estimate()
        self.incidents = Incidents()
        self.found: list[Signal] = []
        self.doubt: float | None = None  # moment since when the error may have risen
        self.recall: list[int] = []  # alarm numbers of incidents that were judged again
        self._regression = regression
        self._binary = settings.task == "binary"
        self._moments: list[float] = []  # of the events of this chunk, as the next two
        self._answers: list[Any] = []
        self._probabilities: list[Any] = []
        self._gathered = Gathered()  # their features
        self._dead: Counter[str] = Counter()
        self.blind = False
        self._room = CHUNK
        self._met = 0  # fields, as follows: the numbers and their places, and texts with theirs
        self._fields: tuple[list[str], list[int], dict[str, int]] = [], [], {}
        self._said: list[Any] = []  # answers of the chunks before this that were not looked at
        self._settled = Settled()
        self._truth_starts: list[float] = []
        self.levels = Levels()
        self._starts: list[float] = []
        self.unrest: list[list[Any]] = []  # moment of a chunk, and what moved by a lax standard
        self._probes: list[list[bytes]] = []  # features as JSON, in a third of the memory
        self._probing: list[bytes] = []  # those of this chunk, if it is to be a probe
        self.chunks = 0

    def _fresh_rise(self) -> ErrorRise:
        settings = self.settings
        share = SHARES["error"] * settings.false_alarms_per_100k
        doubts = settings.training.doubts if settings.actions["concept"] == "challenge" else 0.0
        sizes = settings.task == "regression"
        return ErrorRise(share, sizes=sizes, doubts_per_100k=max(doubts, share))

    # --- records ---------------------------------------------------------------------------

    def event(
        self, moment: float, features: Features, shape: FieldShape | None, prediction: Any,
        probability: Any, contract: Contract, answer: Answer,
    ) -> None:  # fmt: skip
        """Take an event and what was answered."""
        if self.blind:
            return
        self._moments.append(moment)
        self._answers.append(prediction)
        self._probabilities.append(probability)
        self._gathered.add(features, contract.kinds, shape)
        if not self.chunks % _PROBE_EVERY:
            self._probing.append(compact(features))
        self._room -= 1
        if not self._room:
            self._close(contract, answer)

    def refused(self, reason: str, contract: Contract, answer: Answer) -> None:
        """Take note of an event record that could not be used."""
        self._dead[reason] += 1
        self._room -= 1
        if not self._room:
            self._close(contract, answer)

    def label(
        self, moment: float, error: int | float, label: Label, probability: Any
    ) -> list[tuple[str, Evidence]]:
        """Take the truth about a prediction of `moment`; gives River detectors that fired."""
        if self.blind or not isfinite(error):
            return []
        settled = self._settled
        settled.add(moment, error, label, probability)
        size = len(settled.errors)
        if not size % BLOCK:
            self._block(settled, size - BLOCK)
            if size == _LONG * CHUNK:
                self._settled = Settled()
                self._settle(settled)
        elif error and not size % _GLANCE and not self._explicit:
            start = size - size % BLOCK
            if self.rise.sudden(settled.errors[start:]):
                self.doubt = settled.moments[start]
        return self.river.update(error) if self._explicit else []

    # --- a chunk of events -----------------------------------------------------------------

    def _close(self, contract: Contract, answer: Answer) -> None:
        moments, answers, sure, dead = self._moments, self._answers, self._probabilities, self._dead
        self._moments, self._answers, self._probabilities = [], [], []
        self._dead, self._room = Counter(), CHUNK
        self.chunks += 1
        start = moments[0] if moments else (self._starts[-1] if self._starts else 0.0)
        self._starts.append(start)
        del self._starts[:-_STARTS]
        strays, clashes = contract.take_oddities()
        present, texts = self._count(moments, contract) if moments else ({}, {})
        shape = Chunk(
            CHUNK, len(moments), present, strays, clashes, dead, texts, contract.rules.take()
        )
        self._look_at_shape(shape)
        if moments:
            self._said += answers
            if not self._regression:
                self.estimate.predicted_all(moments, self._sure(sure))
        if self._said and not self.chunks % _LONG:
            answers, self._said = self._said, []
            self._look_at_answers(answers, answer)
        self.incidents.advance(self.chunks, start)
        recognise(self)
        if self._probing:
            self._probes, self._probing = [*self._probes[-1:], self._probing], []

    def _count(
        self, moments: Sequence[float], contract: Contract
    ) -> tuple[dict[str, int], dict[str, Counter[str | None]]]:
        """Count the features of a chunk; notes what moved."""
        numbers, tallies = self._gathered.take(contract.kinds)
        if len(contract.kinds) != self._met:
            self._meet(contract)
        names, places, texts = self._fields
        clock = None if self.settings.time_field is None else np.array(moments)
        self.features.pause(places, self.clock.take(names, numbers, clock))
        words = {place: tallies[name] for name, place in texts.items()}
        moved = self.features.take(numbers, places, words)
        if self.features.lately:
            lately = [each._asdict() for each in self.features.lately[:_NAMED]]
            self.unrest = [*self.unrest[1 - _STARTS :], [self._starts[-1], lately]]
        if moved:
            since = self._start(moved[0].chunks)
            detail = [each._asdict() for each in moved]
            self.found.append(Signal("data", "Distributions", moved[0].name, since, detail))
        missing = np.isnan(numbers).sum(axis=1).tolist()
        size = len(moments)
        present = {name: size - gone for name, gone in zip(names, missing, strict=True)}
        present |= {name: size - tally[None] for name, tally in tallies.items()}
        contract.rules.look(names, numbers, tallies, present, size)
        open_ = {name: each for name, each in tallies.items() if name not in contract.rules.closed}
        return present, open_

    def _meet(self, contract: Contract) -> None:
        """See which features there are; their kinds never change."""
        names, texts = self._gathered.names, self._gathered.texts
        places = [self.features.know(name, text=False) for name in names]
        self._fields = names, places, {name: self.features.know(name, text=True) for name in texts}
        self._met = len(contract.kinds)

    def _look_at_shape(self, chunk: Chunk) -> None:
        changes = self.shape.take(chunk)
        if changes:
            name = changes[0].name or "dead letters"
            detail = [each._asdict() for each in changes]
            self.found.append(Signal("schema", "Shape", name, self._start(1), detail))

    def _look_at_answers(self, predictions: Sequence[Any], answer: Answer) -> None:
        chunk = predictions if self._regression else tally(predictions)
        moved = take(self.answers, _ANSWER, chunk)
        if moved and not self._learnt(moved[0], answer):
            since = self._start(moved[0].chunks)
            signal = Signal("prediction", "Distributions", _ANSWER, since, moved[0]._asdict())
            self.found.append(signal)

    def _learnt(self, moved: Moved, answer: Answer) -> bool:
        """Whether the model now answers otherwise on the old events too: then it has learnt."""
        known = self.answers.reference_of(_ANSWER, 0)
        if known is None or not self._probes:
            return False
        again = [answer(orjson.loads(features)) for features in self._probes[0]]
        values = [None if each is None else said(each[0]) for each in again]
        bins, _ = known
        if self._regression:
            before = bins.count_numbers(np.array(values, dtype=float))
        else:
            before = bins.count(Counter(word(value) for value in values))
        after, older = np.zeros_like(before), np.zeros(len(before))
        after[: len(moved.after)], older[: len(moved.before)] = moved.after, moved.before
        deviate, js = self.answers.closeness(_ANSWER, after, before.astype(float))
        _, as_it_was = self.answers.closeness(_ANSWER, before, older)
        return deviate < _DOUBT or js < as_it_was

    def before(self, since: float) -> float:
        """Give the moment from which signals belong to a change that began then."""
        place = bisect_right(self._starts, since)
        if place:
            return min(self._starts[max(place - HORIZON, 0)], since)
        span = self._starts[-1] - self._starts[0] if self._starts else 0.0
        return since - abs(span) * HORIZON / _STARTS

    def chunks_since(self, moment: float) -> int:
        """Count the chunks of events that ended after it; none if that is no longer known."""
        known = bisect_right(self._starts, moment)
        return len(self._starts) - known + 1 if known else 0

    def _start(self, chunks: int) -> float:
        return self._starts[-min(chunks, len(self._starts))]

    # --- a block of labels, and a chunk ----------------------------------------------------

    def _block(self, settled: Settled, start: int) -> None:
        """See whether the error has risen."""
        moments, errors = settled.moments[start:], settled.errors[start:]
        if self.incidents.waits():
            for moment, error, label in zip(moments, errors, settled.labels[start:], strict=True):
                name = None if self._regression else word(label)
                self.recall += [each.number for each in self.incidents.settle(moment, error, name)]
        if not self._explicit:
            rise = self.rise.take(errors, moments[0])
            self.doubt = self.rise.doubt if rise is None else None
            if rise is not None:
                detail = rise._asdict() | {"until": moments[-1]}
                self.found.append(Signal("concept", "ErrorRise", "error", rise.since, detail))
        self.levels.block(moments[0], errors)

    def _settle(self, settled: Settled) -> None:
        """See whether the labels have moved."""
        moments, errors, labels = settled.moments, settled.errors, settled.labels
        if self._regression:
            moved = take(self.truths, _TRUTH, labels)
        else:
            right = [not error for error in errors]
            self.estimate.labelled_all(moments, self._sure(settled.probabilities), right)
            truths = tally(labels)
            self.levels.chunk(max(moments), truths, tally(compress(labels, errors)))
            moved = take(self.truths, _TRUTH, truths)
        start = moments[-BLOCK]  # those before may be of before the change
        self._truth_starts = [*self._truth_starts[-_STARTS:], start]
        self._join_labels()
        if moved:
            back = moved[0].chunks // _LONG
            since = self._truth_starts[-min(back, len(self._truth_starts))]
            signal = Signal("label", "Distributions", _TRUTH, since, moved[0]._asdict())
            self.found.append(signal)

    def _join_labels(self) -> None:
        """See labels that moved by the laxer standard together with something else."""
        for incident in self.incidents.kept if self.truths.lately else ():
            if incident.label is None and incident.until is None and incident.number:
                incident.label = self.truths.lately[0]._asdict()
                self.recall.append(incident.number)

    def _sure(self, probabilities: Sequence[Any]) -> list[float]:
        return confidences(probabilities, binary=self._binary)

    # --- state -----------------------------------------------------------------------------

    @property
    def detectors(self) -> list[DriftDetector]:
        """River's own objects, in order."""
        return self.river.detectors

    def begin_anew(self, detectors: Sequence[DriftDetector]) -> None:
        """Start with a fresh model: what its predecessor's errors were says nothing of its own."""
        self.river = ErrorWatch(detectors)
        self.rise = self._fresh_rise()
        self.levels = Levels()

    def state(self) -> dict[str, Any]:
        """Give what is kept beside the detectors as JSON."""
        settled = self._settled
        return {
            "river": self.river.state(),
            **{name: getattr(self, name).state() for name in _PARTS},
            "chunks": self.chunks,
            "rows": [
                [moment, said(prediction), sure]
                for moment, prediction, sure in zip(
                    self._moments, self._answers, self._sure(self._probabilities), strict=True
                )
            ],
            "gathered": self._gathered.state(),
            "probing": list(map(orjson.Fragment, self._probing)),
            "said": list(map(said, self._said)),
            "dead": dict(self._dead),
            "settled": [
                [moment, error, label, sure]
                for moment, error, label, sure in zip(
                    settled.moments, settled.errors, settled.labels,
                    self._sure(settled.probabilities), strict=True,
                )
            ],
            "truth_starts": self._truth_starts,
            "starts": self._starts,
            "unrest": self.unrest,
            "probes": [list(map(orjson.Fragment, each)) for each in self._probes],
        }

    def restore(self, state: dict[str, Any], detectors: Sequence[DriftDetector]) -> None:
        """Take up a state that `state` gave, with River's detectors as they were then."""
        self.river.restore(state["river"], detectors)
        for name in _PARTS:
            getattr(self, name).restore(state[name])
        self.chunks = state["chunks"]
        self._moments = [moment for moment, _, _ in state["rows"]]
        self._answers = [prediction for _, prediction, _ in state["rows"]]
        self._probabilities = [[("", sure)] for _, _, sure in state["rows"]]
        self._gathered.restore(state["gathered"])
        self._probing = list(map(compact, state["probing"]))
        self._met = 0
        self._said = list(state["said"])
        self._dead = Counter(state["dead"])
        self._room = CHUNK - len(self._moments) - sum(self._dead.values())
        self._settled = Settled()
        for moment, error, label, sure in state["settled"]:
            self._settled.add(moment, error, label, [("", sure)])
        self._truth_starts = list(state["truth_starts"])
        self._starts = list(state["starts"])
        self.unrest = [list(each) for each in state["unrest"]]
        self._probes = [list(map(compact, each)) for each in state["probes"]]


_PARTS = (
    "rise", "features", "answers", "truths", "shape", "clock", "estimate", "incidents", "levels",
)  # fmt: skip
