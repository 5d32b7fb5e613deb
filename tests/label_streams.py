"""Streams of labels with what was served for them, and what River's metrics make of them."""

import math
import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from river import metrics

PROBABILITY = {"LogLoss", "CrossEntropy", "ROCAUC", "RollingROCAUC", "RollingPRAUC"}

# An example feeds dozens of River's metrics: on a busy machine that can take over 200 ms.
relaxed = settings(deadline=None)


delays = st.floats(-10, 1e7) | st.just(0.0)
chances = st.floats(0, 1) | st.sampled_from([step / 9 for step in range(10)])
numbers = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)


def rows_of(labels, probabilities):
    maybe = st.none() | labels
    return st.lists(st.tuples(labels, maybe, probabilities, maybe, maybe, delays), max_size=80)


def class_rows(labels):
    return rows_of(labels, st.none() | st.dictionaries(labels, chances, max_size=4))


ROWS = {
    "binary": rows_of(st.booleans(), st.none() | chances),
    "multiclass": class_rows(st.integers(0, 4)),
    "regression": rows_of(numbers, st.none()),
}
TASK_ROWS = st.sampled_from(sorted(ROWS)).flatmap(lambda task: st.tuples(st.just(task), ROWS[task]))


def long_rows(task, count, seed=7):
    source = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    y: Any
    served: Any
    for _ in range(count):
        if task == "binary":
            y, p = source.random() < 0.3, source.random()
            rows.append((y, p > 0.5, p, source.random() < 0.3, False, source.expovariate(0.01)))
        elif task == "multiclass":
            y, served = source.choice("abcde"), source.choice("abcde")
            probability = {name: source.random() for name in "abcd"}
            rows.append((y, served, probability, source.choice("abcde"), "a", 0.0))
        else:
            y = source.gauss(5, 2)
            rows.append((y, y + source.gauss(0, 1), None, source.gauss(5, 2), 5.0, 1.0))
    return rows


def fed(scorer, rows):
    for row in rows:
        scorer.add(*row)
    return scorer


def has_no_loss(name, y, answer):
    """Tell where River raises, or may take up an infinity for good, and the scorer leaves out."""
    if name == "RMSLE":
        return min(y, answer) <= -1
    return name == "MAPE" and y != 0 and abs(y - answer) / abs(y) > 1e201


def river_value(name, task, pairs, matrix=None):
    """Feed one of River's metrics as its progressive validation does; None when nothing fits."""
    metric = getattr(metrics, name)(**({"cm": matrix} if matrix is not None else {}))
    fed_any = False
    for y, answer, probability in pairs:
        given = probability if name in PROBABILITY else answer
        if given is None or given == {} or has_no_loss(name, y, given):
            continue
        if task == "binary" and name == "CrossEntropy":
            given = {False: 1 - probability, True: probability}
        metric.update(y, given)
        fed_any = True
    value = metric.get() if fed_any else None
    return value if value is None or math.isfinite(value) else None
