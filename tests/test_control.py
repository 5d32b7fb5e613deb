"""Control records: what is understood, and a file of them beside the events."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream import SourceError, replay_files
from stream.app.cli import main
from stream.core.control import Drop, Promote, Retrain, Rollback, read_control
from stream.core.records import Fault, Row
from stream.edges.controls import ControlledSource, read_controls
from stream.edges.transports.directory import read_records
from tests.runs import CONFIG, Run, outputs, write_config, write_data

KILLED = -9


def read(**fields):
    return read_control(Row(fields, b""))


@pytest.mark.parametrize(("fields", "understood"), [
    ({"action": "rollback", "checkpoint": "3f9a51c2"}, Rollback("3f9a51c2")),
    ({"action": "retrain"}, Retrain(None, None)),
    ({"action": "retrain", "how": "warm", "window": 500}, Retrain("warm", 500)),
    ({"action": "retrain", "window": "dynamic"}, Retrain(None, "dynamic")),
    ({"action": "promote", "model": "v12"}, Promote("v12")),
    ({"action": "drop", "model": "v3"}, Drop("v3")),
], ids=str)
def test_what_can_be_asked(fields, understood):
    assert read(**fields) == understood


@pytest.mark.parametrize(("fields", "said"), [
    ({}, "one of retrain, promote, drop, rollback is needed"),
    ({"action": ["retrain"]}, "one of retrain"),
    ({"action": "rollback", "checkpoint": "3f"}, "8 digits of it or more"),
    ({"action": "retrain", "how": "quickly"}, "how is one of fresh, warm, transfer, not 'quickly'"),
    ({"action": "retrain", "window": 0}, "a number of labelled events up to 1,000,000, or"),
    ({"action": "retrain", "window": True}, "not True"),
    ({"action": "retrain", "window": 2.5}, "not 2.5"),
    ({"action": "retrain", "windw": 5}, "retrain knows how and window, not 'windw'"),
    ({"action": "promote"}, "promote needs the version of a model, such as v3, not None"),
    ({"action": "promote", "model": "3"}, "such as v3, not '3'"),
    ({"action": "promote", "model": "v0"}, "not 'v0'"),
    ({"action": "drop", "model": "v1", "how": "fresh"}, "drop knows model, not 'how'"),
], ids=str)
def test_what_cannot_be_asked_is_said_clearly(fields, said):
    fault = read(**fields)
    assert isinstance(fault, Fault)
    assert fault.reason == "bad_control"
    assert said in fault.detail


@given(st.dictionaries(
    st.sampled_from(["action", "model", "how", "window", "checkpoint", "at"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()),
        st.sampled_from(["retrain", "promote", "drop", "rollback", "v1", "fresh"]),
    ),
))
def test_nothing_that_is_asked_raises(fields):
    assert isinstance(read(**fields), (Fault, Rollback, Retrain, Promote, Drop))


def control_file(path, *records):
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


@pytest.mark.parametrize(("line", "said"), [
    (b"{oops", "line 2"),
    (b"[1]", "one JSON object a line"),
    (b'{"action": "retrain"}', '"at" has to say before which event'),
    (b'{"at": true, "action": "retrain"}', '"at" has to say'),
    (b'{"at": -1, "action": "retrain"}', '"at" has to say'),
    (b'{"at": 4, "action": "retrain"}', "at 4 comes after 5; sort the lines"),
])
def test_a_file_that_does_not_say_when_is_refused(line, said, tmp_path):
    path = tmp_path / "control.jsonl"
    path.write_bytes(b'{"at": 5, "action": "retrain"}\n' + line + b"\n")
    with pytest.raises(SourceError, match="line 2") as caught:
        read_controls(path)
    assert said in str(caught.value)


class Listed:
    """A source of items that are there already."""

    def __init__(self, items):
        self.items, self.next = items, 0

    def read(self, most):
        taken = self.items[self.next : self.next + most]
        self.next += len(taken)
        return taken

    def seek(self, position):
        assert position.keys() == {"events", "labels"}
        self.next = position["events"] + position["labels"]

    def close(self):
        pass


@settings(max_examples=200, deadline=None)
@given(
    streams=st.lists(st.sampled_from(["events", "labels"]), max_size=12),
    ats=st.lists(st.integers(0, 14), max_size=5).map(sorted),
    most=st.integers(1, 5),
    again=st.integers(0, 20),
)
def test_each_is_taken_right_before_its_event_from_wherever_it_is_gone_on(
    streams, ats, most, again, tmp_path_factory
):
    path = tmp_path_factory.mktemp("control") / "control.jsonl"
    controls = read_controls(control_file(path, *({"at": at, "n": at} for at in ats)))
    items, offsets = [], {"events": 0, "labels": 0}
    for stream in streams:
        items.append((stream, offsets[stream], Row({}, b"")))
        offsets[stream] += 1
    due, left = [], list(enumerate(ats))
    for stream, offset, _ in items:
        while stream == "events" and left and left[0][1] <= offset:
            due.append(("control", left.pop(0)[0]))
        due.append((stream, offset))
    due += [("control", n) for n, _ in left]

    def places(source, size):
        found = []
        while taken := source.read(size):
            assert sum(stream != "control" for stream, _, _ in taken) <= size
            found += [(stream, offset) for stream, offset, _ in taken]
        return found

    source = ControlledSource(Listed(items), controls)
    assert places(source, most) == due
    done = due[: min(again, len(due))]
    position = {"events": 0, "labels": 0} | {stream: n + 1 for stream, n in done}
    source.seek(position)
    assert places(source, most) == due[len(done) :]


@pytest.fixture(scope="module")
def rolled_back(tmp_path_factory):
    """A run with control records: one that is taken, and three that cannot be."""
    folder = tmp_path_factory.mktemp("controlled")
    config, data = write_config(folder / "app.toml"), write_data(folder / "data.csv")
    run = Run(config, data, folder / "first")
    assert run.wait() == 0, run.errors
    early = read_records(folder / "first", "checkpoints")[0]
    control = control_file(
        folder / "control.jsonl",
        {"at": 1300, "action": "rollback", "checkpoint": early["checkpoint"]},
        {"at": 1300, "action": "panic"},
        {"at": 1300, "action": "rollback", "checkpoint": "00000000"},
        {"at": 1310, "action": "retrain", "how": "fresh"},
        {"at": 1400, "action": "promote", "model": "v3"},
        {"at": 1440, "action": "drop", "model": "v2"},
        {"at": 9999, "action": "promote", "model": 3},
    )
    run = Run(config, data, folder / "out", control=control)
    assert run.wait() == 0, run.errors
    return folder, control, outputs(folder / "out")


def test_they_are_taken_at_their_place(rolled_back):
    folder, _, found = rolled_back
    served = [orjson.loads(line) for line in found["predictions"].splitlines()]
    assert [p["model"] for p in served if p["id"] in ("e1298", "e1299", "e1300", "e1301")] == [
        "v1", "v1", "v2", "v2",
    ]  # fmt: skip
    told = [orjson.loads(line) for line in found["models"].splitlines()]
    assert told[0]["position"] == {**told[0]["position"], "events": 1300, "control": 1}
    asked = [
        (record["event"], record["model"], record["position"]["events"], record["champion"])
        for record in told if record["cause"]["kind"] == "control"
    ]  # fmt: skip
    assert asked[:4] == [
        ("promotion", "v2", 1300, "v2"), ("trigger", "", 1310, "v2"),
        ("start", "v3", 1310, "v2"), ("promotion", "v3", 1400, "v3"),
    ]  # fmt: skip
    assert ("drop", "v2", 1440, "v3") in asked
    letters = [orjson.loads(line) for line in found["dead-letters"].splitlines()]
    refused = [x for x in letters if x["origin"]["topic"] == "crash.control"]
    assert [(x["origin"]["offset"], x["reason"]) for x in refused] == [
        (1, "bad_control"), (2, "unknown_checkpoint"), (6, "bad_control"),
    ]  # fmt: skip
    assert orjson.loads(refused[0]["raw"]) == {"at": 1300, "action": "panic"}
    last = read_records(folder / "out", "checkpoints")[-1]
    assert last["position"]["control"] == 7


@pytest.mark.parametrize("point", ["fold:1", "fold:4", "write:3", "flush:9", "commit.write:2",
                                   "commit.rename:4", "commit.done:5", "collect:2", "finish:1"])
def test_a_run_with_control_records_survives_being_killed(rolled_back, point, tmp_path):
    folder, control, whole = rolled_back
    config, data, out = folder / "app.toml", folder / "data.csv", tmp_path / "out"
    run = Run(config, data, out, failpoint=point, control=control)
    assert run.wait() == KILLED, run.errors
    run = Run(config, data, out, control=control)
    assert run.wait() == 0, run.errors
    assert outputs(out) == whole


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_with_control_records_too_the_size_of_chunks_changes_nothing(rolled_back, chunk, tmp_path):
    folder, control, whole = rolled_back
    config = write_config(tmp_path / "app.toml", chunk, commit="10s")
    run = Run(config, folder / "data.csv", tmp_path / "out", control=control)
    assert run.wait() == 0, run.errors
    assert outputs(tmp_path / "out") == whole


def test_other_control_records_are_another_run(rolled_back, tmp_path, capsys):
    folder, control, _ = rolled_back
    other = control_file(tmp_path / "other.jsonl", {"at": 7, "action": "retrain"})
    for words in (["--control", str(other)], []):
        with pytest.raises(SystemExit) as ended:
            main(["replay", str(folder / "app.toml"), str(folder / "data.csv"), "--out",
                  str(folder / "out"), *words])  # fmt: skip
        assert ended.value.code == 1
        assert "the run of other control records" in capsys.readouterr().err
    run = Run(folder / "app.toml", folder / "data.csv", folder / "out", control=control)
    assert run.wait() == 0
    assert "holds this run already" in run.errors


def test_topics_take_no_control_file(tmp_path, capsys):
    (tmp_path / "app.toml").write_text(CONFIG.format(every=100, chunk=100, commit="1s"))
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(tmp_path / "app.toml"), "kafka", "--control", "x", "--out", "y"])
    assert ended.value.code == 2
    assert "the topics have their own control records" in capsys.readouterr().err


def test_a_library_run_takes_them_too(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"\n".join(orjson.dumps({"a": n % 5, "y": n % 5 > 2}) for n in range(200)))
    control = control_file(tmp_path / "control.jsonl", {"at": 100, "action": "retrain"})
    config = {"task": "binary", "input": {"label": "y"}}
    summary = replay_files(config, data, tmp_path / "out", control=control)
    assert summary["events"] == summary["predictions"] == 200


def test_a_run_from_before_there_was_this_stream_is_gone_on_with(tmp_path):
    config, data = write_config(tmp_path / "app.toml"), write_data(tmp_path / "data.csv", 900)
    out = tmp_path / "out"
    assert Run(config, data, out, failpoint="fold:3").wait() == KILLED
    commit = orjson.loads((out / "commit.json").read_bytes())
    del commit["lengths"]["models"]
    (out / "commit.json").write_bytes(orjson.dumps(commit))
    (out / "models.jsonl").unlink()
    assert read_records(out, "models") == []
    run = Run(config, data, out)
    assert run.wait() == 0, run.errors
    assert read_records(out, "predictions")
