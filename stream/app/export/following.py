"""The export as a command: once, or going on with a run or a service."""

from pathlib import Path

import typer

from stream.app.export.outputs import Outputs, outputs_of
from stream.app.export.registry import Registry, Told
from stream.app.export.server import Place, RegistryUnavailableError
from stream.app.stopping import Stop, stop_on_signals
from stream.core.errors import OutputError
from stream.edges.transports.log import LogUnavailableError, OffsetLostError

EVERY = 2.0
"""Seconds between two looks at what is new."""

LONGEST = 60.0
"""Seconds between two tries, at most, while the server does not answer."""


def run_export(target: Path, number: int | None, place: Place, *, follow: bool) -> None:
    """Export what is there; with `follow` also what comes, until a run ends or a signal."""
    with outputs_of(target, number) as parts:
        registry = Registry(place)
        if follow:
            go_on(registry, parts, stop_on_signals())
            return
        told = [registry.export(part) for part in parts]
        for each in filter(None, told):
            _say(registry, each)
        if not any(told):
            raise OutputError(f"{target}: no checkpoint yet, so nothing to export; try again later")


def go_on(registry: Registry, parts: list[Outputs], stopped: Stop, every: float = EVERY) -> None:
    """Export whenever there is something new; a server that is down is waited for."""
    marks: dict[int, object] = {}
    over: set[int] = set()
    trouble, wait = "", every
    while not stopped.is_set() and len(over) < len(parts):
        try:
            for number, part in enumerate(parts):
                _catch_up(registry, number, part, marks, over)
            trouble, wait = "", every
        except (RegistryUnavailableError, LogUnavailableError, OffsetLostError) as error:
            if not trouble:
                typer.echo(f"driftline: {error}", err=True)
            trouble, wait = str(error), min(2 * wait, LONGEST)
        if len(over) < len(parts):
            stopped.wait(wait)


def _catch_up(
    registry: Registry, number: int, part: Outputs, marks: dict[int, object], over: set[int]
) -> None:
    mark = part.mark()
    if number in over or mark == marks.get(number):
        return
    told = registry.export(part)
    marks[number] = mark
    if told is not None:
        _say(registry, told)
        if told.finished:
            over.add(number)


def _say(registry: Registry, told: Told) -> None:
    served = "" if told.champion is None else f", champion is {told.champion}"
    typer.echo(
        f"{told.app}: {told.runs} models as runs, {told.registered} model versions new in "
        f"{told.model}{served}"
    )
    for line in registry.said():
        typer.echo(f"driftline: passed over: {line}", err=True)
