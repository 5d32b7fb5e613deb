"""The lives of models: told by their records, listed and shown, and asked for."""

import threading

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stream import Partition
from stream.app.cli import main
from stream.app.config import parse_config
from stream.app.connection import ensure_topics
from stream.app.engine import parts_of
from stream.app.lives import Lives
from stream.app.schemas import schema_of
from stream.core.records import Row
from stream.edges.telemetry import counts_of
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.edges.workshop import Bench
from tests.services import config_for, everything, records_of, settle, start, toml_of, turn, write
from tests.told import STORY, put, told


def run(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return ended.code or 0
    return 0


def states(lives):
    return {life.version: life.state for life in lives}


def test_the_story_is_one_that_a_fold_may_tell():
    for record in STORY:
        Draft202012Validator(schema_of("models")).validate(record)


def test_what_became_of_each():
    lives = Lives(STORY)
    assert states(lives) == {
        "v1": "previous", "v2": "champion", "v3": "dropped", "v4": "challenger",
    }  # fmt: skip
    assert lives.champion == "v2"
    assert [life.outcome for life in lives] == ["", "promoted", "dropped", "running"]
    assert [life.avoided for life in lives] == [None, 40.0, -3.0, None]
    assert [life.version for life in lives.lineage("v4")] == ["v4", "v2", "v1"]
    assert lives.events == {"trigger": 1, "start": 3, "promotion": 1, "drop": 1, "refused": 1}
    previous = lives.previous()
    assert previous
    assert previous.version == "v1"


def test_one_that_was_rolled_back_is_not_gone_back_to():
    for model in ("v1", "v2"):  # whichever of the two the record is about
        lives = Lives([*STORY[:3], told(4, "rollback", model, "v1")])
        assert states(lives) == {"v1": "champion", "v2": "dropped"}
        assert lives.previous() is None
        outcomes = {life.version: life.outcome for life in lives}
        assert outcomes["v2"] == "rolled back"
        assert outcomes[model] == ("took over again" if model == "v1" else "rolled back")


def test_what_a_fold_tells_is_understood_and_counted():
    config = {"task": "binary", "input": {"label": "y"},
              "response": {"concept": "reset", "cooldown": 100}}  # fmt: skip
    partition = Partition(parse_config(config).settings(), parts_of(parse_config(config)))
    for n in range(2400):
        row = {"a": n % 2, "y": bool(n % 2) != (n >= 1200)}
        partition.on_event(n, Row(row, orjson.dumps(row)))
    lives = Lives(partition.out.models)
    assert lives.champion == partition.model != "v1"
    assert lives.events == partition.counts.models == counts_of(partition)["models"]
    for record in partition.out.models:
        Draft202012Validator(schema_of("models")).validate(orjson.loads(orjson.dumps(record)))


def test_a_reset_leaves_nothing_to_go_back_to():
    lives = Lives([told(1, "promotion", "v2", "v2", parent="v1")])
    assert states(lives) == {"v1": "dropped", "v2": "champion"}
    assert lives.previous() is None


def test_only_the_champion_before_is_gone_back_to():
    lives = Lives([*STORY, told(8, "promotion", "v4", "v4")])
    previous = lives.previous()
    assert previous
    assert (previous.version, states(lives)["v1"]) == ("v2", "dropped")


def test_what_a_promotion_has_avoided_is_told_when_the_champion_before_is_given_up():
    gone = told(8, "drop", "v1", "v2", how="", cost={"learnt": 70, "answered": 80},
                gain={"errors_avoided": 25.0})  # fmt: skip
    lives = Lives([*STORY, gone])
    first, second, *_ = lives
    assert (first.state, first.avoided, first.cost) == ("dropped", None, gone["cost"])
    assert first.first is None, "it was there before that"
    assert second.avoided == 65.0


def test_a_life_of_which_the_beginning_is_gone_is_told_as_far_as_it_is_known():
    lives = Lives(STORY[4:])
    assert lives.missing == 4
    assert states(lives) == {"v2": "champion", "v3": "dropped", "v4": "challenger"}
    assert [life.version for life in lives.lineage("v4")] == ["v4", "v2"]


events = st.sampled_from(["trigger", "refused", "start", "promotion", "drop", "rollback"])
versions = st.sampled_from(["v1", "v2", "v3", "v10"])


@given(st.integers(1, 3), st.lists(st.tuples(events, versions, versions, versions | st.none())))
def test_whatever_is_told_there_is_one_champion_and_an_end_of_every_lineage(first, story):
    lives = Lives(
        told(n, event, model, champion, parent=parent)
        for n, (event, model, champion, parent) in enumerate(story, first)
    )
    champions = [life.version for life in lives if life.state == "champion"]
    if story:
        assert lives.champion == story[-1][2]
    assert champions in ([lives.champion], [])
    for life in lives:
        assert lives.lineage(life.version)[0] is life


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on files, with a story put into its models."""
    folder = tmp_path_factory.mktemp("models")
    data = folder / "data.jsonl"
    data.write_bytes(b"\n".join(orjson.dumps({"a": n % 5, "y": n % 5 > 2}) for n in range(200)))
    (folder / "app.toml").write_text('[input]\nlabel = "y"\n')
    assert run("replay", folder / "app.toml", data, "--out", folder / "out") == 0
    put(folder / "out", STORY)
    return folder / "out"


def test_models_of_a_run_on_files_are_listed(folder, capsys):
    assert run("models", "list", folder) == 0
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines()]
    rows = [row for row in rows if row and row[0].startswith("v")]
    assert rows == [
        ["v1", "previous", "-", "-", "the start", "-", "-", "-", "-", "-"],
        ["v2", "champion", "fresh", "-", "2013-07-01 10:02", "concept alarm 1", "800", "promoted",
         "+40", "800 learnt, 900 answered"],
        ["v3", "dropped", "warm", "v2", "2013-07-01 10:04", "interval", "400", "dropped", "-3",
         "400 learnt, 500 answered"],
        ["v4", "challenger", "warm", "v2", "2013-07-01 10:07", "asked", "-", "running", "-", "-"],
    ]  # fmt: skip
    assert "trigger 1, start 3, promotion 1" in said
    assert "errors avoided +37, cost 1,200 learnt, 1,400 answered" in said


def test_the_whole_life_of_a_model_is_shown(folder, capsys):
    assert run("models", "show", folder, "v3") == 0
    said = capsys.readouterr().out
    assert "v3 (warm) <- v2 (fresh) <- v1 (from the start)" in said
    assert "4. start at 2013-07-01 10:04" in said
    assert "5. drop at 2013-07-01 10:05" in said
    assert "none that is announced names it" in said
    assert run("models", "show", folder, "v2") == 0
    assert "policy fixed, labels 5,000" in capsys.readouterr().out
    assert run("models", "show", folder, "v1") == 0
    assert "end at events 200" in capsys.readouterr().out
    assert run("models", "show", folder, "v9") == 2
    assert "no model v9; there are v1, v2, v3, v4" in capsys.readouterr().err


def test_a_folder_of_no_run_has_no_models(tmp_path, capsys):
    assert run("models", "list", tmp_path) == 1
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.parametrize("words", [
    ("models", "promote", "v2"), ("models", "rollback"), ("models", "drop", "v2"), ("retrain",),
])
def test_a_run_on_files_is_asked_beforehand(folder, words, capsys):
    place = 1 if words == ("retrain",) else 2
    assert run(*words[:place], folder, *words[place:]) == 2
    assert "--control FILE" in capsys.readouterr().err


class World:
    """A service of two partitions in a thread, and the commands that ask it."""

    def __init__(self, folder, broker, config):
        self.app, self.broker, self.config = folder / "app.toml", broker, config
        self.log = MemoryLog(broker)
        self.topics = ensure_topics(self.log, config)
        self.service = start(broker, config)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def _live(self):
        while not self._over.is_set():
            turn(self.service)

    def begin(self):
        self._thread.start()

    def end(self):
        self._over.set()
        if self._thread.ident:
            self._thread.join(30)

    def ask(self, *words, partition=1):
        return run(*words, "--partition", partition)

    def tell(self, *records, partition=1):
        writer = self.log.writer()
        for record in records:
            value = orjson.dumps(record)
            writer.write(Place(self.topics.models, partition), b"k", value, 10**12)
        writer.flush()

    def lives(self, partition=1):
        records = everything(self.log, self.topics.models, partition)
        return Lives(orjson.loads(record.value) for record in records)

    def asked(self, partition=1):
        return [orjson.loads(r.value) for r in everything(self.log, self.topics.control, partition)]


@pytest.fixture
def world(tmp_path, monkeypatch):
    kept = {"window": {"policy": "fixed", "size": 50}}
    broker, config = MemoryBroker(), config_for(tmp_path, training=kept)
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    (tmp_path / "app.toml").write_text(toml_of(config))
    world = World(tmp_path, broker, config)
    write(world.log, world.topics, records_of(200))
    settle([world.service], broker, config)
    yield world
    world.end()


def test_what_is_asked_is_waited_for_and_its_position_is_said(world, capsys):
    world.begin()
    assert world.ask("retrain", world.app, "--how", "fresh", "--window", "50") == 0
    said = " ".join(capsys.readouterr().out.split())
    position = world.service._tenures[1].keeper.committed.position
    assert position["control"] == 1
    assert f"it was taken at {position}" in said
    lives = world.lives()
    before, (challenger,) = lives.champion, lives.challengers
    assert f"start of {challenger.version}, served is {before}" in said
    assert challenger.first["position"] == position
    assert world.ask("models", "promote", world.app, challenger.version) == 0
    assert f"promotion of {challenger.version}" in capsys.readouterr().out
    assert world.ask("models", "rollback", world.app) == 0
    assert f"served is {before}" in capsys.readouterr().out
    assert states(world.lives())[before] == "champion"
    assert world.asked() == [
        {"action": "retrain", "how": "fresh", "window": 50},
        {"action": "promote", "model": challenger.version},
        {"action": "promote", "model": before},
    ]


def test_what_is_made_beside_the_stream_is_said_to_be(world, capsys):
    for tenure in world.service._tenures.values():
        tenure.bench = Bench(None)  # nobody makes it here
    world.begin()
    assert world.ask("retrain", world.app, "--window", "500") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "trigger, served is v" in said
    assert "it is being made beside the stream" in said


def test_there_has_to_be_a_champion_of_before_to_go_back_to(world, capsys):
    assert world.ask("models", "rollback", world.app) == 2
    assert "no champion of before to go back to" in capsys.readouterr().err
    assert world.asked() == []


def test_what_the_service_refuses_is_said(world, capsys):
    world.tell(*STORY)  # of models that it does not have
    world.begin()
    assert world.ask("models", "promote", world.app, "v4") == 1
    assert "the service refused it: v4 is not in the shadow" in capsys.readouterr().err
    assert world.asked() == [{"action": "promote", "model": "v4"}]


def test_a_service_that_does_not_run_is_not_waited_for_for_ever(world, capsys):
    assert world.ask("retrain", world.app, "--wait", "0.3") == 1
    assert "did not take it within 0.3 s: is it running?" in capsys.readouterr().err
    assert world.ask("retrain", world.app, "--wait", "0") == 0
    assert world.asked() == [{"action": "retrain"}] * 2


@pytest.mark.parametrize(("words", "said"), [
    (("models", "promote", "v9"), "no model v9 on partition 1; there are v1, v2, v3, v4"),
    (("models", "promote", "v2"), "v2 is the champion: there is nothing to do"),
    (("models", "drop", "v2"), "v2 is the champion: promote another one first"),
    (("models", "drop", "v3"), "v3 was dropped"),
    (("retrain", "--window", "many"), "dynamic, representative, not 'many'"),
    (("retrain", "--window", "0"), "a number of labelled events"),
])
def test_what_cannot_be_is_not_asked(world, words, said, capsys):
    world.tell(*STORY)
    place = 1 if words[0] == "retrain" else 2
    assert world.ask(*words[:place], world.app, *words[place:]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert world.asked() == []


def test_models_of_a_service_are_listed_by_partition(world, capsys):
    assert run("models", "list", world.app) == 2
    assert "--partition 0" in capsys.readouterr().err
    world.tell(*STORY)
    assert world.ask("models", "list", world.app) == 0
    assert "4 models; served is v2" in capsys.readouterr().out
    assert world.ask("models", "list", world.app, partition=0) == 0
    assert "1 model; served is v1" in capsys.readouterr().out
    assert world.ask("models", "show", world.app, "v1") == 0
    assert "start at events 0, labels 0" in capsys.readouterr().out


def test_a_service_from_before_there_was_this_stream_has_no_models_to_list(world, capsys):
    world.broker.delete(world.topics.models)
    assert world.ask("models", "list", world.app) == 0
    assert "1 model; served is v1" in capsys.readouterr().out
