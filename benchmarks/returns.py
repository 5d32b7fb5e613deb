"""How soon an old concept is known again: labels until the error is back where it was.

    python -m benchmarks.returns [--seeds 10] [--write]

Two concepts take turns every 10,000 labels. At the second return of the first one: how many
labels until the error over the next 200 is within 2 points of what it was in the last 1,000
labels of the concept's last time? With a fresh challenger, and with one taken from before.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.known_drifts import STREAMS
from benchmarks.policies import TREE
from stream import parse_config, replay

RESULTS = Path(__file__).parent / "results" / "returns.json"
GENERATORS = ("Sine", "Mixed", "STAGGER", "LED", "SEA", "Agrawal")
RETURN, AHEAD, SLACK = 10_000, 200, 0.02
POLICIES: dict[str, dict[str, Any]] = {
    "never": {"response": {"concept": "alert"}},
    "fresh": {},
    "transfer": {"training": {"how": "transfer"}},
}


def events_of(name: str, seed: int) -> list[dict[str, Any]]:
    """Give five turns of two concepts."""
    make = STREAMS[name][0]
    sources = [iter(make(k, 1000 * seed + k)) for k in range(2)]
    task = []
    for n in range(5 * RETURN):
        x, y = next(sources[n // RETURN % 2])
        task.append({**{str(key): value for key, value in x.items()}, "y": _text(y)})
    return task


def _text(label: Any) -> str:
    return f"c{int(label)}"


def until_back(errors: Sequence[bool]) -> int:
    """Count the labels after the second return until the error is back."""
    level = sum(errors[3 * RETURN - 1000 : 3 * RETURN]) / 1000 + SLACK
    last = errors[4 * RETURN :]
    for n in range(len(last) - AHEAD):
        if sum(last[n : n + AHEAD]) / AHEAD <= level:
            return n
    return len(last)


def main() -> None:
    """Measure, print, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found: dict[str, dict[str, list[int]]] = {}
    for generator in GENERATORS:
        found[generator] = {name: [] for name in POLICIES}
        for seed in range(asked.seeds):
            events = events_of(generator, seed)
            for name, policy in POLICIES.items():
                tables = {"task": "multiclass", "input": {"label": "y"}, "learner": {"class": TREE}}
                run = replay(parse_config(tables | policy), events)
                answers = zip(run.predictions, events, strict=True)
                errors = [each["prediction"] != event["y"] for each, event in answers]
                found[generator][name].append(until_back(errors))
        print(generator, {name: median(counts) for name, counts in found[generator].items()})
    if asked.write:
        RESULTS.write_text(json.dumps({"seeds": asked.seeds, "labels": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
