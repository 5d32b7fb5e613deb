"""Whether contests keep what is promised of them: wrong promotions, and how long right ones take.

    python -m benchmarks.contests [--equal 1000] [--better 300] [--write]

Two models whose shares of right answers are known meet in the product's own fold, with labels at
once and 10,000 events later. Both are right on 80 percent in the first case, where a promotion
is wrong; in the second the challenger is right on 82. Their errors are independent, which is
the hardest: models that err together are told apart sooner.

Theory: a gambler who knew the two shares and staked the best share of her wealth on each label
would gain ``g = E log(1 + stake * difference)`` a label, and nobody can gain faster; so the
evidence of ``1 / significance`` takes ``log(1 / significance) / g`` labels.
"""

import argparse
import json
import random
from collections.abc import Iterator
from math import log
from pathlib import Path
from statistics import median
from typing import Any, cast

import orjson

from stream import parse_config
from stream.core.partition import Partition
from stream.core.parts import Parts
from stream.core.records import Row

RESULTS = Path(__file__).parent / "results" / "contests.json"
DELAY = 10_000
RIGHT, BETTER, LEVEL = 0.80, 0.82, 0.05


class Known:
    """Answers as one feature says, and learns nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.estimator: Any = self

    def predict(self, x: dict[str, Any]) -> tuple[Any, Any]:
        """Give the answer that the event holds for it."""
        return x[self.name], None

    def learn(self, x: dict[str, Any], y: Any) -> None:
        """Do nothing."""


def records_of(seed: int, challenger: float, delay: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give events with what both models answer, and their labels so much later."""
    draw = random.Random(seed)
    truths: list[bool] = []
    n = 0
    while True:
        y = draw.random() < 0.5
        truths.append(y)
        row = {"id": f"e{n}", "t": float(n)} | {
            "champion": y == (draw.random() < RIGHT),
            "challenger": y == (draw.random() < challenger),
        }
        yield "events", row if delay else row | {"y": y}
        if delay and n >= delay:
            yield "labels", {"id": f"e{n - delay}", "t": float(n), "y": truths[n - delay]}
        n += 1


def contest(seed: int, challenger: float, delay: int, limit: int) -> tuple[str, int]:
    """Let the two meet; gives how it ended, and after how many labels."""
    config = parse_config({
        "task": "binary",
        "input": {"id": "id", "time": "t", "label": "y"},
        "labels": {"ttl": 1e9},
        "scoring": {"every": 10**9, "metrics": ["Accuracy"]},
        "training": {
            "doubts_per_100k": 0.0, "challengers": 1, "significance": LEVEL, "limit": limit,
            "gate": {"labels": 0},
        },
    })  # fmt: skip
    names = iter(["champion", *["challenger"] * 99])
    parts = Parts(lambda: cast(Any, Known(next(names))), list, lambda known: cast(Any, known))
    partition = Partition(config.settings(), parts)
    for stream, record in records_of(seed, challenger, delay):
        take = partition.on_event if stream == "events" else partition.on_label
        take(partition.position[stream], Row(record, orjson.dumps(record)))
        if partition.counts.events == 1 and not partition.training.rivals:
            partition.training.trigger(partition, {"kind": "control"})
        for told in partition.out.models:
            if told["event"] in ("promotion", "drop"):
                return told["event"], told["evidence"]["labels"]
        for each in (partition.out.models, partition.out.predictions, partition.out.alarms):
            each.clear()
    raise AssertionError("the stream has no end")


def theory(challenger: float) -> float:
    """Give the labels that the best gambler needs."""
    wins, losses = challenger * (1 - RIGHT), RIGHT * (1 - challenger)
    stake = (wins - losses) / (wins + losses)
    return log(1 / LEVEL) / (wins * log(1 + stake) + losses * log(1 - stake))


def main() -> None:
    """Measure, print, and keep the results when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--equal", type=int, default=1000)
    parser.add_argument("--better", type=int, default=300)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found: list[dict[str, Any]] = []
    for delay in (0, DELAY):
        ends = [contest(seed, RIGHT, delay, 5_000)[0] for seed in range(asked.equal)]
        found.append({
            "case": "equal", "delay": delay, "contests": asked.equal,
            "wrong": ends.count("promotion") / asked.equal, "promised": LEVEL,
        })  # fmt: skip
        print(found[-1], flush=True)
        duels = [contest(seed, BETTER, delay, 50_000) for seed in range(asked.better)]
        right = [labels for end, labels in duels if end == "promotion"]
        never = [10**9] * (asked.better - len(right))
        found.append({
            "case": "two points better", "delay": delay, "contests": asked.better,
            "promoted": len(right) / asked.better, "median_labels": median(right + never),
            "theory_labels": round(theory(BETTER)),
        })  # fmt: skip
        print(found[-1], flush=True)
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
