"""Real runs of the command line on small files, for the tests that kill them."""

import gzip
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import stream.app.replay  # noqa: F401  # imported before forking, so that no child has to
from stream.app.cli import main
from stream.edges import failpoints

CONFIG = """
name = "crash"
task = "binary"

[input]
id = "id"
time = "at"
label = "late"
label_time = "known"

[learner]
class = "river.tree.HoeffdingTreeClassifier"
params = {{ grace_period = 50, tau = 0.5 }}

[labels]
ttl = "2h"

[scoring]
every = 300
window = 300

[checkpoints]
every = {every}
keep = 3

[response]
concept = "reset"
cooldown = 200

[files]
chunk = {chunk}
commit_every = "{commit}"
"""

OUTPUTS = ("predictions", "metrics", "alarms", "models", "dead-letters")


def write_data(path: Path, rows: int = 3000, seed: int = 7) -> Path:
    """Write events with late labels, a flip of the concept, and rows that cannot be used."""
    draw = random.Random(seed)
    lines = ["id,at,a,b,city,known,late"]
    for n in range(rows):
        a, b = draw.gauss(0, 1), draw.uniform(0, 9)
        late = (a > 0) != (n > rows // 2)
        known = "" if draw.random() < 0.03 else 1e9 + n + draw.choice([0, 5, 90, 300, 9000])
        cell = "oops" if n % 701 == 700 else f"{a:.4f}"
        identity = f"e{n - 1}" if n % 503 == 502 else f"e{n}"
        city = draw.choice(["Oslo", "Rome", "Ærø"])
        lines.append(
            f"{identity},{1e9 + n:.0f},{cell},{b:.3f},{city},{known},{int(late) if known else ''}"
        )
    text = ("\n".join(lines) + "\n").encode()
    if path.suffix == ".gz":
        with gzip.GzipFile(path, "wb", mtime=0) as file:
            file.write(text)
    else:
        path.write_bytes(text)
    return path


def write_config(path: Path, chunk: int = 500, every: int = 1000, commit: str = "1ms") -> Path:
    """Write a configuration that commits and checkpoints often."""
    path.write_text(CONFIG.format(chunk=chunk, every=every, commit=commit))
    return path


class Run:
    """``driftline replay`` in a process of its own, forked so that it need not import River.

    It is killed as any process is: by SIGKILL, from inside at a failpoint or from outside.
    """

    def __init__(
        self, config: Path, data: Path, out: Path, failpoint: str = "",
        control: Path | None = None,
    ) -> None:  # fmt: skip
        self._errors = out.with_name(out.name + ".stderr")
        arguments = ["replay", str(config), str(data), "--out", str(out)]
        arguments += [] if control is None else ["--control", str(control)]
        self.pid = os.fork()
        if self.pid == 0:
            self._become(arguments, failpoint)

    def _become(self, arguments: list[str], failpoint: str) -> None:
        status = 70
        try:
            null = os.open(os.devnull, os.O_RDWR)
            errors = os.open(self._errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for handle, number in ((null, 0), (null, 1), (errors, 2)):
                os.dup2(handle, number)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            failpoints.arm(failpoint)
            main(arguments)
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; gives the exit status, or minus the number of the signal."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    @property
    def errors(self) -> str:
        return self._errors.read_text()


def replay_process(
    config: Path, data: Path, out: Path, hash_seed: str
) -> "subprocess.CompletedProcess[str]":
    """Run ``driftline replay`` as its users do, under a hash seed."""
    arguments = ["replay", str(config), str(data), "--out", str(out)]
    return subprocess.run(
        [sys.executable, "-m", "stream.app.cli", *arguments],
        env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def outputs(out: Path) -> dict[str, bytes]:
    """Give the bytes of all outputs that have to be the same however often a run was killed."""
    return {name: (out / f"{name}.jsonl").read_bytes() for name in OUTPUTS}
