"""`driftline produce`: what is written, how fast, and what is said when it goes wrong."""

import os
import signal
import threading
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.app import produce
from stream.app.cli import main
from stream.app.produce import Pace, Production
from stream.core.errors import ConfigError
from stream.edges.feed import Message
from stream.edges.transports.log import LogUnavailableError, Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog, MemoryWriter
from tests.runs import write_data

CONFIG = """
name = "app"
task = "binary"
[input]
id = "id"
time = "at"
label = "late"
label_time = "known"
[labels]
ttl = "2h"
[kafka]
partitions = 2
"""
INPUTS = ("app.events", "app.labels")


@pytest.fixture
def broker(monkeypatch):
    broker = MemoryBroker()
    monkeypatch.setattr(produce, "open_log", lambda config: MemoryLog(broker))
    return broker


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.toml").write_text(CONFIG)
    write_data(tmp_path / "data.csv", 300)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["produce", *map(str, arguments)])
    return caught.value.code or 0


def records(broker, topic, partitions=2):
    return [r for n in range(partitions) for r in broker.records(Place(topic, n))]


def test_events_and_labels_come_to_their_topics(broker, folder, capsys):
    assert run("app.toml", "data.csv") == 0
    events, labels = (records(broker, topic) for topic in INPUTS)
    said = capsys.readouterr()
    assert f"{len(events)} events to app.events, {len(labels)} labels to app.labels in" in said.out
    assert said.err == ""
    ids = {orjson.loads(event.value)["id"] for event in events}
    assert ids.issuperset(orjson.loads(label.value)["id"] for label in labels)
    rows = (folder / "data.csv").read_text().count("\n") - 1
    assert len(events) == rows


def test_topics_are_created_for_records_of_long_ago(broker, folder):
    run("app.toml", "data.csv")
    for topic in MemoryLog(broker).topics(INPUTS).values():
        assert topic.partitions == 2
        assert topic.settings == {"cleanup.policy": "delete", "retention.ms": "-1"}


def test_a_missing_topic_gets_as_many_partitions_as_the_other_one_has(broker, folder):
    broker.create("app.labels", 5)
    run("app.toml", "data.csv")
    assert MemoryLog(broker).topics(INPUTS)["app.events"].partitions == 5


def test_different_numbers_of_partitions_are_refused(broker, folder, capsys):
    broker.create("app.events", 2)
    broker.create("app.labels", 3)
    assert run("app.toml", "data.csv") == 1
    assert "different numbers of partitions (app.events 2, app.labels 3)" in capsys.readouterr().err


def test_missing_topics_are_named_where_none_may_be_created(broker, folder, capsys):
    (folder / "app.toml").write_text(CONFIG + "create_topics = false\n")
    assert run("app.toml", "data.csv") == 1
    said = capsys.readouterr().err
    assert "no topic app.events, app.labels: create with 2 partitions each" in said


@pytest.mark.parametrize(("settings", "said"), [
    ({"retention.ms": "604800000"}, "set retention.ms=-1"),
    ({"message.timestamp.type": "LogAppendTime"}, "set message.timestamp.type=CreateTime"),
])
def test_a_topic_that_would_lose_or_restamp_the_records_is_refused(
    broker, folder, capsys, settings, said
):
    broker.create("app.events", 2, settings)
    assert run("app.toml", "data.csv") == 1
    assert said in capsys.readouterr().err
    assert records(broker, "app.events") == []


def test_skipping_goes_on_where_an_earlier_run_was_stopped(broker, folder, monkeypatch):
    run("app.toml", "data.csv")
    whole = {topic: records(broker, topic) for topic in INPUTS}
    total = sum(map(len, whole.values()))
    for topic in INPUTS:
        broker.recreate(topic)
    with monkeypatch.context() as patched:
        patched.setattr(produce, "Pace", Counted(total // 3).pace)
        assert run("app.toml", "data.csv") == 1
    assert sum(len(records(broker, topic)) for topic in INPUTS) == total // 3
    assert run("app.toml", "data.csv", "--skip", total // 3) == 0
    assert {topic: records(broker, topic) for topic in INPUTS} == whole


class Counted:
    """Sends Ctrl-C to this process once so many records are written."""

    def __init__(self, after):
        self.left = after

    def pace(self, *arguments):
        return self

    def wait(self, stamp):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        self.left -= 1
        return 0.0


def test_ctrl_c_says_how_far_it_came(broker, folder, capsys, monkeypatch):
    counted = Counted(100)
    monkeypatch.setattr(produce, "Pace", counted.pace)
    assert run("app.toml", "data.csv") == 1
    assert capsys.readouterr().err == (
        "stopped after 100 records, all of them in the log; the rest: the same command with "
        "--skip 100\n"
    )
    assert sum(len(records(broker, topic)) for topic in INPUTS) == 100


def test_an_outage_half_way_says_what_is_known_to_be_written(broker, folder, capsys, monkeypatch):
    written = MemoryWriter.write

    def write(self, place, key, value, time):
        written(self, place, key, value, time)
        if sum(len(records(broker, topic)) for topic in INPUTS) == 70:
            broker.stop()

    monkeypatch.setattr(MemoryWriter, "write", write)
    monkeypatch.setattr(produce, "_FLUSH_EVERY", 50)
    assert run("app.toml", "data.csv") == 1
    said = capsys.readouterr().err
    assert "the first 50 records are in the log, of the next 20 perhaps some" in said
    assert said.endswith("go on with: --skip 50\n")


@pytest.mark.parametrize(("arguments", "said"), [
    (["app.toml", "data.csv", "--rate", 5, "--speed", 5], "give one of them"),
    (["app.toml", "gone.csv"], "gone.csv: there is no such file"),
    (["gone.toml", "data.csv"], "gone.toml: no such file"),
])
def test_wrong_use_exits_with_2(broker, folder, capsys, arguments, said):
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err


def test_labels_that_come_later_need_an_id(broker, folder, capsys):
    (folder / "app.toml").write_text(CONFIG.replace('id = "id"\n', ""))
    assert run("app.toml", "data.csv") == 2
    assert "[input] id = ..." in capsys.readouterr().err


def test_speed_needs_a_time(broker, folder, capsys):
    text = CONFIG.replace('time = "at"\n', "").replace('label_time = "known"\n', "")
    (folder / "app.toml").write_text(text.replace('ttl = "2h"', "ttl = 100"))
    assert run("app.toml", "data.csv", "--speed", 2) == 2
    assert "the input has no time" in capsys.readouterr().err


def test_without_a_broker_the_message_is_one_line(folder, capsys, monkeypatch):
    def refuse(config):
        raise LogUnavailableError("no broker answers at localhost:9092")

    monkeypatch.setattr(produce, "open_log", refuse)
    assert run("app.toml", "data.csv") == 1
    assert capsys.readouterr().err == "driftline: no broker answers at localhost:9092\n"


class Clock:
    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


@given(rate=st.floats(0.5, 100), count=st.integers(1, 60))
def test_a_rate_is_kept_however_long_writing_takes(rate, count):
    clock = Clock()
    pace = Pace(rate, None, clock)
    for _ in range(count + 1):
        clock.now += pace.wait(0) + 0.001
    assert clock.now - 50 == pytest.approx(count / rate, abs=0.02 + 0.001 * count)


@given(speed=st.floats(0.1, 1000), gaps=st.lists(st.integers(0, 5000), max_size=30))
def test_a_speed_keeps_the_distances_of_the_records(speed, gaps):
    clock, stamp = Clock(), 7000
    pace = Pace(None, speed, clock)
    for gap in [0, *gaps]:
        stamp += gap
        clock.now += pace.wait(stamp)
        late = clock.now - 50 - (stamp - 7000) / 1000 / speed
        assert -0.006 <= late <= 1e-6


def test_full_speed_waits_for_nothing():
    pace = Pace(None, None, Clock())
    assert [pace.wait(stamp) for stamp in (5, 10**9, 1)] == [0.0, 0.0, 0.0]


def test_a_stop_ends_a_long_wait():
    broker = MemoryBroker()
    broker.create("app.events")
    place = Place("app.events", 0)
    history = iter([Message("events", place, b"a", b"{}", 0),
                    Message("events", place, b"b", b"{}", 10**7)])  # fmt: skip
    production = Production(MemoryLog(broker), history, Pace(None, 1.0))
    timer = threading.Timer(0.2, production.stop)
    timer.start()
    started = time.monotonic()
    assert production.run() is False
    assert time.monotonic() - started < 5
    assert (production.safe, len(broker.records(place))) == (1, 1)


def test_two_ways_of_pacing_at_once_are_refused_before_anything_is_opened(folder, monkeypatch):
    monkeypatch.setattr(produce, "open_log", lambda config: pytest.fail("opened"))
    with pytest.raises(ConfigError):
        produce.run_produce(folder / "app.toml", folder / "data.csv",
                            labels=None, rate=1.0, speed=1.0, skip=0)  # fmt: skip


slow = pytest.mark.slow


@pytest.mark.parametrize("client", ["kafka-python", pytest.param("confluent", marks=slow)])
def test_a_broker_that_is_not_there_is_named_with_the_keys_to_look_at(
    folder, capsys, client
):
    settings = {"kafka-python": "bootstrap_timeout_ms = 500", "confluent": ""}[client]
    (folder / "app.toml").write_text(
        CONFIG + f'bootstrap_servers = "127.0.0.1:1"\nclient = "{client}"\n'
        f"[kafka.client_settings]\n{settings}\n"
    )
    assert run("app.toml", "data.csv") == 1
    said = capsys.readouterr().err
    assert said.startswith("driftline: no broker answers at 127.0.0.1:1: is it running, and are")
    assert said.count("\n") == 1
