"""The fold: what happens to an event, and to its label. Read this file first.

It is pure: no file, clock, thread, random source or log. Time is event time. The same
records in the same order give the same outputs and the same state, however they were
batched and however often the state went to disk and back between them.
"""

from math import isfinite
from typing import Any

from detectors.error import Evidence
from learners.baselines import Majority, Mean, NoChange
from learners.build import Learner
from stream.core.alarms import miss_events, raise_alarm, tell
from stream.core.contract import Contract
from stream.core.counts import Counts
from stream.core.early import EarlyLabel, EarlyLabels
from stream.core.errors import LearnError, told
from stream.core.letters import dead_letter
from stream.core.parts import Outputs, Parts
from stream.core.pending import Pending, Served
from stream.core.records import (
    DeadLetter,
    Fault,
    Label,
    LabelRecord,
    Prediction,
    Record,
)
from stream.core.reports import report_of
from stream.core.requests import carry_out
from stream.core.response import Response
from stream.core.scorer import Scorer
from stream.core.segments import RecentIds
from stream.core.settings import Settings
from stream.core.times import Watermark
from stream.core.training import Training
from stream.core.watch import Watch
from stream.core.whole import digest_of


class Partition:
    """One model on one ordered stream of events and labels.

    Parameters
    ----------
    settings
        What decides the fate of a record.
    parts
        Makers of the learner and the detectors.
    number
        Which partition of the application this is.

    Attributes
    ----------
    out
        Outputs since they were last taken.
    cut
        Why a checkpoint is wanted of the state as it is after this record: "alarm", "model"
        when another one was put in the champion's place, or "".
    keep
        Whether that checkpoint is to be kept for good.
    skips
        Records on which the learner is known to fail, by stream and offset, with the
        stage ("predict" or "learn") and what it said. The edge fills it after a restore.
    """

    def __init__(self, settings: Settings, parts: Parts, number: int = 0) -> None:
        self.settings = settings
        self.parts = parts
        self.number = number
        self.out = Outputs()
        self.cut = ""
        self.keep = False
        self.skips: dict[tuple[str, int], tuple[str, str]] = {}

        self.learner = parts.fresh_learner()
        self.watch = Watch(settings, parts.fresh_detectors())
        self.version = 1  # of the model that was made last
        self.champion = 1
        self.model = "v1"  # the champion, as predictions name it
        self.training = Training(settings, parts)
        self.contract = Contract(settings)
        self.watermark = Watermark(settings.slack)
        self.pending = Pending(settings.ttl, settings.max_pending)
        self.early = EarlyLabels(settings.ttl, settings.max_early)
        self.recent = RecentIds(settings.recent_ids)
        self.lapsed = RecentIds(settings.recent_ids)
        self.scorer = Scorer(
            settings.task, settings.metrics, settings.every, settings.window, settings.fading
        )
        self.no_change = NoChange()
        self.majority = Mean() if settings.task == "regression" else Majority()
        self.response = Response(settings.actions, settings.cooldown)
        self.counts = Counts()
        self.position = {"events": 0, "labels": 0}
        self.time: Any = 0
        self.reports = 0
        self._binary = settings.task == "binary"
        self._regression = settings.task == "regression"
        self._digest: str | None = None  # of the state as it is; None once that has changed

    def digest(self) -> str:
        """Give the canonical digest of the whole state: equal where the state is equal."""
        if self._digest is None:
            self._digest = digest_of(self)
        return self._digest

    def begin_at(self, position: dict[str, int]) -> None:
        """Begin elsewhere than at the first record of the inputs."""
        self.position = {stream: position[stream] for stream in ("events", "labels")}
        if position.get("control"):  # it is named once there was a control record
            self.position["control"] = position["control"]
        self._digest = None

    # --- the way of a record -------------------------------------------------------------

    def on_event(self, offset: int, record: Record) -> None:
        """Predict for an event; if its label is known already, settle it at once."""
        self._event(offset, record)
        if self.watch.found or self.watch.recall:
            tell(self)

    def _event(self, offset: int, record: Record) -> None:
        self._digest = None
        self.position["events"] = offset + 1
        self.counts.events += 1
        if self.response.due is not None:
            self._respond()
        if self.counts.events >= self.training.triggers.look:
            self.training.look_at_intervals(self)

        event = self.contract.event(offset, record)
        if isinstance(event, Fault):
            return self._refuse("events", offset, record, event)
        identity, time, moment, features, label, shape, _ = event
        self.time = time
        self._advance(moment)
        if identity in self.recent.ids or identity in self.pending.waiting:
            return self._refuse("events", offset, record, _seen(identity))
        if self.settings.id_field is not None:
            self.recent.add(identity)

        answer = self._predict(offset, record, features)
        if answer is None:
            return None
        model, shadow = self.model, None
        if self.training.rivals:
            answer, model, shadow = self.training.answer(self, identity, features, answer)
        served = Served(
            identity, self.watermark.value, time, moment, features, answer[0], answer[1],
            self.no_change.answer, self.majority.answer, model, shadow,
        )  # fmt: skip
        self._serve(identity, time, answer, model)
        self.watch.event(
            moment, features, shape, answer[0], answer[1], self.contract, self.learner.predict
        )
        early = self.early.pop(identity)
        if label is not None:
            if early is not None:
                letter = early.letter.copy()
                letter["reason"], letter["detail"] = _seen(identity)
                self._bury("labels", letter)
            self._settle("events", offset, record, served, label, moment)
        elif early is not None:
            self._settle("events", offset, record, served, early.label, early.moment)
        else:
            self._wait(served)
        return None

    def on_label(self, offset: int, record: Record) -> None:
        """Score the prediction that was served for this label, then learn from it."""
        self._label(offset, record)
        if self.watch.found or self.watch.recall:
            tell(self)

    def _label(self, offset: int, record: Record) -> None:
        self._digest = None
        self.position["labels"] = offset + 1
        self.counts.label_records += 1
        if self.response.due is not None:
            self._respond()
        known = self.contract.label(record)
        if isinstance(known, Fault):
            return self._refuse("labels", offset, record, known)
        read, label = known
        identity, time, moment, _, _ = read
        if moment is not None:
            self.time = time
            self._advance(moment)
        served = self.pending.pop(identity)
        if served is None:
            return self._unclaimed(offset, read, label)
        return self._settle("labels", offset, record, served, label, moment)

    def on_control(self, offset: int, record: Record, wanted: object) -> None:
        """Do what a person asks for; an edge has read it, or found the estimator that it names."""
        self._digest = None
        self.position["control"] = offset + 1
        if self.response.due is not None:
            self._respond()
        fault = carry_out(self, wanted)
        if fault is not None:
            self._refuse("control", offset, record, fault)

    def _settle(
        self, stream: str, offset: int, record: Record, served: Served, label: Label,
        moment: float | None,
    ) -> None:
        """Score, detect, learn; then report and raise the alarm."""
        if self.skips and (skip := self.skips.get((stream, offset))) is not None:
            self.counts.learn_failed += 1
            return self._refuse(stream, offset, record, Fault("learn_failed", skip[1]), "labels")
        self.counts.scored += 1
        report_due = self.scorer.add(
            label, served.prediction, _given(served.probability), served.no_change,
            served.majority, 0.0 if moment is None else max(moment - served.moment, 0.0),
        )
        fired = self._detect(label, served)
        self._learn(stream, offset, served.features, label)
        if self.training.follows:
            self.training.settle(self, served, label)
        self.no_change.update(label)
        self.majority.update(label)
        if self.watch.doubt is not None:
            self._doubt(self.watch.doubt)
        if report_due:
            self._report()
        if fired:
            raise_alarm(self, fired)
        return None

    # --- the steps -----------------------------------------------------------------------

    def _advance(self, moment: float) -> None:
        """Let event time go on; what has waited too long for its other half is given up."""
        watermark = self.watermark.observe(moment)
        if watermark > self.pending.next_expiry or watermark > self.early.next_expiry:
            self._expire(watermark)

    def _expire(self, watermark: float) -> None:
        for identity in self.pending.expire(watermark):
            self.counts.expired += 1
            self.lapsed.add(identity)
        for letter in self.early.expire(watermark):
            self._bury("labels", letter)

    def _predict(
        self, offset: int, record: Record, features: dict[str, Any]
    ) -> tuple[Any, Any] | None:
        if self.skips and (skip := self.skips.get(("events", offset), ("", "")))[0] == "predict":
            self._refuse("events", offset, record, Fault("predict_failed", skip[1]))
            return None
        try:
            return self.learner.predict(features)
        except Exception as error:  # the learner is the user's; whatever it raises is its failure
            raise LearnError("events", offset, told(error), "predict") from error

    def _serve(self, identity: str, time: Any, answer: tuple[Any, Any], model: str) -> None:
        label, probability = answer
        prediction: Prediction = {
            "id": identity, "time": time, "prediction": label, "model": model,
        }  # fmt: skip
        if self._binary:
            prediction["probability"] = probability
        elif probability is not None:
            prediction["probability"] = {str(k): p for k, p in probability.items()}
        self.out.predictions.append(prediction)
        self.counts.predictions += 1

    def _wait(self, served: Served) -> None:
        probability = served.probability
        if type(probability) is dict:
            pairs = [(label, p if isfinite(p) else None) for label, p in probability.items()]
            served.probability = pairs
        evicted = self.pending.add(served)
        if evicted is not None:
            self.counts.evicted += 1
            self.lapsed.add(evicted)

    def _unclaimed(self, offset: int, record: LabelRecord, label: Label) -> None:
        """Decide the fate of a label for which no prediction waits."""
        identity = record.id
        if identity in self.lapsed:
            fault = Fault("expired", f"the prediction for {identity!r} no longer waited")
            return self._refuse("labels", offset, record, fault)
        if identity in self.recent or identity in self.early:
            return self._refuse("labels", offset, record, _seen(identity))
        fault = Fault("unknown_id", f"no event {identity!r} came within the time to live")
        letter = dead_letter(self._topic("labels"), self.number, offset, record, fault)
        early = EarlyLabel(
            label, record.time, record.moment, self.watermark.value, letter
        )
        overflow = self.early.add(identity, early)
        if overflow is not None:
            self._bury("labels", overflow)
        miss_events(self)
        return None

    def _detect(self, label: Label, served: Served) -> list[tuple[str, Evidence]]:
        prediction = served.prediction
        if prediction is None:
            return []
        error = abs(label - prediction) if self._regression else int(label != prediction)
        return self.watch.label(served.moment, error, label, served.probability)

    def _learn(
        self, stream: str, offset: int, features: dict[str, Any], label: Label
    ) -> None:
        try:
            self.learner.learn(features, label)
        except Exception as error:  # the learner is the user's; whatever it raises is its failure
            raise LearnError(stream, offset, told(error), "learn") from error

    def _respond(self) -> None:
        """Carry out what the last alarm asked for, as the first step of this record."""
        response = self.response
        due, cause, response.due, response.cause = response.due, response.cause, None, {}
        if due == "reset":
            anew = self.parts.fresh_learner()
            self.training.supersede(self, anew, {**cause, "how": "fresh"})
        else:
            self.training.trigger(self, cause)

    def _doubt(self, since: float) -> None:
        """Try a challenger where the error may have risen, by too little for an alarm."""
        self.watch.doubt = None
        if self.settings.actions["concept"] == "challenge" and self.settings.training.doubts:
            self.training.trigger(self, {"kind": "doubt", "since": since})

    def crown(self, version: int, learner: Learner, *, served: bool) -> None:
        """Make a model the champion; `served` says that it was served before already."""
        self.learner = learner
        self.champion = version
        self.model = f"v{version}"
        if not served:
            self.watch.begin_anew(self.parts.fresh_detectors())

    def _report(self, final: bool = False) -> None:
        self.reports += 1
        report = report_of(self, final)
        self.out.metrics.append(report)
        self.training.reported(self, report)

    def finish(self) -> None:
        """Report a last time: the input has ended."""
        self._digest = None
        self._report(final=True)

    def _refuse(
        self, stream: str, offset: int, record: Record, fault: Fault, book: str | None = None
    ) -> None:
        letter = dead_letter(self._topic(stream), self.number, offset, record, fault)
        self._bury(book or stream, letter)

    def _bury(self, book: str, letter: DeadLetter) -> None:
        self.out.dead_letters.append(letter)
        reason = letter["reason"]
        self.counts.dead[reason] = self.counts.dead.get(reason, 0) + 1
        if book == "events":
            self.counts.dead_events += 1
            self.watch.refused(reason, self.contract, self.learner.predict)
        elif book == "labels":
            self.counts.dead_labels += 1

    def _topic(self, stream: str) -> str:
        settings = self.settings
        topics = {"events": settings.events_topic, "labels": settings.labels_topic}
        return topics.get(stream, settings.control_topic) or f"{settings.name}.{stream}"


def _seen(identity: str) -> Fault:
    return Fault("duplicate", f"{identity!r} was seen before")


def _given(probability: Any) -> Any:
    """Give a probability as the learner did: pending keeps classes as pairs."""
    return dict(probability) if type(probability) is list else probability
