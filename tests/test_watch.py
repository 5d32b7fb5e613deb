"""`driftline watch`: on an output folder and on topics, live, once and in a pipe."""

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from stream.app import watch
from stream.app.cli import main
from stream.app.config import parse_config
from stream.app.topics import topics_of
from stream.app.watch_feeds import FolderFeed, LogFeed
from stream.app.watch_frame import frame, line
from stream.app.watch_view import Progress, Update, View
from stream.core.errors import OutputError
from stream.edges.transports.directory import read_records
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from tests.runs import CONFIG, write_data
from tests.told import STORY

KINDS = ("metrics", "alarms", "models", "dead-letters", "checkpoints")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A finished run with alarms and dead letters."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "app.toml").write_text(CONFIG.format(every=2000, chunk=100, commit="1ms"))
    write_data(folder / "data.csv")
    main_(["replay", str(folder / "app.toml"), str(folder / "data.csv"), "--out",
           str(folder / "out")])  # fmt: skip
    return folder / "out"


def main_(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code


def records(out):
    return {kind: read_records(out, kind) for kind in KINDS}


@pytest.fixture
def broker(out):
    """The outputs of the run on topics with two partitions, as the service writes them."""
    broker = MemoryBroker()
    topics = topics_of(parse_config({"name": "app"}))
    for name in (*topics.inputs, *topics.outputs):
        broker.create(name, 2)
    for kind, found in records(out).items():
        for record in found:
            for partition in (0, 1):
                broker.append(Place(f"app.{kind}", partition), None, orjson.dumps(record))
    broker.append(Place("app.checkpoints", 0), b"collected", None)
    for n in range(10):
        broker.append(Place("app.events", n % 2), None, b"{}")
        broker.append(Place("app.labels", n % 2), None, b"{}")
    broker.set_offset("app", Place("app.events", 0), 5)
    broker.set_offset("app", Place("app.events", 1), 2)
    return broker


def drawn(view, width=120, height=50):
    text = io.StringIO()
    Console(file=text, width=width).print(frame(view, width, height))
    return text.getvalue()


def watched(out):
    view = View("crash", str(out))
    feed = FolderFeed(out)
    view.take(feed.poll())
    view.advance(feed.progress())
    return view


def test_a_frame_shows_scores_baselines_labels_alarms_letters_and_checkpoints(out):
    text = drawn(watched(out))
    last = records(out)["metrics"][-1]
    for name, value in last["window"].items():
        row = re.search(rf"^{name} +(.*)$", text, re.MULTILINE)
        assert row
        assert row[1].split()[0] == f"{value:.4f}"
        assert f"{last['cumulative'][name]:.4f}" in row[1]
    assert f"{last['baselines']['no_change']['Accuracy']:.4f}" in text
    assert f"alarms: {len(records(out)['alarms'])} concept" in text
    assert "reset" in text
    assert f"{last['label_coverage']:.1%}" in text
    assert f"{last['pending']:,} pending" in text
    assert f"duplicate {last['dead_letters']['duplicate']:,}" in text
    assert records(out)["checkpoints"][-1]["checkpoint"][:12] in text
    assert "finished" in text


@given(width=st.integers(40, 200), height=st.integers(10, 80), split=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_no_frame_is_wider_than_the_terminal_nor_fails_half_way(out, width, height, split):
    view = View("crash", str(out))
    everything = [Update(kind, p, r) for kind, found in records(out).items()
                  for r in found for p in (0, 1)]  # fmt: skip
    view.take(everything[:split])
    view.advance(Progress(split, {"events": 3}, False))
    assert max(map(len, drawn(view, width, height).splitlines())) <= width
    view.take(everything[split:])
    assert max(map(len, drawn(view, width, height).splitlines())) <= width


def test_looking_in_steps_shows_what_looking_at_the_end_does(out):
    view = View("crash", str(out))
    for kind, found in records(out).items():
        for record in found:
            view.take([Update(kind, 0, record)])
    view.advance(Progress(3010, {}, True))
    whole = watched(out)
    whole.advance(Progress(3010, {}, True))
    assert drawn(view) == drawn(whole)


def test_an_amended_alarm_takes_the_place_of_the_first(out):
    view = watched(out)
    before = sum(view.kinds.values())
    alarm = records(out)["alarms"][-1]
    view.take([Update("alarms", 0, {**alarm, "diagnosis": "it was the weather"})])
    assert sum(view.kinds.values()) == before
    assert "it was the weather" in drawn(view)


def test_the_champion_and_who_challenges_it_are_shown(out):
    view = watched(out)
    view.take([Update("models", 0, record) for record in STORY])  # another run, from its start
    text = drawn(view, 150)
    row = re.search(r"^models +(.*)$", text, re.MULTILINE)
    assert row
    assert row[1].strip() == "champion v2 (fresh) since 2013-07-01 10:02, challenged by v4 (warm)"
    assert line(Update("models", 1, STORY[2])) == (
        "2013-07-01 10:03 p1 MODEL promotion v2 (fresh); cause concept alarm 1; served is v2"
    )
    assert line(Update("models", 1, STORY[5])) == (
        "2013-07-01 10:06 p1 MODEL refused; cause budget; served is v2"
    )


def test_the_latest_alarms_of_all_partitions_come_first(out):
    view = View("crash", str(out))
    alarm = records(out)["alarms"][0]
    for partition, time_ in ((1, 300), (1, 500), (0, 200), (0, 400)):
        view.take([Update("alarms", partition, {**alarm, "alarm": f"{time_}", "time": time_})])
    rows = re.findall(r"^(\d00) ", drawn(view), re.MULTILINE)
    assert rows == ["500", "400", "300", "200"]


def test_the_rate_is_that_of_the_last_ten_seconds():
    now = [0.0]
    view = View("a", "b", clock=lambda: now[0])
    for second in range(30):
        now[0] = float(second)
        view.advance(Progress(second * (10 if second < 15 else 100), {}, False))
    assert view.rate == 100.0


def test_a_fresh_run_in_the_same_folder_is_followed_from_its_start(out, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("commit.json", *(f"{kind}.jsonl" for kind in KINDS)):
        (folder / name).write_bytes((out / name).read_bytes())
    feed = FolderFeed(folder)
    first = feed.poll()
    assert feed.poll() == []
    commit = orjson.loads((folder / "commit.json").read_bytes())
    whole = dict(commit["lengths"])
    commit["lengths"]["metrics"] = (folder / "metrics.jsonl").read_bytes().index(b"\n") + 1
    (folder / "commit.json").write_bytes(orjson.dumps(commit))
    restarted = feed.poll()
    assert [u.record["seq"] for u in restarted if u.kind == "metrics"] == [1]
    commit["lengths"] = whole
    (folder / "commit.json").write_bytes(orjson.dumps(commit))
    later = feed.poll()
    kept = [u for u in first if u.kind == "metrics"]
    assert [u for u in restarted + later if u.kind == "metrics"] == kept


def test_what_is_not_committed_is_not_shown(out, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("commit.json", *(f"{kind}.jsonl" for kind in KINDS)):
        (folder / name).write_bytes((out / name).read_bytes())
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"half a rec')
    assert len(FolderFeed(folder).poll()) == sum(map(len, records(out).values()))


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    with pytest.raises(OutputError, match="no run is in it"):
        FolderFeed(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(["watch", str(tmp_path)])
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith(f"driftline: {tmp_path}: no run is in it")


def test_a_folder_that_is_not_there_is_called_that(tmp_path):
    with pytest.raises(OutputError, match=r"typo: there is no such folder; name the folder that"):
        FolderFeed(tmp_path / "typo")


def test_the_topics_show_partitions_and_lag(out, broker):
    topics = topics_of(parse_config({"name": "app"}))
    feed = LogFeed(MemoryLog(broker), topics)
    updates = feed.poll()
    shown = {kind: found[-1:] if kind == "dead-letters" else found
             for kind, found in records(out).items()}  # fmt: skip
    assert len(updates) == 2 * sum(map(len, shown.values()))
    assert feed.progress() == Progress(7, {"events": 3, "labels": 10}, False)
    assert feed.poll() == []
    broker.append(Place("app.alarms", 1), None, orjson.dumps(records(out)["alarms"][0]))
    assert [(u.kind, u.partition) for u in feed.poll()] == [("alarms", 1)]
    view = View("app", "localhost")
    view.take(updates)
    view.advance(feed.progress())
    text = drawn(view)
    assert "lag 3 events, 10 labels" in text
    assert re.search(r"^0 .*\n^1 ", text, re.MULTILINE)


def test_topics_that_lost_their_start_are_followed_from_there(out, broker):
    topics = topics_of(parse_config({"name": "app"}))
    total = len(records(out)["metrics"])
    broker.delete_records(Place("app.metrics", 0), total - 1)
    feed = LogFeed(MemoryLog(broker), topics)
    found = [u for u in feed.poll() if u.kind == "metrics" and u.partition == 0]
    assert [u.record["seq"] for u in found] == [total]


def test_a_service_that_never_ran_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"no topic app\.metrics: the service has not run"):
        LogFeed(MemoryLog(MemoryBroker()), topics_of(parse_config({"name": "app"})))


def test_one_frame_of_the_topics(broker, tmp_path, monkeypatch, capsys):
    (tmp_path / "app.toml").write_text('name = "app"\n[input]\nlabel = "late"\n')
    monkeypatch.setattr(watch, "open_log", lambda config: MemoryLog(broker))
    main_(["watch", str(tmp_path / "app.toml"), "--once"])
    assert "lag 3 events, 10 labels" in capsys.readouterr().out


def test_a_pipe_gets_a_line_for_each_report_and_each_alarm(out, capsys):
    main_(["watch", str(out)])
    lines = capsys.readouterr().out.splitlines()
    found = records(out)
    assert len(lines) == len(found["metrics"]) + len(found["alarms"]) + len(found["models"])
    assert sum(" MODEL promotion " in each for each in lines) == len(found["models"]) > 0
    assert sum(" report " in each for each in lines) == len(found["metrics"])
    assert lines == [each for each in lines if "\x1b" not in each]
    last = found["metrics"][-1]
    assert f"window Accuracy {last['window']['Accuracy']:.4f} (no change" in lines[-1]


def test_a_broker_that_is_away_for_a_while_ends_no_watching(out, broker):
    feed = LogFeed(MemoryLog(broker), topics_of(parse_config({"name": "app"})))
    view = View("app", "localhost")
    broker.stop()
    assert watch._look(feed, view) == []
    broker.restart()
    moments = [float(update.record.get("time", "-inf")) for update in watch._look(feed, view)]
    assert moments == sorted(moments)
    assert view.progress.lag == {"events": 3, "labels": 10}


def test_neither_dead_letters_nor_checkpoints_make_a_line(out):
    for kind in ("dead-letters", "checkpoints"):
        assert line(Update(kind, 0, records(out)[kind][0])) is None


def test_on_a_terminal_it_renews_itself_until_the_run_ends_and_ctrl_c_ends_it_too(out, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in (*(f"{kind}.jsonl" for kind in KINDS), "commit.json"):
        (folder / name).write_bytes((out / name).read_bytes())
    commit = orjson.loads((folder / "commit.json").read_bytes())
    commit["committed"]["finished"] = False
    (folder / "commit.json").write_bytes(orjson.dumps(commit))
    with Terminal("watch", str(folder)) as terminal:
        assert b"Accuracy" in terminal.until(b"alarms: ")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(b"\x1b[?1049l")  # leaves the screen as it was
        assert terminal.process.wait(10) == 0
    commit["committed"]["finished"] = True
    (folder / "commit.json").write_bytes(orjson.dumps(commit))
    with Terminal("watch", str(folder)) as terminal:
        for expected in (b"finished", b"\x1b[?1049l", b"alarms: "):
            terminal.until(expected)
        assert terminal.process.wait(10) == 0


class Terminal:
    """A command on a terminal of its own; what it shows is read once, in its order."""

    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        self.unread = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stream.app.cli", *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
        )  # fmt: skip
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        os.close(self.master)

    def until(self, expected, seconds=20):
        """Give what is shown up to `expected`, and leave what comes behind it for the next."""
        deadline = time.monotonic() + seconds
        while expected not in self.unread:
            assert time.monotonic() < deadline, self.unread
            if select.select([self.master], [], [], 0.2)[0]:
                self.unread += os.read(self.master, 65536)
        shown, expected, self.unread = self.unread.partition(expected)
        return shown + expected
