"""kill -9 anywhere, and the outputs come out the same to the byte."""

import json
import random
import signal
import time

import pytest

from stream.edges.failpoints import POINTS
from tests.runs import outputs, start, write_config, write_data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    config, data = write_config(folder / "app.toml"), write_data(folder / "data.csv")
    process = start(config, data, folder / "out")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    summary = json.loads((folder / "out/summary.json").read_text())
    assert summary["alarms"], "the data hold a change that is seen"
    assert summary["dead_letters_by_reason"].keys() >= {"wrong_type", "duplicate"}
    assert summary["expired"]
    return folder, outputs(folder / "out"), summary


def finish(config, data, out, whole, *more, **options):
    process = start(config, data, out, *more, **options)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    _, expected, summary = whole
    assert outputs(out) == expected
    mine = json.loads((out / "summary.json").read_text())
    assert mine["digest"] == summary["digest"]
    assert not (out / "checkpoints/0").exists() or {
        path.stem for path in (out / "checkpoints/0").glob("*.ckpt")
    } <= {
        json.loads(line)["blob"] for line in (out / "checkpoints.jsonl").read_text().splitlines()
    }, "no checkpoint is left that nothing announces"


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_place_and_run_again(point, whole, tmp_path):
    folder = whole[0]
    times = 1 if point == "finish" else 3
    process = start(folder / "app.toml", folder / "data.csv", tmp_path / "out",
                    failpoint=f"{point}:{times}")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, f"{point} is never reached {times} times"
    finish(folder / "app.toml", folder / "data.csv", tmp_path / "out", whole)


def kill_again_and_again(folder, data, out, whole, times, seed):
    draw = random.Random(seed)
    begun = time.monotonic()
    process = start(folder / "app.toml", data, out / "measure")
    process.communicate(timeout=60)
    length = time.monotonic() - begun
    killed = 0
    while killed < times:
        target = out / f"run{killed}"
        for _ in range(3):
            process = start(folder / "app.toml", data, target)
            time.sleep(draw.uniform(0.3, 1.0) * length)
            process.kill()
            process.communicate()
            killed += 1
        finish(folder / "app.toml", data, target, whole)


def test_killed_at_random_times(whole, tmp_path):
    kill_again_and_again(whole[0], whole[0] / "data.csv", tmp_path, whole, 9, seed=1)


@pytest.mark.soak
def test_killed_at_many_random_times(whole, tmp_path):
    packed = write_data(tmp_path / "data.csv.gz")
    kill_again_and_again(whole[0], whole[0] / "data.csv", tmp_path / "plain", whole, 50, seed=2)
    kill_again_and_again(whole[0], packed, tmp_path / "packed", whole, 50, seed=3)


@pytest.mark.parametrize(
    ("chunk", "every", "hash_seed"), [(1, 1000, "1"), (7, 999, "2"), (1000, 450, "3")]
)
def test_chunks_checkpoints_and_hash_seeds_change_nothing(chunk, every, hash_seed, whole, tmp_path):
    config = write_config(tmp_path / "app.toml", chunk, every, commit="10s")
    process = start(config, whole[0] / "data.csv", tmp_path / "out", hash_seed=hash_seed)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors.decode()
    assert outputs(tmp_path / "out") == whole[1]
    assert json.loads((tmp_path / "out/summary.json").read_text())["digest"] == whole[2]["digest"]


def test_killed_on_a_packed_file(whole, tmp_path):
    data = write_data(tmp_path / "data.csv.gz")
    process = start(whole[0] / "app.toml", data, tmp_path / "out", failpoint="commit.rename:4")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    finish(whole[0] / "app.toml", data, tmp_path / "out", whole, hash_seed="5")


def test_a_polite_stop_saves_everything(whole, tmp_path):
    folder, out = whole[0], tmp_path / "out"
    process = start(folder / "app.toml", folder / "data.csv", out)
    while not (out / "commit.json").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    if process.returncode:  # it may have come to the end before the signal did
        assert process.returncode == 1
        assert b"the same command goes on from here" in errors
    finish(folder / "app.toml", folder / "data.csv", out, whole)


def test_a_finished_run_is_not_run_again(whole):
    folder = whole[0]
    process = start(folder / "app.toml", folder / "data.csv", folder / "out")
    shown, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"holds this run already" in errors
    assert b"scored predictions" in shown
    assert outputs(folder / "out") == whole[1]
