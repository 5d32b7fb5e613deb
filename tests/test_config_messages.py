"""What is said about a configuration that is not accepted, word for word."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream.app.config import Config, load_config, parse_config
from stream.core.errors import ConfigError
from tests.test_config import FULL, SECTIONS, table_of


def refusal(data, source="app.toml"):
    with pytest.raises(ConfigError) as caught:
        parse_config(data, source)
    return str(caught.value)


# ------------------------------------------------------------------ mistyped keys


@st.composite
def typos(draw):
    """Give the sample with one key mistyped by one edit: its path, what it was, what it is."""
    section = draw(st.sampled_from([None, *SECTIONS]))
    tables = copy.deepcopy(FULL)
    table = tables if section is None else tables[section]
    table = table[0] if isinstance(table, list) else table
    key = draw(st.sampled_from(sorted(table)))
    at = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"))
    edits = [
        key[:at] + key[at + 1 :],
        key[:at] + letter + key[at:],
        key[:at] + letter + key[at + 1 :],
        key[:at] + key[at + 1 : at + 2] + key[at] + key[at + 2 :],
        key.upper(),
    ]
    typo = draw(st.sampled_from(edits))
    known = {"steps", "factory", *FULL, *(k for s in SECTIONS for k in table_of(s))}
    assume(typo and typo not in known)
    table[typo] = table.pop(key)
    return tables, section, key, typo


@given(typos())
def test_any_mistyped_key_is_refused_with_file_key_and_suggestion(case):
    tables, section, key, typo = case
    first = refusal(tables).splitlines()[0]
    assert first.startswith("app.toml: ")
    assert typo in first
    assert "did you mean" in first
    assert key in first.split("unknown", 1)[1]
    if section is not None:
        assert f"[{section}]" in first


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_key_like_no_other_is_answered_with_all_that_are_accepted(key):
    assume(key not in FULL["labels"])
    message = refusal({"labels": {key: 1}})
    for accepted in FULL["labels"]:
        assert accepted in message


# ------------------------------------------------------------------ messages, word for word

MESSAGES = [
    (
        {"learner": {"clas": "river.tree.X"}},
        '[learner] clas: unknown key; did you mean "class"? '
        "accepted here: class, params, steps, factory, classes",
    ),
    (
        {"task": "binry"},
        'task = "binry": must be one of binary, multiclass, regression; did you mean "binary"?',
    ),
    ({"lerner": {}}, "[lerner]: unknown section; did you mean [learner]? accepted: [input]"),
    ({"input": {"ttl": 3}}, "[input] ttl: unknown key; it belongs in [labels]; accepted here: id"),
    (
        {"input": {"seed": 3}},
        "[input] seed: unknown key; it belongs at the top of the file, above the first section",
    ),
    ({"every": 3}, "every: unknown key; it belongs in [scoring] or in [checkpoints]; accepted"),
    (
        {"contract": {"fields": {"a": {"mix": 5}}}},
        '[contract.fields.a] mix: unknown key; did you mean "min"? accepted here: min, max',
    ),
    (
        {"contract": {"fields": {"a": {"min": "5"}}}},
        '[contract.fields.a] min = "5": must be a number: leave out the quotes',
    ),
    (
        {"contract": {"fields": {"a": {"min": 5, "max": 1}}}},
        "[contract.fields.a] min = 5.0: is above max, which is 1.0",
    ),
    (
        {"contract": {"fields": {"a": {"categories": ["x", 1]}}}},
        '[contract.fields.a] categories = ["x", 1]: must all be texts, or none of them',
    ),
    (
        {"contract": {"fields": {"a": {"required": True, "missing": 0.1}}}},
        "[contract.fields.a] missing = 0.1: the field is required; leave out one of the two",
    ),
    (
        {"input": {"id": "a"}, "contract": {"fields": {"a": {}}}},
        "[contract.fields.a]: is the id, and no feature; leave it out",
    ),
    (
        {"input": {"types": {"a": "text"}}, "contract": {"fields": {"a": {"min": 1}}}},
        "[contract.fields.a]: what is said here fits a number, but [input.types] a = \"text\"",
    ),
    (
        {"contract": {"out_of_range": "drop"}},
        "[contract] out_of_range = \"drop\": must be one of accept, drop-field, dead-letter, stop",
    ),
    ({"watch": 3}, "watch: unknown key; it belongs in [[detectors]]; accepted here"),
    ({"seed": "4"}, 'seed = "4": must be a whole number: leave out the quotes'),
    ({"seed": "four"}, 'seed = "four": must be a whole number'),
    ({"seed": True}, "seed = true: must be a whole number"),
    ({"seed": -1}, "seed = -1: must be 0 or more"),
    ({"seed": 2**32}, "seed = 4294967296: must be below 4294967296"),
    ({"name": "a b"}, 'name = "a b": may hold only letters, digits, dots, dashes and underscores'),
    ({"name": 3}, "name = 3: must be text in quotes"),
    ({"input": 3}, "input = 3: must be a table: write [input] on a line of its own"),
    ({"input": {"ignore": "a"}}, '[input] ignore = "a": must be a list, such as ["a", "b"]'),
    ({"input": {"ignore": [1]}}, "[input] ignore #1 = 1: must be text in quotes"),
    ({"input": {"types": 1}}, "[input] types = 1: must be a table, such as { key = 1 }"),
    (
        {"input": {"types": {"age": "nmber"}}},
        '[input.types] age = "nmber": must be one of number, text, bool; did you mean "number"?',
    ),
    ({"input": {"positive": []}}, "[input] positive = []: must be a text, a number, true or false"),
    ({"input": {"id": " "}}, '[input] id = " ": must not be empty'),
    (
        {"input": {"id": "a", "label": "a"}},
        '[input] label = "a": is the id already; name another',
    ),
    (
        {"input": {"label": "a", "ignore": ["a"]}},
        '[input] ignore: "a" is the label; leave it out of ignore',
    ),
    (
        {"input": {"ignore": ["a"], "types": {"a": "text"}}},
        "[input.types] a: is also in [input] ignore; leave it out of one of them",
    ),
    (
        {"input": {"label_time": "landed"}},
        '[input] label_time = "landed": says when a label became known; name the',
    ),
    (
        {"input": {"time_slack": "1d"}},
        '[input] time_slack = "1d": the input has no time; name its field in [input] time',
    ),
    (
        {"labels": {"ttl": "3d"}},
        '[labels] ttl = "3d": the input has no time; name its field in [input] time',
    ),
    ({"labels": {"ttl": "3x"}}, '[labels] ttl = "3x": must be a length of time above 0, such'),
    (
        {"contract": {"max_abs": float("inf")}},
        "[contract] max_abs = Infinity: must be a finite number",
    ),
    ({"contract": {"max_abs": "x"}}, '[contract] max_abs = "x": must be a number'),
    ({"contract": {"max_abs": 0}}, "[contract] max_abs = 0: must be above 0"),
    ({"scoring": {"fading": 2}}, "[scoring] fading = 2: must be 1.0 or less"),
    (
        {"scoring": {"metrics": ["Acuracy"]}},
        '[scoring] metrics = ["Acuracy"]: river.metrics has no',
    ),
    (
        {"response": {"concept": "alarm"}},
        '[response] concept = "alarm": must be one of alert, checkpoint, reset, challenge; did you',
    ),
    (
        {"training": {"triggers": [{"every": 5, "metric": "Accuracy", "below": 0.5}]}},
        "[training] triggers #1 needs exactly one of every and metric",
    ),
    (
        {"training": {"triggers": [{"metric": "Acuracy", "below": 0.5}]}},
        '[[training.triggers]] #1 metric = "Acuracy": is not among [scoring] metrics:',
    ),
    (
        {"training": {"triggers": [{"every": "7d"}]}},
        '[[training.triggers]] #1 every = "7d": the input has no time',
    ),
    (
        {"learner": {}},
        "[learner] needs exactly one of class, steps, factory; given: none of them",
    ),
    (
        {"learner": {"class": "a.B", "factory": "a:b"}},
        "[learner] needs exactly one of class, steps, factory; given: class, factory",
    ),
    (
        {"learner": {"steps": [{"class": "a.B"}], "params": {"c": 1}}},
        "[learner] params: with steps, each step has params of its own; move them there",
    ),
    (
        {"learner": {"steps": [{"clas": "a.B"}]}},
        '[learner] steps #1 clas: unknown key; did you mean "class"?',
    ),
    ({"learner": {"steps": [{}]}}, "[learner] steps #1 class: is missing; give an import path"),
    ({"learner": {"factory": "build"}}, '[learner] factory = "build": must be "module:function"'),
    (
        {"learner": {"class": "a.B", "classes": [1]}},
        "[learner] classes = [1]: must have 2 entries or more",
    ),
    (
        {"learner": {"class": "a.B", "params": {"since": tomllib.loads("d = 2013-01-01")["d"]}}},
        "[learner] params since: cannot hold a value of type date; give text, numbers",
    ),
    (
        {"task": "regression", "learner": {"class": "a.B", "classes": [1, 2]}},
        "[learner] classes: a regression has none; leave it out",
    ),
    (
        {"task": "regression", "input": {"positive": 1}},
        '[input] positive = 1: is for binary tasks only; leave it out, or set task = "binary"',
    ),
    ({"detectors": {"class": "a"}}, 'detectors = {"class": "a"}: must be a list of tables: write'),
    ({"detectors": [{}]}, "[[detectors]] #1 class: is missing; give an import path, such as"),
    (
        {"detectors": [{"class": "river.drift.ADWIN", "watch": "x"}]},
        '[[detectors]] #1 watch = "x": must be "error"',
    ),
    (
        {"detectors": [{"class": "river.drift.ADWIN"}, {"class": "river.drift.ADWINN"}]},
        '[[detectors]] #2 class = "river.drift.ADWINN": river.drift has no ADWINN; did you mean',
    ),
    (
        {"detectors": [{"class": "river.drift.ADWIN", "params": {"dleta": 1}}]},
        '[[detectors]] #1 params = {"dleta": 1}: river.drift.ADWIN has no parameter "dleta"',
    ),
    (
        {"task": "regression", "detectors": [{"class": "river.drift.binary.DDM"}]},
        '[[detectors]] #1 class = "river.drift.binary.DDM": watches right or wrong',
    ),
]


@pytest.mark.parametrize(("data", "message"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_message(data, message):
    said = refusal(data)
    assert said.startswith(f"app.toml: {message}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("odd", ["a\nb", "a\x85b", "a\u2028b", "a\x1b[31mb"])
def test_no_key_or_value_breaks_the_line_or_colours_the_terminal(odd):
    cases: list[dict[str, Any]] = [
        {odd: 1},
        {odd: {}},
        {"task": odd},
        {"labels": {odd: 1}},
        {"input": {"ignore": [odd], "types": {odd: "text"}}},
        {"detectors": [{"class": odd}]},
    ]
    for data in cases:
        said = refusal(data)
        assert said.isprintable()
        assert said.startswith("app.toml: ")


def test_several_mistakes_are_several_lines_and_unknown_keys_come_first():
    lines = refusal({"seed": "x", "labels": {"max_pending": 0, "tll": "3d"}}).splitlines()
    assert [line.split(":")[1].split(" = ")[0].strip() for line in lines] == [
        "[labels] tll", "seed", "[labels] max_pending",
    ]  # fmt: skip
    assert all(line.startswith("app.toml: ") for line in lines)


def test_a_long_value_is_cut():
    assert len(refusal({"task": "b" * 10_000})) < 300


def test_built_in_python_it_says_the_same_without_a_file():
    with pytest.raises(ConfigError, match=r"^configuration: tsk: unknown key; did you mean .task."):
        Config(tsk="binary")  # type: ignore[call-arg]  # the mistake is what this is about


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(st.sampled_from([None, *SECTIONS]), st.data(), VALUES)
def test_any_wrong_value_is_answered_in_our_words_and_with_its_key(section, data, value):
    tables = copy.deepcopy(FULL)
    table = tables if section is None else tables[section]
    table = table[0] if isinstance(table, list) else table
    key = data.draw(st.sampled_from(sorted(table)))
    table[key] = value
    try:
        parse_config(tables, "app.toml")
    except ConfigError as error:
        said = str(error)
        assert all(line.startswith("app.toml: ") for line in said.splitlines())
        assert key in said
        assert not any(words in said for words in ("Input should", "validation error", "pydantic"))


# ------------------------------------------------------------------ the file


def test_a_file_is_read(tmp_path):
    path = tmp_path / "app.toml"
    path.write_bytes(b'\xef\xbb\xbftask = "regression"\n')  # with the mark that Windows editors add
    assert load_config(path).task == "regression"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; write one with: driftline init DATA -o "),
        (b"# nothing yet\n", "is empty; "),
        (
            b"seed = 1\ntask = binary\n",
            "line 2, column 8: Invalid value; text needs quotes",
        ),
        (b"seed = 1\n[input\n", "line 2, column 7: "),
        (b'name = "a', "line 1, column 10: "),
        (b"seed = 1\nseed = 2\n", "line 2, column 9: Cannot overwrite a value: seed = 2"),
        (b'name = "a"\nid = "\xff"\n', "line 2: is not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "app.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="no such file; write one with: driftline init DATA -o "):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"is a folder; name a file in it, .*app\.toml"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(13, "Permission denied"),
            "no permission to read it; allow it",
        ),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_a_file_that_may_not_be_read(monkeypatch, tmp_path, error, message):
    def refuse(_):  # root, as in a container, may read everything: a mode of 0 proves nothing
        raise error

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "app.toml")
