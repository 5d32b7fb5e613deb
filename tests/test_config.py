"""The configuration: what is accepted, and what is said about what is not."""

import copy
import tomllib
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.app.config import Config, parse_config
from stream.app.config_digest import KEY_CLASSES
from stream.app.durations import Duration

FULL = tomllib.loads(
    """
name = "flights"
task = "binary"
seed = 7
[input]
id = "flight_id"
time = "departed_at"
label = "late"
label_time = "landed_at"
ignore = ["tail_number"]
types = { carrier = "text" }
missing = ["", "NA"]
positive = "yes"
max_record = 4096
time_slack = "2d"
[learner]
params = { grace_period = 200 }
class = "river.tree.HoeffdingTreeClassifier"
classes = [false, true]
[drift]
false_alarms_per_100k = 0.5
reference = "fixed"

[[detectors]]
class = "river.drift.ADWIN"
watch = "error"
params = { delta = 0.01 }
[contract]
unknown_field = "accept"
wrong_type = "missing"
missing_field = "stop"
reference = 10
max_features = 20
max_abs = 1e9
out_of_range = "drop-field"
unseen_category = "dead-letter"
[contract.fields.gate]
categories = ["a", "b"]
missing = 0.1
[contract.fields.age]
min = 0.0
max = 99.0
required = true
[labels]
ttl = "12h"
max_pending = 5000
max_early = 50
recent_ids = 60
max_classes = 5
[scoring]
metrics = ["Accuracy"]
every = 10
window = 20
fading = 0.99
[checkpoints]
url = "./elsewhere"
every = 100
keep = 3
models = 7
[response]
concept = "reset"
data = "checkpoint"
prediction = "checkpoint"
schema = "checkpoint"
label = "checkpoint"
cooldown = 5
[training]
doubts_per_100k = 0.0
how = "transfer"
challengers = 1
serve = "split"
share = 0.25
fading = 0.9
significance = 0.01
min_gain = 0.02
limit = 900
patience = 100
rollback = 0
remembered = 2
follow_up = false
beside = false
kept = 321
window = { policy = "fixed", size = 500 }
[[training.triggers]]
every = "7d"
how = "warm"
window = { policy = "dynamic", size = 1000 }
[[training.triggers]]
metric = "Accuracy"
below = 0.7
[training.budget]
cooldown = 10
most = 3
period = "2d"
extra = 0.5
seconds = 30.0
beside = "2h"
[training.gate]
most_error = 0.4
baseline = true
slices = ["carrier"]
most_loss = 0.1
least = 20
labels = 10
[limits]
learn_failures = 2
[files]
chunk = 7
commit_every = "500ms"
[kafka]
bootstrap_servers = "broker:9092"
client = "confluent"
commit_every = "250ms"
events = "in.events"
labels = "in.labels"
control = "in.control"
group = "flights-2"
partitions = 3
replication = 2
create_topics = false
poll_records = 100
idle = "50ms"
session_timeout = "9s"
transaction_timeout = "20s"
watchdog = "40s"
client_settings = { security_protocol = "SSL" }
[telemetry]
host = "0.0.0.0"
port = 9464
stalled_after = "20s"
"""
)
# learner.steps and learner.factory exclude learner.class: they have tests of their own

CHANGED: dict[str, Any] = {
    "name": "other",
    "task": "multiclass",
    "seed": 8,
    "input": {
        "id": "a", "time": "b", "label": "c", "label_time": "d", "ignore": ["e"],
        "types": {"carrier": "number"}, "missing": ["-"], "positive": "no",
        "max_record": 9, "time_slack": "3d",
    },
    "learner": {"params": {"grace_period": 9}, "class": "river.tree.X", "classes": [0, 1]},
    "contract": {
        "unknown_field": "stop", "wrong_type": "stop", "missing_field": "accept",
        "reference": 11, "max_features": 21, "max_abs": 1e8,
        "out_of_range": "accept", "unseen_category": "stop", "fields": {"a": {"min": 0}},
    },
    "labels": {"ttl": "13h", "max_pending": 1, "max_early": 1, "recent_ids": 1, "max_classes": 3},
    "scoring": {"metrics": ["Accuracy", "F1"], "every": 1, "window": 1, "fading": 0.9},
    "checkpoints": {"url": "memory://x", "every": 1, "keep": 1, "models": 1},
    "response": {
        "concept": "alert", "data": "alert", "prediction": "alert", "schema": "alert",
        "label": "alert", "cooldown": 1,
    },
    "training": {
        "doubts_per_100k": 1.0, "how": "warm", "challengers": 3, "serve": "champion",
        "share": 0.5, "fading": 0.95, "significance": 0.1, "min_gain": 0.0, "limit": 1,
        "patience": 1, "rollback": 1, "remembered": 1, "window": {"policy": "none"},
        "follow_up": True, "beside": True, "kept": 1, "triggers": [], "budget": {}, "gate": {},
    },
    "limits": {"learn_failures": 1},
    "files": {"chunk": 1, "commit_every": "1s"},
    "kafka": {
        "bootstrap_servers": "x", "client": "kafka-python", "commit_every": "1s",
        "client_settings": {}, "events": "e", "labels": "", "control": "c", "group": "g",
        "partitions": 1, "replication": 1, "create_topics": True, "poll_records": 1,
        "idle": "1s", "session_timeout": "1s", "transaction_timeout": "19s", "watchdog": "39s",
    },
    "telemetry": {"host": "x", "port": 0, "stalled_after": "9s"},
}  # fmt: skip
PLACES = [
    (section, key)
    for section, value in CHANGED.items()
    for key in (value if isinstance(value, dict) else [None])
]
SECTIONS = [section for section, value in FULL.items() if not isinstance(value, str | int)]


def table_of(section):
    """Give a section's table; of a list of tables the first."""
    value = FULL[section]
    return value[0] if isinstance(value, list) else value


def with_value(section, key, value):
    tables = copy.deepcopy(FULL)
    if key is None:
        tables[section] = value
    else:
        tables[section][key] = value
    return tables


def test_every_key_reaches_its_place():
    config = parse_config(FULL)
    settings = config.settings()
    assert (settings.id_field, settings.time_field) == ("flight_id", "departed_at")
    assert (settings.label_field, settings.label_time_field) == ("late", "landed_at")
    assert (settings.ttl, settings.slack) == (43_200.0, 172_800.0)
    assert settings.actions["concept"] == "reset"
    assert config.learner.class_ == "river.tree.HoeffdingTreeClassifier"
    assert config.files.commit_every == 0.5
    assert settings.types == {"carrier": "text", "gate": "text", "age": "number"}
    gate, age = settings.rules["gate"], settings.rules["age"]
    assert (gate.categories, gate.required, gate.missing) == (frozenset({"a", "b"}), None, 0.1)
    assert (age.low, age.high, age.required) == (0.0, 99.0, True)
    for section in ("input", "contract", "labels", "scoring"):
        for key, value in FULL[section].items():
            if hasattr(settings, key) and key not in ("ttl", "types"):
                assert getattr(settings, key) == (tuple(value) if type(value) is list else value)


def test_the_sample_names_every_key_there_is():
    shown = parse_config(FULL).to_dict()
    del shown["learner"]["steps"]
    assert shown == FULL


def test_defaults_depend_on_the_task():
    assert Config().learner.class_ == "river.tree.HoeffdingTreeClassifier"
    assert Config(task="regression").learner.class_ == "river.tree.HoeffdingTreeRegressor"
    assert Config().detectors == (), "the calibrated detector of the error"
    assert Config().settings().false_alarms_per_100k == 1.0


def test_without_a_time_predictions_wait_as_many_records_as_may_be_pending():
    assert parse_config({"labels": {"max_pending": 77}}).settings().ttl == 77.0
    assert parse_config({"labels": {"ttl": 5}}).settings().ttl == 5.0
    assert parse_config({"input": {"time": "t"}}).settings().ttl == 30 * 86_400.0


@pytest.mark.parametrize("section", [None, *SECTIONS])
def test_frozen(section):
    config = parse_config(FULL)
    target = config if section is None else getattr(config, section)
    target = target[0] if isinstance(target, tuple) else target
    with pytest.raises(ValidationError, match="frozen"):
        setattr(target, next(iter(type(target).model_fields)), "x")


# ------------------------------------------------------------------ round trip and digest


@pytest.mark.parametrize(
    "data",
    [
        {},
        FULL,
        {"task": "regression", "labels": {"ttl": 9}},
        {"learner": {"factory": "mine:build"}, "detectors": []},
        {"learner": {"steps": [{"class": "a.B", "params": {"c": [1, {"d": 2.5}]}}]}},
    ],
)
def test_round_trip(data):
    config = parse_config(data)
    again = parse_config(config.to_dict())
    assert again == config
    assert again.digest == config.digest


def shuffled(value, draw):
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffled(value[key], draw) for key in keys}
    return value


@given(st.data())
def test_the_digest_does_not_depend_on_the_order_of_keys(data):
    assert parse_config(shuffled(FULL, data.draw)).digest == parse_config(FULL).digest


@pytest.mark.parametrize(("section", "key"), PLACES)
def test_the_digest_depends_on_exactly_the_keys_that_are_not_free(section, key):
    value = CHANGED[section] if key is None else CHANGED[section][key]
    tables, baseline = with_value(section, key, value), copy.deepcopy(FULL)
    if section == "task":
        for each in (tables, baseline):  # only a binary task has a positive label
            del each["input"]["positive"]
    free = KEY_CLASSES.get(section, KEY_CLASSES.get(f"{section}.{key}")) == "free"
    assert (parse_config(tables).digest == parse_config(baseline).digest) is free


def test_the_digest_depends_on_the_detectors():
    assert parse_config({"detectors": [{"class": "river.drift.ADWIN"}]}).digest != Config().digest


def test_only_what_changes_nothing_that_comes_out_is_free():
    free = {key for key, kind in KEY_CLASSES.items() if kind == "free"}
    assert free == {
        "checkpoints.url", "checkpoints.keep", "checkpoints.models", "files.chunk",
        "files.commit_every", "kafka", "telemetry",
    }  # fmt: skip


def test_every_key_is_classed_and_every_class_has_its_key():
    classed = set(KEY_CLASSES)
    for section, value in Config().model_dump(by_alias=True).items():
        keys = {section} if section in classed else {f"{section}.{key}" for key in value}
        assert keys <= classed
        classed -= keys
    assert not classed


def test_equal_lengths_of_time_have_equal_digests():
    timed = {"input": {"time": "t"}}
    days, hours = ({**timed, "labels": {"ttl": ttl}} for ttl in ("1d", "24h"))
    assert parse_config(days).digest == parse_config(hours).digest


@given(st.integers(1, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]))
def test_durations(amount, unit):
    assert Duration(f"{amount}{unit[0]}") == pytest.approx(amount * unit[1])


@given(st.one_of(st.text(max_size=8), st.floats(max_value=0), st.booleans(), st.none()))
def test_what_is_no_duration_is_refused(written):
    assume(not (isinstance(written, str) and any(letter.isdigit() for letter in written)))
    with pytest.raises(ValueError, match="length of time"):
        Duration(written)
