"""Models made beside the service on a real broker, whose workers are killed meanwhile."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from stream.app.cli import main
from tests.kafka.chaos import PARTITIONS, Stage
from tests.kafka.worlds import CLIENTS
from tests.services import everything, outputs_of
from tests.test_beside import REFITTED


def wait_until(met, stage, seconds=90):
    """Wait until the counts of model records, by event, are as they should be."""
    deadline = time.monotonic() + seconds
    while True:
        outputs = outputs_of(stage.log, stage.config)
        models = [json.loads(v) for n in range(PARTITIONS) for _, v in outputs["models", n]]
        if met(Counter(model["event"] for model in models)):
            return
        assert time.monotonic() < deadline, [worker.said() for worker in stage.workers]
        time.sleep(0.2)


def begun(told):
    return told["start"] >= 1


def all_made(told):
    """Whether no order is open: what is written to the control topic later only a replay finds."""
    return told["start"] >= 4 and told["trigger"] == told["start"] + told["refused"]


@pytest.mark.parametrize("client", CLIENTS)
def test_workers_die_while_models_are_made_and_a_replay_gives_what_was_served(
    client, broker, tmp_path
):
    tables = {name: REFITTED[name] for name in ("learner", "training", "response")}
    stage = Stage(tmp_path, broker.bootstrap, client, records=900, **tables)
    try:
        worker = stage.start()
        stage.feed(600)
        wait_until(begun, stage)
        worker.kill()
        stage.feed(600)
        stage.start()
        stage.feed_rest()
        stage.settle()
        wait_until(all_made, stage)
        stage.workers[-1].signal(15)
        stage.workers[-1].wait_for(0, seconds=30)
        served = outputs_of(stage.log, stage.config)
        asked = [json.loads(record.value) for n in range(PARTITIONS)
                 for record in everything(stage.log, stage.topics.control, n)]
        assert {record["action"] for record in asked} == {"adopt"}
        for number in range(PARTITIONS):
            out = tmp_path / f"again-{number}"
            words = [tmp_path / "app.toml", "kafka", "--out", out, "--partition", number]
            with pytest.raises(SystemExit, match="0"):
                main(["replay", *map(str, words)])
            for name in ("predictions", "models", "alarms"):
                lines = Path(out / f"{name}.jsonl").read_bytes().splitlines()
                assert lines == [value for _, value in served[name, number]], name
    finally:
        stage.close()
