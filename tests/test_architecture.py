"""What the layout promises, checked on the source itself."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parent.parent
PURE = ("stream/core", "learners", "detectors")
PACKAGES = ("stream", "learners", "detectors", "tests")
LONGEST = 400

CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}
CALLS = {"open", "print", "input", "hash", "exec", "eval", "breakpoint"}
UNSEEDED = {"Random", "RandomState", "SystemRandom", "default_rng"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def impurities(source: str) -> list[str]:
    """Name what a pure module may not do: look at a clock, a file, the environment, a hash seed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "sys.argv"):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "time":
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call):
            found.extend(_impure_call(node))
    return found


def _impure_call(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    owner = name.rpartition(".")[0].rpartition(".")[2]
    if name in CALLS:
        return [f"{name}()"]
    if last in CLOCKS and owner in ("datetime", "date"):
        # with a time zone it only converts: the moment is an argument
        return [] if last == "fromtimestamp" and len(call.args) + len(call.keywords) > 1 else [name]
    if last in UNSEEDED and not call.args and not call.keywords:
        return [f"{name}() without a seed"]
    return []


def test_imports_keep_to_the_contracts(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    status = lint_imports(no_logo=True, no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize("path", sources(*PURE), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_fold_is_pure(path):
    assert impurities(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "time.perf_counter()",
        "clock = time.time",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "datetime.fromtimestamp(moment)",
        "open(path)",
        "print(value)",
        "os.environ['HOME']",
        "hash(text)",
        "np.random.default_rng()",
        "random.Random()",
    ],
)
def test_an_impure_line_is_seen(line):
    assert impurities(line)


@pytest.mark.parametrize(
    "line",
    ["datetime.fromtimestamp(moment, UTC)", "random.Random(seed)", "event.time", "self.open()"],
)
def test_a_pure_line_is_let_pass(line):
    assert impurities(line) == []


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long_to_read(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize(
    ("client", "file"),
    [
        ("kafka", "stream/edges/transports/kafka_python/client.py"),
        ("confluent_kafka", "stream/edges/transports/confluent/client.py"),
        ("mlflow", "stream/app/export/server.py"),
    ],
)
def test_each_client_is_imported_in_one_file_only(client, file):
    importing = {
        path.relative_to(ROOT).as_posix()
        for path in sources("stream", "learners", "detectors")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if client in imported_packages(node)
    }
    assert importing == {file}


def imported_packages(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module.partition(".")[0]}
    return set()
