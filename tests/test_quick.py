"""River is imported without what it would import for nothing."""

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_service_starts_without_scikit_learn_and_finds_it_when_it_is_needed():
    said = run(
        "import sys, stream.app.run\n"
        "print('sklearn' in sys.modules, 'pandas' in sys.modules)\n"
        "from learners.build import build_learner\n"
        "it = build_learner(task='binary', class_='sklearn.linear_model.SGDClassifier')\n"
        "print(type(it.estimator.estimator).__name__)\n"
    )
    assert said.split() == ["False", "False", "SGDClassifier"]


def test_a_river_that_is_there_already_is_left_as_it_is():
    said = run(
        "import river.stream as s, sys\n"
        "import learners\n"
        "print(hasattr(s, 'iter_sklearn_dataset'), 'sklearn' in sys.modules)\n"
    )
    assert said.split() == ["True", "True"]
