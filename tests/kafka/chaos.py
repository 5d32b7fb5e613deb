"""Real processes of the service on a real broker, for the tests that kill them."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress

from stream.app.connection import connect, ensure_topics
from stream.edges.transports.log import LogUnavailableError, Place
from tests.services import (
    check_exactly_once,
    config_for,
    last_manifest,
    records_of,
    toml_of,
    write,
)

PARTITIONS = 3


class Worker:
    """One `driftline run` in a process of its own."""

    def __init__(self, folder, failpoint="", instances=None):
        environment = {
            **os.environ,
            "DRIFTLINE_FAILPOINT": failpoint,
            "TMPDIR": str(instances or folder),  # where names of members are claimed
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": "1",
        }
        self.log_path = folder / f"worker-{uuid.uuid4().hex[:8]}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream.app.cli", "run", str(folder / "app.toml")],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def wait_for(self, *status, seconds=60):
        try:
            ended = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"does not end: {self.said()}") from None
        assert ended in status, f"status {ended}: {self.said()}"

    def said(self):
        return self.log_path.read_text(errors="replace")[-3000:]


class Stage:
    """An application with its topics on a broker, its input coming in portions."""

    def __init__(self, folder, bootstrap, client, records=1500, seed=1, **tables):
        self.folder = folder
        kafka = {
            "bootstrap_servers": bootstrap, "client": client, "partitions": PARTITIONS,
            "poll_records": 500, "commit_every": "20ms",
        }  # fmt: skip
        name = f"chaos-{uuid.uuid4().hex[:8]}"
        self.config = config_for(folder, name=name, kafka=kafka, **tables)
        (folder / "app.toml").write_text(toml_of(self.config))
        self.log = connect(self.config)
        self.topics = ensure_topics(self.log, self.config)
        self.coming = records_of(records, seed, PARTITIONS)
        self.written = 0
        self.workers = []

    def close(self):
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.signal(signal.SIGCONT)
            worker.kill()
        self.log.close()

    def start(self, failpoint=""):
        worker = Worker(self.folder, failpoint)
        self.workers.append(worker)
        return worker

    def feed(self, count):
        some = self.coming[self.written : self.written + count]
        self.written += len(some)
        write(self.log, self.topics, some)

    def feed_rest(self):
        self.feed(len(self.coming))

    def places(self):
        inputs = (self.topics.events, self.topics.labels or "")
        return [Place(topic, n) for topic in inputs for n in range(PARTITIONS)]

    def behind(self):
        """Count the records that are not committed; some, while the broker does not answer."""
        try:
            ends = self.log.ranges(self.places())
            done = self.log.committed(self.topics.group, self.places())
        except LogUnavailableError:
            return 1
        return sum(span.end - (done[p].offset if p in done else 0) for p, span in ends.items())

    def settle(self, seconds=90):
        """Wait until everything is committed."""
        deadline = time.monotonic() + seconds
        while (left := self.behind()) > 0:
            alive = [worker for worker in self.workers if worker.alive()]
            assert time.monotonic() < deadline, f"{left} left: {[w.said() for w in alive]}"
            time.sleep(0.05)

    def check(self):
        """All of what a reader may see, and the states and blobs behind it."""
        for worker in self.workers:
            if worker.alive():
                worker.signal(signal.SIGTERM)
                worker.wait_for(0, seconds=30)
        outputs, digests = check_exactly_once(self.log, self.config)
        assert self.behind() == 0
        for number, digest in digests.items():
            manifest = last_manifest(self.log, self.config, number)
            assert manifest["checkpoint"] == digest
            blob = self.folder / "checkpoints" / str(number) / f"{manifest['blob']}.ckpt"
            assert blob.exists()
        assert sum(len(records) for (name, _), records in outputs.items() if name == "alarms")
        assert sum(len(records) for (name, _), records in outputs.items() if name == "models")
        return outputs


def seeded(seed):
    """Give a source of chances that a failed test can be repeated with."""
    return random.Random(seed)
