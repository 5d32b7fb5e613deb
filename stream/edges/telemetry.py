"""What Prometheus is told: fed by plain calls at commits, never per event.

Totals are those of the state, so they survive a take-over; see `families`. Durations are of
this process.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from stream.core.partition import Partition
from stream.edges.families import FAMILIES, Family, Snapshot

_BEFORE = ("application", "partition")
_COMMIT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CHECKPOINT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_MAKING = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class Telemetry:
    """The metrics of one process of one application.

    All methods may be called from any thread; they take microseconds. What is told of a
    partition that is not owned at that moment is not shown.

    Parameters
    ----------
    registry
        Where the collectors are registered; one for each `Telemetry`.
    application
        Its name, the label `application` of every metric.
    info
        What is said of the build and the configuration, as labels of ``driftline_info``.
    stalled_after
        Seconds without `beat` after which the process no longer counts as healthy.
    monotonic, wall
        Clocks in seconds.

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> telemetry = Telemetry(registry, "flights")
    >>> telemetry.owned({0}, live={0})
    >>> telemetry.observe(0, None, {"events": 12, "dead": {"bad_json": 2}})
    >>> labels = {"application": "flights", "partition": "0"}
    >>> registry.get_sample_value("driftline_events_total", labels)
    12
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        application: str,
        *,
        info: Mapping[str, str] | None = None,
        stalled_after: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.registry = registry
        self.application = application
        self._info = {"application": application, **(info or {})}
        self._stalled_after = stalled_after
        self._monotonic = monotonic
        self._wall = wall
        self._lock = Lock()
        self._snapshots: dict[int, Snapshot] = {}
        self._assigned = False
        self._taken = 0
        self._beaten = monotonic()
        self._turned: float | None = None
        self._commits = Histogram(
            "driftline_commit_seconds", "How long commits took", _BEFORE,
            registry=registry, buckets=_COMMIT,
        )  # fmt: skip
        self._checkpoints = Histogram(
            "driftline_checkpoint_seconds", "How long checkpoints took to make and write", _BEFORE,
            registry=registry, buckets=_CHECKPOINT,
        )  # fmt: skip
        self._making = Histogram(
            "driftline_model_making_seconds", "Processor time of models made beside the stream",
            _BEFORE, registry=registry, buckets=_MAKING,
        )  # fmt: skip
        registry.register(_Collector(self.collect))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def owned(self, partitions: Iterable[int], live: Iterable[int]) -> None:
        """Say which partitions this process owns, and which of them predict already."""
        owned, ready = set(partitions), set(live)
        with self._lock:
            gone, new = self._snapshots.keys() - owned, owned - self._snapshots.keys()
            self._taken += len(new)
            self._assigned = True
            for partition in owned:
                self._snapshots.setdefault(partition, Snapshot()).live = partition in ready
        for partition in gone:
            self.lost(partition)

    def lost(self, partition: int) -> None:
        """Show nothing more of a partition: its new owner does."""
        with self._lock:
            self._snapshots.pop(partition, None)
            for histogram in (self._commits, self._checkpoints, self._making):
                histogram.remove(*self._labels(partition))

    def observe(
        self, partition: int, report: Mapping[str, Any] | None, counts: Mapping[str, Any]
    ) -> None:
        """Show the state of a partition as of a commit; notes when there are more alarms.

        Parameters
        ----------
        report
            The last report (a record of the metrics topic); None keeps the one before.
        counts
            Totals of the state; `counts_of` gives them.
        """
        with self._lock:
            snapshot = self._of(partition)
            before = snapshot.counts.get("alarms")
            if before is not None:
                for kind, total in counts.get("alarms", {}).items():
                    if total > before.get(kind, 0):
                        snapshot.alarmed[kind] = self._wall()
            snapshot.counts = counts
            if report is not None:
                snapshot.report = report

    def commit(self, partition: int, seconds: float) -> None:
        """Count a commit that took so long."""
        with self._lock:
            if partition in self._snapshots:
                self._snapshots[partition].committed = self._wall()
                self._commits.labels(*self._labels(partition)).observe(seconds)

    def checkpoint(self, partition: int, seconds: float, size: int) -> None:
        """Count a checkpoint that took so long and has so many bytes."""
        with self._lock:
            if partition in self._snapshots:
                self._snapshots[partition].checkpoint_bytes = size
                self._checkpoints.labels(*self._labels(partition)).observe(seconds)

    def made(self, partition: int, seconds: float) -> None:
        """Count a model that was made beside the stream in so much processor time."""
        with self._lock:
            if partition in self._snapshots:
                self._making.labels(*self._labels(partition)).observe(seconds)

    def lag(self, partition: int, stream: str, records: int) -> None:
        """Show how many records of an input are still to be read."""
        with self._lock:
            self._of(partition).lag[stream] = records

    def alarm(self, partition: int, kind: str) -> None:
        """Note that an alarm was raised just now; how many there were is in the counts."""
        with self._lock:
            self._of(partition).alarmed[kind] = self._wall()

    def beat(self) -> None:
        """Say that the loop turns."""
        self._beaten = self._monotonic()
        self._turned = self._wall()

    @property
    def stalled_for(self) -> float:
        """Seconds since the loop last turned, or since the start."""
        return self._monotonic() - self._beaten

    @property
    def healthy(self) -> bool:
        """Whether the loop has turned lately."""
        return self.stalled_for <= self._stalled_after

    @property
    def waiting(self) -> list[int] | None:
        """Owned partitions that are not live yet; None before the first assignment."""
        with self._lock:
            if not self._assigned:
                return None
            return sorted(n for n, each in self._snapshots.items() if not each.live)

    @property
    def ready(self) -> bool:
        """Whether all owned partitions are live; a process that owns none stands by, ready."""
        return self.waiting == []

    def collect(self) -> Iterator[Metric]:
        """Give all families with the values of this moment."""
        yield _constant("driftline_info", "Versions and configuration; always 1", self._info)
        own = {"application": self.application}
        taken = CounterMetricFamily(
            "driftline_takeovers", "Partitions that this process has taken over", labels=list(own)
        )
        taken.add_metric(list(own.values()), self._taken)
        yield taken
        if self._turned is not None:
            turned = GaugeMetricFamily(
                "driftline_last_turn_timestamp_seconds", "When the loop last turned (wall clock)",
                labels=list(own),
            )  # fmt: skip
            turned.add_metric(list(own.values()), self._turned)
            yield turned
        with self._lock:
            yield from [self._metric(family) for family in FAMILIES]

    def _metric(self, family: Family) -> Metric:
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = kind(
            family.name.removesuffix("_total"), family.help, labels=[*_BEFORE, *family.labels]
        )
        for partition, snapshot in sorted(self._snapshots.items()):
            before = self._labels(partition)
            for values, number in family.samples(snapshot):
                metric.add_metric([*before, *values], number)
        return metric

    def _of(self, partition: int) -> Snapshot:
        return self._snapshots.get(partition) or Snapshot()

    def _labels(self, partition: int) -> tuple[str, str]:
        return self.application, str(partition)


class _Collector:
    """A registry asks a collector for its families when it is registered, and at every scrape."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self.collect = collect


def _constant(name: str, help_: str, labels: Mapping[str, str]) -> Metric:
    metric = GaugeMetricFamily(name, help_, labels=list(labels))
    metric.add_metric(list(labels.values()), 1)
    return metric


def counts_of(partition: Partition) -> dict[str, Any]:
    """Give the totals of a partition's state that `Telemetry.observe` shows."""
    return {
        **partition.counts.state(),
        "pending": len(partition.pending),
        "early_labels": len(partition.early),
        "alarms": dict(partition.response.alarms),
        "suppressed": dict(partition.response.suppressed),
        "model": partition.model,
        **{f"shadow_{name}": value for name, value in partition.training.spent().items()},
    }
