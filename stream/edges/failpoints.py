"""Named places at which a test can have the process killed.

``DRIFTLINE_FAILPOINT=commit.rename:3`` kills it (SIGKILL) the third time that it reaches
``commit.rename``. In production the variable is not set and a place costs one comparison.
"""

import os
import signal

ON_FILES = (
    "fold",
    "write",
    "flush",
    "blob.write",
    "blob.rename",
    "blob.done",
    "manifest",
    "commit.write",
    "commit.rename",
    "commit.done",
    "collect",
    "finish",
)
ON_A_LOG = (
    "take",
    "fold",
    "send",
    "flush",
    "offsets",
    "commit",
    "commit.done",
    "blob.write",
    "blob.rename",
    "blob.done",
    "manifest",
    "collect",
)

_name = ""
_left = 0


def arm(failpoint: str) -> None:
    """Choose where this process is to die: ``NAME`` or ``NAME:TIMES``; empty for nowhere."""
    global _name, _left  # there is one such place in a process
    _name, _, times = failpoint.partition(":")
    _left = int(times or 1)


def reach(point: str) -> None:
    """Die here if this is the place and the time."""
    global _left  # the countdown of this process
    if point == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("DRIFTLINE_FAILPOINT", ""))
