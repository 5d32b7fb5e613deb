"""Exactly once on a log, whatever happens to its owners; on the log in memory, turn by turn."""

import random

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stream.app.connection import ensure_topics
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from tests.services import (
    check_exactly_once,
    config_for,
    last_manifest,
    records_of,
    settle,
    start,
    turn,
    write,
)


def test_one_service_gives_what_the_fold_gives(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path)
    service = start(broker, config)
    write(MemoryLog(broker), ensure_topics(MemoryLog(broker), config), records_of(900))
    settle([service], broker, config)
    service.stop()
    service.run()
    outputs, digests = check_exactly_once(MemoryLog(broker), config)
    assert len(outputs["predictions", 0]) > 300
    assert outputs["alarms", 0] or outputs["alarms", 1]
    told = {n: outputs["models", n] for n in (0, 1)}
    assert told[0] or told[1]
    for number, records in told.items():
        keys = [f"{number}-{seq}".encode() for seq in range(1, len(records) + 1)]
        assert [key for key, _ in records] == keys
    for number in (0, 1):
        assert last_manifest(MemoryLog(broker), config, number)["checkpoint"] == digests[number]


def test_a_backlog_is_folded_in_order_of_time(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path)
    log = MemoryLog(broker)
    write(log, ensure_topics(log, config), records_of(400))
    settle([start(broker, config)], broker, config)
    outputs, _ = check_exactly_once(MemoryLog(broker), config)
    letters = [orjson.loads(v) for n in (0, 1) for _, v in outputs["dead_letters", n]]
    assert {letter["reason"] for letter in letters} == {"bad_json"}


@settings(
    max_examples=10, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # one run is too long to shrink it
)
@given(seed=st.integers(0, 2**32), steps=st.lists(
    st.sampled_from(["write", "turn", "turn", "crash", "leave", "rebalance", "freeze", "unsure"]),
    min_size=5, max_size=40,
))
def test_whatever_happens_to_the_owners(seed, steps, tmp_path_factory):
    draw = random.Random(seed)
    folder = tmp_path_factory.mktemp("run")
    broker, config = MemoryBroker(), config_for(folder)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    coming = records_of(500, seed)
    services, frozen, names = [start(broker, config, "m0")], [], 0
    for step in steps:
        if step == "write":
            some = draw.randrange(1, 120)
            write(log, topics, coming[:some])
            coming = coming[some:]
        elif step == "turn":
            for service in services:
                turn(service, draw.randrange(1, 6))
        elif step == "crash":  # gone without a word; the same static member starts anew
            services = [start(broker, config, "m0"), *services[1:]]
        elif step == "leave" and len(services) > 1:
            gone = services.pop()
            gone.stop()
            gone.run()
            broker.evict(config.name, gone._instance)  # a static member stays for its session
        elif step == "rebalance" and len(services) < 3:
            names += 1
            services.append(start(broker, config, f"m{names}"))
        elif step == "freeze" and len(services) > 1:
            frozen.append(services.pop())
            broker.evict(config.name, frozen[-1]._instance)
        elif step == "unsure":
            broker.lose_commit(draw.choice(["applied", "refused"]))
    write(log, topics, coming)
    settle(services, broker, config)
    for zombie in frozen:  # what was suspended wakes up and goes on where it was
        turn(zombie, 2)
    settle(services, broker, config)
    check_exactly_once(MemoryLog(broker), config)
