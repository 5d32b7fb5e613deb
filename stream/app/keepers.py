"""The keeper of a partition on the log, by the configuration of today or of its last checkpoint.

A new configuration takes over at a position where a checkpoint is: a worker that crashed
first catches up by the old one, which every checkpoint carries. What a change touches begins
afresh there, and nothing else does; what would give records another meaning is refused.
"""

import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from stream.app.adoption import adopted
from stream.app.config import Config, parse_config
from stream.app.engine import allowed_of, context_of, parts_of
from stream.app.topics import settings_of, topics_of
from stream.core.errors import CheckpointError, ConfigError
from stream.core.partition import Partition
from stream.core.settings import Settings
from stream.core.whole import OBJECTS, Part
from stream.edges.failpoints import reach
from stream.edges.keeper import Keeper, Pace, Succession, Terms
from stream.edges.log_sink import LogSink
from stream.edges.transports.base import Committed
from stream.state.blob import Manifest, versions
from stream.state.keys import find_key
from stream.state.store import CheckpointStore

_CHUNK = 2048

_SKEW = 3600.0
"""Seconds by which the clock of the store may be off."""

_IDENTITY = ("id", "time", "label", "label_time", "positive")
"""Keys of [input] that decide what a record means."""


def keeper_of(config: Config, settings: Settings, number: int, sink: LogSink) -> Keeper:
    """Make the keeper of one partition number; the sink is opened by it.

    Raises
    ------
    ConfigError
        The configuration changed in a way that the state cannot follow.
    CheckpointError
        The last checkpoint cannot be used.
    """
    url = store_url(config)
    key, since = find_key(url, create=True), time.time() - _SKEW
    store = CheckpointStore(url, number, key, step=reach, since=since)
    committed = sink.begin()
    terms = _terms(config, settings, number)
    succession = None
    if committed.checkpoint is not None and not _same(config, committed.checkpoint):
        old, fresh = _old_terms(config, store, committed.checkpoint)
        unreadable = not _same_river(committed.checkpoint)
        if unreadable:
            _check_at_rest(committed, committed.checkpoint)
            fresh |= OBJECTS
        terms, succession = old, Succession(terms, fresh, unreadable)
    return Keeper(
        terms=terms,
        sink=sink,
        committed=committed,
        store=store,
        pace=Pace(
            chunk=_CHUNK,
            checkpoint_every=config.checkpoints.every,
            keep=config.checkpoints.keep,
            commit_every=float(config.kafka.commit_every),
            learn_failures=config.limits.learn_failures,
        ),
        succession=succession,
        adopt=partial(adopted, store, partial(allowed_of, config), sink.manifests),
    )


def store_url(config: Config) -> str:
    """Say where the checkpoints of a service are; ``~`` is the home of who runs it."""
    return os.path.expanduser(config.checkpoints.url)


def _terms(config: Config, settings: Settings, number: int) -> Terms:
    build = partial(Partition, settings, parts_of(config), number)
    return Terms(build, context_of(config), allowed_of(config))


def _same(config: Config, manifest: Manifest) -> bool:
    return manifest["config_digest"] == config.digest and _same_river(manifest)


def _same_river(manifest: Manifest) -> bool:
    made, here = manifest["versions"]["river"], versions()["river"]
    return made.split(".")[:2] == here.split(".")[:2]


def _check_at_rest(committed: Committed, manifest: Manifest) -> None:
    """Make sure that nothing has to be folded with a River that is no longer here."""
    if manifest["position"] != committed.position:
        made = manifest["versions"]["river"]
        raise CheckpointError(
            f"partition {manifest['partition']}: its last checkpoint was made with River {made}, "
            f"and it was not stopped in order, so it has to catch up first: install "
            f"river=={made}, run it and stop it (SIGTERM), then upgrade"
        )


def _old_terms(
    config: Config, store: CheckpointStore, manifest: Manifest
) -> tuple[Terms, frozenset[Part]]:
    """Give the terms of the last checkpoint, and what begins afresh after them."""
    header = store.load(manifest["blob"], any_version=True).header
    name = f"the configuration of checkpoint {manifest['checkpoint'][:12]}"
    old = parse_config(header["config"], name)
    fresh = changed_parts(old.to_dict(), config.to_dict())
    return _terms(old, settings_of(old, topics_of(config)), manifest["partition"]), fresh


def changed_parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[Part]:
    """Give the parts of the state that a change of the configuration makes begin afresh.

    Raises
    ------
    ConfigError
        The change gives records another meaning: it needs a new application name.
    """
    for key in ("name", "task"):
        if old[key] != new[key]:
            raise ConfigError(_refusal(key, old[key], new[key]))
    for key in _IDENTITY:
        before, now = old["input"].get(key), new["input"].get(key)
        if before != now:
            raise ConfigError(_refusal(f"[input] {key}", before, now))
    touched: dict[str, frozenset[Part]] = {
        "learner": frozenset({"learner"}),
        "seed": OBJECTS,
        "detectors": frozenset({"detectors"}),
        "scoring": frozenset({"scorer"}),
    }
    changed = [parts for key, parts in touched.items() if old.get(key) != new.get(key)]
    return frozenset[Part]().union(*changed)


def _refusal(key: str, before: Any, now: Any) -> str:
    return (
        f"{key} = {now!r}: the state that is there was made with {before!r}, and means something "
        f"else; set it back, or start anew under another application name"
    )
