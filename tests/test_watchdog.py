"""A process that cannot go on ends, so that it is started again."""

import subprocess
import sys

import pytest

from stream.edges.watchdog import Watchdog


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_call_that_does_not_come_back_ends_the_process():
    done = run(
        "import time\n"
        "from stream.edges.watchdog import Watchdog\n"
        "with Watchdog(0.2).guard('a commit'):\n"
        "    time.sleep(20)\n"
    )
    assert done.returncode == 1
    assert "driftline: a commit has not come back within 0.2 s" in done.stderr


@pytest.mark.parametrize("library", ["PyDLL", "CDLL"])
def test_a_call_that_holds_the_interpreter_ends_the_process(library):
    """PyDLL keeps the interpreter's lock during a call, CDLL lets it go."""
    done = run(
        "import ctypes\n"
        "from stream.edges.watchdog import end_when_frozen\n"
        "end_when_frozen(0.5)\n"
        f"ctypes.{library}(None).usleep(2_000_000)\n"
        "print('came back')\n"
    )
    held = library == "PyDLL"
    assert done.returncode == held
    assert ("came back" not in done.stdout) == held
    assert ("most recent call first" in done.stderr) == held


def test_calls_within_their_time_are_left_alone():
    barks: list[str] = []
    dog = Watchdog(5, barks.append)
    for _ in range(3):
        with dog.guard("a call"):
            pass
    assert not barks
