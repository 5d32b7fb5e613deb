"""A signal is heard whenever it comes."""

import subprocess
import sys
import time
from threading import Timer

from stream.app.stopping import Stop

HAMMERED = """
import signal
from stream.app.stopping import Stop

heard = 0
for n in range(2_000):
    stop = Stop()
    signal.signal(signal.SIGALRM, lambda *_: stop.set())
    signal.setitimer(signal.ITIMER_REAL, 0.00002 + n % 50 * 1e-6)
    while not stop.wait(0.000001):
        pass
    heard += stop.is_set()
print(heard)
"""


def test_signals_at_any_moment_are_heard():
    """With a `threading.Event` in its place it hangs, two times of three."""
    ran = subprocess.run(
        [sys.executable, "-c", HAMMERED], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "2000\n"


def test_who_waits_is_woken_by_another_thread():
    stop = Stop()
    started = time.monotonic()
    Timer(0.1, stop.set).start()
    assert stop.wait(30)
    assert time.monotonic() - started < 10
    assert stop.is_set()


def test_nobody_wishes_it_until_somebody_does():
    stop = Stop()
    assert not stop.wait(0.01)
    assert not stop.is_set()
