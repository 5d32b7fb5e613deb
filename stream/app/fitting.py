"""A model made in a process of its own, beside the stream: ``python -m stream.app.fitting FOLDER``.

The process finds its task in the folder, leaves the model in the store of checkpoints and its
name in the folder, and ends when whoever started it ends.
"""

import os
import pickle
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import rmtree
from threading import Thread
from typing import Any, NamedTuple

import orjson

from stream.app.config import Config, parse_config
from stream.app.engine import context_of, parts_of
from stream.app.keepers import store_url
from stream.app.lookback import labelled_before
from stream.app.stretch import opened
from stream.core.errors import told
from stream.core.making import Material, made_of
from stream.core.orders import Order
from stream.core.partition import Partition
from stream.edges.transports.directory import write_atomically
from stream.edges.workshop import RESULT, TASK, ProcessJob, Workshop
from stream.state.blob import pack_model
from stream.state.keys import find_key
from stream.state.pickling import dumps
from stream.state.store import CheckpointStore

_NICE = 5
"""By how much the process steps back behind those that serve."""


class Task(NamedTuple):
    """What is to be made, by which configuration, for which partition."""

    config: dict[str, Any]
    number: int
    material: Material


def workshop_of(config: Config) -> Workshop:
    """Give the workshop of a service: a process for each order."""
    return partial(_begin, config)


def _begin(config: Config, partition: Partition, order: Order) -> ProcessJob:
    material = partition.training.maker.material(partition, order.how, order.window, order.since)
    task = dumps(tuple(Task(config.to_dict(), partition.number, material)))
    return ProcessJob("stream.app.fitting", task, float(config.training.budget.beside))


def fit(task: Task) -> dict[str, Any]:
    """Make a model and keep it; gives its name in the store, or the failure, and CPU seconds."""
    config = parse_config(task.config, "the service's configuration")
    url = store_url(config)
    try:
        made = made_of(_whole(config, task), parts_of(config), config.task == "regression")
    except Exception as error:  # the learner is the user's; whatever it raises is its failure
        return {"failure": told(error), "seconds": _seconds()}
    about = {"how": made.how, "parent": made.parent, "window": made.window}
    key = find_key(url, create=False)
    data = pack_model(made.learner.estimator, about, context_of(config), key)
    store = CheckpointStore(url, task.number, key)
    name = store.save_model(data, config.checkpoints.models)
    return {"model": name, "seconds": _seconds()}


def _whole(config: Config, task: Task) -> Material:
    """Read what is missing of a window from the topics."""
    material, past = task.material, task.material.past
    if past is None:
        return material
    with opened(config, task.number) as stretch:
        rows = labelled_before(stretch, past)
    since = past.since
    return material._replace(rows=[row for row in rows if since is None or row.moment >= since])


def _seconds() -> float:
    return round(time.process_time(), 3)


def main(folder: Path) -> None:
    """Do the task that lies in a folder."""
    Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    with suppress(OSError):
        os.nice(_NICE)
    # Written a moment ago by the service, into a folder that nobody else can open.
    task = Task(*pickle.loads((folder / TASK).read_bytes()))
    write_atomically(folder / RESULT, orjson.dumps(fit(task)))


def _end_with_parent(folder: Path) -> None:
    """Wait for the end of the service, and leave nothing behind then.

    Read without Python's buffer, whose lock would be held when the process ends.
    """
    while os.read(0, 1):
        pass
    rmtree(folder, ignore_errors=True)
    if os.getpgid(0) == os.getpid():  # what the learner has started as well
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
