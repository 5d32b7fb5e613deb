"""Whatever comes in: no crash, books that balance, memory and cost that stay flat."""

import gc
import random
import resource
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from river.datasets import synth

from stream import parse_config, replay, replay_files
from stream.app.connection import ensure_topics
from stream.app.engine import parts_of
from stream.core.partition import Partition
from stream.core.parts import Outputs
from stream.core.records import Row
from stream.core.whole import digest_of, plain_state
from stream.edges.transports.memory import MemorySource
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.state.pickling import dumps
from tests.services import config_for, records_of, settle, start, write

FUZZ = {
    "task": "binary",
    "input": {"id": "id", "time": "t", "label": "y"},
    "labels": {"ttl": "1h", "max_pending": 5000, "recent_ids": 5000, "max_early": 100},
    "contract": {"max_features": 20},
    "scoring": {"every": 5000},
}


def fuzzed_lines(number, seed):
    """Give lines of every kind of good and bad record, most of them nearly good."""
    draw = random.Random(seed)
    odd = [None, "", "text", -1, 1e31, 1e308, [1], {"a": 1}, True, "NaN", 10**25, "2099-01-01"]
    for n in range(number):
        record = {"id": f"e{n}", "t": 1e9 + n, "a": draw.gauss(0, 1), "b": draw.choice("xyz")}
        if draw.random() < 0.8:
            record["y"] = draw.random() < 0.3
        kind = draw.random()
        if kind < 0.15:
            record[draw.choice(["id", "t", "a", "b", "y", f"new{n % 50}"])] = draw.choice(odd)
        line = orjson.dumps(record) if 10**25 not in record.values() else b'{"id": 1e999}'
        if kind > 0.97:
            at = draw.randrange(len(line))
            line = line[:at] + bytes([draw.randrange(256)]) + line[at + 1 :]
        elif kind > 0.95:
            line = line[: draw.randrange(1, len(line))]
        yield line.replace(b"\n", b" ")


def fuzz(tmp_path, number):
    data = tmp_path / "data.jsonl"
    lines = list(fuzzed_lines(number, seed=5))
    data.write_bytes(b"\n".join(lines) + b"\n")
    summary: dict[str, Any] = {**replay_files(FUZZ, data, tmp_path / "out")}
    rows = sum(1 for line in lines if line.strip())
    letters = summary["dead_letters"]
    assert summary["events"] == rows == summary["predictions"] + letters
    assert summary["predictions"] == sum(
        summary[key] for key in ("labels", "pending", "expired", "evicted", "learn_failed")
    )
    assert sum(summary["dead_letters_by_reason"].values()) == letters
    assert len(summary["dead_letters_by_reason"]) >= 8
    for name in ("predictions", "dead-letters"):
        count = len((tmp_path / "out" / f"{name}.jsonl").read_bytes().splitlines())
        assert count == summary[name.replace("-", "_")]


def test_fuzzed_lines_end_in_the_books(tmp_path):
    fuzz(tmp_path, 15_000)


@pytest.mark.soak
def test_many_fuzzed_lines_end_in_the_books(tmp_path):
    fuzz(tmp_path, 200_000)


def agrawal(number):
    for n, (x, y) in enumerate(synth.Agrawal(seed=1).take(number)):
        yield n, x, y


def partition_of(**tables):
    config = parse_config({"task": "binary", **tables})
    return Partition(config.settings(), parts_of(config))


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB, at its highest


def test_the_checkpoint_of_a_tree_is_quick_and_small():
    partition = partition_of(input={"label": "y"})
    for n, x, y in agrawal(30_000):
        partition.on_event(n, Row(x | {"y": bool(y)}, b""))
    started = time.process_time()
    digest_of(partition)
    size = len(dumps(partition.learner.estimator))
    seconds = time.process_time() - started
    assert size < 200_000
    assert seconds < 0.5, "20 ms and less on an idle machine"


def cost_of_a_checkpoint(pending):
    """Give seconds of a digest and bytes of the state with so many predictions waiting."""
    partition = partition_of(
        input={"id": "id"}, labels={"ttl": 1e9}, learner={"class": "river.naive_bayes.GaussianNB"}
    )
    for n in range(pending):
        partition.on_event(n, Row({"id": f"e{n}", "a": n % 7, "b": 0.5}, b""))
        if n % 1000 == 0:
            partition.out = Outputs()
            partition.pending.stored()
    assert len(partition.pending) == pending
    digest_of(partition)
    started = time.process_time()
    digest_of(partition)
    return time.process_time() - started, len(plain_state(partition))


def test_a_checkpoint_costs_the_same_with_many_pending():
    few, _ = cost_of_a_checkpoint(2_500)
    many, size = cost_of_a_checkpoint(60_500)
    assert many < 5 * few + 0.05
    assert size < 400_000


@pytest.mark.soak
def test_a_million_pending():
    few, _ = cost_of_a_checkpoint(2_500)
    before = resident()
    many, size = cost_of_a_checkpoint(1_000_000)
    print(f"digest {few * 1e3:.1f} ms -> {many * 1e3:.1f} ms, state {size} bytes, "
          f"{resident() - before} MiB")
    assert many < 5 * few + 0.05
    assert size < 600_000
    assert resident() - before < 1200


@pytest.mark.soak
def test_memory_is_flat_over_five_million_events():
    partition = partition_of(
        input={"id": "id", "label": "y"},
        learner={
            "class": "river.tree.HoeffdingTreeClassifier",
            "params": {"max_size": 1.0, "memory_estimate_period": 100_000},
        },
    )
    marks = []
    for n, x, y in agrawal(5_000_000):
        partition.on_event(n, Row(x | {"id": f"e{n}", "y": bool(y)}, b""))
        if n % 10_000 == 0:
            partition.out = Outputs()
        if n % 500_000 == 0:
            marks.append(resident())
    print(marks)
    assert marks[-1] - marks[2] < 30, marks


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_fold_makes_no_garbage_in_cycles(task):
    """Which waits for a collector that runs rarely, and would look like a leak for hours."""
    truths: dict[str, Callable[[Any], Any]] = {
        "binary": bool, "multiclass": "ab".__getitem__, "regression": float
    }  # fmt: skip
    partition = partition_of(
        task=task, input={"id": "id", "label": "y"}, checkpoints={"every": 500}
    )
    with collector_off():
        for n, x, y in agrawal(8000):
            row = Row(x | {"id": f"e{n}", "y": truths[task](y)}, b"")
            partition.on_event(n, row)
        assert partition.out.metrics
        assert gc.collect() < 8


def test_the_service_makes_no_garbage_in_cycles(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, response={"concept": "checkpoint"})
    log, service = MemoryLog(broker), start(broker, config)
    topics, records = ensure_topics(log, config), records_of(2000)
    write(log, topics, records[:1000])
    settle([service], broker, config)
    write(log, topics, records[1000:])
    with collector_off():
        settle([service], broker, config)
        assert gc.collect() < 8


@contextmanager
def collector_off():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_replay_that_is_over_leaves_nothing_behind():
    """Without waiting for a collection: many in a row took all the memory there was."""
    rows = [{"a": n % 7, "y": n % 2 == 0} for n in range(600)]
    config = {"task": "binary", "input": {"label": "y"}}
    replay(config, rows)
    with collector_off():
        kept = Partition, MemorySource
        before = {id(each) for each in gc.get_objects() if isinstance(each, kept)}
        replay(config, rows)
        left = [each for each in gc.get_objects() if isinstance(each, kept)]
    assert [each for each in left if id(each) not in before] == []  # of other tests some may live
