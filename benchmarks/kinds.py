"""Changes of known kind put into flights and River data: what the alarms call them.

``python -m benchmarks.kinds [--seeds N]`` prints the confusion matrix and enters it into
``benchmarks/results/drift.json``. With ``--stretches N`` it is made of so many stretches of flights
alone, the hardest of the data: a day of storms moves everything as far as most of the changes do.
Each stream has 14,000 events with their labels; the change comes after 9,000. To each data set a
field ``sensor`` is added that says nothing of the label (normal, 15 +- 8), which takes the changes
that are meant to have no effect.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from river.datasets import synth

from benchmarks import known_drifts
from benchmarks.drift import RESULTS
from stream import parse_config
from stream.app.engine import parts_of
from stream.app.flights import write_flights
from stream.core.partition import Partition
from stream.core.records import Row

SIZE, CHANGE = 14_000, 9_000
Event = dict[str, Any]
Change = Callable[[Event, random.Random], Event | None]


@cache
def all_flights() -> list[Event]:
    """Give the flights that landed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "flights.csv"
        write_flights(path)
        lines = path.read_text().splitlines()[1:]
    events = []
    for line in lines:
        _, _, carrier, origin, dest, distance, _, _, hour, delay, _, late = line.split(",")
        if late:
            events.append({
                "carrier": carrier, "origin": origin, "dest": dest, "distance": float(distance),
                "hour": float(hour), "main": float(delay), "y": late == "1",
            })  # fmt: skip
    return events


def stretch(start: int) -> list[Event]:
    """Give the flights that landed, from one on."""
    return all_flights()[start : start + SIZE]


@cache
def calm_stretches(count: int, first: int = 10_000, step: int = 11_000) -> list[int]:
    """Find stretches of flights in which nothing else happens around the change.

    A storm within 2,048 events before it would be one change with it, by design.
    """
    found: list[int] = []
    for start in range(first, len(all_flights()) - SIZE, step):
        alarms = run(stretch(start), lambda event, _: event, 0)
        if all(alarm["at"] < CHANGE - 2500 for alarm in alarms):
            found.append(start)
        if len(found) == count:
            return found
    raise SystemExit(f"there are only {len(found)} such stretches")


def flights(seed: int) -> list[Event]:
    """Give a stretch of the flights that landed."""
    return stretch(calm_stretches(3)[seed])


def more_flights(seed: int) -> list[Event]:
    """Give one of ten stretches, closer together and from another place on."""
    return stretch(calm_stretches(10, 7_000, 9_500)[seed])


def generated(stream: Any, main: Any) -> list[Event]:
    """Give events of a generator; `main` is the feature that its labels depend on most."""
    return [
        {("main" if key == main else f"x{key}"): float(value) for key, value in x.items()}
        | {"y": bool(y)}
        for x, y in known_drifts.take(stream, SIZE)
    ]


DATA: dict[str, tuple[Callable[[int], list[Event]], tuple[float, float, float]]] = {
    "flights": (flights, (20.0, 40.0, 80.0)),
    "Agrawal": (
        lambda seed: generated(synth.Agrawal(0, seed=seed, perturbation=0.02), "age"),
        (10.0, 15.0, 20.0),
    ),
    "SEA": (lambda seed: generated(synth.SEA(0, seed=seed), 0), (2.5, 4.0, 6.0)),
}
"""Maker of a data set, and how far its main feature is shifted."""


def _flip(share: float) -> Change:
    return lambda event, coin: event | {"y": event["y"] != (coin.random() < share)}


def _thin(share: float) -> Change:
    return lambda event, coin: None if not event["y"] and coin.random() < share else event


def _shift(field: str, by: float) -> Change:
    return lambda event, _: event | {field: event[field] + by}


def _scale(factor: float, offset: float) -> Change:
    return lambda event, _: event | {"sensor": factor * event["sensor"] + offset}


def _renamed(event: Event, _: random.Random) -> Event:
    return {("probe" if key == "sensor" else key): value for key, value in event.items()}


def changes(by: tuple[float, float, float]) -> list[tuple[str, str, Change]]:
    """Give the kinds: verdict that is right, what is done, and the change."""
    found: list[tuple[str, str, Change]] = []
    strengths = zip((0.25, 0.5, 0.8), (0.8, 0.9, 0.97), by, (6, 10, 20), strict=True)
    for share, thin, shift, far in strengths:
        found += [
            ("concept_drift", f"{share} of the labels flipped", _flip(share)),
            ("label_shift", f"{thin} of the false left out", _thin(thin)),
            ("data_drift_with_effect", f"main feature + {shift:g}", _shift("main", shift)),
            ("data_drift_without_effect", f"sensor + {far}", _shift("sensor", far)),
        ]
    found += [
        ("schema_change", "sensor renamed", _renamed),
        ("schema_change", "new field", lambda event, _: event | {"novel": 1.0}),
        ("schema_change", "sensor a text", lambda event, _: event | {"sensor": "warm"}),
        ("data_drift_without_effect", "unit 1.8 32", _scale(1.8, 32.0)),
        ("data_drift_without_effect", "unit 1000 0", _scale(1000.0, 0.0)),
        ("data_drift_without_effect", "unit 0.01 0", _scale(0.01, 0.0)),
    ]
    return found


def run(events: list[Event], change: Change, seed: int) -> list[dict[str, Any]]:
    """Give the alarms of a run, each as it was last told."""
    coin = random.Random(seed)
    config = parse_config({
        "input": {"label": "y"}, "contract": {"wrong_type": "drop-field"},
        "response": {"concept": "alert"},  # one and the same model all the time
    })  # fmt: skip
    partition = Partition(config.settings(), parts_of(config))
    offset = 0
    for place, event in enumerate(events):
        whole: Event | None = event | {"sensor": coin.gauss(15, 8)}
        if place >= CHANGE and whole is not None:
            whole = change(whole, coin)
        if whole is not None:
            partition.on_event(offset, Row(whole, orjson.dumps(whole)))
            offset += 1
    first: dict[str, int] = {}
    for alarm in partition.out.alarms:
        first.setdefault(alarm["alarm"], alarm["position"]["events"])
    last = {alarm["alarm"]: alarm for alarm in partition.out.alarms}
    return [dict(alarm) | {"at": first[name]} for name, alarm in last.items()]


def main() -> None:
    """Run everything and print the matrix."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--stretches", type=int, help="of flights alone, up to 10")
    asked = parser.parse_args()
    if asked.stretches:
        data, entry = {"flights": (more_flights, DATA["flights"][1])}, "flights"
    else:
        data, entry = DATA, "kinds"
    matrix: Counter[tuple[str, str]] = Counter()
    rows = []
    for name, (make, by) in data.items():
        for seed in range(asked.stretches or asked.seeds):
            for row in _told(make(seed), by, seed):
                matrix[row["right"], row["told"]] += 1
                rows.append({"data": name, "seed": seed, **row})
                print(rows[-1], flush=True)
    hits = sum(count for (right, told), count in matrix.items() if right == told)
    print(f"on the diagonal: {hits} of {len(rows)}")
    document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    document[entry] = {
        "matrix": {f"{right} -> {told}": count for (right, told), count in sorted(matrix.items())},
        "runs": rows,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


def _told(
    events: list[Event], by: tuple[float, float, float], seed: int
) -> Iterator[dict[str, Any]]:
    """Put each change into a stretch; gives what was told of it."""
    for right, what, change in changes(by):
        alarms = [alarm for alarm in run(events, change, seed) if alarm["at"] > CHANGE]
        first = alarms[0] if alarms else None
        yield {
            "change": what, "right": right, "told": first["verdict"] if first else "nothing",
            "alarms": len(alarms), "after": first["at"] - CHANGE if first else None,
            "cause": first["evidence"].get("cause") if first else None,
        }  # fmt: skip


if __name__ == "__main__":
    main()
