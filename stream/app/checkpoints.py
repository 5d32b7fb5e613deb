"""Looking at checkpoints: what there is, what is in one, whether it can be trusted."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.table import Table

from stream.app.config import load_config
from stream.app.console import console
from stream.app.stretch import opened, revived
from stream.core.errors import CheckpointError, ConfigError, OutputError
from stream.core.partition import Partition
from stream.edges.transports.directory import read_commit, read_records
from stream.edges.transports.log import Place
from stream.state.blob import Manifest
from stream.state.keys import find_key
from stream.state.store import CheckpointStore


class _Run(NamedTuple):
    """The checkpoints of an output folder, or of a partition of a service."""

    manifests: list[Manifest]
    store: CheckpointStore


def list_all(place: Path, number: int | None = None) -> None:
    """List the checkpoints of a run, oldest first, with their lineage."""
    run = _open(place, number)
    here = set(run.store.blobs())
    table = Table(title=f"{len(run.manifests)} checkpoints, {len(here)} of them kept")
    numbers = ("events", "labels", "bytes")
    for column in ("checkpoint", *numbers[:2], "reason", "model", "parent", "bytes", "kept"):
        table.add_column(column, justify="right" if column in numbers else "left")
    for manifest in run.manifests:
        position = manifest["position"]
        table.add_row(
            manifest["checkpoint"][:12],
            f"{position['events']:,}",
            f"{position['labels']:,}",
            manifest["reason"] + (" (pinned)" if manifest["pinned"] else ""),
            manifest["model"],
            (manifest["parent"] or "-")[:12],
            f"{manifest['bytes']:,}",
            "yes" if manifest["blob"] in here else "collected",
        )
    console().print(table)


def show_one(place: Path, checkpoint: str, number: int | None = None) -> None:
    """Show what one checkpoint holds: position, books, scores, learner."""
    run = _open(place, number)
    manifest = _find(run, checkpoint)
    partition = _load(run, manifest)
    counts = partition.counts
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key in ("checkpoint", "reason", "parent", "position", "versions", "config_digest", "blob"):
        table.add_row(key, str(manifest[key]))
    table.add_row("learner", " ".join(str(partition.learner.estimator).split()))
    table.add_row("books", f"{counts.predictions:,} predictions = {counts.scored:,} scored + "
                           f"{len(partition.pending):,} pending + {counts.expired:,} expired + "
                           f"{counts.evicted:,} evicted + {counts.learn_failed:,} learn failed")
    for name, value in partition.scorer.report()["cumulative"].items():
        table.add_row(name, "-" if value is None else f"{value:.4f}")
    console().print(table)


def verify_all(place: Path, number: int | None = None) -> None:
    """Check signature, contents and digest of each checkpoint that is kept."""
    run = _open(place, number)
    screen = console()
    here = set(run.store.blobs())
    kept = [manifest for manifest in run.manifests if manifest["blob"] in here]
    for manifest in kept:
        partition = _load(run, manifest)
        if partition.digest() != manifest["checkpoint"]:
            raise CheckpointError(
                f"checkpoint {manifest['checkpoint'][:12]}: its state is not the one it names"
            )
        screen.print(f"{manifest['checkpoint'][:12]} {manifest['reason']:<8} good")
    unknown = here - {manifest["blob"] for manifest in run.manifests}
    for blob in sorted(unknown):
        screen.print(f"{blob[:12]} is not announced: left by a run that was killed; it is "
                      f"collected by the next one")
    screen.print(f"{len(kept)} checkpoints verified with the key from {run.store.key.origin}")


def show_difference(place: Path, first: str, second: str, number: int | None = None) -> None:
    """Show in what two checkpoints differ."""
    run = _open(place, number)
    manifests = [_find(run, first), _find(run, second)]
    left, right = (_facts(_load(run, manifest)) for manifest in manifests)
    table = Table()
    for column in ("", *(manifest["checkpoint"][:12] for manifest in manifests)):
        table.add_column(column, overflow="fold")
    same = 0
    for key in {**left, **right}:
        if left.get(key) == right.get(key):
            same += 1
        else:
            table.add_row(key, str(left.get(key, "-")), str(right.get(key, "-")))
    screen = console()
    screen.print(table)
    screen.print(f"{same} other values are equal")


def _facts(partition: Partition) -> dict[str, Any]:
    """Give the state as short facts that a person can compare."""
    report = partition.scorer.report()
    facts: dict[str, Any] = {
        "events": partition.position["events"],
        "labels": partition.position["labels"],
        "model": partition.model,
        "pending": len(partition.pending),
        "early labels": len(partition.early),
        "watermark": partition.watermark.value,
        "fields": len(partition.contract.kinds),
        "learner": type(partition.learner.estimator).__name__,
    }
    for name, value in vars_of(partition.learner.estimator).items():
        facts[f"learner.{name}"] = value
    for name, value in partition.counts.state().items():
        if name != "dead":
            facts[name] = value
    for name, value in report["cumulative"].items():
        facts[name] = None if value is None else round(value, 6)
    for detector in partition.watch.detectors:
        for name in ("width", "estimation", "n_detections"):
            if hasattr(detector, name):
                facts[f"{type(detector).__name__}.{name}"] = getattr(detector, name)
    return facts


def vars_of(estimator: object) -> dict[str, Any]:
    """Give the public numbers and texts of an estimator, parameters among them."""
    return {
        name: value
        for name, value in sorted(vars(estimator).items())
        if not name.startswith("_") and isinstance(value, (bool, int, float, str))
    }


def roll_back(config: Path, checkpoint: str, number: int | None = None) -> None:
    """Ask the service to go on with the learner of an earlier checkpoint.

    Raises
    ------
    ConfigError
        It is no configuration: a run on files has no future to be changed.
    CheckpointError
        There is no such checkpoint.
    """
    if config.is_dir():
        raise ConfigError(
            f"{config}: a run on files is a replay, and has nothing to go on with; rollback takes "
            f"the configuration of a service. For the learner itself: stream.load_model(...)"
        )
    with opened(load_config(config), number) as stretch:
        run = _Run(stretch.manifests(), stretch.store)
        manifest = _find(run, checkpoint)
        stretch.store.load(manifest["blob"])
        asked = {"action": "rollback", "checkpoint": manifest["checkpoint"]}
        place = Place(stretch.topics.control, stretch.number)
        writer = stretch.log.writer()
        writer.write(place, b"rollback", orjson.dumps(asked), round(time.time() * 1000))
        writer.close()
    console().print(
        f"partition {place.partition} was asked ({place.topic}) to go on with the learner of "
        f"checkpoint {manifest['checkpoint'][:12]}, {manifest['model']}, as it was at "
        f"{manifest['position']}; from then on its predictions name a new model"
    )


def _open(place: Path, number: int | None) -> _Run:
    if place.is_file():
        with opened(load_config(place), number) as stretch:
            return _Run(stretch.manifests(), stretch.store)
    return _open_folder(place)


def _open_folder(folder: Path) -> _Run:
    commit = read_commit(folder) if folder.is_dir() else None
    if commit is None:
        raise OutputError(
            f"{folder}: holds no run; give the folder that was --out of `driftline replay`, or the "
            f"configuration of a service"
        )
    manifests: list[Manifest] = read_records(folder, "checkpoints")
    url = commit["store"]
    number = manifests[-1]["partition"] if manifests else 0
    return _Run(manifests, CheckpointStore(url, number, find_key(url, create=False)))


def _find(run: _Run, prefix: str) -> Manifest:
    found = [m for m in run.manifests if m["checkpoint"].startswith(prefix.lower())]
    if not found:
        raise CheckpointError(f"no checkpoint begins with {prefix}; `checkpoints list` names them")
    if len({manifest["checkpoint"] for manifest in found}) > 1:
        raise CheckpointError(f"{len(found)} checkpoints begin with {prefix}; give more digits")
    return found[-1]


def _load(run: _Run, manifest: Manifest) -> Partition:
    return revived(run.store, run.store.load(manifest["blob"]))
