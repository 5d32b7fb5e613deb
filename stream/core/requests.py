"""What is done about a control record: asked for by a person, at a position of the input."""

from typing import TYPE_CHECKING

from stream.core.control import Drop, Promote, Retrain
from stream.core.orders import Fitted
from stream.core.records import Fault
from stream.core.rival import Rival
from stream.core.settings import Window

if TYPE_CHECKING:
    from stream.core.partition import Partition


def carry_out(partition: "Partition", wanted: object) -> Fault | None:
    """Do what is wanted: a request about models, or an estimator to go on with.

    Returns
    -------
    Fault or None
        Why it cannot be done.
    """
    training, cause = partition.training, {"kind": "control"}
    if isinstance(wanted, Fault):
        return wanted
    if isinstance(wanted, Retrain):
        window = _window_of(partition, wanted)
        training.trigger(partition, cause, wanted.how, window)
    elif isinstance(wanted, Fitted):
        return training.adopt(partition, wanted)
    elif isinstance(wanted, Promote | Drop):
        rival = _find(partition, wanted.model)
        if isinstance(rival, Fault):
            return rival
        if isinstance(wanted, Promote):
            training.promote(partition, rival, cause)
        else:
            training.give_up(partition, rival)
    else:
        learner = partition.parts.wrap(wanted)
        training.supersede(partition, learner, {**cause, "how": "checkpoint"})
    return None


def _window_of(partition: "Partition", wanted: Retrain) -> Window | None:
    usual = partition.settings.training.window
    if wanted.window is None:
        return None
    if isinstance(wanted.window, int):
        return Window(policy="fixed", size=wanted.window)
    return Window(policy=wanted.window, size=usual.size)


def _find(partition: "Partition", model: str) -> Rival | Fault:
    rivals = partition.training.rivals
    for rival in rivals:
        if rival.name == model:
            return rival
    there = ", ".join(rival.name for rival in rivals) or "none"
    return Fault("bad_control", f"{model} is not in the shadow of {partition.model}: {there}")
