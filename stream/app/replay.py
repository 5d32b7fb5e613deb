"""The embedded run as a person meets it: progress, signals, the table at the end."""

import sys
from pathlib import Path

import typer

from stream.app.config import load_config
from stream.app.engine import FileRun, FolderRun
from stream.app.exporter import FileExporter
from stream.app.progress import Progress
from stream.app.stopping import on_signals
from stream.app.tables import show_summary
from stream.edges.worker import Worker


def run_replay(
    config: Path,
    source: Path,
    out: Path,
    *,
    labels: Path | None,
    control: Path | None,
    fresh: bool,
    metrics_port: int | None = None,
) -> None:
    """Fold a file into an output folder, going on where an earlier run was stopped."""
    sys.path.insert(0, str(config.resolve().parent))  # where a factory of the user's lies
    loaded = load_config(config)
    with Progress(source) as progress, FileExporter(loaded, metrics_port) as exporter:
        if exporter.address is not None:
            host, port = exporter.address
            typer.echo(f"metrics at http://{host}:{port}/metrics", err=True)

        def on_commit(worker: Worker) -> bool:
            exporter.update(worker)
            return progress.update(worker)

        run = FileRun(
            loaded, source, out, labels=labels, control=control, fresh=fresh, on_commit=on_commit
        )
        progress.begin(run)
        stop_on_signals(run)
        summary = run.run()
    if summary is None:
        typer.echo(
            f"stopped at {run.worker.records} records, all of it saved; "
            f"the same command goes on from here",
            err=True,
        )
        raise typer.Exit(1)
    if run.finished_before:
        typer.echo(f"{out} holds this run already, complete; --fresh runs it again", err=True)
    show_summary(summary, out)


def stop_on_signals(run: FolderRun) -> None:
    """Let Ctrl-C and SIGTERM end the run after the records at hand, with a checkpoint."""
    on_signals(run.worker.stop)
