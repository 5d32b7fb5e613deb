"""The published schemas are those of the code, and what is really emitted fits them."""

import json
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from stream import replay_files
from stream.app.schemas import FOLDER, RECORDS, schema_of

CONFIGS: dict[str, dict[str, Any]] = {
    "binary": {"task": "binary", "response": {"concept": "reset"}},
    "multiclass": {"task": "multiclass"},
    "regression": {"task": "regression"},
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_published_schema_is_in_step(name):
    published = json.loads((FOLDER / f"{name}.schema.json").read_text())
    assert published == schema_of(name), "run: python -m stream.app.schemas"


@pytest.mark.parametrize("task", CONFIGS)
def test_what_a_run_writes_fits_the_schemas(task, tmp_path):
    lines: list[dict[str, Any]] = []
    for n in range(2400):
        a, flip = n * 37 % 101, n > 1200
        label = {"binary": a > 50, "multiclass": "abc"[a % 3], "regression": a / 7}[task]
        if task == "binary":
            label = label != flip
        city = n % 3 if task == "regression" else "xyz"[n % 3]
        lines.append({"id": f"e{n}", "a": a, "city": city, "y": label})
    lines += [{"id": "e1", "a": 1}, {"a": 1}, {"id": "bad", "a": {"b": 1}}, {"id": "e", "y": [1]}]
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n{oops\n\xff\xfe\n[1]\n")
    config = CONFIGS[task] | {"input": {"id": "id", "label": "y"}, "scoring": {"every": 500}}
    summary = replay_files(config, data, tmp_path / "out")
    assert summary["events"] == summary["predictions"] + summary["dead_letters"] == 2407
    Draft202012Validator(schema_of("summary")).validate(summary)
    for name in ("predictions", "metrics", "alarms", "models", "dead-letters", "checkpoints"):
        validator = Draft202012Validator(schema_of(name))
        records = (tmp_path / "out" / f"{name}.jsonl").read_bytes().splitlines()
        for record in records:
            validator.validate(orjson.loads(record))
        if name not in ("alarms", "models") or task == "binary":
            assert records, name
