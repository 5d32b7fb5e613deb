"""Exactly once on a real broker, whatever is killed, stopped, moved or restarted."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from stream.edges.failpoints import ON_A_LOG
from tests.kafka.chaos import PARTITIONS, Stage, seeded

CLIENTS = ("kafka-python", "confluent")


@pytest.fixture(params=CLIENTS)
def stage(request, broker, tmp_path):
    stage = Stage(tmp_path, broker.bootstrap, request.param)
    yield stage
    stage.close()


def die_at(stage, point, times):
    worker = stage.start(f"{point}:{times}")
    worker.wait_for(-signal.SIGKILL)


def test_killed_at_every_named_place(stage):
    portion = len(stage.coming) // (len(ON_A_LOG) + 1)
    for times, point in enumerate(ON_A_LOG):
        stage.feed(portion)
        die_at(stage, point, 1 + times % 2)
    stage.feed_rest()
    stage.start()
    stage.settle()
    stage.check()


def test_members_come_and_go_and_one_is_suspended(stage):
    first, second = stage.start(), stage.start()
    stage.feed(500)
    time.sleep(4)
    first.signal(signal.SIGSTOP)  # its session runs out, and its partitions move
    stage.feed(300)
    time.sleep(8)
    first.signal(signal.SIGCONT)
    stage.feed(300)
    third = stage.start()
    time.sleep(3)
    second.kill()
    stage.feed_rest()
    stage.settle()
    assert third.alive()
    stage.check()


def chaos(stage, broker, disasters, seed):
    """Let disasters happen while records keep coming; gives how many there were of each kind."""
    draw, happened = seeded(seed), Counter[str]()
    workers = [stage.start(), stage.start()]
    portion = len(stage.coming) // (disasters + 1) + 1
    for _ in range(disasters):
        stage.feed(portion)
        time.sleep(draw.uniform(0.2, 4.0))
        victim, chance = draw.randrange(2), draw.random()
        if chance < 0.6:
            workers[victim].kill()
            workers[victim] = stage.start()
            happened["worker killed"] += 1
        elif chance < 0.7:
            workers[victim].signal(signal.SIGTERM)
            workers[victim].wait_for(0, -signal.SIGTERM)  # the latter before it has begun
            workers[victim] = stage.start()
            happened["worker stopped in order"] += 1
        elif chance < 0.85:
            workers[victim].signal(signal.SIGSTOP)
            time.sleep(draw.uniform(0.5, 9.0))
            workers[victim].signal(signal.SIGCONT)
            happened["worker suspended"] += 1
        else:
            broker.kill()
            time.sleep(draw.uniform(0.0, 2.0))
            broker.start()
            happened["broker killed"] += 1
    stage.feed_rest()
    stage.settle(300)
    return happened


@pytest.mark.soak
@pytest.mark.parametrize("client", CLIENTS)
def test_a_hundred_disasters_at_random_times(client, own_broker, tmp_path):
    started = time.monotonic()
    stage = Stage(tmp_path, own_broker.bootstrap, client, records=30_000, seed=5)
    try:
        happened = chaos(stage, own_broker, 100, seed=5)
        outputs = stage.check()
    finally:
        stage.close()
    written = Counter[str]()
    for (name, _), records in outputs.items():
        written[name] += len(records)
    note("chaos", client, {
        "disasters": happened, "partitions": PARTITIONS, "input_records": len(stage.coming),
        "output_records": written, "equal_to_the_fold_over_the_journal": True,
        "seconds": round(time.monotonic() - started),
    })  # fmt: skip


def note(name, client, figures):
    """Keep the figures of a long run, where somebody asked for them (`make soak`)."""
    folder = os.environ.get("DRIFTLINE_RESULTS")
    if folder:
        path = Path(folder) / f"{name}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        known[client] = figures
        path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


@pytest.mark.parametrize("client", CLIENTS)
def test_the_broker_is_killed_under_the_service(client, own_broker, tmp_path):
    stage = Stage(tmp_path, own_broker.bootstrap, client, seed=3)
    try:
        stage.start()
        stage.feed(400)
        time.sleep(4)
        own_broker.kill()
        time.sleep(1)
        own_broker.start()
        stage.feed_rest()
        stage.settle()
        stage.check()
    finally:
        stage.close()
