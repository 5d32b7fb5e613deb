"""What is compiled does what its sources say: the same bytes, record for record."""

import os
import random
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import orjson
import pytest

from stream.app.compiled import is_compiled, stale
from tests.runs import outputs

ROOT = Path(__file__).parents[1]

CONFIG = """
name = "{task}"
task = "{task}"

[input]
id = "id"
time = "at"
label = "y"
label_time = "known"

{learner}

[labels]
ttl = "2h"

[scoring]
every = 400
window = 500

[checkpoints]
every = 1500
"""

TREE = {
    "binary": "river.tree.HoeffdingTreeClassifier",
    "multiclass": "river.tree.HoeffdingAdaptiveTreeClassifier",
    "regression": "river.tree.HoeffdingTreeRegressor",
}
LINEAR = {
    "binary": "river.linear_model.LogisticRegression",
    "multiclass": "river.linear_model.SoftmaxRegression",
    "regression": "river.linear_model.LinearRegression",
}


def learner_of(task, kind):
    if kind == "tree":
        return f'[learner]\nclass = "{TREE[task]}"\nparams = {{ grace_period = 60, tau = 0.3 }}'
    names = ("river.preprocessing.FeatureHasher", "river.preprocessing.StandardScaler")
    steps = ", ".join(f'{{ class = "{name}" }}' for name in (*names, LINEAR[task]))
    return f"[learner]\nsteps = [{steps}]"


def write_stream(path, task):
    """Write late labels, a concept that turns round, missing cells, whole numbers and garbage."""
    draw = random.Random(task)
    lines = ["id,at,a,b,city,whole,known,y"]
    for n in range(9000):
        a, b, whole = draw.gauss(0, 1), draw.uniform(0, 9), draw.randrange(5)
        city = draw.choice(["Oslo", "Rome", "Ærø"])
        score = (a if n < 5000 else -a) + (city == "Rome") + 0.1 * whole
        y = {"binary": int(score > 0), "multiclass": "abc"[(score > 0) + (score > 1)],
             "regression": round(10 * score, 2)}[task]  # fmt: skip
        known = "" if draw.random() < 0.02 else n + draw.choice([0, 5, 90, 300, 9000])
        cell = "oops" if n % 701 == 700 else "" if n % 37 == 0 else f"{a:.4f}"
        number = n - 1 if n % 503 == 502 else n
        lines.append(
            f"e{number},{n},{cell},{b:.3f},{'' if task == 'regression' else city},{whole},{known},"
            f"{'' if known == '' else y}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Give a copy of the packages in which nothing is compiled."""
    if not is_compiled():
        pytest.skip("nothing is compiled here")
    folder = tmp_path_factory.mktemp("plain")
    for name in ("stream", "learners", "detectors", "tests"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    return folder


def begin(root, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", *arguments],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def both(plain, *arguments, last=((), ())):
    """Run it compiled and plain at once, each with last arguments; gives what they printed."""
    running = [begin(root, *arguments, *own) for root, own in zip((ROOT, plain), last, strict=True)]
    told = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    return [out for out, _ in told]


def test_one_is_compiled_and_the_other_is_not(plain):
    one, other = both(plain, "stream.app.cli", "--version")
    assert one.endswith(b", compiled\n")
    assert other.endswith(b", not compiled\n")


@pytest.mark.parametrize("kind", ["tree", "linear"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_outputs_and_state_are_the_same(tmp_path, plain, task, kind):
    data, config = write_stream(tmp_path / "data.csv", task), tmp_path / "app.toml"
    config.write_text(CONFIG.format(task=task, learner=learner_of(task, kind)))
    places = [("--out", str(tmp_path / name)) for name in ("compiled", "plain")]
    both(plain, "stream.app.cli", "replay", str(config), str(data), last=places)
    one, other = outputs(tmp_path / "compiled"), outputs(tmp_path / "plain")
    assert {name for name in one if one[name] != other[name]} == set()
    assert {name for name in one if not one[name]} <= {"alarms"}
    digests = [
        orjson.loads((tmp_path / name / "summary.json").read_bytes())["digest"]
        for name in ("compiled", "plain")
    ]
    assert digests[0] == digests[1]


def test_all_learners_of_river_end_in_the_same_state(plain):
    one, other = (orjson.loads(out) for out in both(plain, "tests.river_cases", "60"))
    assert len(one) > 50
    assert {name for name in one if one[name] != other[name]} == set()


def test_a_source_that_changed_since_is_named(tmp_path):
    (tmp_path / "compiled.txt").write_text("a.py\nb.py\n")
    for name in ("a.py", "b.py"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9, 1e9))
    assert stale(tmp_path) == []  # nothing is compiled
    (tmp_path / f"driftline__mypyc{EXTENSION_SUFFIXES[0]}").touch()
    assert stale(tmp_path) == []
    (tmp_path / "b.py").write_text("changed")
    os.utime(tmp_path / "b.py", (4e9, 4e9))
    assert stale(tmp_path) == ["b.py"]
