"""The process that watches over the workers: signals, statuses, and what becomes of orphans."""

import os
import signal
import subprocess
import sys
import time

import pytest

WORKER = """
import os, signal, sys, time
from pathlib import Path
from stream.app.workers import stop_with_supervisor

stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
stop_with_supervisor(lambda: stopped.append(1))
folder = Path(sys.argv[1])
(folder / f"{os.getpid()}.pid").touch()
while not stopped:
    if (folder / "fail").exists():
        sys.exit(3)
    time.sleep(0.02)
(folder / f"{os.getpid()}.done").touch()
"""
SUPERVISOR = """
import sys
from pathlib import Path
from stream.app.workers import run_workers

folder = Path(sys.argv[1])
sys.exit(run_workers(folder, 2, [sys.executable, str(folder / "worker.py"), str(folder)]))
"""


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def supervisor(tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "supervisor.py").write_text(SUPERVISOR)
    process = subprocess.Popen([sys.executable, str(tmp_path / "supervisor.py"), str(tmp_path)])
    until(lambda: len(pids(tmp_path)) == 2)
    yield process
    process.kill()
    process.wait()
    for pid in pids(tmp_path):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def pids(folder, ending="pid"):
    return {int(file.stem) for file in folder.glob(f"*.{ending}")}


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_stop_in_order_when_asked(supervisor, tmp_path):
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert pids(tmp_path, "done") == pids(tmp_path)


def test_a_worker_that_ends_with_an_error_ends_all(supervisor, tmp_path):
    (tmp_path / "fail").touch()
    assert supervisor.wait(10) == 3


def test_workers_that_are_killed_are_started_again_and_a_stop_does_not_wait_for_that(
    supervisor, tmp_path
):
    for more in range(3):  # each time it is waited longer
        victim = max(pid for pid in pids(tmp_path) if alive(pid))
        os.kill(victim, signal.SIGKILL)
        if more < 2:
            until(lambda more=more: len(pids(tmp_path)) == 3 + more)
    time.sleep(0.5)
    started = time.monotonic()
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert time.monotonic() - started < 1.5


def test_orphans_stop_in_order(supervisor, tmp_path):
    workers = pids(tmp_path)
    supervisor.kill()
    until(lambda: pids(tmp_path, "done") == workers, 5)
