"""The real topics through the fold again: a range of them, and one prediction."""

import orjson
import pytest

from stream.app.cli import main
from stream.app.config import load_config
from stream.app.connection import ensure_topics
from stream.app.replay_log import LogSource
from stream.app.stretch import opened
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.edges.transports.partitioner import partition_of
from tests.services import (
    config_for,
    outputs_of,
    records_of,
    settle,
    start,
    toml_of,
    turn,
    write,
)
from tests.test_service_records import LEARNER


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Two partitions that were served for a while, in uneven portions."""
    broker, config = MemoryBroker(), config_for(tmp_path)
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(600)
    service = start(broker, config)
    for first in range(0, len(records), 150):
        write(log, topics, records[first : first + 150])
        turn(service, 3)
    settle([service], broker, config)
    service.stop()
    service.run()
    (tmp_path / "app.toml").write_text(toml_of(config))
    return tmp_path, broker, config


def run(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return ended.code or 0
    return 0


def lines_of(folder, name):
    return (folder / f"{name}.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize("number", [0, 1])
def test_all_of_it_gives_what_was_served(served, number):
    folder, broker, config = served
    out = folder / "out"
    assert run("replay", folder / "app.toml", "kafka", "--out", out, "--partition", number) == 0
    outputs = outputs_of(MemoryLog(broker), config)
    same = ("predictions", "alarms", "models")
    for name, file in (*zip(same, same, strict=True), ("dead_letters", "dead-letters")):
        assert lines_of(out, file) == [value for _, value in outputs[name, number]]
    *metrics, final = lines_of(out, "metrics")
    assert metrics == [value for _, value in outputs["metrics", number]]
    assert orjson.loads(final)["final"]


def test_a_range_from_a_checkpoint_on_gives_the_rest(served):
    folder, broker, config = served
    log, topics = MemoryLog(broker), ensure_topics(MemoryLog(broker), config)
    place = Place(topics.checkpoints, 0)
    span = log.ranges([place])[place]
    manifests = [orjson.loads(r.value) for r in log.read(place, span.start, span.end) if r.value]
    manifest = manifests[-2]
    out = folder / "out"
    words = ("--from", manifest["checkpoint"][:16], "--partition", 0, "--out", out)
    assert run("replay", folder / "app.toml", "kafka", *words) == 0
    expected = [value for _, value in outputs_of(MemoryLog(broker), config)["predictions", 0]]
    again = lines_of(out, "predictions")
    assert again
    assert again == expected[-len(again) :]
    summary = orjson.loads((out / "summary.json").read_bytes())
    assert summary["events"] > len(again)  # the books go on from the checkpoint's


def test_a_range_of_times_holds_the_events_of_that_time(served):
    folder, _, _ = served
    out = folder / "out"
    span = ("--from", "2023-11-14T22:15:00Z", "--to", "2023-11-14T22:16:40Z")
    words = (*span, "--partition", 1, "--out", out)
    assert run("replay", folder / "app.toml", "kafka", *words) == 0
    times = [orjson.loads(line)["time"] for line in lines_of(out, "predictions")]
    assert times
    assert min(times) >= 1_700_000_100
    assert max(times) < 1_700_000_200


def test_the_very_prediction_that_was_served_is_made_again(served, capsys):
    folder, _, _ = served
    number = partition_of(b"e590", 2)
    words = ("--event", "e590", "--partition", number)
    assert run("replay", folder / "app.toml", "kafka", *words) == 0
    assert '"id":"e590"' in capsys.readouterr().out


def test_one_that_differs_is_said_to_differ_and_where(served, capsys):
    folder, broker, config = served
    number = partition_of(b"late-one", 2)
    log, topics = MemoryLog(broker), ensure_topics(MemoryLog(broker), config)
    event = {"id": "late-one", "at": 1_700_000_700, "a": 0.5, "b": 3}
    write(log, topics, [("events", number, b"late-one", orjson.dumps(event), 1_700_000_700_000)])
    claimed = {"id": "late-one", "time": 1_700_000_700, "prediction": None, "model": "v9",
               "probability": None}  # fmt: skip
    writer = log.writer()
    writer.write(Place(topics.predictions, number), b"late-one", orjson.dumps(claimed), 0)
    words = ("--event", "late-one", "--partition", number)
    assert run("replay", folder / "app.toml", "kafka", *words) == 1
    assert "model: served 'v9', now 'v" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "said"), [
    (("--out", "x"), "name one with --partition 0 to --partition 1"),
    (("--partition", "0", "--from", "yesterday", "--out", "x"), "neither earliest, latest, a time"),
    (("--partition", "0", "--from", "999999", "--out", "x"), "the log holds 0 to"),
    (("--partition", "0", "--event", "nobody"), "nothing was served for nobody"),
])
def test_what_cannot_be_replayed_is_said_in_a_line(served, capsys, words, said):
    folder, _, _ = served
    words = [word.replace("x", str(folder / "x")) if word == "x" else word for word in words]
    assert run("replay", folder / "app.toml", "kafka", *words) == 2
    assert said in capsys.readouterr().err


def test_checkpoints_of_a_service_are_listed_verified_and_gone_back_to(served, capsys):
    folder, broker, config = served
    app = folder / "app.toml"
    assert run("checkpoints", "list", app) == 2
    assert "--partition 0" in capsys.readouterr().err
    assert run("checkpoints", "list", app, "--partition", 1) == 0
    assert "shutdown" in capsys.readouterr().out
    assert run("checkpoints", "verify", app, "--partition", 1) == 0
    log, topics = MemoryLog(broker), ensure_topics(MemoryLog(broker), config)
    place = Place(topics.checkpoints, 1)
    span = log.ranges([place])[place]
    manifests = [orjson.loads(r.value) for r in log.read(place, span.start, span.end) if r.value]
    wanted = manifests[-2]["checkpoint"]
    assert run("checkpoints", "rollback", app, wanted[:12], "--partition", 1) == 0
    service = start(broker, config)
    turn(service, 20)
    assert service._tenures[1].keeper.committed.position["control"] == 1
    version = service._tenures[1].keeper.partition.version
    assert version == int(manifests[-1]["model"][1:]) + 1
    service.stop()
    service.run()
    # the control record is part of the history: a replay does the same
    out = folder / "again"
    assert run("replay", app, "kafka", "--out", out, "--partition", 1) == 0
    assert orjson.loads((out / "summary.json").read_bytes())["model"] == f"v{version}"


def test_a_run_on_files_is_not_rolled_back(tmp_path, capsys):
    assert run("checkpoints", "rollback", tmp_path, "00000000") == 2
    assert "a run on files is a replay" in capsys.readouterr().err


def test_a_range_that_is_gone_on_with_does_not_take_a_rollback_twice(served):
    folder, broker, config = served
    with opened(load_config(folder / "app.toml"), 1) as stretch:
        wanted = stretch.manifests()[-2]["checkpoint"]
    assert run("checkpoints", "rollback", folder / "app.toml", wanted, "--partition", 1) == 0
    service = start(broker, config)
    turn(service, 20)
    service.stop()
    service.run()
    with opened(load_config(folder / "app.toml"), 1) as stretch:
        begin, end = stretch.manifests()[0]["position"], stretch.position("latest")
        assert "control" not in begin, "there was none by then"
        source = LogSource(stretch, begin, end)
        taken = source.read(10_000)
        assert "control" in {stream for stream, _, _ in taken}
        source.seek(end)
        assert source.read(10_000) == []


def test_a_prediction_is_made_again_past_records_on_which_the_learner_failed(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "touchy_replayed.py").write_text(LEARNER.format(bad=4))
    monkeypatch.syspath_prepend(str(tmp_path))
    tables = {"learner": {"factory": "touchy_replayed:build"}, "kafka": {"partitions": 1}}
    broker, config = MemoryBroker(), config_for(tmp_path, **tables)
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    write(log, topics, records_of(150, partitions=1))
    settle([start(broker, config)], broker, config)
    (tmp_path / "app.toml").write_text(toml_of(config))
    letters = [orjson.loads(v)["reason"] for _, v in outputs_of(log, config)["dead_letters", 0]]
    assert "learn_failed" in letters
    assert run("replay", tmp_path / "app.toml", "kafka", "--event", "e149") == 0
    assert "the same prediction" in capsys.readouterr().out
