"""How much of the bare River loop's speed is left on a real Kafka broker, exactly once.

The bare loop is that of `benchmarks.bench`: Agrawal's records as dictionaries in memory, predict,
accuracy, ADWIN, Page-Hinkley, learn. Against it stands a `driftline run` process with everything
that is not named here as shipped, on a topic of JSON records that was filled before: it reads,
holds records to the contract, predicts, scores, detects, learns, writes one prediction for each
event, metrics and checkpoints, and commits every half second in a transaction.

What is timed: from the first look (every 20 ms) at the group's committed offsets that finds
one, that of the checkpoint at the very start of the input before a record of it is read, to the
first look that finds the end of the input committed. So all reading, folding, writing and
committing of all events is in it, and starting the process and taking partitions over is not.
With several partitions the clock starts when the last one is taken, and only what is committed
after that counts; with several processes half a second after the group came to rest.

Quix Streams does the same work (`quix_app.py`) with a commit every half second too. It commits
nothing before its first records, and waits out its interval at the end of the input; so it is
timed from its first commit to its last one at full load, which leaves its start out.

``python -m benchmarks.kafka [--quick]`` prints the tables, writes ``results/kafka.json``.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bench import DELAY, LEARNERS, bare, processor
from benchmarks.latency import measure_latencies
from benchmarks.stage import Offsets, Stage, Timed, agrawal, open_stage, time_commits, values_of
from learners.repairs import repair_river
from stream.app.compiled import is_compiled
from stream.app.topics import topics_of
from stream.edges.transports.log import Place
from stream.state.blob import versions

RESULTS = Path(__file__).parent / "results" / "kafka.json"
QUIX = "3.28.0"
QUIX_FOLDER = Path(__file__).parents[1] / ".cache" / f"quix-{QUIX}"
TREE, LOGISTIC = LEARNERS
TARGETS = {
    ("confluent", TREE): 0.60, ("confluent", LOGISTIC): 0.42,
    ("kafka-python", TREE): 0.38, ("kafka-python", LOGISTIC): 0.24,
}  # fmt: skip
GUARANTEES = ("exactly-once", "at-least-once")
LONGER = 4
"""Times as many records for several processes, since a part of them passes before the clock."""

SETTLE = 0.5
"""Seconds from the last word about who owns what to the start of the clock then."""

Records = list[tuple[dict[str, Any], bool]]


@dataclass
class Line:
    """One line of the table: medians over the repetitions, and the ratios to the bare loop."""

    system: str
    learner: str
    labels: str = "in the event"
    partitions: int = 1
    workers: int = 1
    events: int = 0
    us: float = 0.0
    cpu_us: float = 0.0
    ratio: float = 0.0
    ratio_min: float = 0.0
    ratio_max: float = 0.0
    cpu_ratio: float = 0.0
    target: float | None = None
    times: list[Timed] = field(default_factory=list)

    def sum_up(self, bare_times: list[Timed]) -> None:
        """Work out medians; ratios are those of runs that came one after the other."""
        pairs = list(zip(bare_times, self.times, strict=True))
        ratios = [theirs.us / ours.us for theirs, ours in pairs]
        self.us = round(statistics.median(each.us for each in self.times), 2)
        self.cpu_us = round(statistics.median(each.cpu_us for each in self.times), 2)
        self.ratio = round(statistics.median(ratios), 3)
        self.ratio_min, self.ratio_max = round(min(ratios), 3), round(max(ratios), 3)
        self.cpu_ratio = round(statistics.median(a.cpu_us / b.cpu_us for a, b in pairs), 3)

    def show(self) -> str:
        """Give the line as it is printed."""
        what = f"{self.labels}, {self.partitions} partition{'s' * (self.partitions > 1)}"
        if self.workers > 1:
            what += f", {self.workers} processes"
        target = "" if self.target is None else f"  target {self.target:.2f}"
        return (
            f"{self.system:<25} {self.learner:<28} {what:<44} {self.us:>6.1f} us "
            f"{1e6 / self.us:>8,.0f}/s  ratio {self.ratio:.3f} ({self.ratio_min:.2f}, "
            f"{self.ratio_max:.2f}), of cpu {self.cpu_ratio:.3f}{target}"
        )


class Bench:
    """Runs each system on the same records in turn.

    Parameters
    ----------
    stage
        The broker.
    events, repeats
        How many records, and how often each system takes them.
    """

    def __init__(self, stage: Stage, events: int, repeats: int) -> None:
        self._stage = stage
        self._repeats = repeats
        self._records: Records = agrawal(events)
        self._topics: dict[tuple[int, int, int], tuple[str, str | None]] = {}
        self._runs = 0

    def compare(self, lines: list[Line], learner: str, delay: int = 0) -> list[Line]:
        """Measure lines of one learner against the bare loop, all in turn; gives that one too."""
        base = Line("bare River", learner, lines[0].labels, events=len(self._records))
        for _ in range(self._repeats):
            took, accuracy = self._bare(learner, delay)
            base.times.append(took)
            for line in lines:
                line.events = len(self._records) * (LONGER if line.workers > 1 else 1)
                line.times.append(self._run(line, delay, accuracy))
        for line in (base, *lines):
            line.sum_up(base.times)
            print(line.show(), flush=True)
        return [base, *lines]

    def _bare(self, learner: str, delay: int) -> tuple[Timed, float]:
        started, cpu = time.perf_counter(), time.process_time()
        _, accuracy = bare(self._records, LEARNERS[learner][1](), delay)
        took = time.perf_counter() - started, time.process_time() - cpu
        return Timed(len(self._records), *took), accuracy

    def _run(self, line: Line, delay: int, accuracy: float) -> Timed:
        self._runs += 1
        if line.system.startswith("Quix"):
            return self._quix(line)
        return self._driftline(line, delay, accuracy)

    def _driftline(self, line: Line, delay: int, accuracy: float) -> Timed:
        stage, partitions = self._stage, line.partitions
        events, labels = self._input(partitions, delay, line.events)
        client = line.system.removeprefix("driftline, ")
        config = stage.config(
            f"run{self._runs}", events, labels, client, LEARNERS[line.learner][0]
        )
        inputs = [events, *([labels] if labels else [])]
        offsets = Offsets(stage.bootstrap, config.name, inputs, partitions)
        process = stage.start(config, line.workers)
        try:
            total = line.events * len(inputs)
            settle = SETTLE if line.workers > 1 else 0.0
            took = time_commits(process, offsets, total, "partition ", settle=settle)
        finally:
            process.stop()
            offsets.close()
        self._check(topics_of(config).predictions, partitions, line.events)
        if partitions == 1:
            [*_, last] = self._read(topics_of(config).metrics, 1)
            contests = self._read(topics_of(config).models, 1)  # whose leader was served
            same = last["cumulative"]["Accuracy"] == accuracy
            assert same or contests, "not the work of the bare loop"
        return Timed(took.records // len(inputs), took.seconds, took.cpu)

    def _quix(self, line: Line) -> Timed:
        stage, guarantee = self._stage, line.system.removeprefix("Quix, ")
        events, _ = self._input(1, 0, line.events)
        group = f"quix{self._runs}"
        stage.topic(f"{group}.out")  # its records have the times of the events
        offsets = Offsets(stage.bootstrap, group, [events], 1)
        python, script = quix_python(), str(Path(__file__).with_name("quix_app.py"))
        arguments = [stage.bootstrap, events, f"{group}.out", group, guarantee, line.learner, "0.5"]
        process = stage.process([python, script, *arguments], group)
        try:
            took = time_commits(
                process, offsets, len(self._records), None, at_full_load=True
            )
        finally:
            process.stop()
            offsets.close()
        self._check(f"{group}.out", 1, line.events)
        return took

    def _input(self, partitions: int, delay: int, count: int) -> tuple[str, str | None]:
        """Give the names of topics that hold the records; filled when first asked for."""
        key = partitions, delay, count
        if key not in self._topics:
            records = self._records if count == len(self._records) else agrawal(count)
            events, labels = values_of(records, delay)
            names: tuple[str, str | None] = f"events{partitions}-{delay}-{count}", None
            self._stage.fill(names[0], events, partitions)
            if delay:
                names = names[0], self._stage.fill(f"labels-{delay}", labels, partitions, delay)
            self._topics[key] = names
        return self._topics[key]

    def _check(self, topic: str, partitions: int, count: int) -> None:
        """Make sure that there is one prediction for each event: all of the work was done."""
        ids = [each["id"] for each in self._read(topic, partitions)]
        assert len(ids) == len(set(ids)) == count, f"{topic}: {len(ids)} predictions"

    def _read(self, topic: str, partitions: int) -> list[Any]:
        log, found = self._stage.log, []
        for place in (Place(topic, n) for n in range(partitions)):
            span = log.ranges([place])[place]
            found += [orjson.loads(r.value or b"") for r in log.read(place, *span)]
        return found


def quix_python() -> str:
    """Give the interpreter of Quix's own environment, which is made when it is not there."""
    python = QUIX_FOLDER / "bin" / "python"
    if not (QUIX_FOLDER / "complete").exists():
        print(f"installing quixstreams {QUIX} into {QUIX_FOLDER.name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(QUIX_FOLDER)], check=True)
        ours = [f"{name}=={versions()[name]}" for name in ("river", "numpy")]
        install = [str(python), "-m", "pip", "install", "--quiet", f"quixstreams=={QUIX}", *ours]
        subprocess.run(install, check=True)
        (QUIX_FOLDER / "complete").touch()
    return str(python)


def measure(stage: Stage, events: int, repeats: int, quick: bool) -> dict[str, Any]:
    """Measure everything."""
    bench = Bench(stage, events, repeats)
    lines: list[Line] = []
    for learner in LEARNERS:
        systems = [
            Line(f"driftline, {client}", learner, target=TARGETS[client, learner])
            for client in ("confluent", "kafka-python")
        ]
        systems += [Line(f"Quix, {guarantee}", learner) for guarantee in GUARANTEES]
        lines += bench.compare(systems, learner)
    late = f"after {DELAY:,} events"
    lines += bench.compare(
        [Line(f"driftline, {c}", TREE, late) for c in ("confluent", "kafka-python")], TREE, DELAY
    )
    more = [Line("driftline, confluent", TREE, partitions=n) for n in (1, 4, 8)]
    more.append(Line("driftline, confluent", TREE, partitions=2, workers=2))
    lines += bench.compare(more, TREE)
    latencies = measure_latencies(stage, 4 if quick else 8)
    return {
        "results": [asdict(line) for line in lines],
        "against_quix": against_quix(lines),
        "latencies": [asdict(each) for each in latencies],
    }


def against_quix(lines: list[Line]) -> dict[str, dict[str, float]]:
    """Give how many times as fast as Quix each client is: medians of neighbouring runs."""
    found: dict[str, dict[str, float]] = {}
    for learner in LEARNERS:
        mine = {line.system: line for line in lines if line.learner == learner and line.times}
        for client in ("confluent", "kafka-python"):
            ours = next(line for line in lines if line.system == f"driftline, {client}"
                        and line.learner == learner)  # fmt: skip
            found[f"{client}, {learner}"] = {
                guarantee: round(statistics.median(
                    theirs.us / us.us
                    for theirs, us in zip(mine[f"Quix, {guarantee}"].times, ours.times,
                                          strict=True)
                ), 3)
                for guarantee in GUARANTEES
            }  # fmt: skip
    return found


def markdown(document: dict[str, Any]) -> str:
    """Give the results as the table that stands in the README."""
    lines = ["| system | learner | labels | partitions | an event | ratio | of CPU | target |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for line in document["results"]:
        target = "" if line["target"] is None else f"{line['target']:.2f}"
        workers = f", {line['workers']} processes" if line["workers"] > 1 else ""
        lines.append(
            f"| {line['system']} | {line['learner']} | {line['labels']} | "
            f"{line['partitions']}{workers} | {line['us']:.0f} us | {line['ratio']:.2f} | "
            f"{line['cpu_ratio']:.2f} | {target} |"
        )
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Tell on what it ran, and what else ran there."""
    return {
        "processor": processor(), "cores": os.cpu_count(), "platform": platform.platform(),
        "load": [round(each, 2) for each in os.getloadavg()],
    }  # fmt: skip


def write(file: Path, document: dict[str, Any]) -> None:
    """Write a result file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2) + "\n")
    print(f"written to {file}")


def run(what: Callable[[Stage], dict[str, Any]], output: Path) -> dict[str, Any]:
    """Start a broker, measure, and write the results; gives them."""
    repair_river()
    before = machine()
    with tempfile.TemporaryDirectory() as folder, open_stage(Path(folder)) as stage:
        found = what(stage)
    document = {"versions": versions(), "compiled": is_compiled(), "machine": before, **found}
    write(output, document)
    return document


def main() -> None:
    """Measure everything, print the tables, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="20,000 events, once; a look")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    events, repeats = (20_000, 1) if arguments.quick else (arguments.events, arguments.repeats)
    quix_python()

    def everything(stage: Stage) -> dict[str, Any]:
        return {"repeats": repeats, **measure(stage, events, repeats, arguments.quick)}

    document = run(everything, arguments.output)
    print(f"for the README:\n\n{markdown(document)}")


if __name__ == "__main__":
    main()
