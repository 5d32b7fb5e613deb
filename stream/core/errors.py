"""The one family of errors that driftline raises on purpose.

Every message says what is wrong and what to do about it, because it is printed
to a person as it stands. `retriable` tells an edge whether trying again can help.
"""

from typing import ClassVar


class DriftlineError(Exception):
    """Root of all errors that driftline raises on purpose.

    Attributes
    ----------
    retriable
        Whether the same call may succeed later without anybody changing anything.
    exit_status
        What the command line exits with: 1 for a failure, 2 for wrong use.
    """

    retriable: ClassVar[bool] = False
    exit_status: ClassVar[int] = 1


class ConfigError(DriftlineError):
    """The configuration cannot be used; the message names file, key and what is accepted."""

    exit_status = 2


class SourceError(DriftlineError):
    """An input cannot be read at all: no such file, column or permission, unknown format."""

    exit_status = 2


class OutputError(DriftlineError):
    """The output folder cannot be used: it belongs to another run, is locked or not writable."""


class CheckpointError(DriftlineError):
    """A checkpoint is missing, damaged, not signed by us, or made by other library versions."""


class LearnError(DriftlineError):
    """The learner raised on a record; the state may be half changed and has to be restored.

    Parameters
    ----------
    stream
        Which input the record came from, ``"events"`` or ``"labels"``.
    offset
        Its position in that input.
    detail
        What the learner said.
    stage
        ``"predict"`` or ``"learn"``.
    """

    def __init__(self, stream: str, offset: int, detail: str, stage: str) -> None:
        super().__init__(f"the learner failed to {stage} on {stream} record {offset}: {detail}")
        self.stage = stage
        self.stream = stream
        self.offset = offset
        self.detail = detail


def told(error: Exception) -> str:
    """Give what something of the user's said when it failed, for a record."""
    return f"{type(error).__name__}: {error}"[:500]


class CheckpointMissingError(CheckpointError):
    """What is named is not in the store; everything else about the store may be in order."""


class StopRequestedError(DriftlineError):
    """A declared response or policy (`stop`) ended the run; the message says which."""
