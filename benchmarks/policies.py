"""What each training policy is worth: accuracy and cost on streams with and without drift.

    python -m benchmarks.policies [--seeds 20] [--events 20000] [--write]

Every policy is a configuration, and every figure comes from the product's own fold in memory.
Families: one stream without drift; abrupt, gradual and recurring changes of concept of River's
generators; and a market in the manner of Elec, with a daily course, labels that hang together
and regimes that change at random times. A seed takes one of four generators in turn.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.known_drifts import STREAMS
from stream import parse_config, replay

RESULTS = Path(__file__).parent / "results" / "policies.json"
GENERATORS = {"SEA": 4, "Agrawal": 5, "Sine": 4, "Mixed": 2}
FAMILIES = ("none", "abrupt", "gradual", "recurring", "market")
SEGMENT, RETURN, GRADUAL = 5_000, 4_000, 2_000

TREE = "river.tree.HoeffdingTreeClassifier"
ADAPTIVE = {
    "class": "river.tree.HoeffdingAdaptiveTreeClassifier", "params": {"seed": 1},
}  # fmt: skip
ADWIN = {"detectors": [{"class": "river.drift.ADWIN"}]}
PAGE_HINKLEY = {"detectors": [{"class": "river.drift.PageHinkley"}]}
RESET = {"response": {"concept": "reset", "cooldown": 100}}

POLICIES: dict[str, dict[str, Any]] = {
    "never": {"response": {"concept": "alert"}},
    "reset on ADWIN": ADWIN | RESET,
    "reset on Page-Hinkley": PAGE_HINKLEY | RESET,
    "HoeffdingAdaptiveTree": {"response": {"concept": "alert"}, "learner": ADAPTIVE},
    "default": {},
    "default, HoeffdingAdaptiveTree": {"learner": ADAPTIVE},
    "champion serves": {
        "training": {"serve": "champion", "gate": {"labels": 0}}
    },
    "doubts at 10": {"training": {"doubts_per_100k": 10.0}},
    "alarms only": {"training": {"doubts_per_100k": 0.0}},
    "every 5000 events": {"training": {"triggers": [{"every": 5_000}], "doubts_per_100k": 0.0}},
    "below 0.8": {
        "training": {
            "doubts_per_100k": 0.0,
            "triggers": [{"metric": "Accuracy", "below": 0.8}],
        }
    },
    "no follow-up": {"training": {"follow_up": False}},
    "warm": {"training": {"how": "warm"}},
    "transfer": {"training": {"how": "transfer"}},
    "window since the change": {"training": {"window": {"policy": "change", "size": 1000}}},
    "window of 1000": {"training": {"window": {"policy": "fixed", "size": 1000}}},
    "window searched": {"training": {"window": {"policy": "dynamic", "size": 1600}}},
    "window of all history": {"training": {"window": {"policy": "representative", "size": 1000}}},
}
FIRST = ("never", "reset on ADWIN", "reset on Page-Hinkley", "HoeffdingAdaptiveTree")


def stream_of(family: str, seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Give the events of one stream, with their labels."""
    if family == "market":
        yield from _market(seed, count)
        return
    name = list(GENERATORS)[seed % len(GENERATORS)]
    make, concepts = STREAMS[name][0], GENERATORS[name]
    draw = random.Random(seed)
    first = draw.randrange(concepts)
    sources = {k: iter(make(k, 1000 * seed + k)) for k in range(concepts)}
    for n in range(count):
        x, y = next(sources[(first + _turn(family, n, draw)) % concepts])
        yield {**{str(key): value for key, value in x.items()}, "y": bool(y)}


def _turn(family: str, n: int, draw: random.Random) -> int:
    if family == "none":
        return 0
    if family == "recurring":
        return n // RETURN % 2
    turn, into = divmod(n, SEGMENT)
    if family == "gradual" and turn and draw.random() > into / GRADUAL:
        turn -= 1
    return turn


def _market(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Price up or down against the mean of the last day, half hour by half hour."""
    draw = random.Random(seed)
    price, tilt, phase = 0.0, 0.0, 0.0
    day = [0.0] * 48
    for n in range(count):
        hour = n % 48 / 48
        if n % 336 == 0 and draw.random() < 0.15:
            tilt, phase = draw.uniform(-1, 1), draw.uniform(0, 2 * math.pi)
        course = math.sin(2 * math.pi * hour) + 0.5 * math.sin(4 * math.pi * hour)
        demand = course + 0.3 * draw.gauss(0, 1)
        push = demand + tilt * math.cos(2 * math.pi * hour + phase)
        price = 0.8 * price + 0.2 * push + 0.08 * draw.gauss(0, 1)
        up = price > sum(day) / 48
        day = [*day[1:], price]
        yield {
            "hour": hour, "demand": demand, "transfer": 0.5 * demand + draw.gauss(0, 0.4),
            "weekday": n // 48 % 7, "y": up,
        }  # fmt: skip


def measure(policy: Mapping[str, Any], events: list[dict[str, Any]]) -> dict[str, float]:
    """Replay one stream under one policy."""
    tables = {"task": "binary", "input": {"label": "y"}, "learner": {"class": TREE}, **policy}
    before = time.process_time()
    run = replay(parse_config(tables), events)
    seconds = time.process_time() - before
    right = sum(
        each["prediction"] == event["y"]
        for each, event in zip(run.predictions, events, strict=True)
    )
    happened = [record["event"] for record in getattr(run, "models", [])]
    return {
        "accuracy": right / len(events),
        "seconds": seconds,
        "started": happened.count("start"),
        "promoted": happened.count("promotion"),
        "rolled_back": happened.count("rollback"),
    }


def markdown(found: Mapping[str, Any]) -> str:
    """Give the table: accuracy in percent by family, then contests and seconds of processor."""
    lines = [
        "| policy | seeds | " + " | ".join(FAMILIES) + " | mean | starts | promotions | CPU s |",
        "|---|" + "---:|" * (len(FAMILIES) + 5),
    ]
    for name in (each for each in POLICIES if each in found):
        runs = found[name]
        by = {f: {key: mean(r[key] for r in runs[f]) for key in runs[f][0]} for f in FAMILIES}
        scores = [100 * by[family]["accuracy"] for family in FAMILIES]
        cells = [str(len(runs[FAMILIES[0]])), *(f"{score:.2f}" for score in scores)]
        cells.append(f"{mean(scores):.2f}")
        cells += [f"{mean(by[f][key] for f in FAMILIES):.1f}" for key in ("started", "promoted")]
        cells.append(f"{mean(by[f]['seconds'] for f in FAMILIES):.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table of all that is known, and keep it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--policies", default="", help="only these, by name, with commas between")
    parser.add_argument("--write", action="store_true", help="keep the results, beside the others")
    asked = parser.parse_args()
    names = asked.policies.split(",") if asked.policies else list(POLICIES)
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {family: [] for family in FAMILIES} for name in names
    }
    for family in FAMILIES:
        for seed in range(asked.seeds):
            events = list(stream_of(family, seed, asked.events))
            for name in names:
                found[name][family].append(measure(POLICIES[name], events))
        for name, runs in found.items():
            score = 100 * mean(each["accuracy"] for each in runs[family])
            print(f"{family:10} {name:28} {score:.2f}", flush=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known |= found
    print(markdown(known))
    if asked.write:
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
