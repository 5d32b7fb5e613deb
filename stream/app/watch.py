"""A live view of a run: a frame that renews itself on a terminal, a line per report in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live

from stream.app.client_settings import expand
from stream.app.config import load_config
from stream.app.connection import open_log
from stream.app.console import console
from stream.app.stopping import stop_on_signals
from stream.app.topics import topics_of
from stream.app.watch_feeds import Feed, FolderFeed, LogFeed
from stream.app.watch_frame import frame, line, moment_of
from stream.app.watch_view import Update, View
from stream.edges.transports.log import LogUnavailableError

_EVERY = 0.5
_PIPE_HEIGHT = 60


def run_watch(target: Path, *, once: bool) -> None:
    """Show what comes out of a run until it ends or somebody stops looking."""
    with _feed(target) as (feed, view):
        screen = console()
        if once:
            _look(feed, view)
            screen.print(frame(view, screen.width, _PIPE_HEIGHT))
        elif screen.is_terminal:
            _live(feed, view, screen)
        else:
            _lines(feed, view)


@contextmanager
def _feed(target: Path) -> Iterator[tuple[Feed, View]]:
    if target.is_dir() or not target.suffix:
        yield FolderFeed(target), View(target.name, str(target))
        return
    config = load_config(target)
    log = open_log(config)
    try:
        topics = topics_of(config)
        where = expand(config.kafka.bootstrap_servers, "[kafka] bootstrap_servers")
        yield LogFeed(log, topics), View(config.name, where)
    finally:
        log.close()


def _look(feed: Feed, view: View) -> list[Update]:
    """Take in what is new, and give it in order of time."""
    try:
        updates = feed.poll()
        view.take(updates)
        view.advance(feed.progress())
    except LogUnavailableError:  # a broker that restarts is no reason to stop looking
        return []
    return sorted(updates, key=moment_of)


def _live(feed: Feed, view: View, screen: Console) -> None:
    stopped = stop_on_signals()
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        over = False
        while not (over or stopped.is_set()):
            _look(feed, view)
            over = view.progress.finished
            live.update(frame(view, screen.width, screen.height), refresh=True)
            stopped.wait(0 if over else _EVERY)
    screen.print(frame(view, screen.width, screen.height))


def _lines(feed: Feed, view: View) -> None:
    stopped = stop_on_signals()
    while not stopped.is_set():
        for said in filter(None, map(line, _look(feed, view))):
            typer.echo(said)
        sys.stdout.flush()
        if view.progress.finished:
            return
        stopped.wait(_EVERY)
