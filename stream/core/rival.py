"""A model in the shadow: it answers the same events and learns from the same labels."""

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from detectors.paired import Paired
from learners.build import Learner
from stream.core.records import ModelRecord
from stream.core.settings import Training

if TYPE_CHECKING:
    from stream.core.partition import Partition

BLOCK = 32
"""Labels between two looks at what a rival has shown."""

Role = Literal["challenger", "previous"]


class Rival:
    """A model that is compared with the champion, record by record.

    Attributes
    ----------
    version, name
        Its number, and the same as predictions name it.
    role
        Whether it challenges, or is the champion before, which may take over again.
    lead
        Faded sum of the differences: above 0 where it has done better lately.
    better, worse
        Evidence that its error is lower than the champion's, and that it is higher.
    errors, champion_errors, baseline_errors
        Sums of the losses of both over the labels that were compared, and of the baseline's.
    saved
        Errors avoided so far because it was served in the champion's place.
    learnt, answered
        Labels it has learnt in the shadow, and events it has answered there.
    slices
        For each sliced feature and value: labels, and losses of both.
    """

    __slots__ = (
        "_squares", "answered", "baseline_errors", "better", "cause", "champion_errors",
        "errors", "how", "lead", "learner", "learnt", "name", "open", "parent", "role", "saved",
        "slices", "version", "window", "worse",
    )  # fmt: skip

    def __init__(
        self, version: int, learner: Learner, *, how: str, parent: str | None,
        cause: dict[str, Any], window: dict[str, Any] | None, margin: float,
    ) -> None:  # fmt: skip
        self.version = version
        self.name = f"v{version}"
        self.learner = learner
        self.how, self.parent, self.cause, self.window = how, parent, cause, window
        self.learnt = self.answered = 0
        self.enter("challenger", margin)

    @classmethod
    def of_champion(cls, partition: "Partition", cause: dict[str, Any]) -> "Rival":
        """Make one of the champion, which is about to be followed by another."""
        return cls(
            partition.champion, partition.learner, how="", parent=None, cause=cause, window=None,
            margin=0.0,
        )  # fmt: skip

    def enter(self, role: Role, margin: float) -> None:
        """Begin to be compared: with another champion, or for the first time."""
        self.role = role
        self.lead = self._squares = 0.0
        self.better, self.worse = Paired(margin), Paired()
        self.errors = self.champion_errors = self.baseline_errors = self.saved = 0.0
        self.open: list[float] = []
        self.slices: dict[str, dict[str, list[float]]] = {}

    @property
    def ahead(self) -> bool:
        """Whether it has done better than the champion lately, and not by chance alone."""
        return self.lead > 0.0 and self.lead * self.lead > _DEVIATES * self._squares

    @property
    def compared(self) -> int:
        """How many labels have been compared and weighed."""
        return self.better.count

    def take(self, champion: float, own: float, scale: float, fading: float) -> bool:
        """Take the losses of both for one label; gives whether there is reason to decide.

        Parameters
        ----------
        scale
            Loss that counts in full, one way or the other.
        """
        difference = min(max((champion - own) / scale, -1.0), 1.0)
        self.lead = fading * self.lead + difference
        self._squares = fading * fading * self._squares + difference * difference
        self.errors += own
        self.champion_errors += champion
        self.open.append(difference)
        return len(self.open) == BLOCK

    def weigh(self, patience: int) -> None:
        """Weigh what has come; what speaks against it counts only once it had time to learn."""
        differences, self.open = self.open, []
        self.better.take(differences)
        if self.better.count > patience:
            self.worse.take([-difference for difference in differences])

    def hopeless(self, limit: int, level: float) -> bool:
        """Whether a challenger that had its time to learn would need more than luck to win.

        That is so where its evidence would not suffice at the limit even if it were as much
        better as one standard error above what it was so far.
        """
        if self.role != "challenger" or self.worse.count < _TRIED:
            return False
        left = limit - self.compared
        return self.better.log_evidence() + left * self.worse.growth_against(_LUCK) < -log(level)

    def slice(self, name: str, value: str, champion: float, own: float) -> None:
        """Count the losses of both where a sliced feature has this value."""
        values = self.slices.setdefault(name, {})
        if value in values or len(values) < _MOST_VALUES:
            tally = values.setdefault(value, [0, 0.0, 0.0])
            tally[0] += 1
            tally[1] += champion
            tally[2] += own

    def evidence(self) -> dict[str, Any]:
        """Give what its contest has shown so far, for a record."""
        labels = self.compared + len(self.open)
        return {
            "labels": labels,
            "error": self.errors / labels if labels else None,
            "champion_error": self.champion_errors / labels if labels else None,
            "log_evidence": self.better.log_evidence(),
            "log_evidence_against": self.worse.log_evidence(),
        }

    def state(self) -> dict[str, Any]:
        """Give the state as JSON, but for the estimator."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {**plain, "better": self.better.state(), "worse": self.worse.state()}

    @classmethod
    def revived(cls, state: dict[str, Any], learner: Learner, margin: float) -> "Rival":
        """Take up a state that `state` gave."""
        rival = cls(
            state["version"], learner, how=state["how"], parent=state["parent"],
            cause=state["cause"], window=state["window"], margin=margin,
        )  # fmt: skip
        for name in _PLAIN:
            setattr(rival, name, state[name])
        rival.better.restore(state["better"])
        rival.worse.restore(state["worse"])
        return rival


def served_in_place(policy: Training, rivals: Sequence[Rival], identity: str) -> Rival | None:
    """Give the rival that answers an event in the champion's place, by the policy and its id."""
    if policy.serve == "champion" or not rivals:
        return None
    if policy.serve == "leader":
        ahead = max(rivals, key=lambda rival: rival.lead)
        return ahead if ahead.ahead else None
    challengers = [rival for rival in rivals if rival.role == "challenger"]
    place = crc32(identity.encode()) / 2**32
    number = int(place / policy.share) if policy.share else len(challengers)
    return challengers[number] if number < len(challengers) else None


def model_record(
    partition: "Partition", seq: int, event: Any, rival: Rival | None, *,
    cause: dict[str, Any] | None, how: str, evidence: dict[str, Any] | None,
    gain: dict[str, float] | None,
) -> ModelRecord:  # fmt: skip
    """Tell what happened to a rival, or why there is none; its own cause and how, if no others."""
    return {
        "seq": seq,
        "event": event,
        "time": partition.time,
        "position": dict(partition.position),
        "model": "" if rival is None else rival.name,
        "champion": partition.model,
        "parent": None if rival is None else rival.parent,
        "cause": cause or (rival.cause if rival is not None else {}),
        "how": how or (rival.how if rival is not None else ""),
        "window": None if rival is None else rival.window,
        "evidence": evidence or {},
        "cost": {
            "learnt": 0 if rival is None else rival.learnt,
            "answered": 0 if rival is None else rival.answered,
        },
        "gain": gain or {},
    }


_DEVIATES = 1.5**2
"""Square of the standard deviations by which a rival leads that is served for it."""

_TRIED = 512
"""Labels beyond the patience after which a challenger has to have a chance to be promoted."""

_LUCK = 1.0
"""Standard errors by which a challenger may be better than it was so far, for that chance."""

_MOST_VALUES = 200
"""Values of a sliced feature that are told apart."""

_PLAIN = (
    "version", "role", "how", "parent", "cause", "window", "lead", "_squares", "errors",
    "champion_errors", "baseline_errors", "saved", "learnt", "answered", "open", "slices",
)  # fmt: skip
