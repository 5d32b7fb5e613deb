"""What a service does about logs, states, stores and learners that are not as they were."""

import shutil
from importlib.metadata import version

import orjson
import pytest
from river import naive_bayes

from stream import CheckpointError, ConfigError
from stream.app.connection import ensure_topics
from stream.edges.log_sink import POSITION
from stream.edges.transports.log import LogError, OffsetLostError, Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from tests.services import (
    check_exactly_once,
    config_for,
    everything,
    last_manifest,
    outputs_of,
    records_of,
    settle,
    start,
    turn,
    write,
)


@pytest.fixture
def begun(tmp_path):
    """A service that has folded half of its input, and the rest of the input."""
    broker, config = MemoryBroker(), config_for(tmp_path)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(500)
    write(log, topics, records[:450])
    service = start(broker, config, "m")
    settle([service], broker, config)
    return broker, config, service, topics, records[450:]


def stop(service):
    service.stop()
    service.run()


def taken(broker, config):
    """Start anew and go on until the partitions are taken over."""
    service = start(broker, config, "m")
    turn(service, 30)
    return service


def test_records_that_fell_off_the_log_are_not_passed_over(begun):
    broker, config, service, topics, rest = begun
    stop(service)
    write(MemoryLog(broker), topics, rest)
    for number in (0, 1):
        place = Place(topics.events, number)
        broker.delete_records(place, MemoryLog(broker).ranges([place])[place].end - 2)
    with pytest.raises(CheckpointError, match="Make retention longer than an outage"):
        taken(broker, config)


def test_records_that_fall_off_while_the_service_is_down_after_a_crash_are_missed(begun):
    broker, config, _, topics, _ = begun
    for number in (0, 1):
        place = Place(topics.events, number)
        broker.delete_records(place, MemoryLog(broker).ranges([place])[place].end)
    with pytest.raises((CheckpointError, OffsetLostError), match="not folded into it are gone"):
        taken(broker, config)


def test_a_topic_that_was_made_anew_is_not_taken_for_the_old_one(begun):
    broker, config, service, topics, rest = begun
    stop(service)
    broker.recreate(topics.events)
    write(MemoryLog(broker), topics, rest)
    with pytest.raises(CheckpointError, match="input topics of other ids"):
        taken(broker, config)


def test_added_partitions_are_refused_since_keys_move(begun):
    broker, config, service, topics, _ = begun
    stop(service)
    for name in (*topics.inputs, *topics.outputs):
        broker.add_partitions(name, 3)
    with pytest.raises(CheckpointError, match="another number of partitions"):
        taken(broker, config)


@pytest.mark.parametrize("orderly", [True, False])
def test_expired_offsets_are_recovered_from_what_was_written_last(begun, orderly):
    broker, config, service, topics, rest = begun
    if orderly:
        stop(service)
    broker.evict(config.name, "m")
    broker.expire_offsets(config.name)
    write(MemoryLog(broker), topics, rest)
    settle([start(broker, config, "m")], broker, config)
    check_exactly_once(MemoryLog(broker), config)


@pytest.mark.parametrize("name", ["predictions", "alarms", "models", "dead_letters"])
def test_a_position_is_recovered_from_whichever_output_was_written_last(name, tmp_path):
    kafka = {"partitions": 1, "labels": ""}  # without labels of their own there is no journal
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=kafka)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    write(log, topics, records_of(150, partitions=1))
    service = start(broker, config, "m")
    settle([service], broker, config)
    stop(service)
    event = orjson.dumps({"id": "last", "at": 1_700_001_000, "a": 0.1, "b": 1})
    write(log, topics, [("events", 0, b"last", event, 1_700_001_000_000)])
    end = log.ranges([Place(topics.events, 0)])[Place(topics.events, 0)].end
    position = {**last_manifest(log, config, 0)["position"], "events": end}
    with broker.changed:
        header = (POSITION, orjson.dumps(position))
        broker.partition(Place(getattr(topics, name), 0)).append(0, b"0-9", b"{}", [header], None)
    broker.expire_offsets(config.name)
    before = outputs_of(log, config)["predictions", 0]
    keeper = taken(broker, config)._tenures[0].keeper
    assert keeper.committed.position["events"] == end
    assert outputs_of(log, config)["predictions", 0] == before, "that was committed already"


def test_offsets_that_somebody_moved_are_noticed(begun):
    broker, config, _, topics, _ = begun
    broker.set_offset(config.name, Place(topics.events, 0), 3, "{}")
    with pytest.raises(Exception, match="somebody moved the offsets of group app"):
        taken(broker, config)


def predictions(broker, config):
    return {
        place: [orjson.loads(value) for _, value in records]
        for place, records in outputs_of(MemoryLog(broker), config).items()
        if place[0] == "predictions"
    }


@pytest.mark.parametrize("orderly", [True, False])
def test_another_learner_takes_over_where_the_old_one_has_caught_up(begun, orderly, tmp_path):
    broker, config, service, topics, rest = begun
    if orderly:
        stop(service)
    before = predictions(broker, config)
    versions = {place: records[-1]["model"] for place, records in before.items()}
    other = config_for(tmp_path, learner={"class": "river.naive_bayes.GaussianNB", "params": {}})
    write(MemoryLog(broker), topics, rest)
    service = start(broker, other, "m")
    settle([service], broker, other)
    after = predictions(broker, other)
    for place, records in after.items():
        old, new = before[place], records[len(before[place]) :]
        assert records[: len(old)] == old
        assert new
        assert new[0]["model"] == f"v{int(versions[place][1:]) + 1}"
    keeper = service._tenures[0].keeper
    assert isinstance(keeper.partition.learner.estimator, naive_bayes.GaussianNB)
    books = keeper.partition.counts
    assert books.predictions == len(after["predictions", 0])
    reasons = [
        manifest["reason"]
        for record in everything(MemoryLog(broker), topics.checkpoints, 0)
        if record.value and (manifest := orjson.loads(record.value))
    ]
    assert "configuration" in reasons
    assert ("handover" in reasons) is not orderly


def test_other_scores_begin_afresh_and_the_learner_goes_on(begun, tmp_path):
    broker, config, service, topics, rest = begun
    stop(service)
    other = config_for(tmp_path, scoring={"every": 10, "window": 20})
    write(MemoryLog(broker), topics, rest)
    service = start(broker, other, "m")
    settle([service], broker, other)
    models = {record["model"] for record in predictions(broker, other)["predictions", 0]}
    assert models == {record["model"] for record in predictions(broker, config)["predictions", 0]}
    assert service._tenures[0].keeper.partition.scorer.report()["labels"] < 250


@pytest.mark.parametrize(("tables", "said"), [
    ({"task": "multiclass"}, "task = 'multiclass'"),
    ({"input": {"time": "then"}}, "[input] time = 'then'"),
])
def test_a_change_of_meaning_needs_a_new_name(begun, tmp_path, tables, said):
    broker, _, service, _, _ = begun
    stop(service)
    with pytest.raises(ConfigError) as refused:
        taken(broker, config_for(tmp_path, **tables))
    assert said in str(refused.value)
    assert "another application name" in str(refused.value)


def test_another_river_costs_the_learner_and_not_the_join(begun, monkeypatch):
    broker, config, service, topics, rest = begun
    stop(service)
    waiting = waiting_of(broker, config)
    pretend_river(monkeypatch, "0.99.0")
    write(MemoryLog(broker), topics, rest)
    service = start(broker, config, "m")
    settle([service], broker, config)
    partition = service._tenures[0].keeper.partition
    counts = partition.counts
    assert counts.predictions == (
        counts.scored + len(partition.pending) + counts.expired + counts.evicted
    )
    assert waiting[0] > 0


def waiting_of(broker, config):
    service = taken(broker, config)
    waiting = {n: len(tenure.keeper.partition.pending) for n, tenure in service._tenures.items()}
    stop(service)
    return waiting


def pretend_river(monkeypatch, number):
    def pretended(name):
        return number if name == "river" else version(name)

    monkeypatch.setattr("stream.state.blob.version", pretended)


def test_another_river_after_a_crash_asks_for_the_old_one_first(begun, monkeypatch):
    broker, config, _, topics, _ = begun
    if last_manifest(MemoryLog(broker), config, 0)["position"]["events"] == 0:
        pytest.skip("it stopped at a checkpoint")
    pretend_river(monkeypatch, "0.99.0")
    with pytest.raises(CheckpointError, match=r"install river==0\.26"):
        taken(broker, config)
    assert topics.events


def test_a_checkpoint_of_another_key_is_refused(begun, monkeypatch):
    broker, config, service, _, _ = begun
    stop(service)
    monkeypatch.setenv("DRIFTLINE_CHECKPOINT_KEY", "somebody else's")
    with pytest.raises(CheckpointError, match="signed with another key"):
        taken(broker, config)


def test_a_store_that_is_gone_is_named(begun, tmp_path):
    broker, config, service, _, _ = begun
    stop(service)
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(CheckpointError, match="not there; go back to an older checkpoint"):
        taken(broker, config)


def test_a_store_that_takes_nothing_ends_the_service_and_loses_nothing(begun, tmp_path):
    broker, config, service, topics, rest = begun
    write(MemoryLog(broker), topics, rest)
    (tmp_path / "checkpoints").rename(tmp_path / "aside")
    (tmp_path / "checkpoints").write_text("no folder")
    with pytest.raises(CheckpointError, match="a checkpoint cannot be written"):
        turn(service, 200)
    (tmp_path / "checkpoints").unlink()
    (tmp_path / "aside").rename(tmp_path / "checkpoints")
    settle([start(broker, config, "m")], broker, config)
    check_exactly_once(MemoryLog(broker), config)


def ask(broker, topics, number, record):
    value = record if isinstance(record, bytes) else orjson.dumps(record)
    place = Place(topics.control, number)
    MemoryLog(broker).writer().write(place, b"ask", value, 1_800_000_000_000)


@pytest.mark.parametrize("labels", [None, ""])
def test_a_rollback_goes_on_with_the_learner_of_an_earlier_checkpoint(tmp_path, labels):
    kafka = {"partitions": 1, **({} if labels is None else {"labels": labels})}
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=kafka)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(600, partitions=1)
    service = start(broker, config, "m")
    write(log, topics, records[:500])
    settle([service], broker, config)
    service = start(broker, config, "m")  # as after a crash
    manifests = [
        orjson.loads(r.value) for r in everything(log, topics.checkpoints, 0) if r.value is not None
    ]
    earlier = manifests[-2]
    ask(broker, topics, 0, {"action": "rollback", "checkpoint": earlier["checkpoint"]})
    ask(broker, topics, 0, b"{nonsense")
    ask(broker, topics, 0, {"action": "rollback", "checkpoint": "00000000"})
    settle([service], broker, config)
    turn(service, 5)
    keeper = service._tenures[0].keeper
    assert keeper.committed.position["control"] == 3
    before = keeper.partition.version
    letters = [orjson.loads(v) for _, v in outputs_of(log, config)["dead_letters", 0]]
    refused = [x["reason"] for x in letters if x["origin"]["topic"] == topics.control]
    assert refused == ["bad_json", "unknown_checkpoint"]
    service = start(broker, config, "m")
    write(log, topics, records[500:])
    settle([service], broker, config)
    predictions = [orjson.loads(v) for _, v in outputs_of(log, config)["predictions", 0]]
    models = {p["model"] for p in predictions}
    assert f"v{before}" in models
    stop(service)
    assert last_manifest(log, config, 0)["position"]["control"] == 3


def test_a_compacted_input_is_refused(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path)
    broker.create("app.events", 2, {"cleanup.policy": "compact,delete"})
    with pytest.raises(LogError, match=r"app\.events: inputs must not be compacted"):
        start(broker, config)
