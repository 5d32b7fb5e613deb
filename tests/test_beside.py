"""Models that are made beside the stream: it goes on meanwhile, and a replay makes none again."""

import time
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from river.linear_model import LinearRegression

from stream.app.cli import main
from stream.app.connection import ensure_topics
from stream.app.fitting import Task, fit
from stream.core.errors import CheckpointError
from stream.core.orders import Fitted
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.state.store import CheckpointStore
from tests.services import (
    config_for,
    everything,
    outputs_of,
    records_of,
    settle,
    start,
    toml_of,
    turn,
    write,
)
from tests.test_service_state import ask

REFITTED: dict[str, Any] = {
    "learner": {"class": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 4}},
    "training": {
        "window": {"policy": "fixed", "size": 120},
        "triggers": [{"every": 100}],
        "limit": 200,
        "budget": {"cooldown": 0},
    },
    "response": {"concept": "alert"},
    "kafka": {"partitions": 1},
}


class SlowJob:
    """Makes the model here and now, and says so only after being asked so many times."""

    def __init__(self, config, partition, order, patience):
        maker = partition.training.maker
        material = maker.material(partition, order.how, order.window, order.since)
        self.made = fit(Task(config.to_dict(), partition.number, material))
        self.patience = patience
        self.closed = False

    def result(self):
        self.patience -= 1
        return self.made if self.patience < 0 else None

    def close(self):
        self.closed = True


class Workshop:
    """Makes jobs, each as slow as the next of some numbers says, and counts them."""

    def __init__(self, config, patiences=(2,), seconds=0.0):
        self.config = config
        self.seconds = seconds
        self.patiences = patiences
        self.jobs = []

    def __call__(self, partition, order):
        patience = self.patiences[len(self.jobs) % len(self.patiences)]
        self.jobs.append(SlowJob(self.config, partition, order, patience))
        self.jobs[-1].made["seconds"] = self.seconds
        return self.jobs[-1]


def world(folder, **tables):
    config = config_for(folder, **{**REFITTED, **tables})
    broker = MemoryBroker()
    log = MemoryLog(broker)
    return broker, config, log, ensure_topics(log, config)


def served(broker, config, workshop):
    service = start(broker, config, "m")
    service._workshop = workshop
    return service


def models_of(log, config):
    return [orjson.loads(value) for _, value in outputs_of(log, config)["models", 0]]


def control_of(log, topics):
    return [orjson.loads(record.value) for record in everything(log, topics.control, 0)]


def feed(service, log, topics):
    """Write 900 records in portions, and let it go round after each."""
    records = records_of(900, partitions=1)
    for first in range(0, 900, 60):
        write(log, topics, records[first : first + 60])
        turn(service, 4)


def heed_all(service, log, topics):
    """Let it go round until what it has asked for is taken up: a replay will find that too."""
    for _ in range(200):
        turn(service)
        keeper = service._tenures[0].keeper
        asked = everything(log, topics.control, 0)
        taken = keeper.committed.position.get("control", 0)
        if not keeper.partition.training.order and taken == (asked[-1].offset + 1 if asked else 0):
            return
    raise AssertionError("what was asked for is not taken up")


def replayed(folder, broker, config, monkeypatch):
    """Fold the topics again from the beginning; gives outputs by topic."""
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    (folder / "app.toml").write_text(toml_of(config))
    out = folder / "again"
    with pytest.raises(SystemExit, match="0"):
        main(["replay", str(folder / "app.toml"), "kafka", "--out", str(out)])
    return {name: (out / f"{name}.jsonl").read_bytes().splitlines()
            for name in ("predictions", "models", "alarms")}


def test_the_stream_goes_on_while_a_model_is_made_and_a_replay_makes_none(tmp_path, monkeypatch):
    broker, config, log, topics = world(tmp_path)
    workshop = Workshop(config, [4])
    service = served(broker, config, workshop)
    for first in range(0, 900, 60):
        write(log, topics, records_of(900, partitions=1)[first : first + 60])
        turn(service, 2)
    settle([service], broker, config)
    heed_all(service, log, topics)
    turn(service, 2)
    tenure = service._tenures[0]
    assert {tenure.lag(service._member, place) for place in tenure.places.values()} == {0}
    models = models_of(log, config)
    ordered = [m["position"]["events"] for m in models if m["event"] == "trigger"]
    begun = [m["position"]["events"] for m in models if m["event"] == "start"]
    assert len(begun) >= 3
    assert any(start > trigger for trigger, start in zip(ordered, begun, strict=False))
    starts = [m for m in models if m["event"] == "start"]
    assert {m["how"] for m in starts} == {"refit"}
    assert all(m["window"]["labels"] for m in starts)
    assert all(record["action"] == "adopt" for record in control_of(log, topics))
    assert all(job.closed for job in workshop.jobs[:-1])
    service.stop()
    service.run()
    made = len(workshop.jobs)
    again = replayed(tmp_path, broker, config, monkeypatch)
    for name, values in again.items():
        assert values == [value for _, value in outputs_of(log, config)[name, 0]]
    assert len(workshop.jobs) == made


def test_only_one_is_made_at_a_time_and_what_else_is_wanted_is_refused(tmp_path):
    broker, config, log, topics = world(tmp_path)
    service = served(broker, config, Workshop(config, [10**6]))
    write(log, topics, records_of(400, partitions=1))
    settle([service], broker, config)
    models = models_of(log, config)
    assert [m["event"] for m in models][:3] == ["trigger", "trigger", "refused"]
    still = f"the one of record {models[0]['seq']} is still being made"
    assert models[2]["evidence"] == {"failure": still}
    assert not control_of(log, topics)


def test_one_of_another_task_is_refused_and_the_champion_goes_on(tmp_path):
    broker, config, log, topics = world(tmp_path)
    service = served(broker, config, Workshop(config, [10**6]))
    write(log, topics, records_of(400, partitions=1))
    settle([service], broker, config)
    partition = service._tenures[0].keeper.partition
    made = Fitted(partition.training.order.number, LinearRegression(), "fresh")
    assert partition.training.adopt(partition, made) is None
    assert partition.training.order is None
    assert "classifier" in partition.out.models[-1]["evidence"]["failure"]


def test_one_that_cannot_be_made_is_told_and_the_next_is_tried(tmp_path):
    broker, config, log, topics = world(tmp_path, learner={"factory": "tests.fragile:build"})
    service = served(broker, config, Workshop(config, [0]))
    feed(service, log, topics)
    settle([service], broker, config)
    refused = [m for m in models_of(log, config) if m["event"] == "refused"]
    assert len(refused) > 1
    assert refused[0]["evidence"] == {"failure": "ValueError: it cannot bear so many"}
    failures = [record["failure"] for record in control_of(log, topics) if "failure" in record]
    assert failures == [m["evidence"]["failure"] for m in refused if "failure" in m["evidence"]]


def test_after_a_crash_it_is_made_again_unless_it_had_been_told(tmp_path):
    broker, config, log, topics = world(tmp_path)
    records = records_of(700, partitions=1)
    first = Workshop(config, [10**6])
    service = served(broker, config, first)
    write(log, topics, records[:250])
    settle([service], broker, config)
    turn(service, 3)
    assert len(first.jobs) == 1
    second = Workshop(config, [0])
    service = served(broker, config, second)  # as after a crash: nothing was left in order
    write(log, topics, records[250:300])
    settle([service], broker, config)
    turn(service, 10)
    assert len(second.jobs) == 1
    assert [m["event"] for m in models_of(log, config)].count("start") == 1
    third = Workshop(config, [0])
    service = served(broker, config, third)
    settle([service], broker, config)
    turn(service, 5)
    assert not third.jobs


@pytest.mark.parametrize("record", [
    {"action": "adopt", "order": 77, "model": "0" * 64},
    {"action": "adopt", "order": 77, "failure": "somebody says so"},
])  # fmt: skip
def test_what_nobody_has_ordered_is_a_dead_letter(tmp_path, record):
    broker, config, log, topics = world(tmp_path)
    service = served(broker, config, None)
    write(log, topics, records_of(50, partitions=1))
    settle([service], broker, config)
    ask(broker, topics, 0, record)
    turn(service, 10)
    letters = [orjson.loads(v) for _, v in outputs_of(log, config)["dead_letters", 0]]
    assert letters[-1]["reason"] in ("bad_control", "unknown_checkpoint")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    patiences=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    portions=st.lists(st.tuples(st.integers(1, 150), st.integers(0, 6), st.booleans()),
                      min_size=3, max_size=8),
)  # fmt: skip
def test_whenever_models_come_and_owners_die_a_replay_gives_what_was_served(
    tmp_path_factory, patiences, portions
):
    folder = tmp_path_factory.mktemp("beside")
    broker, config, log, topics = world(folder)
    records, at = records_of(800, seed=3, partitions=1), 0
    service = served(broker, config, Workshop(config, patiences))
    for count, turns, dies in portions:
        write(log, topics, records[at : at + count])
        at += count
        turn(service, turns)
        if dies:
            service = served(broker, config, Workshop(config, patiences))
    settle([service], broker, config)
    heed_all(service, log, topics)
    service.stop()
    service.run()
    with pytest.MonkeyPatch.context() as patch:
        again = replayed(folder, broker, config, patch)
    for name, values in again.items():
        assert values == [value for _, value in outputs_of(log, config)[name, 0]]


def test_a_store_that_cannot_be_read_is_no_verdict_on_the_model(tmp_path, monkeypatch):
    """A replay, for which the store is in order, would go another way."""
    broker, config, log, topics = world(tmp_path)
    service = served(broker, config, Workshop(config, [0]))
    write(log, topics, records_of(250, partitions=1))

    def away(*_):
        raise CheckpointError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "load_model", away)
        with pytest.raises(CheckpointError, match="does not answer"):
            turn(service, 200)
    service = served(broker, config, None)  # as when it is started again
    settle([service], broker, config)
    heed_all(service, log, topics)
    assert "start" in [m["event"] for m in models_of(log, config)]
    service.stop()
    service.run()
    again = replayed(tmp_path, broker, config, monkeypatch)
    assert again["models"] == [value for _, value in outputs_of(log, config)["models", 0]]


@pytest.mark.parametrize("how", ["fresh", "transfer"])
def test_what_is_asked_for_while_nothing_comes_is_made_beside_the_stream_too(tmp_path, how):
    training = {**REFITTED["training"], "triggers": [{"every": 10_000}]}
    broker, config, log, topics = world(tmp_path, training=training)
    workshop = Workshop(config, [2])
    service = served(broker, config, workshop)
    write(log, topics, records_of(250, partitions=1))
    settle([service], broker, config)
    ask(broker, topics, 0, {"action": "retrain", "how": how, "window": 100})
    turn(service, 30)
    starts = [m for m in models_of(log, config) if m["event"] == "start"]
    assert [m["window"]["labels"] for m in starts] == [100]
    assert len(workshop.jobs) == 1


def test_processor_time_is_budgeted_by_what_control_records_say(tmp_path):
    training = {**REFITTED["training"], "budget": {"cooldown": 0, "seconds": 10_000}}
    broker, config, log, topics = world(tmp_path, training=training)
    service = served(broker, config, Workshop(config, [0], seconds=4.5))  # enough for 450 events
    feed(service, log, topics)
    settle([service], broker, config)
    heed_all(service, log, topics)
    models = models_of(log, config)
    begun = [m["position"]["events"] for m in models if m["event"] == "start"]
    assert begun
    assert all(later - earlier >= 350 for earlier, later in pairwise(begun))
    refused = [m["evidence"] for m in models if m["event"] == "refused"]
    assert {"budget": "seconds", "seconds": 4.5} in refused
    assert {record["seconds"] for record in control_of(log, topics)} == {4.5}


def test_in_a_process_of_its_own(tmp_path):
    broker, config, log, topics = world(tmp_path)
    service = start(broker, config, "m")  # with the workshop that `driftline run` has
    write(log, topics, records_of(250, partitions=1))
    settle([service], broker, config)
    until = time.monotonic() + 60
    while "start" not in [m["event"] for m in models_of(log, config)]:
        turn(service)
        assert time.monotonic() < until
        time.sleep(0.05)
    job = service._tenures[0].bench._job
    assert job is None or job._process.wait(20) == 0
    service.stop()
    service.run()


def test_one_that_is_lost_before_it_is_taken_up_is_told_and_the_next_is_made(tmp_path):
    broker, config, log, topics = world(tmp_path)
    workshop = Workshop(config, [2])
    service = served(broker, config, workshop)
    records = records_of(900, partitions=1)
    for first in range(0, 900, 60):
        write(log, topics, records[first : first + 60])
        turn(service, 2)
        if len(workshop.jobs) == 1:
            (tmp_path / "checkpoints/0/models" / f"{workshop.jobs[0].made['model']}.ckpt").unlink(
                missing_ok=True
            )
        turn(service, 2)
    settle([service], broker, config)
    heed_all(service, log, topics)
    models = models_of(log, config)
    lost = next(m for m in models if m["event"] == "refused")
    assert lost["evidence"] == {"failure": "it is not in the store"}
    assert "start" in [m["event"] for m in models]


def test_one_that_cannot_even_be_begun_is_told(tmp_path):
    def no_room(partition, order):
        raise OSError(28, "No space left on device")

    broker, config, log, topics = world(tmp_path)
    service = served(broker, config, no_room)
    write(log, topics, records_of(250, partitions=1))
    settle([service], broker, config)
    heed_all(service, log, topics)
    refused = [m["evidence"] for m in models_of(log, config) if m["event"] == "refused"]
    assert any("No space left" in each.get("failure", "") for each in refused)


def test_one_that_takes_too_long_is_given_up(tmp_path):
    training = {**REFITTED["training"], "budget": {"cooldown": 0, "beside": "10ms"}}
    broker, config, log, topics = world(tmp_path, training=training)
    service = start(broker, config, "m")
    write(log, topics, records_of(250, partitions=1))
    settle([service], broker, config)
    until = time.monotonic() + 30
    while not control_of(log, topics):
        turn(service)
        assert time.monotonic() < until
        time.sleep(0.02)
    assert "longer than 0.01 s" in control_of(log, topics)[0]["failure"]
    service.stop()
    service.run()
