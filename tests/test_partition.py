"""The fold against a naive reference, and the books that always balance."""

from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from river import metrics, tree

from stream import Config, parse_config, replay
from stream.app.engine import allowed_of, parts_of
from stream.core.partition import Partition
from stream.core.records import Row
from stream.core.whole import objects_of, pieces_of, plain_state, recast, restore
from stream.state.pickling import dumps, loads

CONFIG = parse_config(
    {
        "task": "binary",
        "input": {"id": "id", "time": "t", "label": "y"},
        "labels": {"ttl": 50.0, "max_pending": 12, "max_early": 4},
        "scoring": {"every": 7, "window": 10, "metrics": ["Accuracy", "LogLoss"]},
        "response": {"cooldown": 5},
    }
)

events = st.builds(
    lambda n, t, a, b, y: ("events", {"id": f"e{n}", "t": t, "a": a, "b": b} | y),
    st.integers(0, 30),
    st.integers(0, 200),
    st.floats(-10, 10),
    st.sampled_from(["red", "green", None]),
    st.sampled_from([{}, {}, {"y": True}, {"y": False}, {"y": None}]),
)
labels = st.builds(
    lambda n, t, y: ("labels", {"id": f"e{n}", "t": t, "y": y}),
    st.integers(0, 35),
    st.integers(0, 200),
    st.booleans(),
)
streams = st.lists(st.one_of(events, labels), max_size=120)


def naive(records: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Do what the fold does, in twenty lines that know nothing of speed or memory."""
    model, score, marks = tree.HoeffdingTreeClassifier(), metrics.Accuracy(), []
    seen, gone, out, dead = set[str](), set[str](), list[Any](), list[str]()
    waiting, early, last = dict[str, Any](), dict[str, Any](), {"waiting": 0, "early": 0}
    for stream, record in records:
        marks.append(record["t"])
        mark = min(marks) if len(marks) <= 10 else max(*marks[10:], min(marks[:10]))
        for table, fate in ((waiting, gone.add), (early, lambda _: dead.append("unknown_id"))):
            while table and next(iter(table.values()))[0] + 50 < mark:
                fate(key := next(iter(table)))
                del table[key]
        key, y = record["id"], record.get("y")
        if stream == "events":
            if key in seen:
                dead.append("duplicate")
                continue
            seen.add(key)
            x: Any = {k: v for k, v in record.items() if k in "ab" and v is not None}
            answer = model.predict_one(x)
            chance = None if answer is None else model.predict_proba_one(x).get(True, 0.0)
            out.append((key, answer, chance))
            _, first = early.pop(key, (0, None))
            dead.extend(["duplicate"] if y is not None and first is not None else [])
            y = first if y is None else y
            if y is None:
                last["waiting"] = max(mark, last["waiting"])
                waiting[key] = (last["waiting"], x, answer)
                if len(waiting) > 12:
                    old = next(iter(waiting))
                    del waiting[old]
                    gone.add(old)
                continue
        elif key in waiting:
            _, x, answer = waiting.pop(key)
        else:
            if key in gone:
                dead.append("expired")
            elif key in seen or key in early:
                dead.append("duplicate")
            else:
                last["early"] = max(mark, last["early"])
                early[key] = (last["early"], y)
                if len(early) > 4:
                    del early[next(iter(early))]
                    dead.append("too_many_early")
            continue
        if answer is not None:
            score.update(y, answer)
        model.learn_one(x, y)
    return {"out": out, "dead": dead, "accuracy": score.get(), "waiting": set(waiting)}


def fold(records, partition=None):
    partition = partition or Partition(CONFIG.settings(), parts_of(CONFIG))
    for stream, record in records:
        take = partition.on_event if stream == "events" else partition.on_label
        take(partition.position[stream], Row(dict(record), orjson.dumps(record)))
    return partition


def reborn(partition: Partition, config: Config = CONFIG) -> Partition:
    again = Partition(config.settings(), parts_of(config))
    revived = recast(loads(dumps(tuple(objects_of(partition))), allowed_of(config)))
    pieces = {name: piece for name, piece in pieces_of(partition).items() if piece is not None}
    restore(again, plain_state(partition), revived, pieces)
    assert again.digest() == partition.digest()
    again.out, again.cut = partition.out, partition.cut
    return again


no_shrinking = [Phase.explicit, Phase.reuse, Phase.generate]  # it takes minutes here


@settings(max_examples=150, deadline=None, phases=no_shrinking)
@given(streams)
def test_it_does_what_the_naive_reference_does(records):
    partition, expected = fold(records), naive(records)
    served = [(p["id"], p["prediction"], p["probability"]) for p in partition.out.predictions]
    assert served == expected["out"]
    assert sorted(d["reason"] for d in partition.out.dead_letters) == sorted(expected["dead"])
    accuracy = partition.scorer.report()["cumulative"]["Accuracy"]
    assert (accuracy or 0.0) == expected["accuracy"]
    assert len(partition.pending) == len(expected["waiting"])


@settings(max_examples=60, deadline=None, phases=no_shrinking)
@given(streams, st.lists(st.integers(0, 120), max_size=3))
def test_the_books_balance_and_a_restore_anywhere_changes_nothing(records, cuts):
    whole, parts = fold(records), Partition(CONFIG.settings(), parts_of(CONFIG))
    for number, record in enumerate(records):
        if number in cuts:
            parts = reborn(parts)
        parts = fold([record], parts)
        counts = parts.counts
        assert counts.events == counts.predictions + counts.dead_events
        assert counts.predictions == (
            counts.scored + len(parts.pending) + counts.expired + counts.evicted
            + counts.learn_failed
        )
    assert parts.digest() == whole.digest()
    for name in ("predictions", "metrics", "alarms", "models", "dead_letters"):
        assert orjson.dumps(getattr(parts.out, name)) == orjson.dumps(getattr(whole.out, name))


@pytest.mark.parametrize("late", [False, True])
def test_a_far_future_event_expires_nothing(late):
    rows = [{"id": f"e{n}", "t": 1e9 + n, "a": 1.0} for n in range(30)]
    rows.insert(0 if late else 15, {"id": "far", "t": 4e9, "a": 1.0})
    run = replay(CONFIG, rows)
    assert run.summary["expired"] == 0


def test_a_reset_is_the_first_step_of_the_next_record():
    config = {
        "task": "binary",
        "input": {"label": "y"},
        "response": {"concept": "reset", "cooldown": 100},
    }
    rows = [{"a": n % 2, "y": bool(n % 2)} for n in range(1000)]
    rows += [{"a": n % 2, "y": not n % 2} for n in range(1000)]
    run = replay(config, rows)
    assert run.alarms, "the flip is seen"
    first = run.alarms[0]
    assert first["action"] == "reset"
    at = first["position"]["events"]
    models = [p["model"] for p in run.predictions]
    assert set(models[:at]) == {"v1"}
    assert models[at] == "v2"
    assert run.predictions[at]["prediction"] is None, "a fresh tree knows nothing"


def test_labels_that_find_no_event_raise_one_alarm():
    events = [{"id": f"e{n}", "at": 1e9 + n, "a": n % 7} for n in range(2000)]
    labels = [{"id": f"other{n}", "at": 1e9 + n, "y": n % 2} for n in range(2000)]
    config = {"task": "binary", "input": {"id": "id", "time": "at", "label": "y"}}
    run = replay(config, events, labels)
    (alarm,) = run.alarms
    assert alarm["kind"] == "label"
    assert alarm["verdict"] == "labels_without_events"
    assert "same partition in both inputs" in alarm["diagnosis"]
    assert alarm["evidence"]["early_labels"] == 500
    good = [{"id": f"e{n}", "at": 1e9 + n, "y": n % 2} for n in range(2000)]
    assert not replay(config, events, good).alarms
