"""Labelled events that are read again from the topics, since the state does not keep so many."""

import pytest

from stream.app.lookback import labelled_before
from stream.app.stretch import opened
from stream.core.making import Past
from stream.edges.transports.memory_log import MemoryLog
from tests.services import outputs_of, records_of, settle, turn, write
from tests.test_beside import REFITTED, Workshop, feed, heed_all, models_of, replayed, served, world
from tests.test_service_state import ask


@pytest.mark.parametrize("labels", [None, ""])
@pytest.mark.parametrize("count", [1, 70, 300, 5000])
def test_what_is_read_back_from_the_topics_is_what_the_state_would_hold(
    tmp_path, monkeypatch, labels, count
):
    kafka = {"partitions": 1, **({} if labels is None else {"labels": labels})}
    training = {**REFITTED["training"], "window": {"policy": "fixed", "size": count}}
    broker, config, log, topics = world(tmp_path, kafka=kafka, training=training)
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    service = served(broker, config, None)
    records = records_of(700, partitions=1)
    for first in range(0, len(records), 90):
        write(log, topics, records[first : first + 90])
        turn(service, 3)
    settle([service], broker, config)
    partition = service._tenures[0].keeper.partition
    past = Past(dict(partition.position), partition.contract.state(), count, None)
    with opened(config, 0) as stretch:
        found = labelled_before(stretch, past)
    assert found == partition.training.maker.history.newest(count)
    assert len(found) == min(count, partition.counts.scored)


def test_a_window_of_more_than_is_kept_is_made_of_what_is_read_back(tmp_path, monkeypatch):
    training = {**REFITTED["training"], "kept": 40, "budget": {"cooldown": 150}}
    learner = {"class": "river.tree.HoeffdingTreeClassifier"}
    broker, config, log, topics = world(tmp_path, training=training, learner=learner)
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    service = served(broker, config, Workshop(config, [1]))
    feed(service, log, topics)
    settle([service], broker, config)
    heed_all(service, log, topics)
    history = service._tenures[0].keeper.partition.training.maker.history
    assert len(history.newest(1000)) == 40
    windows = [m["window"]["labels"] for m in models_of(log, config) if m["event"] == "start"]
    assert max(windows) == 120
    service.stop()
    service.run()
    again = replayed(tmp_path, broker, config, monkeypatch)
    for name, values in again.items():
        assert values == [value for _, value in outputs_of(log, config)[name, 0]]


def test_a_window_asked_for_by_hand_is_not_cut_to_what_the_policy_keeps(tmp_path, monkeypatch):
    training = {**REFITTED["training"], "triggers": [{"every": 10_000}]}
    training["window"] = {"policy": "fixed", "size": 20}
    broker, config, log, topics = world(tmp_path, training=training)
    monkeypatch.setattr("stream.app.stretch.open_log", lambda _: MemoryLog(broker))
    service = served(broker, config, Workshop(config, [0]))
    write(log, topics, records_of(400, partitions=1))
    settle([service], broker, config)
    ask(broker, topics, 0, {"action": "retrain", "window": 150})
    turn(service, 30)
    starts = [m for m in models_of(log, config) if m["event"] == "start"]
    assert [m["window"]["labels"] for m in starts] == [150]
