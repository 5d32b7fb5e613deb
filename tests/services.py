"""The service on a log in memory, driven turn by turn, for the tests that break it."""

import json
import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import takewhile
from typing import Any

import orjson

from stream import Partition
from stream.app.config import parse_config
from stream.app.connection import ensure_topics
from stream.app.engine import parts_of
from stream.app.run import service_of
from stream.app.topics import settings_of, topics_of
from stream.edges.history import decode
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryLog
from stream.edges.transports.partitioner import partition_of

OUTPUTS = ("predictions", "metrics", "alarms", "models", "dead_letters")
POOL = ThreadPoolExecutor(4)


class Heard:
    """An observer that keeps what it was told."""

    def __init__(self):
        self.messages = []

    def turned(self):
        pass

    def owns(self, assigned, tenures):
        pass

    def committed(self, tenure):
        pass

    def lags(self, number, stream, records):
        pass

    def says(self, message):
        self.messages.append(message)


def config_for(folder, **tables):
    """Give a small configuration on a store in this folder."""
    base: dict[str, Any] = {
        "name": "app",
        "task": "binary",
        "input": {"id": "id", "time": "at", "label": "late"},
        "learner": {"class": "river.tree.HoeffdingTreeClassifier", "params": {"grace_period": 20}},
        "detectors": [{"class": "river.drift.ADWIN"}, {"class": "river.drift.PageHinkley"}],
        "scoring": {"every": 50, "window": 50},
        "labels": {"ttl": "1h"},
        "checkpoints": {"url": str(folder / "checkpoints"), "every": 170, "keep": 3},
        "response": {"concept": "reset", "cooldown": 60},
        "kafka": {"partitions": 2, "poll_records": 37, "commit_every": "1ms", "idle": "1s"},
    }
    if "learner" in tables:
        del base["learner"]
    for key, table in tables.items():
        base[key] = {**base[key], **table} if isinstance(base.get(key), dict) else table
    return parse_config(base)


def records_of(count, seed=0, partitions=2):
    """Give (stream, place number, key, value, milliseconds) in order of time: late labels."""
    draw = random.Random(seed)
    due = []
    for n in range(count):
        key = f"e{n}"
        a = draw.gauss(0, 1)
        late = (a > 0) != (n > count // 2)
        at = 1_700_000_000 + n
        event = {"id": key, "at": at, "a": round(a, 4), "b": draw.randrange(9)}
        raw = orjson.dumps(event) if n % 61 else b"{broken"
        number = partition_of(key.encode(), partitions)
        due.append((at, 0, "events", number, key, raw))
        if draw.random() < 0.9:
            known = at + draw.choice([1, 5, 40, 300])
            label = orjson.dumps({"id": key, "late": late, "at": known})
            due.append((known, 1, "labels", number, key, label))
    due.sort(key=lambda each: each[:2])
    return [(stream, n, key.encode(), raw, at * 1000) for at, _, stream, n, key, raw in due]


def write(log, topics, records):
    """Write input records."""
    writer = log.writer()
    for stream, number, key, value, at in records:
        topic = topics.events if stream == "events" or topics.labels is None else topics.labels
        writer.write(Place(topic, number), key, value, at)
    writer.flush()


def start(broker, config, instance=None):
    """Put a service together on its own connection."""
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    service = service_of(config, log, topics, Heard(), instance)
    service._timing = replace(service._timing, rest=0.002)
    return service


def turn(service, times=1):
    """Let it go round."""
    for _ in range(times):
        service.turn(POOL)


def settle(services, broker, config, most=1000):
    """Let services go round until everything that is in the inputs is committed."""
    topics = ensure_topics(MemoryLog(broker), config)
    log = MemoryLog(broker)
    inputs = [topics.events, *([topics.labels] if topics.labels else [])]
    places = [Place(t, n) for t in inputs for n in range(config.kafka.partitions)]
    for _ in range(most):
        for service in services:
            turn(service)
        ends = log.ranges(places)
        done = log.committed(topics.group, places)
        if all(place in done and done[place].offset >= ends[place].end for place in places):
            return
    said = [service._observer.messages[-5:] for service in services]
    raise AssertionError(f"the services do not come to the end of their inputs: {said}")


def outputs_of(log, config):
    """Give the committed (key, value) sequences by topic and partition."""
    topics, found = topics_of(config), {}
    for name in OUTPUTS:
        for number in range(config.kafka.partitions):
            records = everything(log, getattr(topics, name), number)
            found[name, number] = [(record.key, record.value) for record in records]
    return found


def fold_of(log, config):
    """Fold the inputs along the journal in the plainest way; gives outputs and digests."""
    topics = topics_of(config)
    settings = settings_of(config)
    outputs, digests = {}, {}
    for number in range(config.kafka.partitions):
        partition = Partition(settings, parts_of(config), number)
        for stream, offset, raw in _order(log, topics, number):
            fold = partition.on_event if stream == "events" else partition.on_label
            fold(offset, decode(raw, 1 << 20))
        for name in OUTPUTS:
            records = getattr(partition.out, name)
            outputs[name, number] = [orjson.dumps(record) for record in records]
        digests[number] = partition.digest()
    return outputs, digests


def everything(log, topic, number):
    """Give all committed records of a partition."""
    place = Place(topic, number)
    span = log.ranges([place])[place]
    return list(log.read(place, span.start, span.end))


def _order(log, topics, number):
    at = {"events": 0, "labels": 0}
    inputs = {"events": everything(log, topics.events, number),
              "labels": everything(log, topics.labels, number)}
    for entry in everything(log, topics.journal, number):
        for step in orjson.loads(entry.value)["steps"]:
            heads = {
                stream: deque(r for r in inputs[stream] if at[stream] <= r.offset < step[stream])
                for stream in at
            }
            while any(heads.values()):
                stream = min(
                    (s for s in heads if heads[s]), key=lambda s: (heads[s][0].time, s == "labels")
                )
                record = heads[stream].popleft()
                yield stream, record.offset, record.value
            at = step


def check_exactly_once(log, config):
    """The outputs are those of the plain fold along the journal; gives outputs and digests."""
    outputs = outputs_of(log, config)
    expected, digests = fold_of(log, config)
    for place, records in outputs.items():
        values = [value for _, value in records]
        pairs = zip(values, expected[place], strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        assert values == expected[place], (
            f"{place}: {len(values)} records, {len(expected[place])} expected, {same} equal"
        )
    return outputs, digests


def last_manifest(log, config, number):
    """Give the last checkpoint that was announced."""
    records = everything(log, topics_of(config).checkpoints, number)
    return orjson.loads([record.value for record in records if record.value is not None][-1])


def toml_of(config):
    """Write a configuration as a file would have it (JSON values are TOML values, mostly)."""
    tables = config.to_dict()
    lines = [f"{k} = {json.dumps(v)}" for k, v in tables.items() if not isinstance(v, (dict, list))]
    for name, table in tables.items():
        if isinstance(table, list):
            lines += [f"[[{name}]]\nclass = {json.dumps(each['class'])}" for each in table]
        if isinstance(table, dict) and name != "telemetry":
            lines.append(f"[{name}]")
            lines += [f"{key} = {_inline(value)}" for key, value in table.items()]
    return "\n".join(lines)


def _inline(value):
    """Write a value as TOML has it within a line; what is None is left out of tables."""
    if isinstance(value, dict):
        known = {k: v for k, v in value.items() if v is not None}
        return "{ " + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in known.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
