"""Two tables are alike or differ, and what was done to one of them is named."""

import gzip
import json
import random

import numpy as np
import pytest

from detectors.columns import SAMPLE, Columns
from detectors.comparison import compare
from stream.app.cli import main

SIZE = 4000


def rows(seed=0, size=SIZE, change=None):
    rng = random.Random(seed)
    for place in range(size):
        row = {
            "id": f"e{seed}-{place}", "n": place, "temp": rng.gauss(15, 8),
            "pay": rng.lognormvariate(3, 1), "city": rng.choice("xxxyyz"),
            "flag": rng.random() < 0.3, "gate": rng.choice([1, 2, 3]),
        }  # fmt: skip
        if rng.random() < 0.05:
            row["pay"] = None
        if change is not None:
            change(row, rng)
        yield row


def table(**how):
    columns = Columns()
    columns.take(list(rows(**how)))
    return columns


def update(**values):
    return lambda row, rng: row.update({name: make(row, rng) for name, make in values.items()})


@pytest.mark.parametrize("size", [50, 300, 2000, 8000])
def test_two_draws_of_one_table_are_alike(size):
    differ = [
        compare(table(seed=seed, size=size), table(seed=seed + 100, size=size)).differ
        for seed in range(20)
    ]
    assert not any(differ)


CHANGES = {
    "units": (update(temp=lambda r, _: 1.8 * r["temp"] + 32), {"temp": "moved"},
              "temp: new = 1.8 * old + 32: Celsius to Fahrenheit?"),
    "swapped": (update(temp=lambda r, _: r["gate"], gate=lambda r, _: r["temp"]), None,
                "gate and temp swapped?"),
    "frozen": (update(temp=lambda r, _: 7.0), {"temp": "moved"}, "temp is frozen at 7"),
    "missing": (update(temp=lambda r, c: r["temp"] if c.random() < 0.5 else None),
                {"temp": "missing"}, "temp is missing in"),
    "type": (update(temp=lambda r, _: "warm"), {"temp": "type"}, ""),
    "new": (update(more=lambda r, _: 1.0), {"more": "new"}, ""),
    "unseen": (update(city=lambda r, c: "q" if c.random() < 0.03 else r["city"]),
               {"city": "unseen"}, ""),
    "shares": (update(city=lambda r, c: c.choice("xyyzz")), {"city": "moved"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_was_done_is_found_and_named(case):
    change, why, text = CHANGES[case]
    found = compare(table(), table(seed=1, change=change))
    if why is not None:
        assert {each.name: each.why for each in found.differ} == why
    told = [cause["text"] for cause in found.causes]
    assert any(each.startswith(text) for each in told) if text else not told


def test_two_renamed_fields_are_both_named():
    def rename(row, rng):
        row["temperature"], row["town"] = row.pop("temp"), row.pop("city")

    causes = compare(table(), table(seed=1, change=rename)).causes
    assert {cause["text"] for cause in causes} == {
        "temp renamed to temperature?", "city renamed to town?",
    }  # fmt: skip


def test_what_moved_most_comes_first():
    change = update(temp=lambda r, _: r["temp"] + 4, gate=lambda r, _: r["gate"] + 3)
    names = [each.name for each in compare(table(), table(seed=1, change=change)).fields]
    assert names[:2] == ["gate", "temp"]


def test_names_and_running_numbers_are_not_compared():
    notes = {each.name: each.note for each in compare(table(), table(seed=1)).fields}
    assert notes["id"] == "hardly any text comes twice"
    assert notes["n"] == "runs with the rows"
    assert not any(notes[name] for name in ("temp", "pay", "city", "flag", "gate"))


@pytest.mark.parametrize("chunk", [1, 77, 4096, 50_000])
def test_a_sample_is_bounded_evenly_spread_and_the_same_for_any_chunk(chunk):
    size = 50_000 if chunk > 1 else 3_000
    columns = Columns()
    for start in range(0, size, chunk):
        columns.take([{"n": n} for n in range(start, min(start + chunk, size))])
    sample = columns.columns["n"].sample
    assert len(sample) == columns.sampled <= SAMPLE
    assert len(sample) > min(size, SAMPLE / 2) - 1
    steps = set(np.diff(sample))
    assert len(steps) == 1
    assert sample[-1] + max(steps) >= size


def test_a_column_that_begins_late_was_missing_before():
    columns = Columns()
    columns.take([{"a": 1.0}] * 300)
    columns.take([{"a": 1.0, "b": 2.0}] * 100)
    assert columns.missing("b") == 0.75
    assert columns.columns["b"].sample == [None] * 300 + [2.0] * 100


def test_memory_is_bounded_whatever_comes():
    columns = Columns()
    for start in range(0, 30_000, 1000):
        columns.take([{"t": f"{n}", f"k{n % 3000}": n} for n in range(start, start + 1000)])
    assert len(columns.columns) == 1000
    assert columns.columns["t"].texts is None
    assert max(len(column.sample) for column in columns.columns.values()) <= SAMPLE


# --- the command -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warm = update(temp=lambda r, _: 1.8 * r["temp"] + 32)
    for name, made in (("a", rows()), ("b", rows(seed=1)), ("c", rows(seed=2, change=warm))):
        lines = [json.dumps(row) for row in made]
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as file:
            file.write("\n".join(lines))
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    return ended.value.code or 0


def test_it_exits_with_0_for_alike_1_for_different_2_for_wrong_use(capsys):
    assert run("a.jsonl.gz", "b.jsonl.gz") == 0
    assert "alike" in capsys.readouterr().out
    assert run("a.jsonl.gz", "c.jsonl.gz") == 1
    shown = capsys.readouterr().out
    assert "they differ in 1 of 7 fields: temp" in shown
    assert "Celsius to Fahrenheit?" in shown
    assert run("a.jsonl.gz", "c.jsonl.gz", "--bar", "50") == 0
    assert run("a.jsonl.gz", "nowhere.csv") == 2
    assert run("a.jsonl.gz") == 2


def test_it_speaks_json(capsys):
    assert run("a.jsonl.gz", "c.jsonl.gz", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "differ"
    assert [each["records"] for each in document["files"]] == [SIZE, SIZE]
    first = document["fields"][0]
    assert (first["name"], first["why"]) == ("temp", "moved")
    assert len(first["before"]) >= len(first["bins"]) + 1
    assert document["causes"][0]["what"] == "unit_change"


def test_a_configuration_says_what_is_no_value(folder, capsys):
    (folder / "app.toml").write_text('[input]\nid = "id"\ntime = "n"\nignore = ["temp"]\n')
    assert run("a.jsonl.gz", "c.jsonl.gz", "--config", "app.toml", "--json") == 0
    names = {each["name"] for each in json.loads(capsys.readouterr().out)["fields"]}
    assert names == {"pay", "city", "flag", "gate"}


def test_formats_may_differ(folder, capsys):
    keys = ("temp", "pay", "city", "gate")
    lines = [",".join("" if row[k] is None else str(row[k]) for k in keys) for row in rows(seed=1)]
    (folder / "b.csv").write_text("\n".join([",".join(keys), *lines]))
    (folder / "app.toml").write_text('[input]\nignore = ["id", "n", "flag"]\n')
    assert run("a.jsonl.gz", "b.csv", "--config", "app.toml") == 0
