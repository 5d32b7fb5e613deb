"""Looking at models: which there were, why, what became of them, and what they cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.table import Table

from stream.app.config import load_config
from stream.app.console import console
from stream.app.lives import Life, Lives, amounts, cause_of
from stream.app.stretch import opened
from stream.core.errors import ConfigError, OutputError
from stream.edges.transports.directory import read_commit, read_records
from stream.state.blob import Manifest

COLUMNS = (
    "version", "state", "how", "parent", "started", "cause", "labels", "outcome",
    "errors avoided", "cost",
)  # fmt: skip


class _Run(NamedTuple):
    """What an output folder, or a partition of a service, tells of its models."""

    lives: Lives
    manifests: list[Manifest]


def list_all(place: Path, number: int | None = None) -> None:
    """List the models of a run, oldest first."""
    lives = _open(place, number).lives
    screen = console()
    count = len(list(lives))
    title = f"{count} model{'s' * (count != 1)}; served is {lives.champion}"
    table = Table(title=title)
    right = ("labels", "errors avoided")
    for column in COLUMNS:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        heading = column.replace(" ", "\n")
        table.add_column(heading, justify=justify, no_wrap=column != "cause")
    for life in lives:
        table.add_row(*row_of(life))
    screen.print(table)
    if lives.missing:
        screen.print(f"the first {lives.missing:,} records of models are gone by retention")
    screen.print(totals(lives))


def row_of(life: Life) -> list[str]:
    """Give what is known of a model in the columns of a table."""
    first, avoided = life.first, life.avoided
    if first is None:
        how, parent, started, cause = "-", "-", "the start" if life.version == "v1" else "-", "-"
    else:
        how, parent = first["how"] or "-", first["parent"] or "-"
        started, cause = when(first["time"]), cause_of(first)
    return [
        life.version, life.state, how, parent, started, cause,
        "-" if life.labels is None else f"{life.labels:,}",
        life.outcome or "-",
        "-" if avoided is None else f"{avoided:+,.0f}",
        amounts(life.cost) or "-",
    ]  # fmt: skip


def totals(lives: Lives) -> str:
    """Say how often what happened, and what all of it cost and gained."""
    events = ", ".join(f"{event} {n:,}" for event, n in lives.events.items())
    cost: dict[str, float] = {}
    for life in lives:
        for name, amount in life.cost.items():
            cost[name] = cost.get(name, 0) + amount
    avoided = sum(life.avoided or 0.0 for life in lives)
    return (
        f"{events or 'nothing happened to the first model'}; errors avoided {avoided:+,.0f}, "
        f"cost {amounts(cost) or 'nothing'}"
    )


def show_one(place: Path, version: str, number: int | None = None) -> None:
    """Show the whole life of a model.

    Raises
    ------
    ConfigError
        There was no such model.
    """
    run = _open(place, number)
    life = run.lives.get(version)
    if life is None:
        there = ", ".join(each.version for each in run.lives)
        raise ConfigError(f"no model {version}; there are {there}")
    screen = console()
    screen.print(_facts(run, life))
    for record in life.records:
        screen.print(_told(record))


def _facts(run: _Run, life: Life) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("model", f"{life.version}, {life.state}")
    table.add_row("lineage", " <- ".join(map(_made, run.lives.lineage(life.version))))
    for name, value in zip(COLUMNS[2:], row_of(life)[2:], strict=True):
        table.add_row(name, value)
    if life.first is not None:
        table.add_row("window", _words(life.first["window"] or {}) or "-")
    named = [m for m in run.manifests if m["model"] == life.version]
    for manifest in named:
        place = f"{manifest['reason']} at {_words(manifest['position'])}"
        table.add_row("checkpoint", f"{manifest['checkpoint'][:12]} {place}")
    if not named:
        table.add_row("checkpoint", "none that is announced names it")
    return table


def _made(life: Life) -> str:
    first = life.first
    if first is None:
        return f"{life.version} (from the start)" if life.version == "v1" else life.version
    return f"{life.version} ({first['how']})"


def _told(record: Mapping[str, Any]) -> Table:
    title = f"{record['seq']}. {record['event']} at {when(record['time'])}"
    table = Table(
        show_header=False, box=None, pad_edge=False, title_justify="left", title=title
    )
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("position", _words(record["position"]))
    table.add_row("cause", _words(record["cause"]) or "-")
    for key in ("evidence", "cost", "gain"):
        if record[key]:
            table.add_row(key, _words(record[key]))
    return table


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value:,}" if type(value) is int else f"{key} {value}"
                     for key, value in values.items())  # fmt: skip


def when(time: Any) -> str:
    """Write an event time to the minute, or as the number it is."""
    text = str(time)
    return text[:16].replace("T", " ") if "-" in text[1:] else text


def _open(place: Path, number: int | None) -> _Run:
    if place.is_file():
        with opened(load_config(place), number) as stretch:
            records = stretch.values(stretch.topics.models)
            return _Run(Lives(records), stretch.manifests())
    if not place.is_dir() or read_commit(place) is None:
        raise OutputError(
            f"{place}: holds no run; give the folder that was --out of `driftline replay`, or the "
            f"configuration of a service"
        )
    return _Run(Lives(read_records(place, "models")), read_records(place, "checkpoints"))
