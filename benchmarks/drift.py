"""Whether the alarms keep their promises: known switches, stationary streams, late labels.

``python -m benchmarks.drift STAGE [--runs N]`` runs one stage and puts what it measured into
``benchmarks/results/drift.json``. Stages:

- ``switches``: River's generators with known switches (see `known_drifts`), beside River's
  detectors with their defaults, scored by one rule;
- ``errors``: stationary error streams, independent and autocorrelated;
- ``learners``: the errors of Hoeffding trees that are still learning, on stationary streams;
- ``features``: stationary features, numbers, heavy tails, counts and categories;
- ``shifts``: one of ten features shifts at some moment: whether and when it is seen;
- ``cost``: what watching costs with 50 numeric features.
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from math import sqrt
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from river import drift, tree
from river.datasets import synth

from benchmarks import known_drifts
from detectors.distribution import CHUNK, Distributions
from detectors.rise import ErrorRise
from stream import parse_config
from stream.app import engine
from stream.core.partition import Partition
from stream.core.watch import SHARES

RESULTS = Path(__file__).parent / "results" / "drift.json"
CACHE = Path(__file__).parent / "results" / ".errors"
LABELS = 100_000
MOST_LOST = 0.15
"""Most of the throughput that watching 50 features may cost."""

Fires = Callable[[int], bool]


def interval(count: int, exposure: float) -> tuple[float, float]:
    """Give the 95 % interval of a Poisson rate (Wilson and Hilferty's form of the exact one)."""

    def bound(n: float, z: float) -> float:
        return n * (1 - 1 / (9 * n) + z / (3 * sqrt(n))) ** 3 if n else 0.0

    return bound(count, -1.96) / exposure, bound(count + 1, 1.96) / exposure


def calibrated() -> Fires:
    """Make the error detector as the default configuration has it."""
    watch = ErrorRise(SHARES["error"])
    return lambda error: watch.update(error) is not None


def river(make: Callable[[], Any]) -> Callable[[], Fires]:
    """Make one of River's, with its defaults."""

    def fresh() -> Fires:
        detector = make()

        def fires(error: int) -> bool:
            detector.update(error)
            return bool(detector.drift_detected)

        return fires

    return fresh


DETECTORS: dict[str, tuple[Callable[[], Fires], int]] = {
    "driftline": (calibrated, 40),
    "ADWIN": (river(drift.ADWIN), 40),
    "Page-Hinkley": (river(drift.PageHinkley), 40),
    "DDM": (river(drift.binary.DDM), 40),
    "KSWIN": (river(lambda: drift.KSWIN(seed=1)), 2),  # 600 us a label
}
"""Maker, and the most seeds it is run on."""


def alarms_of(make: Callable[[], Fires], errors: Iterable[int]) -> list[int]:
    """Give the places at which a detector fires, the first of each 1,000 labels alone."""
    fires = make()
    found: list[int] = []
    for place, error in enumerate(errors):
        if fires(error) and (not found or place - found[-1] > 1000):
            found.append(place)
    return found


def switches(runs: int) -> list[dict[str, Any]]:
    """Score each detector on each stream: recall, alarms too many, delay."""
    results = []
    for name in known_drifts.STREAMS:
        for gradual in (False, True):
            for detector, (make, most) in DETECTORS.items():
                seeds = min(runs, most)
                row = score(make, name, gradual, seeds)
                kind = "gradual" if gradual else "abrupt"
                results.append(
                    {"stream": name, "switch": kind, "detector": detector, "seeds": seeds} | row
                )
                print(results[-1], flush=True)
    return results


def score(make: Callable[[], Fires], name: str, gradual: bool, seeds: int) -> dict[str, Any]:
    """Hold the alarms of one detector on one stream against the switches."""
    step = known_drifts.SEGMENT
    total = repeated = stray = found = 0
    delays = []
    for seed in range(seeds):
        errors = known_drifts.load(CACHE, name, gradual, seed)
        counted = known_drifts.switches(errors)
        alarms = alarms_of(make, errors.tolist())
        total += len(counted)
        for at in counted:
            hits = [alarm for alarm in alarms if at <= alarm < at + step]
            found += bool(hits)
            repeated += max(len(hits) - 1, 0)
            delays += [alarm - at for alarm in hits[:1]]
        stray += sum(alarm < step for alarm in alarms)
    return {
        "switches": total,
        "found": found,
        "repeated": repeated,
        "before_any_switch": stray,
        "labels_before_any_switch": step * seeds,
        "delay": statistics.median(delays) if delays else None,
    }


def error_stream(rng: np.random.Generator, rate: float, again: float) -> list[int]:
    """Draw right-or-wrong errors whose lag-1 autocorrelation is `again` (a Markov chain)."""
    fresh = rng.random(LABELS) < rate
    kept = rng.random(LABELS) < again
    kept[0] = False
    last = np.maximum.accumulate(np.where(kept, 0, np.arange(LABELS)))
    drawn: list[int] = fresh[last].astype(int).tolist()
    return drawn


def errors(runs: int) -> list[dict[str, Any]]:
    """Count false alarms on stationary errors."""
    results = []
    for again in (0.0, 0.3, 0.6):
        for rate in (0.01, 0.05, 0.15, 0.3, 0.45):
            count = 0
            for run in range(runs):
                rng = np.random.default_rng((run, int(100 * rate), int(10 * again)))
                fires = calibrated()
                count += sum(map(fires, error_stream(rng, rate, again)))
            results.append(
                {"rate": rate, "autocorrelation": again} | rated(count, runs, SHARES["error"])
            )
            print(results[-1], flush=True)
    return results


def rated(count: int, runs: int, promised: float) -> dict[str, Any]:
    """Give a count of false alarms as a rate per 100,000 records, with its interval."""
    low, high = interval(count, runs)
    return {
        "runs": runs, "alarms": count, "per_100k": round(count / runs, 4),
        "low": round(low, 4), "high": round(high, 4), "promised": promised,
    }  # fmt: skip


def learners(runs: int) -> list[dict[str, Any]]:
    """Count false alarms on the errors of trees that are learning stationary streams."""
    streams: dict[str, Callable[[int], Any]] = {
        "SEA": lambda seed: synth.SEA(variant=1, seed=seed, noise=0.1),
        "Agrawal": lambda seed: synth.Agrawal(2, seed=seed, perturbation=0.1),
        "Hyperplane": lambda seed: synth.Hyperplane(seed=seed, n_features=8),
        "Mixed": lambda seed: synth.Mixed(0, seed=seed),
        "RandomRBF": lambda seed: synth.RandomRBF(seed_model=seed, seed_sample=seed),
    }
    results = []
    for name, make in streams.items():
        count = 0
        for run in range(runs):
            model, fires = tree.HoeffdingTreeClassifier(), calibrated()
            for x, y in make(run).take(LABELS):
                answer = model.predict_one(x)
                count += answer is not None and fires(int(answer != y))
                model.learn_one(x, y)
        results.append({"stream": name} | rated(count, runs, SHARES["error"]))
        print(results[-1], flush=True)
    return results


def features(runs: int) -> list[dict[str, Any]]:
    """Count false alarms on stationary features of several kinds."""
    results = []
    for name, count, again in (
        ("numbers, heavy tails, counts, categories", 5, 0.0),
        ("numbers, heavy tails, counts, categories", 20, 0.0),
        ("numbers, heavy tails, counts, categories", 100, 0.0),
        ("texts, 200 values each", 10, 0.0),
        ("autocorrelated numbers", 10, 0.3),
        ("autocorrelated numbers", 10, 0.6),
        ("autocorrelated numbers", 10, 0.9),
    ):
        here = runs // 4 if count == 100 else runs
        make = text_run if name.startswith("texts") else feature_run
        alarms = sum(make(run, count, again) for run in range(here))
        row = {"features": name, "count": count, "autocorrelation": again}
        results.append(row | rated(alarms, here, SHARES["features"]))
        print(results[-1], flush=True)
    return results


def feature_run(run: int, count: int, again: float) -> int:
    """Count the alarms of one run of 100,000 records."""
    rng = np.random.default_rng((run, count, int(10 * again)))
    watch = Distributions(SHARES["features"])
    last = rng.normal(size=count)
    texts = 0 if again else max(count // 5, 1)
    numbers = [watch.know(f"n{place}", text=False) for place in range(count - texts)]
    named = [watch.know(f"t{place}", text=True) for place in range(texts)]
    alarms = 0
    words = np.array(list("abcdefghijkl"))
    shares = 1.0 / np.arange(2, 14)
    for _ in range(LABELS // CHUNK):
        values = rng.normal(size=(len(numbers), CHUNK))
        if again:
            for place in range(CHUNK):
                last = again * last + sqrt(1 - again * again) * values[:, place]
                values[:, place] = last
        else:
            values[1::4] = rng.standard_cauchy(size=values[1::4].shape)
            values[2::4] = rng.poisson(2.0, size=values[2::4].shape)
            values[3::4][rng.random(values[3::4].shape) < 0.05] = np.nan
        drawn = {
            place: Counter(words[rng.choice(12, CHUNK, p=shares / shares.sum())].tolist())
            for place in named
        }
        alarms += bool(watch.take(values, numbers, drawn))
    return alarms


def shifts(runs: int) -> list[dict[str, Any]]:
    """See how soon a shift of one of ten normal features is found, in standard deviations."""
    results = []
    for by in (0.15, 0.25, 0.5, 1.0, 2.0):
        delays = [delay for run in range(runs) if (delay := shift_run(run, by)) is not None]
        row = {"shift": by, "runs": runs, "found": round(len(delays) / runs, 3)}
        results.append(row | {"delay": statistics.median(delays), "slowest": max(delays)})
        print(results[-1], flush=True)
    return results


def shift_run(run: int, by: float) -> int | None:
    """Give the records from the shift to the alarm that names it; None if over 8,192."""
    rng = np.random.default_rng((run, int(100 * by)))
    at = int(rng.integers(10_000, 20_000))
    chunks = (at + 8192) // CHUNK
    values = rng.normal(size=(10, chunks * CHUNK))
    values[3, at:] += by
    watch = Distributions(SHARES["features"])
    places = [watch.know(f"n{place}", text=False) for place in range(10)]
    for end in range(CHUNK, chunks * CHUNK + 1, CHUNK):
        moved = watch.take(np.ascontiguousarray(values[:, end - CHUNK : end]), places, {})
        if end > at and any(each.name == "n3" for each in moved):
            return end - at
    return None


def text_run(run: int, count: int, _: float) -> int:
    """Count the alarms of one run of 100,000 records of texts (Zipf's law, 200 values)."""
    rng = np.random.default_rng((run, count, 200))
    watch = Distributions(SHARES["features"])
    places = [watch.know(f"t{place}", text=True) for place in range(count)]
    words = np.array([f"w{place}" for place in range(200)])
    shares = 1.0 / np.arange(1, 201)
    alarms = 0
    for _ in range(LABELS // CHUNK):
        drawn = {
            place: words[rng.choice(200, CHUNK, p=shares / shares.sum())].tolist()
            for place in places
        }
        alarms += bool(watch.take(np.zeros((0, CHUNK)), [], drawn))
    return alarms


def cost(runs: int) -> dict[str, Any]:
    """Measure what watching costs the engine with 50 numeric features and a Hoeffding tree."""
    numbers = np.random.default_rng(0).normal(size=(60_000, 50))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        with path.open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow([*(f"f{place}" for place in range(50)), "y"])
            table.writerows([*row.tolist(), int(row[0] > 0)] for row in numbers)
        pairs = [tuple(run_time(path, watched) for watched in (False, True)) for _ in range(runs)]
    shares = [1 - without / whole for without, whole in pairs]
    return {
        "features": 50, "events": len(numbers), "runs": runs,
        "without_us": round(statistics.median(without for without, _ in pairs) / len(numbers), 1),
        "with_us": round(statistics.median(whole for _, whole in pairs) / len(numbers), 1),
        "throughput_lost": round(statistics.median(shares), 3),
    }  # fmt: skip


def run_time(path: Path, watched: bool) -> float:
    """Give the processor time that the engine takes for a file, in microseconds."""

    def build(*args: Any) -> Partition:
        partition = Partition(*args)
        partition.watch.blind = not watched
        return partition

    with patch.object(engine, "Partition", build):
        out = path.with_name("out")
        run = engine.FileRun(parse_config({"input": {"label": "y"}}), path, out, fresh=True)
    started = time.process_time()
    run.run()
    return (time.process_time() - started) * 1e6


STAGES: dict[str, tuple[Callable[[int], Any], int]] = {
    "switches": (switches, 40),
    "errors": (errors, 200),
    "learners": (learners, 20),
    "features": (features, 200),
    "shifts": (shifts, 100),
    "cost": (cost, 5),
}


def main() -> None:
    """Run one stage and enter it into the result file."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--runs", type=int)
    arguments = parser.parse_args()
    stage, usual = STAGES[arguments.stage]
    started = time.perf_counter()
    measured = stage(arguments.runs or usual)
    document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    document[arguments.stage] = measured
    if not isinstance(measured, list):  # the others print their rows as they come
        print(measured)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{arguments.stage}: {time.perf_counter() - started:.0f} s, written to {RESULTS}")


if __name__ == "__main__":
    main()
