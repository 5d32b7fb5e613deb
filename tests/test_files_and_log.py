"""A history gives the same on a log as it does on files, partition by partition."""

import csv
from functools import partial

import orjson
import pytest

from stream.app.config import parse_config
from stream.app.connection import ensure_topics
from stream.app.engine import FileRun, open_events
from stream.app.produce import Pace, Production
from stream.edges.feed import messages
from stream.edges.sources import in_order
from stream.edges.transports.directory import read_records
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.edges.transports.partitioner import partition_of
from tests.runs import write_data
from tests.services import settle, start


def config_of(folder, partitions):
    return parse_config({
        "name": "app",
        "input": {
            "id": "id", "time": "at", "label": "late", "label_time": "known",
            "types": {"a": "number", "b": "number", "city": "text"},
        },
        "learner": {
            "class": "river.tree.HoeffdingTreeClassifier",
            "params": {"grace_period": 50, "tau": 0.5},
        },
        "labels": {"ttl": "2h"},
        "detectors": [{"class": "river.drift.ADWIN"}, {"class": "river.drift.PageHinkley"}],
        "scoring": {"every": 100, "window": 100},
        "response": {"concept": "reset", "cooldown": 100},
        "checkpoints": {"url": str(folder / "checkpoints"), "every": 500},
        "kafka": {"partitions": partitions, "commit_every": "1ms"},
    })  # fmt: skip


def produce(log, config, source):
    topics = ensure_topics(log, config)
    opener = partial(open_events, config, source)
    ordered = in_order(config.settings(), opener, None, as_rows=True)
    history = messages(ordered, config.settings(), topics, config.kafka.partitions)
    assert Production(log, history, Pace(None, None)).run()
    ordered.close()
    return topics


def written(log, topic, number):
    place = Place(topic, number)
    start, end = log.ranges([place])[place]
    return [orjson.loads(record.value) for record in log.read(place, start, end)]


def share_of(source, folder, number, partitions):
    """Write the rows of a file that belong on one partition."""
    path = folder / f"share-{number}.csv"
    with source.open() as file, path.open("w") as out:
        rows = csv.reader(file)
        table = csv.writer(out)
        table.writerow(next(rows))
        for row in rows:
            if partition_of(row[0].encode(), partitions) == number:
                table.writerow(row)
    return path


@pytest.mark.parametrize("partitions", [1, 3])
def test_predictions_metrics_alarms_and_models_are_those_of_the_files(tmp_path, partitions):
    config = config_of(tmp_path, partitions)
    source = write_data(tmp_path / "data.csv", 1500)
    broker = MemoryBroker()
    log = MemoryLog(broker)
    topics = produce(log, config, source)
    settle([start(broker, config)], broker, config)
    alarms = models = 0
    for number in range(partitions):
        out = tmp_path / f"out-{number}"
        FileRun(config, share_of(source, tmp_path, number, partitions), out).run()
        assert written(log, topics.predictions, number) == read_records(out, "predictions")
        reports = [each for each in read_records(out, "metrics") if not each["final"]]
        assert written(log, topics.metrics, number) == reports
        assert len(reports) >= 3
        found = read_records(out, "alarms")
        alarms += len(found)
        assert [each["evidence"] for each in written(log, topics.alarms, number)] == [
            each["evidence"] for each in found
        ]
        told = read_records(out, "models")
        models += len(told)
        assert written(log, topics.models, number) == told
    assert alarms > 0
    assert models > 0
