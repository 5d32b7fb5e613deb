"""Named places at which a test can have the process killed.

``DRIFTLINE_FAILPOINT=commit.rename:3`` kills it (SIGKILL) the third time that it reaches
``commit.rename``. In production the variable is not set and a place costs one comparison.
"""

import os
import signal

POINTS = (
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

_name, _, _times = os.environ.get("DRIFTLINE_FAILPOINT", "").partition(":")
_left = int(_times or 1)


def reach(point: str) -> None:
    """Die here if this is the place and the time."""
    global _left  # the countdown of this process
    if point == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
