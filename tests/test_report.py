"""The page about a run: complete, self-contained, and safe whatever fields are called."""

import random
import re
import shutil

import orjson
import pytest
from typer.testing import CliRunner

from stream import replay_files
from stream.app.breaks import BREAKS, BROKEN_FROM, broken
from stream.app.cli import app
from tests.told import STORY, put

NASTY = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    rng = random.Random(1)
    rows = []
    for place in range(9000):
        a = rng.gauss(0, 1)
        other = rng.gauss(0, 1) + (4 if place > 6000 else 0)
        rows.append({"t": 1.7e9 + 60 * place, "a": a, NASTY: other, "y": a > 0})
    data = folder / "data.jsonl"
    data.write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n{oops\n")
    config = {"input": {"time": "t", "label": "y"}, "scoring": {"every": 500}}
    replay_files(config, data, folder / "out")
    return folder / "out"


def test_the_page_needs_no_network_and_runs_nothing(out):
    result = CliRunner().invoke(app, ["report", str(out)])
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    assert not re.search(r"https?://|src=|@import|url\(|<script", page)
    assert "&lt;script&gt;" in page
    assert "prefers-color-scheme: dark" in page
    assert page.count("<svg") >= 5
    for part in ("Score over time", "alarms", "Features", "Labels", "checkpoints", "bad_json"):
        assert part in page


def test_every_alarm_is_on_it_as_it_was_last_told(out):
    page = (out / "report.html").read_text()
    alarms = [orjson.loads(line) for line in (out / "alarms.jsonl").read_bytes().splitlines()]
    last = {alarm["alarm"]: alarm for alarm in alarms}
    assert last
    assert page.count("<article>") == len(last)
    for alarm in last.values():
        assert alarm["diagnosis"].split(";")[-1][:30] in page


def test_a_folder_of_no_run_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code != 0


def test_the_lives_of_the_models_are_on_it(out, tmp_path):
    assert "<p>One, v1, from the start to the end.</p>" in (out / "report.html").read_text()
    folder = tmp_path / "story"
    shutil.copytree(out, folder)
    steps = [record | {"time": 1.7e9 + 60 * 1000 * record["seq"]} for record in STORY]
    steps[1] = steps[1] | {"cause": {"kind": NASTY}}
    put(folder, steps)
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    page = (folder / "report.html").read_text()
    assert "4 models" in page
    assert "errors avoided +37, cost 1,200 learnt, 1,400 answered" in page
    assert page.count("<line class=\"mark promotion\"") == 1
    assert "promotion of v2 (fresh)</title>" in page
    assert "<script" not in page


@pytest.mark.parametrize("name", BREAKS)
def test_flights_are_broken_from_july_on_and_not_before(name):
    flights = [
        {
            "flight_id": f"F{n}", "departed_at": f"2013-{6 + n % 2:02}-15T00:00:00Z",
            "distance": 500, "dep_delay": n, "late": str(n // 2 % 2),
        }
        for n in range(400)
    ]  # fmt: skip
    kept = list(broken(iter(flights), name))
    before = [flight for flight in flights if str(flight["departed_at"]) < BROKEN_FROM]
    assert [flight for flight in kept if flight["departed_at"] < BROKEN_FROM] == before
    assert [flight for flight in kept if flight not in before] != flights[1::2]
    assert list(broken(iter(flights), name)) == kept
