"""Checkpoints that are announced are there, whoever is killed, suspended or unsure meanwhile."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.app.connection import ensure_topics
from stream.app.topics import topics_of
from stream.edges import keeper
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.state.blob import peek
from stream.state.store import CheckpointStore
from tests.services import (
    check_exactly_once,
    config_for,
    everything,
    records_of,
    settle,
    start,
    turn,
    write,
)

ONE = {"partitions": 1}


def announced(log, config, number=0):
    """Give the checkpoints that were announced and not withdrawn."""
    found: dict[bytes | None, Any] = {}
    for record in everything(log, topics_of(config).checkpoints, number):
        found.pop(record.key, None)
        if record.value is not None:
            found[record.key] = orjson.loads(record.value)
    return list(found.values())


def check_blobs(log, config, number=0):
    """No manifest without its blob, and no blob without its pieces."""
    folder = Path(config.checkpoints.url) / str(number)
    for manifest in announced(log, config, number):
        blob = folder / f"{manifest['blob']}.ckpt"
        assert blob.exists(), f"{manifest['reason']} at {manifest['position']} has no blob"
        for piece in peek(blob.read_bytes(), "it")["pieces"]:
            assert (folder / "pieces" / piece).exists()


class Killed(BaseException):
    """As good as kill -9: nothing catches it."""


@pytest.fixture
def begun(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=ONE)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(900, partitions=1)
    write(log, topics, records[:500])
    service = start(broker, config, "m0")
    settle([service], broker, config)
    return broker, config, service, topics, records[500:]


def test_a_suspended_owner_removes_nothing_of_the_next_one(begun, monkeypatch):
    broker, config, service, topics, rest = begun
    log = MemoryLog(broker)
    after: list[Any] = []

    def suspended(point):
        if point != "collect" or after:
            return
        after.append(start(broker, config, "m1"))
        broker.evict(config.name, "m0")
        write(log, topics, rest[200:])
        settle(after, broker, config)
        check_blobs(log, config)

    monkeypatch.setattr(keeper, "reach", suspended)
    write(log, topics, rest[:200])
    for _ in range(300):
        turn(service)
        if after:
            break
    assert after
    check_blobs(log, config)
    settle([start(broker, config, "m1")], broker, config)
    check_exactly_once(log, config)


@pytest.mark.parametrize("point", ["collect", "manifest", "commit"])
def test_no_manifest_without_its_blob_wherever_the_owner_is_killed(begun, monkeypatch, point):
    broker, config, service, topics, rest = begun
    log = MemoryLog(broker)
    times = [0]

    def die(reached):
        if reached == point:
            times[0] += 1
            if times[0] == 2:
                raise Killed

    monkeypatch.setattr(keeper, "reach", die)
    monkeypatch.setattr("stream.edges.log_sink.reach", die)
    collect = CheckpointStore.collect

    def killed_after(*arguments):
        collect(*arguments)
        die("commit")

    monkeypatch.setattr(CheckpointStore, "collect", killed_after)
    write(log, topics, rest)
    with pytest.raises(Killed):
        turn(service, 300)
    check_blobs(log, config)
    settle([start(broker, config, "m0")], broker, config)
    check_blobs(log, config)
    check_exactly_once(log, config)


@pytest.mark.parametrize("outcome", ["applied", "refused"])
def test_no_manifest_without_its_blob_when_answers_are_lost(begun, outcome):
    broker, config, service, topics, rest = begun
    log = MemoryLog(broker)
    for first in range(0, len(rest), 40):
        write(log, topics, rest[first : first + 40])
        broker.lose_commit(outcome)
        for _ in range(12):
            turn(service)
            check_blobs(log, config)
    settle([service], broker, config)
    check_exactly_once(log, config)


def test_what_a_killed_owner_left_is_collected_once_it_is_old(begun, monkeypatch):
    broker, config, service, topics, rest = begun
    folder = Path(config.checkpoints.url) / "0"
    for name in ("0" * 64 + ".ckpt", ".half.1", "pieces/" + "0" * 64):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"left")
    log = MemoryLog(broker)
    write(log, topics, rest)
    settle([service], broker, config)
    assert (folder / ("0" * 64 + ".ckpt")).exists(), "somebody may be writing it"
    monkeypatch.setattr("stream.app.keepers._SKEW", -60.0)
    service = start(broker, config, "m0")
    settle([service], broker, config)
    service.stop()
    service.run()
    check_blobs(log, config)
    assert {file.stem for file in folder.glob("*.ckpt")} == {
        manifest["blob"] for manifest in announced(log, config)
    }
    assert not list(folder.glob(".*"))
    assert not (folder / "pieces" / ("0" * 64)).exists()


def test_an_orderly_stop_does_not_replace_the_checkpoint_of_an_alarm(tmp_path):
    tables = {"kafka": ONE, "response": {"concept": "checkpoint"}}
    broker, config = MemoryBroker(), config_for(tmp_path, **tables)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    service = start(broker, config, "m0")
    for record in records_of(900, partitions=1):
        write(log, topics, [record])
        turn(service, 2)
        if everything(log, topics.alarms, 0):
            break
    service.stop()
    service.run()
    alarm = orjson.loads(everything(log, topics.alarms, 0)[0].value)
    last = announced(log, config)[-1]
    assert last["checkpoint"] == alarm["checkpoint"]
    assert last["pinned"], "it is kept though many others follow"
