"""kill -9 anywhere, and the outputs come out the same to the byte."""

import json
import os
import random
import signal
import time

import pytest

from stream.edges.failpoints import ON_FILES
from tests.runs import Run, outputs, replay_process, write_config, write_data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its folder, outputs and summary, and how long it took."""
    folder = tmp_path_factory.mktemp("whole")
    config, data = write_config(folder / "app.toml"), write_data(folder / "data.csv")
    started = time.monotonic()
    run = Run(config, data, folder / "out")
    assert run.wait() == 0, run.errors
    seconds = time.monotonic() - started
    summary = json.loads((folder / "out/summary.json").read_text())
    assert summary["alarms"], "the data hold a change that is seen"
    assert outputs(folder / "out")["models"], "and it is answered with another model"
    assert summary["dead_letters_by_reason"].keys() >= {"wrong_type", "duplicate"}
    assert summary["expired"]
    return folder, outputs(folder / "out"), summary, seconds


def equals_whole(out, whole):
    assert outputs(out) == whole[1]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["digest"] == whole[2]["digest"]
    books = ("events", "labels", "predictions", "dead_letters", "alarms", "expired", "metrics")
    assert all(summary[key] == whole[2][key] for key in books)
    announced = {
        json.loads(line)["blob"] for line in (out / "checkpoints.jsonl").read_text().splitlines()
    }
    assert {path.stem for path in (out / "checkpoints/0").glob("*.ckpt")} <= announced


def finish(config, data, out, whole):
    run = Run(config, data, out)
    assert run.wait() == 0, run.errors
    equals_whole(out, whole)


@pytest.mark.parametrize("point", ON_FILES)
def test_killed_at_a_named_place_and_run_again(point, whole, tmp_path):
    config, data, out = whole[0] / "app.toml", whole[0] / "data.csv", tmp_path / "out"
    for times in (1,) if point == "finish" else (1, 2):
        run = Run(config, data, out, failpoint=f"{point}:{times}")
        assert run.wait() == -signal.SIGKILL, f"{point} is never reached {times} times"
    finish(config, data, out, whole)


def kill_again_and_again(data, out, whole, times, seed):
    draw = random.Random(seed)
    config, killed = whole[0] / "app.toml", 0
    while killed < times:
        target = out / f"run{killed}"
        target.parent.mkdir(exist_ok=True)
        for _ in range(3):
            run = Run(config, data, target)
            time.sleep(draw.uniform(0.0, 0.6) * whole[3])
            run.kill()
            killed += run.wait() == -signal.SIGKILL
        finish(config, data, target, whole)


def test_killed_at_random_times(whole, tmp_path):
    kill_again_and_again(whole[0] / "data.csv", tmp_path, whole, 12, seed=1)


def test_killed_at_random_times_on_a_packed_file(whole, tmp_path):
    packed = write_data(tmp_path / "data.csv.gz")
    kill_again_and_again(packed, tmp_path / "runs", whole, 6, seed=2)


@pytest.mark.soak
def test_killed_at_many_random_times(whole, tmp_path):
    packed = write_data(tmp_path / "data.csv.gz")
    kill_again_and_again(whole[0] / "data.csv", tmp_path / "plain", whole, 50, seed=3)
    kill_again_and_again(packed, tmp_path / "packed", whole, 50, seed=4)


@pytest.mark.parametrize(("chunk", "every"), [(1, 1000), (7, 999), (1000, 450)])
def test_the_size_of_chunks_changes_nothing(chunk, every, whole, tmp_path):
    config = write_config(tmp_path / "app.toml", chunk, every, commit="10s")
    finish(config, whole[0] / "data.csv", tmp_path / "out", whole)


@pytest.mark.parametrize("hash_seed", ["1", "2", "3"])
def test_the_hash_seed_changes_nothing(hash_seed, whole, tmp_path):
    config, data = whole[0] / "app.toml", whole[0] / "data.csv"
    process = replay_process(config, data, tmp_path / "out", hash_seed)
    assert process.returncode == 0, process.stderr
    equals_whole(tmp_path / "out", whole)


def test_a_polite_stop_saves_everything(whole, tmp_path):
    config, data, out = whole[0] / "app.toml", whole[0] / "data.csv", tmp_path / "out"
    run = Run(config, data, out)
    while not (out / "commit.json").exists():
        time.sleep(0.001)
    os.kill(run.pid, signal.SIGTERM)
    if run.wait():  # it may have come to the end before the signal did
        assert "the same command goes on from here" in run.errors
    finish(config, data, out, whole)


def test_a_finished_run_is_not_run_again(whole):
    folder = whole[0]
    run = Run(folder / "app.toml", folder / "data.csv", folder / "out")
    assert run.wait() == 0
    assert "holds this run already" in run.errors
    equals_whole(folder / "out", whole)
