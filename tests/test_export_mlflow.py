"""Models in MLflow: a real tracking store and registry on SQLite, and a real server."""

import random
import shutil
import sqlite3
import threading
from dataclasses import replace
from wsgiref.simple_server import WSGIRequestHandler, make_server

import orjson
import pytest

from stream import load_model
from stream.app.cli import main
from stream.app.export import outputs as outputs_module
from stream.app.export.cards import cards_of, milliseconds
from stream.app.export.following import go_on
from stream.app.export.loaded import Loaded
from stream.app.export.outputs import FolderOutputs
from stream.app.export.registry import Registry
from stream.app.export.server import Place
from stream.app.lives import Lives
from stream.app.stopping import Stop
from stream.core.errors import CheckpointError
from stream.edges.transports.directory import read_records
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.state.keys import ENVIRONMENT, find_key
from stream.state.store import CheckpointStore
from tests.services import config_for, records_of, settle, start, toml_of, write
from tests.told import STORY, told

CONFIG = """
name = "demo"
[input]
id = "id"
time = "at"
label = "late"
[learner]
class = "river.tree.HoeffdingTreeClassifier"
params = { grace_period = 50 }
[scoring]
every = 200
window = 200
[checkpoints]
every = 400
keep = 6
[training]
serve = "champion"
[training.gate]
labels = 200
[[training.triggers]]
every = 900
"""
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of itself and its dependencies
TABLES = ("runs", "metrics", "params", "tags", "experiments", "registered_models",
          "model_versions", "model_version_tags", "registered_model_aliases")  # fmt: skip


def run(*words):
    """Run a command; gives its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A run on files in which models come, are promoted and dropped."""
    folder, draw = tmp_path_factory.mktemp("exported"), random.Random(3)
    with (folder / "data.jsonl").open("wb") as file:
        for n in range(4000):
            a = draw.gauss(0, 1)
            row = {"id": f"e{n}", "at": 1.7e9 + n, "a": a, "b": n % 7}
            file.write(orjson.dumps({**row, "late": (a > 0) != (1000 < n < 2800)}) + b"\n")
    (folder / "app.toml").write_text(CONFIG)
    data = folder / "data.jsonl"
    assert run("replay", folder / "app.toml", data, "--out", folder / "out") == 0
    lives = Lives(read_records(folder / "out", "models"))
    assert lives.champion != "v1"
    assert lives.challengers
    return folder / "out"


class Server:
    """A tracking store in a file, and what is in it."""

    def __init__(self, folder, blank=None):
        self.file = folder / "mlflow.db"
        if blank is not None:
            shutil.copy(blank, self.file)
        self.uri = f"sqlite:///{self.file}"
        self.place = Place(self.uri, artifacts=(folder / "artifacts").as_uri())

    def export(self, out):
        told = Registry(self.place).export(FolderOutputs(out))
        assert told is not None
        return told

    @property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.uri, self.uri)

    def runs(self, name="demo"):
        experiment = self.client.get_experiment_by_name(name)
        found = self.client.search_runs([experiment.experiment_id])
        return {run.data.tags["driftline.model"]: run for run in found}

    def load(self, model):
        import mlflow.pyfunc

        mlflow.set_tracking_uri(self.uri)
        return mlflow.pyfunc.load_model(model)

    def rows(self):
        base = sqlite3.connect(self.file)
        counts = {t: base.execute(f"select count(*) from {t}").fetchone()[0] for t in TABLES}
        base.close()
        return counts

    def curve(self, run):
        history = self.client.get_metric_history(run.info.run_id, "cumulative/Accuracy")
        return [(point.step, point.timestamp, point.value) for point in history]


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """A tracking store with its tables in place, which takes MLflow seconds."""
    server = Server(tmp_path_factory.mktemp("blank"))
    assert server.client.search_registered_models() == []
    assert len(server.client.search_experiments()) == 1
    return server.file


@pytest.fixture(scope="module")
def server(out, tmp_path_factory, blank):
    server = Server(tmp_path_factory.mktemp("mlflow"), blank)
    told = server.export(out)
    assert told.registered == len(list(server.client.search_model_versions("name = 'demo'")))
    return server


@pytest.fixture(autouse=True)
def key(out, monkeypatch):
    text = (out / "checkpoints.key").read_text()
    monkeypatch.setenv(ENVIRONMENT, text)
    return text


def test_each_model_is_a_run_with_its_story(out, server):
    lives, runs = Lives(read_records(out, "models")), server.runs()
    assert set(runs) == {"demo/0", *(f"demo/0/{life.version}" for life in lives)}
    parent = runs.pop("demo/0")
    for life in lives:
        run = runs[f"demo/0/{life.version}"]
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert (tags["driftline.state"], tags["driftline.version"]) == (life.state, life.version)
        assert run.data.params["learner.class"] == "river.tree.HoeffdingTreeClassifier"
        assert run.data.params["learner.params.grace_period"] == "50"
        if life.first is not None:
            assert tags["driftline.how"] == life.first["how"] == "fresh"
            assert orjson.loads(tags["driftline.cause.record"]) == life.first["cause"]
            assert orjson.loads(tags["driftline.position"]) == life.first["position"]
            assert run.info.start_time == round(float(life.first["time"]) * 1000)
        if life.state in ("champion", "previous"):
            assert run.info.status == "FINISHED"
    champion = runs[f"demo/0/{lives.champion}"].data
    named = [m for m in read_records(out, "checkpoints") if m["model"] == lives.champion]
    assert champion.tags["driftline.checkpoint"] == named[-1]["checkpoint"]
    assert champion.tags["driftline.config_digest"] == named[-1]["config_digest"]
    assert champion.tags["driftline.version.river"] == named[-1]["versions"]["river"]
    assert champion.metrics["contest/labels"] > 0
    assert runs[f"demo/0/{lives.challengers[-1].version}"].info.status == "KILLED"


def test_scores_are_those_of_the_time_as_the_champion_by_event_time(out, server):
    reports, runs = read_records(out, "metrics"), server.runs()
    points = [(r["labels"], round(float(r["time"]) * 1000), r["cumulative"]["Accuracy"], r["model"])
              for r in reports]  # fmt: skip
    points = list(dict.fromkeys(points))  # the last report may say the same as the one before
    assert server.curve(runs["demo/0"]) == [point[:3] for point in points]
    assert len({point[3] for point in points}) > 1
    for version in {point[3] for point in points}:
        own = [point[:3] for point in points if point[3] == version]
        assert server.curve(runs[f"demo/0/{version}"]) == own


def test_champion_and_challenger_are_named_and_loadable(out, server):
    lives = Lives(read_records(out, "models"))
    model = server.client.get_registered_model("demo")
    versions = {str(v.version): v for v in server.client.search_model_versions("name = 'demo'")}
    held = [v.tags["driftline.version"] for v in versions.values()]
    assert sorted(held) == sorted(set(held)), "one for each model that a checkpoint holds"
    named = {role: versions[str(n)].tags["driftline.version"] for role, n in model.aliases.items()}
    assert named == {"champion": lives.champion, "challenger": lives.challengers[-1].version}


def test_a_loaded_model_predicts_what_the_estimator_predicts(out, server, key):
    pandas = pytest.importorskip("pandas")
    draw = random.Random(1)
    rows = [{"a": draw.gauss(0, 1), "b": draw.randrange(7)} for _ in range(200)]
    estimator = load_model(str(out / "checkpoints"))
    expected = [estimator.predict_one(row) for row in rows]
    model = server.load("models:/demo@champion")
    assert model.predict(rows) == expected
    assert model.predict(pandas.DataFrame(rows)) == expected
    whole = [{**row, "id": "x", "at": 1.0, "late": True} for row in rows]
    assert model.predict(whole) == expected
    detail = model.predict([*rows[:1], {"a": "text"}], params={"detail": True})
    assert detail[0]["probability"] == estimator.predict_proba_one(rows[0])[True]
    assert detail[1]["refused"].startswith("wrong_type: a")

    newest = read_records(out, "checkpoints")[-1]
    store = CheckpointStore(str(out / "checkpoints"), 0, find_key(str(out), create=False))
    lives = Lives(read_records(out, "models"))
    challenger = Loaded(store.raw(newest["blob"]), lives.challengers[-1].version, store.key)
    answers = server.load("models:/demo@challenger").predict(rows)
    assert answers == [challenger.estimator.predict_one(row) for row in rows]
    assert challenger.estimator is not estimator


def test_what_is_loaded_is_signed(server, monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT, "another key")
    with pytest.raises(CheckpointError, match="signed with another key"):
        server.load("models:/demo@champion")
    monkeypatch.delenv(ENVIRONMENT)
    with pytest.raises(CheckpointError, match=f"set {ENVIRONMENT} to the key"):
        server.load("models:/demo@champion")


def test_a_model_that_was_changed_in_the_registry_is_not_unpickled(out, key):
    store = CheckpointStore(str(out / "checkpoints"), 0, find_key(str(out), create=False))
    data = bytearray(store.raw(read_records(out, "checkpoints")[-1]["blob"]))
    data[-100] ^= 1
    with pytest.raises(CheckpointError, match="changed or cut short"):
        Loaded(bytes(data), "v1", store.key)


def test_twice_makes_no_doubles(out, server):
    before = server.rows()
    assert min(before.values()) > 0
    assert server.export(out).registered == 0
    assert server.rows() == before
    parent = server.runs()["demo/0"]  # as if it had been killed before it noted how far it came
    server.client.delete_tag(parent.info.run_id, "driftline.exported")
    server.export(out)
    assert server.rows() == before


def part_of(out, folder, share, finished=False):
    """Give the outputs as they were when a share of the records was committed."""
    folder.mkdir(exist_ok=True)
    commit = orjson.loads((out / "commit.json").read_bytes())
    for name in ("metrics", "models", "checkpoints"):
        lines = (out / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
        kept = b"".join(lines[: round(share * len(lines))])
        (folder / f"{name}.jsonl").write_bytes(kept)
        commit["lengths"][name] = len(kept)
    commit["committed"]["finished"] = finished
    (folder / "commit.json").write_bytes(orjson.dumps(commit))
    return folder


class Growing(FolderOutputs):
    """A run that goes on between two looks of the exporter."""

    def __init__(self, out, folder, first, then):
        super().__init__(part_of(out, folder, first))
        self._grow = lambda: part_of(out, folder, then)

    def look(self):
        look = super().look()
        self._grow()
        return look


def test_bit_by_bit_comes_to_the_same(out, server, tmp_path, blank):
    mine = Server(tmp_path, blank)
    Registry(mine.place).export(Growing(out, tmp_path / "part", 0.3, 0.7))
    for share, finished in ((0.7, False), (1, False), (1, True)):
        part = part_of(out, tmp_path / "part", share, finished)
        mine.export(part)
        champion = Lives(read_records(part, "models")).champion
        run = mine.runs()[f"demo/0/{champion}"]
        assert run.info.status == ("FINISHED" if finished else "RUNNING")
    runs, others = mine.runs(), server.runs()
    assert set(runs) == set(others)
    for model, run in runs.items():
        assert mine.curve(run) == server.curve(others[model])
        assert run.data.metrics == others[model].data.metrics
        for fact in ("status", "start_time", "end_time"):
            assert getattr(run.info, fact) == getattr(others[model].info, fact), model
    assert mine.rows()["metrics"] == server.rows()["metrics"]


def test_a_server_that_is_down_is_one_error(out, capsys):
    assert run("export", "mlflow", out, "--tracking-uri", "http://127.0.0.1:1") == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "does not answer" in said
    assert "nothing is lost" in said


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


def test_following_waits_for_a_server_that_is_down_and_catches_up(
    out, tmp_path, monkeypatch, capsys, blank
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name, value in (
        ("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{tmp_path}/mlflow.db"),
        ("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/"),
        ("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(tmp_path / "artifacts")),
        ("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true"),
    ):
        monkeypatch.setenv(name, value)
    there = Server(tmp_path, blank)
    from mlflow.server import app

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as http:
        port = http.server_port
        http.socket.close()  # down: nobody answers at this port
    registry = Registry(Place(f"http://127.0.0.1:{port}"))
    over = Stop()
    follower = threading.Thread(
        target=go_on, args=(registry, [FolderOutputs(out)], over, 0.2), daemon=True
    )
    follower.start()
    try:
        follower.join(1)
        assert follower.is_alive()
        with make_server("127.0.0.1", port, app, handler_class=Quiet) as http:
            serving = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
            serving.start()
            follower.join(30)
            http.shutdown()
    finally:
        over.set()
    assert not follower.is_alive()
    said = capsys.readouterr()
    assert said.err.count("does not answer") == 1
    assert "demo/0" in said.out
    assert len(there.runs()) == len(list(Lives(read_records(out, "models")))) + 1


def test_each_partition_of_a_service_is_a_model_of_its_own(
    tmp_path, monkeypatch, capsys, blank
):
    monkeypatch.delenv(ENVIRONMENT)
    broker, config = MemoryBroker(), config_for(tmp_path)
    monkeypatch.setattr(outputs_module, "open_log", lambda _: MemoryLog(broker))
    (tmp_path / "app.toml").write_text(toml_of(config))
    service, log = start(broker, config), MemoryLog(broker)
    there = Server(tmp_path, blank)
    words = ["export", "mlflow", tmp_path / "app.toml", "--tracking-uri", there.uri]
    words += ["--artifacts", there.place.artifacts]
    write(log, service._topics, records_of(600))
    settle([service], broker, config)
    assert run(*words) == 0
    assert run(*words, "--partition", "1") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == ["app/0", "app/1", "app/1"]
    runs = there.runs("app")
    assert {"app/0", "app/0/v1", "app/1", "app/1/v1"} <= set(runs)
    names = {model.name for model in there.client.search_registered_models()}
    assert names == {"app-0", "app-1"}


def test_a_folder_of_no_run_is_refused(tmp_path, capsys):
    assert run("export", "mlflow", tmp_path, "--tracking-uri", "sqlite://") == 1
    assert "holds no run" in capsys.readouterr().err


def test_the_status_of_a_run_tells_the_fate_of_its_model(out):
    look = FolderOutputs(out).look()
    assert look is not None

    def fates(records, finished=False):
        mine = replace(look, records=records, lives=Lives(records), finished=finished)
        return {card.version: (card.status, card.end) for card in cards_of(mine)}

    dropped = milliseconds(STORY[4]["time"])
    assert fates(STORY) == {
        "v1": ("RUNNING", None), "v2": ("RUNNING", None),
        "v3": ("KILLED", dropped), "v4": ("RUNNING", None),
    }  # fmt: skip
    assert fates(STORY, finished=True) == {
        "v1": ("FINISHED", None), "v2": ("FINISHED", None),
        "v3": ("KILLED", dropped), "v4": ("KILLED", None),
    }  # fmt: skip
    for model in ("v1", "v2"):  # whichever of the two the record is about
        back = told(4, "rollback", model, "v1")
        over = milliseconds(back["time"])
        assert fates([*STORY[:3], back]) == {"v1": ("RUNNING", None), "v2": ("FAILED", over)}
