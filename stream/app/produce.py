"""A history in files to the input topics: at full speed, at a rate, or as time went by."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stream.app.config import Config, load_config
from stream.app.connection import open_log
from stream.app.engine import open_events
from stream.app.source_checks import check_events, check_labels
from stream.app.stopping import Stop, on_signals
from stream.app.topics import topics_of
from stream.core.errors import ConfigError
from stream.edges.feed import Message, messages
from stream.edges.sources import in_order
from stream.edges.topics import TopicError, Topics, prepare
from stream.edges.transports.log import Log, LogError, Topic

_SHOW_EVERY = 1000
_FLUSH_EVERY = 50_000
_LEAST_WAIT = 0.005
_LONG_WAIT = 0.2


class Pace:
    """When the next record is due.

    Parameters
    ----------
    rate
        Records a second; None for as fast as possible.
    speed
        How many times faster than the records' own times; None likewise.
    """

    def __init__(
        self,
        rate: float | None,
        speed: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._speed = speed
        self._clock = clock
        self._started: float | None = None
        self._first = 0
        self._count = 0

    def wait(self, stamp: int) -> float:
        """Give the seconds until the record with this time (ms) is due; 0 when it is."""
        if self._started is None:
            self._started, self._first = self._clock(), stamp
        due = 0.0
        if self._rate is not None:
            due = self._count / self._rate
        elif self._speed is not None:
            due = (stamp - self._first) / 1000 / self._speed
        self._count += 1
        ahead = due - (self._clock() - self._started)
        return ahead if ahead >= _LEAST_WAIT else 0.0


class Production:
    """Writes the records of a history until its end or until asked to stop.

    Parameters
    ----------
    skip
        Records to leave out, because an earlier run has written them.
    on_progress
        Told now and then.

    Attributes
    ----------
    sent
        Records handed to the client, by stream.
    safe
        Records, those skipped included, of which it is known that the log has them.
    """

    def __init__(
        self,
        log: Log,
        history: Iterator[Message],
        pace: Pace,
        *,
        skip: int = 0,
        on_progress: Callable[["Production"], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._history = islice(history, skip, None)
        self._pace = pace
        self._on_progress = on_progress
        self._stopped = Stop()
        self.sent: Counter[str] = Counter()
        self._skipped = skip
        self.safe = skip

    @property
    def position(self) -> int:
        """How many records of the history have been taken, those skipped included."""
        return self._skipped + self.sent.total()

    def stop(self) -> None:
        """Ask to stop after the record at hand."""
        self._stopped.set()

    def run(self) -> bool:
        """Write until the end or until asked to stop; gives whether the end was met."""
        writer = self._log.writer()
        with closing(writer):
            for message in self._history:
                wait = self._pace.wait(message.time)
                if wait > _LONG_WAIT:
                    writer.flush()
                if (wait and self._stopped.wait(wait)) or self._stopped.is_set():
                    break
                writer.write(message.place, message.key, message.value, message.time)
                self.sent[message.stream] += 1
                if self.sent.total() % _FLUSH_EVERY == 0:
                    writer.flush()
                    self.safe = self.position
                if self.sent.total() % _SHOW_EVERY == 0 or wait:
                    self._on_progress(self)
            writer.flush()
            self.safe = self.position
        return not self._stopped.is_set()


def run_produce(
    config: Path,
    source: Path,
    *,
    labels: Path | None,
    rate: float | None,
    speed: float | None,
    skip: int,
) -> None:
    """Write a history to the input topics and say what was written."""
    loaded = load_config(config)
    _check(loaded, labels, rate, speed)
    opener = partial(open_events, loaded, source)
    _, head_bytes = check_events(loaded, source, opener, split=labels is None)
    label_opener = None if labels is None else partial(open_events, loaded, labels)
    if label_opener is not None and labels is not None:
        check_labels(loaded, labels, label_opener)
    topics = topics_of(loaded)
    with closing(open_log(loaded)) as log:
        there = _input_topics(log, loaded, topics)
        partitions = there[topics.events].partitions
        ordered = in_order(loaded.settings(), opener, label_opener, as_rows=True)
        history = messages(ordered, loaded.settings(), topics, partitions)
        total = round(source.stat().st_size / head_bytes) if _plain(source, head_bytes) else None
        with closing(ordered), _progress(total) as show:
            checked = _kept(history, there)
            production = Production(log, checked, Pace(rate, speed), skip=skip, on_progress=show)
            started = time.perf_counter()
            ended = _run(production)
        _tell(production, topics, time.perf_counter() - started, ended=ended)


def _run(production: Production) -> bool:
    on_signals(production.stop)
    try:
        return production.run()
    except LogError as error:
        raise LogError(
            f"{error}\nthe first {production.safe:,} records are in the log, of the next "
            f"{production.position - production.safe:,} perhaps some; go on with: "
            f"--skip {production.safe}"
        ) from error


def _tell(production: Production, topics: Topics, seconds: float, *, ended: bool) -> None:
    events, labels = production.sent["events"], production.sent["labels"]
    rate = (events + labels) / seconds if seconds else 0.0
    said = f"{events:,} events to {topics.events}"
    if labels:
        said += f", {labels:,} labels to {topics.labels or topics.events}"
    typer.echo(f"{said} in {seconds:.1f} s ({rate:,.0f}/s)")
    if not ended:
        typer.echo(
            f"stopped after {production.position:,} records, all of them in the log; the rest: "
            f"the same command with --skip {production.position}",
            err=True,
        )
        raise typer.Exit(1)


def _check(
    config: Config, labels: Path | None, rate: float | None, speed: float | None
) -> None:
    fields = config.input
    if rate is not None and speed is not None:
        raise ConfigError("--rate and --speed: give one of them")
    if speed is not None and fields.time is None:
        raise ConfigError("--speed: the input has no time; name its field in [input] time")
    if fields.id is None and labels is None and fields.label_time is not None:
        raise ConfigError(
            "on Kafka a label that comes later finds its event by id; name that field: "
            "[input] id = ..."
        )


def _input_topics(log: Log, config: Config, topics: Topics) -> dict[str, Topic]:
    kafka = config.kafka
    names: Sequence[str] = [topics.events, *([topics.labels] if topics.labels else [])]
    there = prepare(
        log, topics, names, kafka.partitions, kafka.replication, create=kafka.create_topics
    )
    for name, topic in there.items():
        if topic.settings.get("message.timestamp.type") == "LogAppendTime":
            raise TopicError(
                f"{name}: its records get the broker's time instead of their own; set "
                f"message.timestamp.type=CreateTime"
            )
    return there


def _kept(history: Iterator[Message], there: dict[str, Topic]) -> Iterator[Message]:
    """Refuse a history that the broker would delete for its age as soon as it has it."""
    oldest = {name: _oldest(topic) for name, topic in there.items()}
    for message in history:
        limit = oldest.pop(message.place.topic, None) if message.time else None
        if limit is not None and message.time < limit:
            raise TopicError(
                f"{message.place.topic}: keeps records for "
                f"{there[message.place.topic].settings['retention.ms']} ms by their own time, and "
                f"these are older, so that the broker would delete them; set retention.ms=-1"
            )
        yield message


def _oldest(topic: Topic) -> float | None:
    kept = int(topic.settings.get("retention.ms", -1))
    deletes = "delete" in topic.settings.get("cleanup.policy", "delete")
    return time.time() * 1000 - kept if kept >= 0 and deletes else None


def _plain(source: Path, head_bytes: float) -> bool:
    return bool(head_bytes) and source.suffix not in (".gz", ".zst", ".parquet")


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[Production], None]]:
    screen = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeRemainingColumn(compact=True),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    started = time.perf_counter()
    with bar:
        task = bar.add_task("writing", total=total)

        def show(production: Production) -> None:
            events, labels = production.sent["events"], production.sent["labels"]
            rate = (events + labels) / (time.perf_counter() - started)
            said = f"{events:,} events  {labels:,} labels  {rate:,.0f}/s"
            bar.update(task, completed=events, description=said)

        yield show
