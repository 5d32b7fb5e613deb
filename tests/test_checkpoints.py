"""What a checkpoint promises: trusted or refused, and a replay from it is the run itself."""

import json
import os
import pickle

import orjson
import pytest

from stream import CheckpointError, load_model, replay_files
from stream.app.config import parse_config
from stream.app.engine import open_events, parts_of
from stream.app.stretch import revived
from stream.core.partition import Partition
from stream.edges.sources import FileSource
from stream.state import blob as blobs
from stream.state.keys import find_key
from stream.state.store import CheckpointStore

CONFIG = {
    "task": "binary",
    "input": {"id": "id", "label": "late"},
    "checkpoints": {"every": 400, "keep": 10},
    "learner": {"class": "river.tree.HoeffdingTreeClassifier", "params": {"grace_period": 50}},
}


@pytest.fixture
def done(tmp_path, monkeypatch):
    monkeypatch.delenv("DRIFTLINE_CHECKPOINT_KEY", raising=False)
    rows = "".join(f"e{n},{(n * 37) % 101},{int((n * 37) % 101 > 50)}\n" for n in range(1500))
    (tmp_path / "data.csv").write_text("id,a,late\n" + rows)
    summary = replay_files(CONFIG, tmp_path / "data.csv", tmp_path / "out")
    manifests = [
        json.loads(line) for line in (tmp_path / "out/checkpoints.jsonl").read_text().splitlines()
    ]
    return tmp_path, summary, manifests


def store_of(folder):
    url = str(folder / "out/checkpoints")
    return CheckpointStore(url, 0, find_key(url, create=False))


def path_of(folder, manifest):
    return folder / f"out/checkpoints/0/{manifest['blob']}.ckpt"


def test_from_any_checkpoint_a_replay_reaches_the_same_state(done):
    folder, summary, manifests = done
    store = store_of(folder)
    config = parse_config(CONFIG)
    assert len(manifests) == 4
    for manifest in manifests:
        partition = revived(store, store.load(manifest["blob"]))
        assert partition.digest() == manifest["checkpoint"]
        source = FileSource(config.settings(), lambda: open_events(config, folder / "data.csv"))
        source.seek(partition.position)
        while items := source.read(100):
            for _, offset, row in items:
                partition.on_event(offset, row)
        source.close()
        if manifest["reason"] != "end":
            partition.finish()
        assert partition.digest() == summary["digest"]


def test_lineage_names_the_parent(done):
    _, _, manifests = done
    parents = [manifest["parent"] for manifest in manifests]
    assert parents == [None, *(manifest["checkpoint"] for manifest in manifests[:-1])]


def test_the_model_is_a_plain_estimator(done):
    folder, _, manifests = done
    model = load_model(str(folder / "out/checkpoints"))
    assert type(model).__module__.startswith("river.tree")
    assert model.predict_one({"a": 90.0}) is True
    older = load_model(folder / "out/checkpoints", checkpoint=manifests[0]["checkpoint"][:8])
    assert older.n_nodes <= model.n_nodes


@pytest.mark.parametrize("where", [0, 0.1, 0.5, 0.9, 1])
def test_a_changed_checkpoint_is_refused(where, done):
    folder, _, manifests = done
    path = path_of(folder, manifests[-1])
    data = bytearray(path.read_bytes())
    data[min(int(where * len(data)), len(data) - 1)] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"older checkpoint|not a driftline checkpoint"):
        store_of(folder).load(manifests[-1]["blob"])


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_a_truncated_checkpoint_is_refused(keep, done):
    folder, _, manifests = done
    path = path_of(folder, manifests[-1])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="cut short"):
        store_of(folder).load(manifests[-1]["blob"])


def test_another_key_is_named(done, monkeypatch):
    folder, _, manifests = done
    monkeypatch.setenv("DRIFTLINE_CHECKPOINT_KEY", "somebody else's")
    with pytest.raises(CheckpointError, match=r"signed with another key.*DRIFTLINE_CHECKPOINT_KEY"):
        store_of(folder).load(manifests[-1]["blob"])


def test_a_key_that_others_can_read_is_not_trusted(done):
    folder, _, _ = done
    os.chmod(folder / "out/checkpoints.key", 0o644)
    with pytest.raises(CheckpointError, match="chmod 600"):
        store_of(folder)


def test_a_missing_key_says_what_to_set(done):
    folder, _, _ = done
    (folder / "out/checkpoints.key").unlink()
    with pytest.raises(CheckpointError, match="set DRIFTLINE_CHECKPOINT_KEY"):
        store_of(folder)


def test_another_river_is_refused_with_the_remedy(done, monkeypatch):
    folder, _, manifests = done
    monkeypatch.setattr(blobs, "version", lambda name: "0.27.0" if name == "river" else "1")
    with pytest.raises(CheckpointError, match=r"install river==0\.26\.\d+, or replay"):
        store_of(folder).load(manifests[-1]["blob"])


def test_one_of_another_format_is_refused_with_the_remedy(done):
    folder, _, manifests = done
    path = path_of(folder, manifests[-1])
    path.write_bytes(path.read_bytes().replace(b"checkpoint 2\n", b"checkpoint 1\n", 1))
    with pytest.raises(CheckpointError, match=r"of format 1, and .* reads 2; go on with .*--fresh"):
        store_of(folder).load(manifests[-1]["blob"])


class _Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


def test_a_pickle_that_calls_something_is_refused_before_it_runs(done, monkeypatch):
    folder, _, _ = done
    monkeypatch.chdir(folder)
    monkeypatch.setattr(blobs, "dumps", lambda _: pickle.dumps((_Trap(), [])))
    store = store_of(folder)
    config = parse_config(CONFIG)
    context = blobs.Context("x", config.to_dict(), config.digest)
    evil = store.save(Partition(config.settings(), parts_of(config)), context, "end", None, False)
    with pytest.raises(CheckpointError, match=r"system"):
        revived(store, store.load(evil["blob"]))
    assert not (folder / "trapped").exists()


def test_a_learner_that_raises_is_skipped_once_and_remembered(tmp_path, monkeypatch):
    (tmp_path / "fragile.py").write_text(
        "from river import tree\n"
        "class Fragile(tree.HoeffdingTreeClassifier):\n"
        "    def learn_one(self, x, y, **kwargs):\n"
        "        super().learn_one(x, y, **kwargs)\n"
        "        if x['a'] == 13: raise RuntimeError('thirteen')\n"
        "def build():\n"
        "    return Fragile(grace_period=50)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = CONFIG | {"learner": {"factory": "fragile:build"}}
    rows = "".join(f"e{n},{n % 101},{int(n % 101 > 50)}\n" for n in range(1500))
    (tmp_path / "data.csv").write_text("id,a,late\n" + rows)
    summary = replay_files(config, tmp_path / "data.csv", tmp_path / "out")
    assert summary["learn_failed"] == 15
    assert summary["dead_letters_by_reason"] == {"learn_failed": 15}
    assert summary["predictions"] == 1500 == summary["labels"] + 15
    letter = orjson.loads((tmp_path / "out/dead-letters.jsonl").read_bytes().splitlines()[0])
    assert letter["detail"] == "RuntimeError: thirteen"


def test_workers_that_start_together_make_one_key(tmp_path, monkeypatch):
    url, others = str(tmp_path / "checkpoints"), []

    def meanwhile(size):
        monkeypatch.undo()
        others.append(find_key(url, create=True))
        return "ab" * size

    monkeypatch.setattr("stream.state.keys.secrets.token_hex", meanwhile)
    assert find_key(url, create=True).name == others[0].name
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoints.key"]
