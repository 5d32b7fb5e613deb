"""Real runs of the command line on small files, for the tests that kill them."""

import gzip
import os
import random
import subprocess
import sys
from pathlib import Path

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

OUTPUTS = ("predictions", "metrics", "alarms", "dead-letters")


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


def start(
    config: Path, data: Path, out: Path, *more: str, failpoint: str = "", hash_seed: str = "0"
) -> "subprocess.Popen[bytes]":
    """Start ``driftline replay`` as its users do."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "DRIFTLINE_FAILPOINT": failpoint}
    arguments = ["replay", str(config), str(data), "--out", str(out), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "stream.app.cli", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def outputs(out: Path) -> dict[str, bytes]:
    """Give the bytes of all outputs that have to be the same however often a run was killed."""
    return {name: (out / f"{name}.jsonl").read_bytes() for name in OUTPUTS}
