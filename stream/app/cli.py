"""The command line: each command a thin layer over `engine`, errors as one readable message."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from stream.app.arguments import ConfigFile, Number, RunPlace
from stream.app.cli_export import export
from stream.app.cli_models import models, retrain
from stream.app.compiled import is_compiled, stale
from stream.core.errors import DriftlineError

# What a command needs is imported when it runs: River takes seconds, `--help` must not.

app = typer.Typer(
    name="driftline",
    help="Streaming online learning with honest scores: predict, join late labels, score, "
    "notice drift, checkpoint, replay.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
checkpoints = typer.Typer(
    help="List, show, verify and compare checkpoints; go back to one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(checkpoints, name="checkpoints")
app.add_typer(models, name="models")
app.add_typer(export, name="export")

Broken = Literal["units", "rename", "concept", "missing", "labels"]


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"driftline {version('driftline')}, {'' if is_compiled() else 'not '}compiled")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Tell which.")
    ] = False,
) -> None:
    """Streaming online learning with honest scores."""
    del show_version  # it was told by then
    if debug:
        os.environ["DRIFTLINE_DEBUG"] = "1"
    if changed := stale():
        more = f" and {len(changed) - 1} more" * (len(changed) > 1)
        typer.echo(
            f"driftline: {changed[0]}{more} changed since it was compiled, and what runs is the "
            f"old one: make setup",
            err=True,
        )


@app.command(epilog="Example: driftline demo --rows 50000 --out out/demo")
def demo(
    rows: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many flights.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the outputs go.")] = Path("out/demo"),
    broken: Annotated[
        Broken | None, typer.Option("--break", help="Break the flights in July in this way.")
    ] = None,
) -> None:
    """Stream a year of real flights through a learner: predict at departure, score at landing."""
    from stream.app.demo import run_demo

    run_demo(out, rows, broken)


@app.command(epilog="Example: driftline init flights.csv -o app.toml")
def init(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="CSV, JSON Lines or Parquet.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.")
    ] = Path("app.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write a commented configuration for a data file, with its fields and their kinds."""
    from stream.app.init import write_config

    write_config(data, output, force=force)


@app.command(epilog="Example: driftline check app.toml flights.csv")
def check(
    config: ConfigFile,
    source: Annotated[
        Path | None, typer.Argument(metavar="SOURCE", help="A file to hold it against.")
    ] = None,
) -> None:
    """Validate a configuration and show the plan: learner, detectors, contract, store."""
    from stream.app.config import load_config
    from stream.app.plan import show_plan

    show_plan(load_config(config), source)


@app.command(
    epilog="Example: driftline replay app.toml flights.csv --out out/flights; of the real topics: "
    "driftline replay app.toml kafka --from 2013-07-01 --out out/july; one prediction again: "
    "driftline replay app.toml kafka --event UA1545-20130101"
)
def replay(
    config: ConfigFile,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="CSV, JSON Lines or Parquet (.gz, .zst); or kafka, the topics."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Where the outputs go.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="The labels, when they lie in a file of their own.")
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(help="Control records, each with the event \"at\" which it is taken."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Replace what is in the output folder.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Serve Prometheus metrics; 0 takes any free port."),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", help="kafka: earliest, a time, an offset of events, or a checkpoint's id."
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="kafka: latest, a time, or an offset of events.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, help="kafka: which partition, where there are several.")
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(help="kafka: make the prediction for this event id again, and compare."),
    ] = None,
) -> None:
    """Fold a file, or a range of the real topics. Goes on where it was stopped."""
    if str(source) == "kafka":
        if control is not None:
            raise typer.BadParameter("the topics have their own control records")
        from stream.app.replay_log import run_replay_log, run_time_travel

        if event is not None:
            return run_time_travel(config, event, begin=begin, number=partition)
        return run_replay_log(
            config, _required(out), begin=begin or "earliest", end=end or "latest",
            number=partition, fresh=fresh,
        )  # fmt: skip
    if any(given is not None for given in (begin, end, partition, event)):
        raise typer.BadParameter("--from, --to, --partition and --event are for SOURCE kafka")
    from stream.app.replay import run_replay

    return run_replay(
        config, source, _required(out), labels=labels, control=control, fresh=fresh,
        metrics_port=metrics_port,
    )  # fmt: skip


def _required(out: Path | None) -> Path:
    if out is None:
        raise typer.BadParameter("say where the outputs go", param_hint="--out")
    return out


@app.command(
    epilog="Example: driftline compare flights-2012.csv flights-2013.csv --config app.toml; "
    "exits with 0 (alike), 1 (they differ) or 2 (wrong use, or one cannot be read)"
)
def compare(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="CSV, JSON Lines or Parquet (.gz, .zst).")
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="What is compared with it.")],
    config: Annotated[
        Path | None, typer.Option(help="Names the fields that are no values, and their kinds.")
    ] = None,
    bar: Annotated[float, typer.Option(min=0.001, help="PSI from which on a field differs.")] = 0.1,
    json: Annotated[bool, typer.Option("--json", help="One JSON object in place of it.")] = False,
) -> None:
    """Compare two files: before and after a transformation, or last year and this year."""
    from stream.app.compare import run_compare

    if run_compare(first, second, config, bar, json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: driftline produce app.toml flights.csv --speed 3600")
def produce(
    config: ConfigFile,
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="CSV, JSON Lines or Parquet (.gz, .zst).")
    ],
    labels: Annotated[
        Path | None, typer.Option(help="The labels, when they lie in a file of their own.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Records a second.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Times faster than it happened.")
    ] = None,
    skip: Annotated[
        int, typer.Option(min=0, help="Records that an earlier run has written already.")
    ] = 0,
) -> None:
    """Write a history to the input topics of Kafka, each label at the time it became known."""
    from stream.app.produce import run_produce

    run_produce(config, source, labels=labels, rate=rate, speed=speed, skip=skip)


@app.command(epilog="Example: driftline report out/demo")
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The output folder of a run.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The page; DIR/report.html if not given.")
    ] = None,
) -> None:
    """Write one page about a run: scores, alarms, drift, labels. It needs no network."""
    from stream.app.report import write_report

    write_report(folder, output)


@app.command(epilog="Example: driftline watch out/demo")
def watch(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|DIR", help="The configuration of the service, or an output folder."
        ),
    ],
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
) -> None:
    """Watch scores, alarms, labels and lag while they come; in a pipe, a line for each report."""
    from stream.app.watch import run_watch

    run_watch(target, once=once)


@app.command(epilog="Example: driftline run app.toml --workers 2")
def run(
    config: ConfigFile,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the partitions.")
    ] = 1,
) -> None:
    """Serve on Kafka: events and labels in; predictions, metrics, alarms and checkpoints out."""
    from stream.app.run import run_service

    run_service(config, workers)


app.command(epilog="Example: driftline retrain app.toml --how fresh --window 5000")(retrain)


Checkpoint = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="Its id, or the first digits of it.")
]


@checkpoints.command("list", epilog="Example: driftline checkpoints list out/demo")
def list_checkpoints(place: RunPlace, partition: Number = None) -> None:
    """List the checkpoints of a run, oldest first, with their lineage."""
    from stream.app.checkpoints import list_all

    list_all(place, partition)


@checkpoints.command(epilog="Example: driftline checkpoints show out/demo 3f9a")
def show(place: RunPlace, checkpoint: Checkpoint, partition: Number = None) -> None:
    """Show what one checkpoint holds: position, books, scores, learner."""
    from stream.app.checkpoints import show_one

    show_one(place, checkpoint, partition)


@checkpoints.command(epilog="Example: driftline checkpoints verify out/demo")
def verify(place: RunPlace, partition: Number = None) -> None:
    """Check signatures, contents and digests of all checkpoints that are kept."""
    from stream.app.checkpoints import verify_all

    verify_all(place, partition)


@checkpoints.command(epilog="Example: driftline checkpoints diff out/demo 3f9a 81c2")
def diff(
    place: RunPlace, first: Checkpoint, second: Checkpoint, partition: Number = None
) -> None:
    """Show in what two checkpoints differ."""
    from stream.app.checkpoints import show_difference

    show_difference(place, first, second, partition)


@checkpoints.command(epilog="Example: driftline checkpoints rollback app.toml 3f9a51c2")
def rollback(config: ConfigFile, checkpoint: Checkpoint, partition: Number = None) -> None:
    """Have a service go on with the learner of an earlier checkpoint, from its next record on."""
    from stream.app.checkpoints import roll_back

    roll_back(config, checkpoint, partition)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits 0, 1 (failed) or 2 (wrong use)."""
    try:
        app(args=arguments, prog_name="driftline")
    except DriftlineError as error:
        if os.environ.get("DRIFTLINE_DEBUG"):
            raise
        typer.echo(f"driftline: {error}", err=True)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
