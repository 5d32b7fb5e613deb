"""Continuous training: when a challenger begins, how it is made, and what becomes of it.

A challenger answers the events that the champion answers, and learns from the same labels.
Once it has been shown to err less (see `detectors.paired`), it takes the champion's place;
the champion stays in the shadow for a while, and takes its place back by the same proof.
Everything here happens at a record, and is part of the state.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from learners.batch import is_unfitted
from learners.build import Learner
from stream.core.errors import told
from stream.core.gate import shortcoming
from stream.core.labelled import Labelled
from stream.core.loss import Loss
from stream.core.making import Made, Maker
from stream.core.orders import Fitted, Order
from stream.core.parts import Parts
from stream.core.records import Fault, Features, Label, Metrics
from stream.core.rival import Rival, model_record, served_in_place
from stream.core.settings import How, Settings, Window
from stream.core.triggers import Triggers

if TYPE_CHECKING:
    from stream.core.partition import Partition
    from stream.core.served import Served, Shadow

_CHANGES = ("alarm", "doubt")
"""Causes of a contest that speak of a change."""

_STALE = 20
"""Times the limit of a contest: so many events it may answer while labels keep out."""


class Training:
    """The models in the shadow of one partition's champion, and the reasons to make more.

    Attributes
    ----------
    rivals
        Challengers and the champion before, oldest first.
    follows
        Whether labels are of interest: there are rivals, or events are kept for training.
    triggers
        The reasons that lie in the stream itself.
    order
        A challenger that is being made beside the stream.
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.policy = settings.training
        self.rivals: list[Rival] = []
        self.maker = Maker(settings, parts)
        self.triggers = Triggers(settings.training)
        self.order: Order | None = None
        self.records = 0
        self.answered = self.learnt = 0  # by models in the shadow that are gone
        self.avoided = 0.0  # errors, as far as records have told
        self.seconds = 0.0  # of a processor, for what was made beside the stream
        self._regression = settings.task == "regression"
        self._loss = Loss(self._regression)
        self._refresh()

    def _refresh(self) -> None:
        self.follows = bool(self.rivals) or self.maker.keeps

    # --- events -----------------------------------------------------------------------------

    def answer(
        self, partition: "Partition", identity: str, features: Features, answer: tuple[Any, Any]
    ) -> tuple[tuple[Any, Any], str, "Shadow"]:
        """Let the rivals answer too, and choose what is served.

        Returns
        -------
        tuple
            The answer and the model that are served, and what each model answered.
        """
        served, model = answer, partition.model
        shadow: Shadow = [(partition.champion, answer[0])]
        chosen = served_in_place(self.policy, self.rivals, identity)
        for rival in list(self.rivals):
            try:
                own = rival.learner.predict(features)
            except Exception as error:  # it is the user's; a rival that fails is only dropped
                self._drop(partition, rival, f"it failed: {told(error)}")
                continue
            rival.answered += 1
            shadow.append((rival.version, own[0]))
            if rival is chosen and own[0] is not None:
                served, model = own, rival.name
        return served, model, shadow

    # --- labels -----------------------------------------------------------------------------

    def settle(self, partition: "Partition", served: "Served", label: Label) -> None:
        """Compare what was answered, learn, and decide what there is to decide."""
        features = served.features
        ready = self._compare(partition, served, label) if served.shadow else []
        for rival in list(self.rivals):
            try:
                rival.learner.learn(features, label)
            except Exception as error:  # it is the user's; a rival that fails is only dropped
                self._drop(partition, rival, f"it failed: {told(error)}")
            else:
                rival.learnt += 1
        if self.maker.keeps:
            row = Labelled(served.moment, features, label)
            self.maker.history.add(served.id, row, "" if self._regression else str(label))
        if ready:
            self._decide(partition, ready)

    def _compare(self, partition: "Partition", served: "Served", label: Label) -> list[Rival]:
        losses = {version: self._loss.of(label, own) for version, own in served.shadow or ()}
        champion = losses.get(partition.champion)
        if champion is None:
            return []
        baseline = self._loss.of(label, served.majority)
        made = losses.get(int(served.model[1:]), champion)
        ready = []
        for rival in self.rivals:
            own = losses.get(rival.version)
            if own is None:
                continue
            if served.model == rival.name:
                rival.saved += champion - made
            rival.baseline_errors += baseline
            if rival.take(champion, own, self._loss.scale(champion, own), self.policy.fading):
                ready.append(rival)
            for name in self.policy.gate.slices:
                if name in served.features:
                    rival.slice(name, str(served.features[name]), champion, own)
        self._loss.note(champion)
        return ready

    def _decide(self, partition: "Partition", ready: Sequence[Rival]) -> None:
        policy = self.policy
        ready = [rival for rival in ready if rival in self.rivals]  # one may just have failed
        for rival in ready:
            rival.weigh(policy.patience)
        level = policy.significance / max(policy.challengers, 1)
        proven = [
            rival for rival in ready
            if (rival.role == "previous" or rival.compared >= policy.gate.labels)
            and rival.better.surpasses(level)
        ]  # fmt: skip
        if proven:
            best = max(proven, key=lambda rival: rival.better.log_evidence())
            reason = shortcoming(policy.gate, best)
            if reason is None or best.role == "previous":
                self.promote(partition, best, best.cause)
                self._follow_up(partition, best)
                return
            self._record(partition, "refused", best, evidence={"gate": reason})
            self._drop(partition, best, f"the gate: {reason}")
        for rival in ready:
            limit = policy.rollback if rival.role == "previous" else policy.limit
            if rival not in self.rivals:
                continue
            if rival.worse.surpasses(policy.significance):
                self._drop(partition, rival, "it errs more")
            elif rival.hopeless(policy.limit, level):
                reason = f"it would not be shown better within {limit} labels"
                self._drop(partition, rival, reason)
            elif rival.compared >= limit:
                self._drop(partition, rival, f"not better within {limit} labels")

    # --- beginnings and endings -------------------------------------------------------------

    def trigger(
        self, partition: "Partition", cause: dict[str, Any], how: How | None = None,
        window: Window | None = None,
    ) -> None:  # fmt: skip
        """Begin a contest for a reason, if the budget allows it."""
        how = how or self.policy.how
        doubt = cause["kind"] == "doubt"
        if doubt and (self.order or any(rival.role == "challenger" for rival in self.rivals)):
            return
        refusal = None if cause["kind"] == "control" else self._over_budget(partition)
        if refusal is None or not doubt:
            self._record(partition, "trigger", None, cause=cause, how=how)
        if refusal is None and how != "continue":
            self._make(partition, cause, how, window or self.policy.window)
        elif refusal is not None and not doubt:
            self._record(partition, "refused", None, cause=cause, how=how, evidence=refusal)

    def _make(
        self, partition: "Partition", cause: dict[str, Any], how: How, window: Window
    ) -> None:
        """Make a challenger, and let its contest begin; or order what takes long."""
        number, made = self.records, None
        beside = self.policy.beside and self.maker.takes_long(partition, how, window)
        if not (beside and self.order):
            self.triggers.began(self.policy.budget, partition.counts, partition.watermark.value)
        if not beside:
            try:
                made = self.maker.make(partition, how, window, cause.get("since"))
            except Exception as error:  # it is the user's; there is no challenger then
                return self._fail(partition, cause, how, told(error))
        if made is not None:
            return self._begin(partition, cause, made)
        if self.order is not None:
            why = f"the one of record {self.order.number} is still being made"
            return self._fail(partition, cause, how, why)
        self.order = Order(number, cause, "fresh" if how == "transfer" else how, window)
        return None

    def _follow_up(self, partition: "Partition", promoted: Rival) -> None:
        """Let another model learn after the change during which the promoted one has learnt."""
        policy, cause = self.policy, promoted.cause
        if not policy.follow_up or policy.how == "warm" or cause["kind"] not in _CHANGES:
            return
        if promoted.role == "challenger" and len(self.rivals) < policy.challengers:
            own = {"kind": "promotion", "model": promoted.name, "since": cause.get("since")}
            self.trigger(partition, own)

    def _over_budget(self, partition: "Partition") -> dict[str, Any] | None:
        answers = int(self.spent()["answers"])
        return self.triggers.over_budget(
            self.policy.budget, partition.counts, partition.watermark.value, answers, self.seconds
        )

    def adopt(self, partition: "Partition", fitted: Fitted) -> Fault | None:
        """Begin a contest with what was made beside the stream; why not, if it is not wanted."""
        order = self.order
        if order is None or order.number != fitted.order:
            return Fault("bad_control", f"no model is awaited as order {fitted.order}")
        self.order = None
        self.seconds += fitted.seconds
        made = self.maker.taken_up(fitted)
        if isinstance(made, str):
            self._fail(partition, order.cause, order.how, made)
        else:
            self._begin(partition, order.cause, made)
        return None

    def _fail(self, partition: "Partition", cause: dict[str, Any], how: How, why: str) -> None:
        """Tell of a challenger that could not be made; the champion goes on."""
        evidence = {"failure": why}
        self._record(partition, "refused", None, cause=cause, how=how, evidence=evidence)

    def _begin(self, partition: "Partition", cause: dict[str, Any], made: Made) -> None:
        while len(self.rivals) >= max(self.policy.challengers, 1):
            self._drop(partition, min(self.rivals, key=lambda each: each.lead), "it made room")
        partition.version += 1
        rival = Rival(
            partition.version, made.learner, how=made.how, parent=made.parent, cause=cause,
            window=made.window, margin=self.policy.min_gain,
        )  # fmt: skip
        self.rivals.append(rival)
        self._refresh()
        self._record(partition, "start", rival)
        if is_unfitted(partition.learner.estimator) and not is_unfitted(rival.learner.estimator):
            self.promote(partition, rival, cause)  # there was nothing to compare it with

    def promote(self, partition: "Partition", rival: Rival, cause: dict[str, Any]) -> None:
        """Make a rival the champion; the champion stays in the shadow, to take over again."""
        back = rival.role == "previous"
        before = Rival.of_champion(partition, cause)
        self.rivals.remove(rival)
        gain = {"errors_avoided": rival.saved}
        evidence = rival.evidence()
        partition.crown(rival.version, rival.learner, served=self.policy.serve == "leader")
        for other in self.rivals:
            other.enter(other.role, self.policy.min_gain)
        if not back and not is_unfitted(before.learner.estimator):
            self.retire(before)
        self._refresh()
        self._count(rival)
        event = "rollback" if back else "promotion"
        self._record(partition, event, rival, cause=cause, evidence=evidence, gain=gain)

    def retire(self, before: Rival) -> None:
        """Keep the champion that was in the shadow, as long as it may take over again."""
        if self.policy.rollback > 0:
            self.rivals = [rival for rival in self.rivals if rival.role != "previous"]
            before.enter("previous", 0.0)
            self.rivals.append(before)

    def supersede(self, partition: "Partition", learner: Learner, cause: dict[str, Any]) -> None:
        """Go on with a model that nobody has compared; the champion may take over again."""
        before = Rival.of_champion(partition, cause)
        partition.version += 1
        rival = Rival(
            partition.version, learner, how=cause["how"], parent=before.name, cause=cause,
            window=None, margin=0.0,
        )  # fmt: skip
        for each in list(self.rivals):
            self._drop(partition, each, "another model was put in the champion's place")
        partition.crown(rival.version, learner, served=False)
        if cause["how"] != "fresh":
            self.retire(before)
        self._refresh()
        self._record(partition, "promotion", rival, cause=cause)

    def give_up(self, partition: "Partition", rival: Rival) -> None:
        """Drop a rival because somebody wants it."""
        self._drop(partition, rival, "it was given up by hand")

    def _drop(self, partition: "Partition", rival: Rival, reason: str) -> None:
        self.rivals.remove(rival)
        self._count(rival)
        gain = {"errors_avoided": rival.saved}
        if rival.role == "previous":  # what the promotion has avoided since
            gain["errors_avoided"] += rival.errors - rival.champion_errors
        evidence = {"reason": reason, **rival.evidence()}
        self._refresh()
        self._record(partition, "drop", rival, evidence=evidence, gain=gain)

    def spent(self) -> dict[str, float]:
        """Give what models in the shadow have done, and the errors avoided for it."""
        return {
            "answers": self.answered + sum(rival.answered for rival in self.rivals),
            "labels": self.learnt + sum(rival.learnt for rival in self.rivals),
            "avoided": self.avoided,
        }

    def _count(self, rival: Rival) -> None:
        self.answered += rival.answered
        self.learnt += rival.learnt

    # --- what an edge, a report or a clock brings -------------------------------------------

    def look_at_intervals(self, partition: "Partition") -> None:
        """Begin what an interval asks for."""
        counts, now = partition.counts, partition.watermark.value
        for trigger, cause in self.triggers.intervals(counts.events, now):
            self.trigger(partition, cause, trigger.how, trigger.window)
        self._end_stale(partition)

    def reported(self, partition: "Partition", report: Metrics) -> None:
        """Begin what a report gives reason for."""
        for trigger, cause in self.triggers.performance(report):
            self.trigger(partition, cause, trigger.how, trigger.window)
        self._end_stale(partition)

    def _end_stale(self, partition: "Partition") -> None:
        for rival in list(self.rivals):
            if rival.answered - rival.compared > _STALE * max(self.policy.limit, 1):
                self._drop(partition, rival, "its labels keep out")

    def _record(
        self, partition: "Partition", event: Any, rival: Rival | None, *,
        cause: dict[str, Any] | None = None, how: str = "",
        evidence: dict[str, Any] | None = None, gain: dict[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.records += 1
        self.avoided += (gain or {}).get("errors_avoided", 0.0)
        record = model_record(
            partition, self.records, event, rival, cause=cause, how=how, evidence=evidence,
            gain=gain,
        )  # fmt: skip
        partition.out.models.append(record)
        counted = partition.counts.models
        counted[event] = counted.get(event, 0) + 1
        if event in ("promotion", "rollback") and not partition.cut:
            partition.cut = "model"

    # --- state ------------------------------------------------------------------------------

    def estimators(self) -> list[object]:
        """Give the estimators of all models kept here, in the order `restore` takes them."""
        return [rival.learner.estimator for rival in self.rivals] + self.maker.estimators()

    def state(self) -> dict[str, Any]:
        """Give the state as JSON, but for the estimators."""
        return {
            "rivals": [rival.state() for rival in self.rivals],
            "maker": self.maker.state(),
            "triggers": self.triggers.state(),
            "order": None if self.order is None else self.order.state(),
            "records": self.records,
            "answered": self.answered,
            "learnt": self.learnt,
            "avoided": self.avoided,
            "seconds": self.seconds,
            "loss": self._loss.state(),
        }

    def restore(
        self, state: dict[str, Any], estimators: Sequence[object],
        wrap: Callable[[object], Learner],
    ) -> None:  # fmt: skip
        """Take up a state that `state` gave, with the estimators as they were then."""
        margin = self.policy.min_gain
        self.rivals = [
            Rival.revived(each, wrap(estimator), margin if each["role"] == "challenger" else 0.0)
            for each, estimator in zip(state["rivals"], estimators, strict=False)
        ]
        self.maker.restore(state["maker"], estimators[len(self.rivals) :])
        self.triggers.restore(state["triggers"])
        order = state.get("order")
        self.order = None if order is None else Order.revived(order)
        self.records = state["records"]
        self.answered, self.learnt = state["answered"], state["learnt"]
        self.avoided, self.seconds = state["avoided"], state.get("seconds", 0.0)
        self._loss.restore(state["loss"])
        self._refresh()
