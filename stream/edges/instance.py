"""The name of a static member of the group: the same after a restart, never used twice at once."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST = 1000


@contextmanager
def claim(group: str) -> Iterator[str]:
    """Take the first name of this host that no other living process has.

    The kernel frees it when the process ends, however it ends; so the one that is started in its
    place gets the same name, and the group takes it for the same member.
    """
    folder = Path(tempfile.gettempdir()) / f"driftline-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(_MOST):
        file = (folder / f"{group}-{number}.lock").open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        with file:
            yield f"{socket.gethostname()}-{number}"
            return
    raise OSError(f"{folder}: {_MOST} members of group {group} run on this host already")
