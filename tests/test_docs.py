"""The docs and the README are in step with the code."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from benchmarks import bench, kafka, policies
from learners.refused import REFUSED
from stream.app.cli import app
from stream.app.config import Config, parse_config
from stream.core import contract, decode, labels, partition, rules, times
from stream.edges import sources
from stream.edges.readers import parquet_rows, records

ROOT = Path(__file__).parents[1]
DOCS = sorted(ROOT.glob("docs/*.md"))


def text(name):
    return (ROOT / name).read_text()


def test_the_configuration_page_names_every_key_and_can_be_parsed():
    sample = re.search(r"```toml\n(.*?)```", text("docs/configuration.md"), re.DOTALL)
    assert sample
    tables = tomllib.loads(sample[1])
    config = parse_config(tables)
    left_out = {"steps", "factory", "classes"}
    for section, field in Config.model_fields.items():
        keys = getattr(config, section).__class__.model_fields if hasattr(
            field.annotation, "model_fields"
        ) else {}
        for key, inner in keys.items():
            name = inner.alias or key
            assert name in tables[section] or name in left_out, f"[{section}] {name}"
    for name in left_out:
        assert f"# {name} = " in sample[1]


def test_every_command_is_in_the_readme():
    names = [
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    ]
    for name in [*names, *(group.name for group in app.registered_groups)]:
        assert f"driftline {name}" in text("README.md"), name


def test_every_reason_of_a_dead_letter_is_documented():
    modules = (contract, rules, decode, labels, partition, times, sources, parquet_rows, records)
    files = (ROOT / f"{module.__name__.replace('.', '/')}.py" for module in modules)
    code = "".join(file.read_text() for file in files)  # what is compiled has another `__file__`
    reasons = set(re.findall(r'Fault\(\s*"(\w+)"', code)) - {"open"}
    reasons |= {"too_many_early"}
    assert len(reasons) > 15
    page = text("docs/files.md")
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in page] == []


@pytest.mark.parametrize(("measured", "page"), [(bench, "files"), (kafka, "kafka")])
def test_the_figures_of_the_readme_are_those_of_the_result_files(measured, page):
    assert measured.markdown(json.loads(text(f"benchmarks/results/{page}.json"))) in text(
        "README.md"
    )


def test_what_is_refused_is_documented():
    page = text("docs/learners.md")
    known = {"ActiveLearningClassifier": "active learning", "MultiTargetRegressor": "multi-target",
             "SKL2RiverBase": "SKL2RiverClassifier"}
    for path in REFUSED:
        name = path.rpartition(".")[2]
        assert known.get(name, name) in page, name


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/library.md"],
                         ids=lambda path: path.name)
def test_python_examples_that_need_no_files_run(page):
    for example in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        if "replay(" in example:
            exec(compile(example, page.name, "exec"), {})


def test_what_watching_costs_is_told_as_measured():
    cost = json.loads(text("benchmarks/results/files.json"))["watching"]
    assert cost["throughput_lost"] <= 0.15
    told = " ".join(text("docs/drift.md").split())
    assert f"watching costs {cost['throughput_lost']:.0%}".replace("%", " %") in told
    assert f"({cost['without_us']:.0f} to {cost['with_us']:.0f} us an event" in told


def test_contests_were_measured_to_keep_their_promise_and_are_told_as_measured():
    found = json.loads(text("benchmarks/results/contests.json"))
    told = text("benchmarks/README.md")
    equal = [each for each in found if each["case"] == "equal"]
    better = [each for each in found if each["case"] != "equal"]
    assert [each["delay"] for each in equal] == [each["delay"] for each in better] == [0, 10_000]
    for each in equal:
        assert each["contests"] == 1000
        assert each["wrong"] <= each["promised"]
        assert f"{each['wrong']:.1%}".replace("%", " percent") in told
    for each in better:
        assert each["median_labels"] <= 2 * each["theory_labels"]
        assert f"{each['median_labels']:,.0f}" in told


def test_the_table_of_training_policies_is_the_measured_one():
    found = json.loads(text("benchmarks/results/policies.json"))
    assert policies.markdown(found) in text("docs/training.md")
