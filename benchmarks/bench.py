"""How much of the bare River loop's speed is left when everything around it is done too.

Both sides do the same work on the same records: predict, score, ADWIN, Page-Hinkley, learn.
The bare loop has them in memory as dictionaries and keeps one metric, the accuracy. The engine
reads them from a CSV file, holds them to the contract, joins the labels, keeps all default
metrics and baselines, writes predictions and metrics, and commits exactly once. The two run in
turn; what is reported is the median of the ratios. A second ratio is that of the processor time
alone: on a machine that does other things too it wavers less, but it leaves out the waiting for
the disk.

``python -m benchmarks.bench [--events N] [--repeats N]`` prints the table and writes it to
``benchmarks/results/files.json``, with what watching costs where there are 50 features.
"""

import argparse
import csv
import json
import platform
import shutil
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from river import drift, linear_model, metrics, preprocessing, tree
from river.datasets import synth

from benchmarks.drift import MOST_LOST, cost
from learners.repairs import repair_river
from stream import Config
from stream.app.compiled import is_compiled
from stream.app.engine import FileRun
from stream.app.flights import write_flights
from stream.state.blob import versions

DELAY = 10_000
RESULTS = Path(__file__).parent / "results" / "files.json"
TARGETS = {"Hoeffding tree": 0.70, "scaler + logistic regression": 0.55}

LEARNERS: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "Hoeffding tree": (
        {"class": "river.tree.HoeffdingTreeClassifier"},
        tree.HoeffdingTreeClassifier,
    ),
    "scaler + logistic regression": (
        {
            "steps": [
                {"class": "river.preprocessing.StandardScaler"},
                {"class": "river.linear_model.LogisticRegression"},
            ]
        },
        lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    ),
}


class Took(NamedTuple):
    """Seconds by the clock on the wall, and of the processor."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Took":
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def until_now(self) -> "Took":
        """Give what went by since this was read."""
        return Took(time.perf_counter() - self.wall, time.process_time() - self.cpu)


@dataclass
class Result:
    """One line of the table; seconds and microseconds are medians."""

    data: str
    learner: str
    labels: str
    events: int
    bare_us: float
    engine_us: float
    over_us: float
    ratio: float
    ratio_min: float
    ratio_max: float
    cpu_ratio: float
    target: float
    same_accuracy: bool


def rows_of(path: Path) -> Iterator[tuple[dict[str, Any], bool]]:
    """Read a data file the plain way: numbers to float, the rest as it is."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            label = row.pop("y")
            row.pop("n")
            row.pop("known")
            yield {key: _cell(value) for key, value in row.items() if value != ""}, label == "1"


def _cell(value: str) -> Any:
    try:
        return float(value)
    except ValueError:
        return value


def write_agrawal(path: Path, events: int, numeric: bool) -> None:
    """Write Agrawal's loan data (its features are numbers all)."""
    del numeric
    stream = synth.Agrawal(seed=1, classification_function=2).take(events)
    _write(path, ((list(x.items()), y) for x, y in stream))


def write_flight_rows(path: Path, events: int, numeric: bool) -> None:
    """Write flights that landed; only their numbers where the learner takes nothing else."""
    source = path.with_name("all.csv")
    write_flights(source, round(events * 1.1))
    texts = ("carrier", "origin", "dest")
    with source.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["late"] != ""][:events]
    features = ("carrier", "origin", "dest", "distance", "month", "weekday", "hour", "dep_delay")
    names = [name for name in features if not (numeric and name in texts)]
    _write(path, (([(n, row[n]) for n in names], int(row["late"])) for row in rows))


def _write(path: Path, rows: Iterator[tuple[list[tuple[str, Any]], Any]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        for number, (features, label) in enumerate(rows):
            if not number:
                table.writerow(["n", *(name for name, _ in features), "known", "y"])
            values = [value for _, value in features]
            table.writerow([number, *values, number + DELAY, int(label)])


def bare(records: list[tuple[dict[str, Any], bool]], model: Any, delay: int) -> tuple[Took, float]:
    """Time the loop that anybody would write; gives what it took and the accuracy."""
    accuracy, adwin, hinkley = metrics.Accuracy(), drift.ADWIN(), drift.PageHinkley()
    waiting: deque[tuple[dict[str, Any], bool, Any]] = deque()

    def settle(x: dict[str, Any], y: bool, answer: Any) -> None:
        if answer is not None:
            accuracy.update(y, answer)
            error = int(answer != y)
            adwin.update(error)
            hinkley.update(error)
            _ = adwin.drift_detected or hinkley.drift_detected
        model.learn_one(x, y)

    started = Took.now()
    for x, y in records:
        answer = model.predict_one(x)
        if delay:
            waiting.append((x, y, answer))
            if len(waiting) > delay:
                settle(*waiting.popleft())
        else:
            settle(x, y, answer)
    while waiting:
        settle(*waiting.popleft())
    return started.until_now(), accuracy.get()


def engine(
    path: Path, learner: dict[str, Any], delay: int, out: Path
) -> tuple[Took, float | None]:
    """Time the whole engine on a file; gives what it took and the accuracy."""
    fields: dict[str, Any] = {"label": "y"}
    fields |= {"time": "n", "label_time": "known"} if delay else {"ignore": ["n", "known"]}
    config = Config(task="binary", input=fields, learner=learner)  # type: ignore[arg-type]  # tables
    shutil.rmtree(out, ignore_errors=True)
    run = FileRun(config, path, out)
    started = Took.now()
    summary = run.run()
    took = started.until_now()
    assert summary is not None
    return took, summary["metrics"]["Accuracy"]


def compare(data: str, name: str, delay: int, events: int, repeats: int, folder: Path) -> Result:
    """Run the two sides in turn and compare them pair by pair."""
    settings, make = LEARNERS[name]
    path = folder / "data.csv"
    numeric = "logistic" in name
    (write_agrawal if data == "Agrawal" else write_flight_rows)(path, events, numeric)
    records = list(rows_of(path))
    pairs = []
    same = True
    for repeat in range(repeats + 1):  # the first pair only warms up
        ours, accuracy = engine(path, settings, delay, folder / "out")
        theirs, expected = bare(records, make(), delay)
        same = same and accuracy == expected
        if repeat:
            pairs.append((theirs, ours))
    scale = 1e6 / len(records)
    ratios = [theirs.wall / ours.wall for theirs, ours in pairs]
    cpu_ratio = statistics.median(theirs.cpu / ours.cpu for theirs, ours in pairs)
    bare_us = statistics.median(theirs.wall for theirs, _ in pairs) * scale
    engine_us = statistics.median(ours.wall for _, ours in pairs) * scale
    return Result(
        data, name, f"after {delay:,} events" if delay else "in the event", len(records),
        round(bare_us, 2), round(engine_us, 2), round(engine_us - bare_us, 2),
        round(statistics.median(ratios), 3), round(min(ratios), 3), round(max(ratios), 3),
        round(cpu_ratio, 3), TARGETS[name], same,
    )  # fmt: skip


def main() -> None:
    """Measure everything, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    repair_river()
    print("data     learner                       labels               bare us  engine us  ratio"
          "  (min, max)     of cpu  target")
    results = []
    for data in ("Agrawal", "flights"):
        for name in LEARNERS:
            for delay in (0, DELAY):
                with tempfile.TemporaryDirectory() as folder:
                    result = compare(
                        data, name, delay, arguments.events, arguments.repeats, Path(folder)
                    )
                results.append(result)
                print(
                    f"{data:<8} {name:<29} {result.labels:<20} {result.bare_us:>7.1f} "
                    f"{result.engine_us:>10.1f}  {result.ratio:.3f}  ({result.ratio_min:.2f}, "
                    f"{result.ratio_max:.2f})   {result.cpu_ratio:.3f}   {result.target:.2f}"
                    f"{'' if result.same_accuracy else '  ACCURACY DIFFERS'}",
                    flush=True,
                )
    print("\nwatching 50 numeric features, Hoeffding tree, on a file, processor time of an event:")
    watching = cost(min(arguments.repeats, 3))
    print(
        f"  {watching['without_us']:.0f} us without, {watching['with_us']:.0f} us with: "
        f"{watching['throughput_lost']:.1%} of the throughput, {MOST_LOST:.0%} at most"
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": processor(), "platform": platform.platform()}
    document = {
        "versions": versions(), "compiled": is_compiled(), "machine": machine,
        "repeats": arguments.repeats,
        "results": [asdict(result) for result in results],
        "watching": watching,
    }  # fmt: skip
    arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    print(f"written to {arguments.output}; for the README:\n\n{markdown(document)}")


def markdown(document: dict[str, Any]) -> str:
    """Give the results as the table that stands in the README."""
    lines = [
        "| data | learner | labels | bare River | driftline | ratio | target |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['data']} | {r['learner']} | {r['labels']} | {r['bare_us']:.0f} us | "
        f"{r['engine_us']:.0f} us | {r['ratio']:.2f} | {r['target']:.2f} |"
        for r in document["results"]
    ]
    return "\n".join(lines)


def processor() -> str:
    """Name the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()
