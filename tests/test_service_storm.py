"""All that may happen to a service at once, against the plain fold; failing learners, rollbacks."""

import random
from functools import partial
from itertools import takewhile

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stream import LearnError, Partition
from stream.app.adoption import adopted
from stream.app.connection import ensure_topics
from stream.app.engine import allowed_of, parts_of
from stream.app.topics import settings_of, topics_of
from stream.edges.history import decode, inputs_of
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from stream.state.keys import find_key
from stream.state.store import CheckpointStore
from tests.services import (
    OUTPUTS,
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
from tests.test_service_blobs import announced, check_blobs

LEARNER = '''
from river import tree


class Touchy(tree.HoeffdingTreeClassifier):
    """Cannot bear some values, when it has to learn them or to predict for them."""

    def learn_one(self, x, y, *, w=1.0):
        super().learn_one(x, y, w=w)
        if abs(x["a"]) > 1.9:
            raise ValueError(f"cannot bear it {self.n_nodes}")

    def predict_proba_one(self, x):
        if x["a"] > 2.2:
            raise ValueError("cannot say")
        return super().predict_proba_one(x)


def build():
    return Touchy(grace_period=20)
'''


def order_of(log, config, number):
    """Give what was taken, in the order that the journal has."""
    topics = topics_of(config)
    inputs = inputs_of(settings_of(config), topics, number)
    records = {s: everything(log, place.topic, number) for s, place in inputs.places.items()}
    steps = [
        step
        for entry in everything(log, topics.journal, number)
        for step in orjson.loads(entry.value)["steps"]
    ]
    ends = {s: place_records[-1].offset + 1 if place_records else 0
            for s, place_records in records.items()}
    if inputs.single:
        ends["labels"] = 0
        steps.append(ends)
    at = dict.fromkeys(records, 0)
    for step in steps:
        end = {s: inputs.next_offset(step, s) for s in records}
        some = {s: [r for r in records[s] if at[s] <= r.offset < end[s]] for s in records}
        for r in some["control"]:
            yield "control", r.offset, decode(r.value, 1 << 20)
        if inputs.single:
            for r in some["events"]:
                row = decode(r.value, 1 << 20)
                yield inputs.stream_of(row), r.offset, row
        else:
            events, labels = some["events"], some["labels"]
            while events or labels:
                first = events and (not labels or events[0].time <= labels[0].time)
                r = (events if first else labels).pop(0)
                yield "events" if first else "labels", r.offset, decode(r.value, 1 << 20)
        at = {s: max(at[s], end[s]) for s in records}


def fold(items, config, number, adopt):
    """Fold plainly; what the learner cannot bear is found out and left out from the beginning."""
    skips: dict[tuple[str, int], tuple[str, str]] = {}
    while True:
        partition = Partition(settings_of(config), parts_of(config), number)
        partition.skips = skips
        try:
            for stream, offset, row in items():
                if stream == "control":
                    partition.on_control(offset, row, adopt(row))
                else:
                    (partition.on_event if stream == "events" else partition.on_label)(offset, row)
        except LearnError as error:
            skips[error.stream, error.offset] = error.stage, error.detail
        else:
            return partition


def check(log, config):
    outputs = outputs_of(log, config)
    digests = {}
    for number in range(config.kafka.partitions):
        url = config.checkpoints.url
        store = CheckpointStore(url, number, find_key(url, create=False))
        allowed = partial(allowed_of, config)
        adopt = partial(adopted, store, allowed, partial(announced, log, config, number))
        partition = fold(partial(order_of, log, config, number), config, number, adopt)
        for name in OUTPUTS:
            found = [value for _, value in outputs[name, number]]
            due = [orjson.dumps(record) for record in getattr(partition.out, name)]
            pairs = zip(found, due, strict=False)
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            assert found == due, (
                f"{name} {number}: {len(found)}, {len(due)} expected, {same} equal:\n"
                f"{found[same : same + 1]}\n{due[same : same + 1]}"
            )
        digests[number] = partition.digest()
    return digests


def ask(broker, topics, number, asked):
    value = asked if isinstance(asked, bytes) else orjson.dumps(asked)
    place = Place(topics.control, number)
    MemoryLog(broker).writer().write(place, b"ask", value, 1_700_000_000_000)


STEPS = [
    "write", "write", "turn", "turn", "turn", "crash", "leave", "rebalance", "freeze", "thaw",
    "unsure", "ask", "expire",
]  # fmt: skip


@pytest.mark.parametrize("labels", [None, ""])
@settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(STEPS), min_size=8, max_size=50))
def test_whatever_happens(labels, seed, steps, tmp_path_factory):
    draw = random.Random(seed)
    folder = tmp_path_factory.mktemp("storm")
    (folder / "touchy_storm.py").write_text(LEARNER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        kafka = {} if labels is None else {"labels": labels}
        config = config_for(
            folder, learner={"factory": "touchy_storm:build"}, kafka=kafka,
            checkpoints={"every": draw.choice([23, 170]), "keep": 1000},
        )  # fmt: skip
        broker = MemoryBroker()
        run_storm(broker, config, steps, draw, seed)


def run_storm(broker, config, steps, draw, seed):
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    coming = records_of(400, seed)
    services, frozen, names = [start(broker, config, "m0")], [], 0
    for step in steps:
        if step == "write":
            some = draw.randrange(1, 120)
            write(log, topics, coming[:some])
            coming = coming[some:]
        elif step == "turn":
            for service in services:
                turn(service, draw.randrange(1, 6))
        elif step == "crash":
            services = [start(broker, config, "m0"), *services[1:]]
        elif step == "leave" and len(services) > 1:
            gone = services.pop()
            gone.stop()
            gone.run()
            broker.evict(config.name, gone._instance)
        elif step == "rebalance" and len(services) < 3:
            names += 1
            services.append(start(broker, config, f"m{names}"))
        elif step == "freeze" and len(services) > 1:
            frozen.append(services.pop())
            broker.evict(config.name, frozen[-1]._instance)
        elif step == "thaw":
            for zombie in frozen:
                turn(zombie)
                broker.evict(config.name, zombie._instance)
        elif step == "unsure":
            broker.lose_commit(draw.choice(["applied", "refused"]))
        elif step == "ask":
            number = draw.randrange(2)
            known = [m["checkpoint"] for m in announced(log, config, number)] or ["0" * 64]
            prefix = draw.choice(known)[: draw.choice([8, 64])]
            wanted = {"action": "rollback", "checkpoint": prefix}
            ask(broker, topics, number, draw.choice([wanted, wanted, b"{nonsense", {}]))
        elif step == "expire":
            broker.expire_offsets(config.name)
        for number in (0, 1):
            check_blobs(log, config, number)
    write(log, topics, coming)
    settle(services, broker, config, most=4000)
    for service in services:
        turn(service, 5)
    for zombie in frozen:
        turn(zombie, 2)
        broker.evict(config.name, zombie._instance)
    settle(services, broker, config, most=4000)
    for service in services:
        turn(service, 5)
        service.stop()
        service.run()
    digests = check(log, config)
    for number, digest in digests.items():
        check_blobs(log, config, number)
        assert last_manifest(log, config, number)["checkpoint"] == digest
