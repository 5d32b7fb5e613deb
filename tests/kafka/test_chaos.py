"""Exactly once on a real broker, whatever is killed, stopped, moved or restarted."""

import signal
import time

import pytest

from tests.kafka.chaos import POINTS, Stage, seeded

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
    portion = len(stage.coming) // (len(POINTS) + 1)
    for times, point in enumerate(POINTS):
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


def chaos(stage, broker, kills, seed):
    draw, killed = seeded(seed), 0
    workers = [stage.start(), stage.start()]
    portion = len(stage.coming) // (kills + 1) + 1
    while killed < kills:
        stage.feed(portion)
        time.sleep(draw.uniform(0.2, 4.0))
        victim = draw.randrange(2)
        what = draw.random()
        if what < 0.7:
            workers[victim].kill()
            workers[victim] = stage.start()
        elif what < 0.85:
            workers[victim].signal(signal.SIGSTOP)
            time.sleep(draw.uniform(0.5, 9.0))
            workers[victim].signal(signal.SIGCONT)
        elif broker.ours:
            broker.kill()
            time.sleep(draw.uniform(0.0, 2.0))
            broker.start()
        killed += 1
    stage.feed_rest()
    stage.settle(200)
    stage.check()


@pytest.mark.soak
@pytest.mark.parametrize("client", CLIENTS)
def test_a_hundred_disasters_at_random_times(client, own_broker, tmp_path):
    stage = Stage(tmp_path, own_broker.bootstrap, client, records=30_000, seed=5)
    try:
        chaos(stage, own_broker, 100, seed=5)
    finally:
        stage.close()


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
