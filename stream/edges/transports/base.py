"""What the worker asks of the outside: records in order, and commits that are all or nothing."""

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from stream.core.merge import Item
from stream.core.parts import Outputs
from stream.state.blob import Manifest

Position = dict[str, int]
"""Next offset to read of each input, by its name: events and labels."""


@dataclass(slots=True)
class Committed:
    """What a commit makes durable beside the outputs, in one step with them.

    Attributes
    ----------
    position
        Up to where the outputs are out.
    checkpoint
        Manifest of the last checkpoint; its position is at or before `position`.
    skips
        Records since that checkpoint on which the learner fails: stream, offset, stage, what
        it said.
    finished
        Whether the input had ended and the last report is out.
    records
        How many records had been folded.
    """

    position: Position = field(default_factory=lambda: {"events": 0, "labels": 0})
    checkpoint: Manifest | None = None
    skips: list[tuple[str, int, str, str]] = field(default_factory=list)
    finished: bool = False
    records: int = 0

    def state(self) -> dict[str, Any]:
        """Give it as JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Committed":
        """Make it of what `state` gave."""
        skips = [(str(s), int(o), str(g), str(d)) for s, o, g, d in state["skips"]]
        position = state["position"]
        records = state.get("records", sum(position.values()))
        return cls(position, state["checkpoint"], skips, state["finished"], records)


class Source(Protocol):
    """An ordered stream of records that can be read again from any position."""

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records in their final order; [] at the end."""
        ...

    def seek(self, position: Position) -> None:
        """Go on from a position that was reached before, or from the start."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Sink(Protocol):
    """Where outputs go: all of a commit, or none of it."""

    def begin(self) -> Committed:
        """Find out what was committed last; anything beyond it is taken back."""
        ...

    def write(self, outputs: Outputs) -> None:
        """Take outputs; nobody sees them before they are committed."""
        ...

    def discard(self) -> None:
        """Forget what was written since the last commit."""
        ...

    def commit(self, committed: Committed, manifest: Manifest | None) -> None:
        """Make all that was written, the position and a new manifest durable at once."""
        ...

    def manifests(self) -> list[Manifest]:
        """Give the manifests of all committed checkpoints, oldest first."""
        ...

    def collected(self, kept: set[str]) -> None:
        """Hear of which announced checkpoints are kept; the next commit withdraws the others."""
        ...

    def close(self) -> None:
        """Let go of files, connections and locks."""
        ...
