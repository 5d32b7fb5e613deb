"""The demo: a year of flights, start to end, with nothing but this package."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stream.app.breaks import BREAKS, BROKEN_FROM
from stream.app.config import load_config
from stream.app.console import console
from stream.app.engine import FileRun
from stream.app.flights import CONFIG, write_broken_flights, write_flights
from stream.app.progress import Progress
from stream.app.replay import stop_on_signals
from stream.app.tables import show_summary
from stream.core.errors import OutputError
from stream.edges.transports.directory import INPUT_FOLDER, read_records

_MOST_ALARMS = 12


def run_demo(out: Path, rows: int | None, broken: str | None = None) -> None:
    """Write the flights and their configuration, fold them, and show what came of it."""
    screen = console()
    data, config_path = _prepare(out, rows, broken)
    screen.print(
        f"{data}: flights out of New York City in 2013, predicted at departure, "
        f"scored when they land"
    )
    if broken is not None:
        screen.print(f"from {BROKEN_FROM} on, {BREAKS[broken].says}")
    config = load_config(config_path)
    with Progress(data) as progress:
        run = FileRun(config, data, out, fresh=True, on_commit=progress.update)
        progress.begin(run)
        stop_on_signals(run)
        summary = run.run()
    if summary is None:
        raise OutputError("the demo was stopped; run it again for the rest")
    show_summary(summary, out)
    _show_alarms(screen, out, broken)
    screen.print(
        f"\nnext: driftline report {out}\n"
        f"      driftline checkpoints list {out}\n"
        f"      driftline init YOUR.csv -o app.toml\n"
        f"      driftline replay app.toml YOUR.csv --out out/mine"
    )


def _prepare(out: Path, rows: int | None, broken: str | None) -> tuple[Path, Path]:
    try:
        folder = out / INPUT_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / ("flights.csv" if broken is None else f"flights-{broken}.jsonl")
        config = folder / "app.toml"
        if broken is None:
            write_flights(data, rows)
        else:
            write_broken_flights(data, broken, rows)
        config.write_text(CONFIG)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}") from error
    return data, config


def _show_alarms(screen: Console, out: Path, broken: str | None) -> None:
    """Show each alarm as it was last told, and the first of those after something was broken."""
    latest: dict[str, Any] = {}
    for alarm in read_records(out, "alarms"):
        first = latest.setdefault(alarm["alarm"], alarm)
        latest[alarm["alarm"]] = alarm | {"time": first["time"]}
    alarms = list(latest.values())
    if not alarms:
        return
    table = Table(title=f"{len(alarms)} alarms" + (
        f", the last {_MOST_ALARMS}" if len(alarms) > _MOST_ALARMS else ""
    ))
    for column in ("when", "kind", "diagnosis", "checkpoint"):
        table.add_column(column)
    for alarm in alarms[-_MOST_ALARMS:]:
        when = str(alarm["time"])[:16].replace("T", " ")
        table.add_row(when, alarm["kind"], alarm["diagnosis"], alarm["checkpoint"][:8])
    screen.print(table)
    after = [alarm for alarm in alarms if broken and str(alarm["time"]) >= BROKEN_FROM]
    if broken and after:
        screen.print(f"\nbroken on {BROKEN_FROM}: {BREAKS[broken].says}")
        screen.print(f"the alarm says:        {after[0]['diagnosis']}")
