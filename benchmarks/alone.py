"""What a learner takes by itself: River's own calls, and those by which the fold drives it.

Predict, then learn, on the records of `bench`, at once or 10,000 events later, nothing else.
``python -m benchmarks.alone`` prints processor time an event, the least of three runs in turn,
and writes ``benchmarks/results/alone.json``.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench import DELAY, LEARNERS, rows_of, write_agrawal, write_flight_rows
from learners.build import wrap
from learners.repairs import repair_river
from stream.app.compiled import is_compiled
from stream.state.blob import versions

EVENTS = 60_000
RESULTS = Path(__file__).parent / "results" / "alone.json"


def main() -> None:
    """Measure all, print it and write it down."""
    repair_river()
    found = []
    for data, write in (("Agrawal", write_agrawal), ("flights", write_flight_rows)):
        for name, (_, make) in LEARNERS.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "data.csv")
                write(path, EVENTS, "logistic" in name)
                records = list(rows_of(path))
            for delay in (0, DELAY):
                river, ours = zip(*(pair(make, records, delay) for _ in range(3)), strict=True)
                found.append(
                    {"data": data, "learner": name, "delay": delay,
                     "river_us": round(min(river), 2), "ours_us": round(min(ours), 2)}
                )  # fmt: skip
                print(found[-1], flush=True)
    document = {"versions": versions(), "compiled": is_compiled(), "results": found}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


def pair(make: Callable[[], Any], records: list[Any], delay: int) -> tuple[float, float]:
    """Time both on fresh models."""
    model, learner = make(), wrap(make(), "binary")
    return (
        drive(model.predict_proba_one, model.learn_one, records, delay),
        drive(learner.predict, learner.learn, records, delay),
    )


def drive(predict: Any, learn: Any, records: list[Any], delay: int) -> float:
    """Give the processor time of an event in microseconds."""
    started = time.process_time()
    for number, (x, _) in enumerate(records):
        predict(x)
        if number >= delay:
            learn(*records[number - delay])
    for x, y in records[len(records) - delay :] if delay else []:
        learn(x, y)
    return (time.process_time() - started) / len(records) * 1e6


if __name__ == "__main__":
    main()
