"""Watching the error of what was served: one-sided, with the evidence."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, TypedDict, runtime_checkable

_RECENT = 50
"""Errors that stand for "now" when the detector itself does not say how far back the change is."""


@runtime_checkable
class DriftDetector(Protocol):
    """What is asked of a detector: River's own interface."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last update brought a drift to light."""
        ...

    def update(self, x: Any) -> None:
        """Take one more value."""
        ...


class Evidence(TypedDict):
    """What a person needs to check an alarm.

    Attributes
    ----------
    before, after
        Mean error before and since the change.
    labels_before, labels_after
        How many labels these means are over.
    """

    before: float
    after: float
    labels_before: int
    labels_after: int


class _Watched:
    """One detector with the sum of what it has seen since its last drift."""

    __slots__ = ("count", "detector", "name", "total", "update")

    def __init__(self, detector: DriftDetector) -> None:
        self.detector = detector
        self.update = detector.update
        self.name = type(detector).__name__
        self.count = 0
        self.total = 0.0

    def evidence(self, recent: deque[float]) -> Evidence:
        """Compare the errors since the change with those before it.

        ADWIN knows its window since the change; for the others it is the last 50 errors.
        """
        width = getattr(self.detector, "width", None)
        if width is None:
            newest = list(recent)[-min(len(recent), max(1, self.count // 2)) :]
            after_count, after_sum = len(newest), sum(newest)
        else:
            after_count, after_sum = int(width), float(getattr(self.detector, "total", 0.0))
        before_count = max(self.count - after_count, 1)
        return Evidence(
            before=max((self.total - after_sum) / before_count, 0.0),
            after=after_sum / max(after_count, 1),
            labels_before=before_count,
            labels_after=after_count,
        )


class ErrorWatch:
    """Drift detectors on the error of the served prediction.

    A drift is reported only when the error rose: a detector that fires because the error
    fell has seen a recovery, which is no alarm.

    Parameters
    ----------
    detectors
        Fresh River drift detectors, fed in this order.
    """

    def __init__(self, detectors: Sequence[DriftDetector]) -> None:
        self._watched = [_Watched(detector) for detector in detectors]
        self._recent: deque[float] = deque(maxlen=_RECENT)

    @property
    def detectors(self) -> list[DriftDetector]:
        """The detectors themselves, in order."""
        return [watched.detector for watched in self._watched]

    def update(self, error: float) -> list[tuple[str, Evidence]]:
        """Take the error of one more label; give each detector that saw it rise."""
        fired: list[tuple[str, Evidence]] = []
        self._recent.append(error)
        for watched in self._watched:
            watched.update(error)
            watched.count += 1
            watched.total += error
            if watched.detector.drift_detected:
                evidence = watched.evidence(self._recent)
                watched.count, watched.total = 0, 0.0
                if evidence["after"] > evidence["before"]:
                    fired.append((watched.name, evidence))
        return fired

    def state(self) -> dict[str, Any]:
        """Give what is kept beside the detectors as JSON."""
        return {
            "recent": list(self._recent),
            "sums": [[watched.count, watched.total] for watched in self._watched],
        }

    def restore(self, state: dict[str, Any], detectors: Sequence[DriftDetector]) -> None:
        """Take up a state that `state` gave, with the detectors as they were then."""
        self._watched = [_Watched(detector) for detector in detectors]
        for watched, (count, total) in zip(self._watched, state["sums"], strict=True):
            watched.count, watched.total = count, total
        self._recent = deque(state["recent"], maxlen=_RECENT)
