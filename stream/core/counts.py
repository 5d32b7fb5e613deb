"""The books: every record that came in is found again in one of these."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """What became of the records.

    At every moment ``events = predictions + dead_events`` and
    ``predictions = scored + pending + expired + evicted + learn_failed``.

    Attributes
    ----------
    events, label_records
        Records read from each input, usable or not.
    predictions
        Predictions served.
    scored
        Predictions whose label came and was learnt.
    expired, evicted
        Predictions whose label did not come in time, or for which there was no room.
    learn_failed
        Predictions whose label made the learner fail; it was left out.
    dead_events, dead_labels
        Dead letters from each input.
    dead
        Dead letters by reason.
    models
        Records of models by what happened to them.
    """

    events: int = 0
    label_records: int = 0
    predictions: int = 0
    scored: int = 0
    expired: int = 0
    evicted: int = 0
    learn_failed: int = 0
    dead_events: int = 0
    dead_labels: int = 0
    dead: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """Give the state as JSON; without `models` as long as nothing happened to any.

        So states from before there was this book keep their digest.
        """
        state = asdict(self)
        if not self.models:
            del state["models"]
        return state
