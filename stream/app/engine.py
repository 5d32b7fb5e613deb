"""From a configuration to a run: the pieces put together, on files or in memory."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from detectors.build import build_detector
from learners.batch import is_batch, rehearsed
from learners.build import Learner, LearnerError, build_learner, wrap
from stream.app.adoption import adopted
from stream.app.config import Config, parse_config
from stream.app.source_checks import check_events, check_labels
from stream.app.summary import Summary, summarise
from stream.core.errors import ConfigError
from stream.core.partition import Partition
from stream.core.parts import Parts
from stream.core.records import Alarm, DeadLetter, Fault, Metrics, ModelRecord, Prediction, Record
from stream.edges.controls import ControlledSource, read_controls
from stream.edges.failpoints import reach
from stream.edges.keeper import Pace
from stream.edges.readers import RowReader, fingerprint, open_rows
from stream.edges.sources import in_order
from stream.edges.transports.base import Source
from stream.edges.transports.directory import DirectorySink, write_atomically
from stream.edges.transports.memory import MemorySink, MemorySource
from stream.edges.worker import Worker
from stream.state.blob import Context
from stream.state.keys import find_key
from stream.state.pickling import AllowList, allow_list_of
from stream.state.store import CheckpointStore


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay in memory.

    Attributes
    ----------
    model
        The plain estimator as it is after the last record.
    """

    predictions: list[Prediction]
    metrics: list[Metrics]
    alarms: list[Alarm]
    models: list[ModelRecord]
    dead_letters: list[DeadLetter]
    summary: Summary
    model: object


def parts_of(config: Config) -> Parts:
    """Give the makers of the learner and the detectors that a configuration names."""
    return Parts(
        fresh_learner=partial(_fresh_learner, config),
        fresh_detectors=lambda: [build_detector(each, config.seed) for each in config.detectors],
        wrap=lambda estimator: wrap(estimator, config.task, config.learner.classes),
    )


def _fresh_learner(config: Config) -> Learner:
    learner = config.learner
    try:
        built = build_learner(
            task=config.task,
            class_=learner.class_,
            params=learner.params,
            steps=[step.model_dump(by_alias=True) for step in learner.steps],
            factory=learner.factory,
            seed=config.seed,
            classes=learner.classes,
        )
    except LearnerError as error:
        raise ConfigError(f"[learner] {error.key}: {error}") from error
    if is_batch(built.estimator) and not _refits(config):
        raise ConfigError(
            f"[learner] class = {learner.class_ or learner.factory!r}: learns in batches only; "
            f"say when and on what, such as [training] window = "
            f'{{ policy = "fixed", size = 5000 }} and [[training.triggers]] every = 5000'
        )
    return built


def _refits(config: Config) -> bool:
    """Whether something begins by itself, and on labelled events."""
    training = config.training
    windows = [each.window or training.window for each in training.triggers]
    return any(window.policy != "none" for window in windows)


def allowed_of(config: Config) -> AllowList:
    """Give what may be unpickled from checkpoints of this configuration."""
    parts = parts_of(config)
    estimator = parts.fresh_learner().estimator
    fitted = [rehearsed(estimator)] if is_batch(estimator) else []
    return allow_list_of(estimator, *fitted, *parts.fresh_detectors())


def replay(
    config: Config | Mapping[str, Any],
    events: Iterable[Mapping[str, Any] | bytes | str],
    labels: Iterable[Mapping[str, Any] | bytes | str] | None = None,
) -> Replay:
    """Fold a history in memory, as the service would have.

    Parameters
    ----------
    config
        A configuration, or its tables.
    events
        One mapping (or encoded JSON object) for each event, in order.
    labels
        Label records, when they do not come inside the events.

    Examples
    --------
    >>> from stream import replay
    >>> config = {"task": "binary", "input": {"label": "late"}}
    >>> run = replay(config, [{"delay": d, "late": d > 10} for d in range(20)] * 50)
    >>> run.metrics[-1]["cumulative"]["Accuracy"] > 0.9
    True
    """
    config = _config(config)
    settings = config.settings()
    started = time.perf_counter()
    sink = MemorySink()
    worker = Worker(
        build=partial(Partition, settings, parts_of(config)),
        source=MemorySource(settings, events, labels),
        sink=sink,
        store=None,
        context=context_of(config),
        allowed=allowed_of(config),
        pace=pace_of(config),
    )
    worker.run()
    out = sink.outputs
    summary = summarise(config, worker.partition, 0, time.perf_counter() - started)
    return Replay(
        out.predictions,
        out.metrics,
        out.alarms,
        out.models,
        out.dead_letters,
        summary,
        worker.partition.learner.estimator,
    )


class FolderRun:
    """An ordered history, folded into an output folder.

    Parameters
    ----------
    config
        What to do with it.
    out
        The output folder; an interrupted run there is gone on with.
    identity
        What the run is of; a folder that holds another is refused.
    source
        The history.
    build
        Makes the partition as it is before the first record.
    fresh
        Whether to replace what is there.
    on_commit
        Told after each commit; may ask to stop by returning True.
    adopt
        Finds the estimator that a control record names; if not given, among the checkpoints of
        the run itself.
    number
        The partition that `build` makes.

    Attributes
    ----------
    finished_before
        Whether an earlier run has come to the end already.
    """

    def __init__(
        self,
        config: Config,
        out: Path,
        identity: dict[str, Any],
        source: Source,
        build: Callable[[], Partition],
        *,
        fresh: bool = False,
        on_commit: Callable[[Worker], bool] = lambda _: False,
        adopt: Callable[[Record], object | Fault] | None = None,
        number: int = 0,
    ) -> None:
        self.config = config
        self.out = out
        self.source = source
        url = store_url(config, out)
        with ExitStack() as opened:
            opened.callback(source.close)
            self._sink = DirectorySink(out, identity, url)
            opened.callback(self._sink.close)
            if fresh:
                self._sink.clear()
                (out / "summary.json").unlink(missing_ok=True)
            store = CheckpointStore(url, number, find_key(url, create=True), step=reach)
            if fresh:
                store.clear()
            self.worker = Worker(
                build=build,
                source=source,
                sink=self._sink,
                store=store,
                context=context_of(config),
                allowed=allowed_of(config),
                pace=pace_of(config),
                on_commit=on_commit,
                adopt=adopt or partial(
                    adopted, store, partial(allowed_of, config), self._sink.manifests
                ),
            )
            self._opened = opened.pop_all()
        self.finished_before = self.worker.committed.finished

    def run(self) -> Summary | None:
        """Go on to the end and write ``summary.json``; None when asked to stop before it."""
        started = time.perf_counter()
        before = self.worker.committed.records
        with self._opened:
            if not self.worker.run():
                return None
            path = self.out / "summary.json"
            if self.finished_before and path.exists():
                earlier: Summary = orjson.loads(path.read_bytes())
                return earlier
            summary = summarise(
                self.config,
                self.worker.partition,
                len(self._sink.manifests()),
                time.perf_counter() - started,
                before,
            )
            write_atomically(path, orjson.dumps(summary, option=orjson.OPT_INDENT_2))
            return summary


class FileRun(FolderRun):
    """A history in files, folded into an output folder.

    Parameters
    ----------
    config
        What to do with it.
    source, labels
        The events, and the labels when they lie in a file of their own.
    out
        The output folder; an interrupted run there is gone on with.
    control
        Control records, each with the event before which it is taken.
    fresh
        Whether to replace what is there.
    on_commit
        Told after each commit; may ask to stop by returning True.

    Raises
    ------
    SourceError, ConfigError, OutputError, CheckpointError
        When a file, column, folder or checkpoint is not what it has to be.
    """

    def __init__(
        self,
        config: Config,
        source: Path,
        out: Path,
        *,
        labels: Path | None = None,
        control: Path | None = None,
        fresh: bool = False,
        on_commit: Callable[[Worker], bool] = lambda _: False,
    ) -> None:
        opener = partial(open_events, config, source)
        self.types, self.head_bytes = check_events(config, source, opener, split=labels is None)
        self.settings = replace(config.settings(), types=self.types)
        label_opener = None if labels is None else partial(open_events, config, labels)
        if label_opener is not None and labels is not None:
            check_labels(config, labels, label_opener)
        controls = None if control is None else read_controls(control)
        identity = {
            "config": config.digest,
            "source": fingerprint(source),
            "labels": None if labels is None else fingerprint(labels),
            "control": None if control is None else fingerprint(control),
        }
        source_of_both = in_order(self.settings, opener, label_opener)
        super().__init__(
            config,
            out,
            identity,
            ControlledSource(source_of_both, controls) if controls else source_of_both,
            partial(Partition, self.settings, parts_of(config)),
            fresh=fresh,
            on_commit=on_commit,
        )


def replay_files(
    config: Config | Mapping[str, Any],
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    control: str | os.PathLike[str] | None = None,
    fresh: bool = False,
) -> Summary:
    """Fold a history in files into an output folder, going on where an earlier run stopped.

    Parameters
    ----------
    config
        A configuration, or its tables.
    source, labels
        The events, and the labels when they lie in a file of their own.
    out
        The output folder.
    control
        Control records, each with the event before which it is taken.
    fresh
        Whether to replace what is there.
    """
    run = FileRun(
        _config(config),
        Path(source),
        Path(out),
        labels=None if labels is None else Path(labels),
        control=None if control is None else Path(control),
        fresh=fresh,
    )
    summary = run.run()
    assert summary is not None, "nobody asked it to stop"
    return summary


def open_events(config: Config, path: Path) -> RowReader:
    """Open a file of events, or of labels, as the configuration says."""
    fields = config.input
    text = [name for name in (fields.id, fields.time, fields.label_time) if name]
    return open_rows(
        path, types=config.types, missing=fields.missing, max_line=fields.max_record, text=text
    )


def store_url(config: Config, out: Path) -> str:
    """Where the checkpoints of a run on files go: a relative path lies inside its folder."""
    url = config.checkpoints.url
    if "://" in url:
        return url
    return os.path.normpath(out / Path(url).expanduser())


def _config(config: Config | Mapping[str, Any]) -> Config:
    return config if isinstance(config, Config) else parse_config(config)


def context_of(config: Config) -> Context:
    """Give what checkpoints say of where they come from."""
    tables = config.to_dict()
    tables.pop("kafka", None)  # may hold secrets, and says nothing of the state
    return Context(config.name, tables, config.digest)


def pace_of(config: Config) -> Pace:
    """Give how much is done at once in a run on files."""
    return Pace(
        chunk=config.files.chunk,
        checkpoint_every=config.checkpoints.every,
        keep=config.checkpoints.keep,
        commit_every=float(config.files.commit_every),
        learn_failures=config.limits.learn_failures,
    )
