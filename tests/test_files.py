"""Runs on files: equal to the loop anybody would write, in every format and way of labelling."""

import csv
import gzip
import json
import math
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, metrics, naive_bayes, preprocessing, tree

from stream import replay, replay_files
from stream.edges.transports.directory import predictions_as_lines

N = 1200


def electricity(seed=3):
    """Make half-hourly rows like those of the Elec2 data: prices, demands, UP or DOWN."""
    draw = random.Random(seed)
    price, rows = 0.5, []
    for n in range(N):
        moved = 0.1 * math.sin(n / 24) + draw.gauss(0, 0.05) + (0.1 if n > 800 else 0)
        row = {
            "period": round(n % 48 / 47, 4), "nswprice": round(price + moved, 6),
            "nswdemand": round(draw.random(), 6), "vicprice": round(draw.random() / 100, 6),
            "class": "UP" if moved > 0 else "DOWN",
        }  # fmt: skip
        price = 0.9 * price + 0.05
        rows.append({"n": n, **row, "known": n + draw.choice([0, 3, 40, 200])})
    return rows


@pytest.fixture
def data(tmp_path):
    rows = electricity()
    path = tmp_path / "elec.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return path


BASE: dict[str, Any] = {
    "task": "binary",
    "input": {"label": "class", "positive": "UP", "ignore": ["n", "known"]},
    "scoring": {"metrics": ["Accuracy", "CohenKappa", "F1", "LogLoss", "ROCAUC"], "every": 500},
}
LEARNERS: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "tree": (
        {"class": "river.tree.HoeffdingTreeClassifier", "params": {"grace_period": 50}},
        lambda: tree.HoeffdingTreeClassifier(grace_period=50),
    ),
    "logistic": (
        {
            "steps": [
                {"class": "river.preprocessing.StandardScaler"},
                {"class": "river.linear_model.LogisticRegression"},
            ]
        },
        lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    ),
    "bayes": ({"class": "river.naive_bayes.GaussianNB"}, naive_bayes.GaussianNB),
}


def records(out, name="predictions"):
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("name", LEARNERS)
def test_predictions_and_scores_are_those_of_the_plain_river_loop(name, data, tmp_path):
    settings, make = LEARNERS[name]
    summary = replay_files(BASE | {"learner": settings}, data, tmp_path / "out")
    model, kept = make(), {each: getattr(metrics, each)() for each in BASE["scoring"]["metrics"]}
    answers = []
    with data.open(newline="") as file:
        for row in csv.DictReader(file):
            y = row.pop("class") == "UP"
            x = {key: float(value) for key, value in row.items() if key not in ("n", "known")}
            answer, proba = model.predict_one(x), model.predict_proba_one(x)
            answers.append((answer, proba.get(True, 0.0) if proba else None))
            if answer is not None:
                for metric in kept.values():
                    metric.update(y, answer if metric.requires_labels else proba)
            model.learn_one(x, y)
    served = records(tmp_path / "out")
    assert [(each["prediction"], each["probability"]) for each in served] == answers
    assert summary["metrics"] == {each: metric.get() for each, metric in kept.items()}


def test_every_format_and_packing_gives_the_same(data, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{k: float(v) if k not in ("class",) else v for k, v in row.items()}
            for row in electricity()]
    packed = tmp_path / "elec.csv.gz"
    packed.write_bytes(gzip.compress(data.read_bytes()))
    (tmp_path / "elec.csv.zst").write_bytes(zstandard.compress(data.read_bytes()))
    (tmp_path / "elec.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "elec.parquet")
    config = BASE | {"learner": LEARNERS["logistic"][0]}
    expected = None
    for suffix in ("csv", "csv.gz", "csv.zst", "jsonl", "parquet"):
        out = tmp_path / f"out-{suffix}"
        replay_files(config, tmp_path / f"elec.{suffix}", out)
        written = [(out / f"{name}.jsonl").read_bytes() for name in ("predictions", "metrics")]
        expected = expected or written
        assert written == expected, suffix
    in_memory = replay(config, rows)
    assert orjson.dumps(in_memory.predictions) == orjson.dumps(records(tmp_path / "out-csv"))


def test_labels_at_their_time_in_a_file_of_their_own_and_in_memory_agree(data, tmp_path):
    config = BASE | {
        "input": {"id": "n", "time": "n", "label": "class", "positive": "UP"},
        "labels": {"ttl": 100},
        "learner": LEARNERS["bayes"][0],
    }
    split = config | {"input": {
        "id": "id", "time": "n", "label": "class", "positive": "UP", "label_time": "known",
    }}  # fmt: skip
    rows = [{"id": f"e{row['n']}", **row} for row in electricity()]
    one, events, labels = (tmp_path / f"{name}.jsonl" for name in ("one", "events", "labels"))
    one.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    without = [{k: v for k, v in row.items() if k not in ("class", "known")} for row in rows]
    apart = sorted(
        ({"id": row["id"], "class": row["class"], "known": row["known"]} for row in rows),
        key=lambda label: label["known"],
    )
    events.write_bytes(b"\n".join(map(orjson.dumps, without)))
    labels.write_bytes(b"\n".join(map(orjson.dumps, apart)))
    replay_files(split, one, tmp_path / "out-one")
    summary = replay_files(split, events, tmp_path / "out-two", labels=labels)
    assert summary["expired"] > 0
    assert summary["dead_letters_by_reason"] == {"expired": summary["expired"]}
    for name in ("predictions", "metrics", "alarms", "models"):
        first = (tmp_path / f"out-one/{name}.jsonl").read_bytes()
        assert first == (tmp_path / f"out-two/{name}.jsonl").read_bytes(), name
    run = replay(split, without, apart)
    assert orjson.dumps(run.metrics) == orjson.dumps(records(tmp_path / "out-two", "metrics"))


@pytest.mark.parametrize("content", ["a,class\n", "a,class"])
def test_a_file_without_rows_is_a_run_without_events(content, tmp_path):
    (tmp_path / "data.csv").write_text(content)
    summary = replay_files({"input": {"label": "class"}}, tmp_path / "data.csv", tmp_path / "out")
    assert summary["events"] == 0
    assert summary["metrics"]["Accuracy"] is None


def test_a_damaged_file_keeps_what_was_read_and_says_where_it_ends(data, tmp_path):
    from stream import SourceError

    packed = gzip.compress(data.read_bytes())
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SourceError, match="after row"):
        replay_files(BASE, tmp_path / "cut.csv.gz", tmp_path / "out")


def test_multiclass_and_scikit_learn_through_a_configuration(tmp_path):
    rows = [{"a": n * 37 % 30, "kind": "xyz"[n * 37 % 30 // 10]} for n in range(900)]
    (tmp_path / "data.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    config = {
        "task": "multiclass",
        "input": {"label": "kind"},
        "learner": {"class": "sklearn.naive_bayes.MultinomialNB", "classes": ["x", "y", "z"]},
    }
    summary = replay_files(config, tmp_path / "data.jsonl", tmp_path / "out")
    assert summary["labels"] == 900
    served = records(tmp_path / "out")
    assert served[0]["prediction"] is None
    assert set(served[-1]["probability"]) == {"x", "y", "z"}
    assert sum(served[-1]["probability"].values()) == pytest.approx(1)


texts = st.one_of(st.text(), st.sampled_from(['},{"id":', '"},{"id":"', "\\"]))


@given(st.lists(st.tuples(texts, texts, st.dictionaries(texts, st.floats(0, 1))), min_size=1))
def test_predictions_are_cut_where_they_end(rows):
    predictions: Any = [
        {"id": name, "time": time, "prediction": name, "model": "v1", "probability": chances}
        for name, time, chances in rows
    ]
    lines = [orjson.dumps(prediction) for prediction in predictions]
    assert predictions_as_lines(predictions) == b"\n".join([*lines, b""])
