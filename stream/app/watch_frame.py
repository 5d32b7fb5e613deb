"""One frame of a run for a terminal, and one line of it for a pipe."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.app.lives import cause_of
from stream.app.tables import number, span
from stream.app.watch_view import Update, View
from stream.core.records import Fault
from stream.core.times import parse_time

_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 110
_LEAST_ALARMS = 3
_HISTORY = "window over reports"
_TEXTS = ("", "partition", "when", "kind", "action", "what", _HISTORY)


def frame(view: View, width: int, height: int) -> RenderableType:
    """Draw the view into so many columns and lines."""
    parts: list[RenderableType] = [_head(view), _facts(view, width)]
    used = 2 + 2 * _facts(view, width).row_count
    if view.reports:
        scores = _scores(view, width) if len(view.reports) == 1 else _partitions(view, width)
        used += scores.row_count + 3
        parts += ["", scores]
    if view.alarms:
        alarms = _alarms(view, width, max(_LEAST_ALARMS, height - used - 4))
        parts += ["", alarms]
    return Group(*parts)


def line(update: Update) -> str | None:
    """Write a report, an alarm or a step of a model in one line; None for anything else."""
    record = update.record
    if update.kind == "alarms":
        return f"{_when(record['time'])} p{update.partition} ALARM {_alarm_text(record)}"
    if update.kind == "models":
        return f"{_when(record['time'])} p{update.partition} MODEL {_step(record)}"
    if update.kind != "metrics":
        return None
    scores = ", ".join(
        f"{name} {number(value)}{_beside(record, name)}"
        for name, value in list(record["window"].items())[:3]
    )
    coverage = record["label_coverage"]
    return (
        f"{_when(record['time'])} p{update.partition} report {record['seq']}: "
        f"{record['events']:,} events, {record['labels']:,} labels"
        f"{'' if coverage is None else f' ({coverage:.1%})'}; window {scores}; "
        f"{record['pending']:,} pending, {sum(record['dead_letters'].values()):,} dead letters"
    )


def moment_of(update: Update) -> float:
    """Give the event time of a record, by which records of several partitions are put in order."""
    moment = parse_time(update.record.get("time"))
    return float("-inf") if isinstance(moment, Fault) else moment


def spark(values: Iterable[float | None], width: int) -> str:
    """Draw the last values as little bars, from the least to the greatest of them.

    Examples
    --------
    >>> spark([0, 1, 2, None, 3], 10)
    '▁▃▆ █'
    >>> spark([0.5, 0.5], 10)
    '▄▄'
    """
    shown = list(values)[-width:] if width > 0 else []
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    least, most = min(known), max(known)
    if most == least:
        return "".join(" " if value is None else "▄" for value in shown)
    scale = (len(_BARS) - 1) / (most - least)
    return "".join(
        " " if value is None else _BARS[round((value - least) * scale)] for value in shown
    )


def _head(view: View) -> Text:
    text = Text(view.name, style="bold")
    text.append(f"  {view.source}", style="dim")
    text.append("  finished" if view.progress.finished else "", style="green")
    if (last := view.last) is not None:
        text.append(f"  event time {_when(last['time'])}  model {last['model']}", style="default")
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _facts(view: View, width: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("events", _flow(view, width))
    if not view.reports:
        table.add_row("", "no report yet: there is one every [scoring] every labels")
        return table
    table.add_row("labels", _labels(view))
    letters = view.letters()
    if view.models:
        table.add_row("models", "; ".join(_contests(view)))
    table.add_row("dead letters", _letters(letters, view))
    if view.checkpoint is not None:
        table.add_row("checkpoints", _checkpoint(view, view.checkpoint.record))
    return table


def _flow(view: View, width: int) -> str:
    events = view.progress.events
    said = f"{view.total('events') if events is None else events:,}"
    if not view.progress.finished and (rate := view.rate) is not None:
        said += f"  {rate:,.0f}/s {spark(view.rates, min(30, width // 5))}"
    if view.progress.lag:
        behind = ", ".join(f"{n:,} {stream}" for stream, n in view.progress.lag.items())
        said += f"  lag {behind}"
    return said


def _labels(view: View) -> str:
    predictions = view.total("predictions")
    said = f"{view.total('labels'):,} scored"
    if predictions:
        said += f" ({view.total('labels') / predictions:.1%})"
    delay = (view.last or {}).get("label_delay", {})
    if delay.get("max"):
        middle, late, most = (span(delay[key]) for key in ("p50", "p95", "max"))
        said += f" after {middle}, p95 {late}, max {most}"
    counts = {key: view.total(key) for key in ("pending", "expired", "evicted", "early_labels")}
    waiting = [f"{n:,} {key.replace('_', ' ')}" for key, n in counts.items()
               if n or key == "pending"]  # fmt: skip
    return f"{said}; {', '.join(waiting)}"


def _contests(view: View) -> Iterator[str]:
    """Say who is served since when, and who would like to be."""
    for partition, lives in sorted(view.models.items()):
        said = f"p{partition} " if len(view.models) > 1 else ""
        champion = lives.get(lives.champion or "")
        said += f"champion {lives.champion}"
        if champion is not None and champion.first is not None:
            said += f" ({champion.first['how']}) since {_when(champion.first['time'])}"
        for life in lives.challengers:
            began = "" if life.first is None else f" ({life.first['how']})"
            labels = "" if life.labels is None else f" over {life.labels:,} labels"
            said += f", challenged by {life.version}{began}{labels}"
        yield said


def _step(record: Mapping[str, Any]) -> str:
    model = f" {record['model']} ({record['how']})" if record["model"] else ""
    return f"{record['event']}{model}; cause {cause_of(record)}; served is {record['champion']}"


def _letters(letters: Counter[str], view: View) -> str:
    if not letters:
        return "none"
    most = ", ".join(f"{reason} {n:,}" for reason, n in letters.most_common(6))
    said = f"{letters.total():,}: {most}"
    if view.dead is not None:
        said += f"; last: {view.dead.record['detail'][:60]}"
    return said


def _checkpoint(view: View, record: Mapping[str, Any]) -> str:
    at = ", ".join(f"{stream} {n:,}" for stream, n in record["position"].items() if n)
    return (
        f"{view.checkpoints:,}, last {record['checkpoint'][:12]} ({record['reason']}) at "
        f"{at or 'the start'}, {record['bytes'] / 1024:,.0f} KiB"
    )


def _scores(view: View, width: int) -> Table:
    reports = next(iter(view.reports.values()))
    last, wide = reports[-1], width >= _WIDE
    columns: list[tuple[str, Mapping[str, float | None]]] = [
        ("window", last["window"]),
        *([("fading", last["fading"])] if wide else []),
        ("all", last["cumulative"]),
        ("no change", last["baselines"].get("no_change", {})),
        ("majority", last["baselines"].get("majority", {})),
    ]
    table = _table("", *(name for name, _ in columns), _HISTORY)
    room = max(8, min(60, width - (72 if wide else 60)))
    for name in last["window"]:
        history = spark((report["window"].get(name) for report in reports), room)
        table.add_row(name, *(number(of.get(name)) for _, of in columns), history)
    table.caption = "; ".join(
        _avoided(last[key], against)
        for key, against in (("kappa_temporal", "no change"), ("kappa_m", "majority"))
        if last[key] is not None
    )
    return table


def _avoided(kappa: float, against: str) -> str:
    if kappa < 0:
        return f"worse than {against} by {-kappa:.1%} of its errors"
    return f"{kappa:.1%} of the errors of {against} avoided"


def _partitions(view: View, width: int) -> Table:
    name = next(iter((view.last or {}).get("window", {})), "")
    table = _table("partition", f"{name} window", "no change", "events", "pending", "model",
                   _HISTORY)  # fmt: skip
    for partition, reports in sorted(view.reports.items()):
        last = reports[-1]
        table.add_row(
            str(partition),
            number(last["window"].get(name)),
            number(last["baselines"].get("no_change", {}).get(name)),
            f"{last['events']:,}",
            f"{last['pending']:,}",
            last["model"],
            spark((report["window"].get(name) for report in reports), max(8, min(60, width - 76))),
        )
    return table


def _alarms(view: View, width: int, most: int) -> Table:
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in view.kinds.most_common())
    table = _table("when", "kind", "action", "what", title=f"alarms: {kinds}")
    newest = sorted(view.alarms.values(), key=moment_of)[-most:]
    for update in reversed(newest):
        record = update.record
        where = f"p{update.partition} " if len(view.reports) > 1 else ""
        what = Text(f"{where}{_what(record)}", no_wrap=True, overflow="ellipsis")
        held = f" ({record['suppressed']} held back)" if width >= _WIDE else ""
        action = record["action"] + (held if record["suppressed"] else "")
        table.add_row(_when(record["time"]), record["kind"], action, what)
    return table


def _alarm_text(record: Mapping[str, Any]) -> str:
    return f"{record['kind']} {_what(record)}; {record['action']}"


def _what(record: Mapping[str, Any]) -> str:
    return f"{record['detector']} on {record['signal']}: {record['diagnosis']}"


def _beside(record: Mapping[str, Any], name: str) -> str:
    baseline = record["baselines"].get("no_change", {}).get(name)
    return "" if baseline is None else f" (no change {number(baseline)})"


def _when(time_: Any) -> str:
    """Write an event time as short as it can be told: to the minute, or the number it is."""
    text = str(time_)
    return text[:16].replace("T", " ") if "-" in text[1:] else text


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False,
                  padding=(0, 2, 0, 0), caption_justify="left", caption_style="dim",
                  expand="what" in columns)  # fmt: skip
    for name in columns:
        table.add_column(name, justify="left" if name in _TEXTS else "right", no_wrap=True,
                         header_style="dim", ratio=1 if name == "what" else None)  # fmt: skip
    return table
