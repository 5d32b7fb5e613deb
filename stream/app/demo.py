"""The demo: a year of flights, start to end, with nothing but this package."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stream.app.config import load_config
from stream.app.console import console
from stream.app.engine import FileRun
from stream.app.flights import CONFIG, write_flights
from stream.app.progress import Progress
from stream.app.replay import stop_on_signals
from stream.app.tables import show_summary
from stream.core.errors import OutputError
from stream.edges.transports.directory import INPUT_FOLDER, read_records

_MOST_ALARMS = 12


def run_demo(out: Path, rows: int | None) -> None:
    """Write the flights and their configuration, fold them, and show what came of it."""
    screen = console()
    data, config_path = _prepare(out, rows)
    screen.print(
        f"{data}: flights out of New York City in 2013, predicted at departure, "
        f"scored when they land"
    )
    config = load_config(config_path)
    with Progress(data) as progress:
        run = FileRun(config, data, out, fresh=True, on_commit=progress.update)
        progress.begin(run)
        stop_on_signals(run)
        summary = run.run()
    if summary is None:
        raise OutputError("the demo was stopped; run it again for the rest")
    show_summary(summary, out)
    _show_alarms(screen, out)
    screen.print(
        f"\nnext: head -3 {out}/alarms.jsonl\n"
        f"      driftline checkpoints list {out}\n"
        f"      driftline init YOUR.csv -o app.toml\n"
        f"      driftline replay app.toml YOUR.csv --out out/mine"
    )


def _prepare(out: Path, rows: int | None) -> tuple[Path, Path]:
    try:
        folder = out / INPUT_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        data, config = folder / "flights.csv", folder / "app.toml"
        write_flights(data, rows)
        config.write_text(CONFIG)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}") from error
    return data, config


def _show_alarms(screen: Console, out: Path) -> None:
    alarms = read_records(out, "alarms")
    if not alarms:
        return
    table = Table(title=f"{len(alarms)} alarms" + (
        f", the first {_MOST_ALARMS}" if len(alarms) > _MOST_ALARMS else ""
    ))
    for column in ("when", "kind", "detector", "error before", "after", "checkpoint"):
        table.add_column(column)
    for alarm in alarms[:_MOST_ALARMS]:
        evidence = alarm["evidence"]
        table.add_row(
            str(alarm["time"])[:16].replace("T", " "),
            alarm["kind"],
            alarm["detector"],
            f"{evidence['before']:.3f}",
            f"{evidence['after']:.3f}",
            alarm["checkpoint"][:12],
        )
    screen.print(table)
