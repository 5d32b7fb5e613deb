"""One self-contained page about a run: scores, alarms, models, drift, labels, checkpoints."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import orjson

from stream.app.console import console
from stream.app.report_models import MARKED, models_of, words_of
from stream.app.report_style import STYLE
from stream.app.svg import Points, histogram, lines
from stream.core.errors import OutputError
from stream.core.records import Fault
from stream.core.times import parse_time
from stream.edges.transports.directory import read_records, write_atomically

_MOST_FEATURES = 60
_MOST_ALARMS = 60
_MOST_CHECKPOINTS = 25
Record = dict[str, Any]


def write_report(folder: Path, output: Path | None) -> None:
    """Write ``report.html`` of a run on files.

    Raises
    ------
    OutputError
        The folder is none of a run, or the page cannot be written.
    """
    metrics = read_records(folder, "metrics")
    if not metrics:
        raise OutputError(
            f"{folder}: holds no reports of a run yet; driftline replay writes them"
        )
    alarms, models = latest(read_records(folder, "alarms")), read_records(folder, "models")
    target = output or folder / "report.html"
    page = "".join(
        (
            "<!doctype html><html lang=en><meta charset=utf-8>"
            "<meta name=viewport content='width=device-width, initial-scale=1'>"
            f"<title>{escape(folder.name)}: driftline</title><style>{STYLE}</style>",
            _head(folder, metrics, alarms),
            _scores(metrics, alarms, models),
            _alarms(alarms),
            models_of(models),
            _features(metrics, alarms),
            _labels(metrics),
            _checkpoints(read_records(folder, "checkpoints")),
            _dead(metrics[-1], read_records(folder, "dead-letters")),
        )
    )
    write_atomically(target, page.encode())
    console().print(f"{target}: open it in a browser; it needs no network")


def latest(records: Sequence[Record]) -> list[Record]:
    """Give each alarm as it was last told, at the time it was first."""
    found: dict[str, Record] = {}
    for record in records:
        first = found.get(record["alarm"], record)
        found[record["alarm"]] = record | {"time": first["time"]}
    return list(found.values())


def _moment(record: Record) -> float:
    moment = parse_time(record["time"])
    return 0.0 if isinstance(moment, Fault) else moment


def _when(record: Record) -> str:
    return str(record["time"])[:16].replace("T", " ")


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _tile(name: str, value: str) -> str:
    return f"<div class=tile><span class=faint>{escape(name)}</span><b>{escape(value)}</b></div>"


def _head(folder: Path, metrics: Sequence[Record], alarms: Sequence[Record]) -> str:
    last = metrics[-1]
    path = folder / "summary.json"
    summary: Record = orjson.loads(path.read_bytes()) if path.exists() else {}
    metric = next(iter(last["cumulative"]))
    tiles = [
        _tile("events", f"{last['events']:,}"),
        _tile("labels scored", f"{last['labels']:,}"),
        _tile(metric, _number(last["cumulative"][metric])),
        *(
            _tile(f"{name.replace('_', ' ')} baseline", _number(scores.get(metric)))
            for name, scores in last["baselines"].items()
        ),
        _tile("alarms", str(len(alarms))),
        _tile("dead letters", f"{sum(last['dead_letters'].values()):,}"),
    ]
    state = f", state {summary['digest'][:12]}" if summary else ", not finished"
    return (
        f"<h1>{escape(folder.name)}</h1><p class=faint>{_when(metrics[0])} to {_when(last)}, "
        f"model {escape(last['model'])}{escape(state)}</p><div class=tiles>{''.join(tiles)}</div>"
    )


def _axis(metrics: Sequence[Record]) -> str:
    first, last = metrics[0], metrics[-1]
    return f"<div class=axis><span>{_when(first)}</span><span>{_when(last)}</span></div>"


def _span(metrics: Sequence[Record]) -> tuple[float, float]:
    moments = [_moment(record) for record in metrics]
    return min(moments), max(moments)


def _marks(
    alarms: Sequence[Record], span: tuple[float, float]
) -> list[tuple[float, str, str]]:
    return [
        (_moment(alarm), alarm["kind"], f"{_when(alarm)} {alarm['diagnosis']}")
        for alarm in alarms
        if span[0] <= _moment(alarm) <= span[1]
    ]


def _legend(items: Sequence[tuple[str, str]]) -> str:
    return "<div class=legend>" + "".join(
        f"<span><i class={kind}></i>{escape(words)}</span>" for kind, words in items
    ) + "</div>"


def _plot(
    series: Sequence[tuple[str, Points]], span: tuple[float, float],
    marks: Sequence[tuple[float, str, str]] = (), size: str = "", low: float | None = None,
) -> str:  # fmt: skip
    values = [value for _, points in series for _, value in points]
    if not values:
        return "<p class=faint>nothing to show yet</p>"
    bottom, top = min(values) if low is None else low, max(values)
    if bottom == top:
        top = bottom + 1.0
    return (
        f"<div class='plot {size}'>{lines(series, span, (bottom, top), marks)}"
        f"<span class=top>{top:.3g}</span><span class=bottom>{bottom:.3g}</span></div>"
    )


def _points(metrics: Sequence[Record], *path: str) -> Points:
    found = []
    for record in metrics:
        value: Any = record
        for key in path:
            value = (value or {}).get(key)
        if value is not None:
            found.append((_moment(record), float(value)))
    return found


def _scores(
    metrics: Sequence[Record], alarms: Sequence[Record], models: Sequence[Record]
) -> str:
    metric = next(iter(metrics[-1]["window"]))
    span = _span(metrics)
    series = [
        ("no-change", _points(metrics, "baselines", "no_change", metric)),
        ("majority", _points(metrics, "baselines", "majority", metric)),
        ("served", _points(metrics, "window", metric)),
    ]
    items = [("served", f"{metric} of what was served, over the last labels"),
             ("no-change", "no-change baseline"), ("majority", "majority or mean baseline")]
    if metric == "Accuracy" and (guess := _points(metrics, "estimate", "accuracy")):
        series.append(("estimate", guess))
        items.append(("estimate", "estimate without labels"))
    kinds = dict.fromkeys(alarm["kind"] for alarm in alarms)
    items += [(kind, f"{kind} alarm") for kind in kinds]
    steps = [record for record in models if record["event"] in MARKED]
    items += [(event, event) for event in dict.fromkeys(step["event"] for step in steps)]
    marks = _marks(alarms, span)
    marks += [
        (_moment(step), step["event"], words_of(step))
        for step in steps if span[0] <= _moment(step) <= span[1]
    ]  # fmt: skip
    return f"<h2>Score over time</h2>{_legend(items)}{_plot(series, span, marks)}{_axis(metrics)}"


def _alarms(alarms: Sequence[Record]) -> str:
    if not alarms:
        return "<h2>Alarms</h2><p>None: nothing changed that was beyond chance.</p>"
    shown = alarms[-_MOST_ALARMS:]
    left = f", the last {len(shown)}" if len(shown) < len(alarms) else ""
    cards = "".join(_card(alarm) for alarm in shown)
    return f"<h2>{len(alarms)} alarms{left}</h2><div class=alarms>{cards}</div>"


def _card(alarm: Record) -> str:
    picture = ""
    if pair := alarm["evidence"].get("histogram"):
        labels = pair["bins"]
        picture = (
            f"<figure><div class='plot bars'>"
            f"{histogram(pair['before'], pair['after'], labels)}</div>"
            f"<figcaption>{escape(pair['signal'])}: {escape(labels[0])}, {escape(labels[1])} to "
            f"{escape(labels[-1])}</figcaption>"
            f"{_legend([('before', 'before'), ('after', 'after')])}</figure>"
        )
    amended = f", amended {alarm['amends']} times" if alarm.get("amends") else ""
    return (
        f"<article><p><span class='badge {alarm['kind']}'>{escape(alarm['kind'])}</span> "
        f"<span class=faint>{_when(alarm)}, {escape(alarm['detector'])}{amended}</span></p>"
        f"<p>{escape(alarm['diagnosis'])}</p><p class=faint>checkpoint "
        f"{escape(alarm['checkpoint'][:12])}, action {escape(alarm['action'])}</p>{picture}"
        f"</article>"
    )


def _features(metrics: Sequence[Record], alarms: Sequence[Record]) -> str:
    names = list(metrics[-1].get("drift", {}))
    if not names:
        return ""
    span = _span(metrics)
    peaks = {
        name: max((js for _, js in _points(metrics, "drift", name)), default=0.0) for name in names
    }
    top = max(max(peaks.values()), 0.05)
    many = []
    for name in sorted(names, key=lambda each: (-peaks[each], each))[:_MOST_FEATURES]:
        here = [alarm for alarm in alarms if name in alarm.get("features", ())]
        picture = lines(
            [("data", _points(metrics, "drift", name))], span, (0.0, top), _marks(here, span)
        )
        many.append(
            f"<figure><div class='plot small'>{picture}</div><figcaption>{escape(name)}, at most "
            f"{peaks[name]:.3f}</figcaption></figure>"
        )
    return (
        f"<h2>Features</h2><p class=faint>How far the newest 1,024 values are from those before: "
        f"Jensen-Shannon divergence, 0 to {top:.2g} bits.</p><div class=many>{''.join(many)}</div>"
    )


def _labels(metrics: Sequence[Record]) -> str:
    hours = [
        (kind, [(at, value / 3600) for at, value in _points(metrics, "label_delay", key)])
        for kind, key in (("majority", "p95"), ("served", "p50"))
    ]
    span = _span(metrics)
    return (
        "<h2>Labels</h2>"
        f"{_legend([('served', 'delay, median, in hours'), ('majority', '95 percent')])}"
        f"{_plot(hours, span, size='low', low=0.0)}{_axis(metrics)}"
        f"<p class=faint>labels for {_number(metrics[-1]['label_coverage'])} of the predictions; "
        f"{metrics[-1]['pending']:,} pending, {metrics[-1]['expired']:,} expired</p>"
    )


def _checkpoints(manifests: Sequence[Record]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each['checkpoint'][:12])}<td>{escape(each['reason'])}"
        f"<td class=n>{each['position']['events']:,}<td>{escape(each['model'])}"
        f"<td class=n>{each['bytes']:,}"
        for each in manifests[-_MOST_CHECKPOINTS:]
    )
    return (
        f"<h2>{len(manifests)} checkpoints</h2><div class=scroll><table><tr><th>id<th>reason"
        f"<th>events<th>model<th>bytes{rows}</table></div>"
    )


def _dead(last: Record, letters: Sequence[Record]) -> str:
    counts = last["dead_letters"]
    if not counts:
        return "<h2>Dead letters</h2><p>None: every record could be used.</p>"
    examples = {letter["reason"]: letter["detail"] for letter in reversed(letters)}
    rows = "".join(
        f"<tr><td>{escape(reason)}<td class=n>{count:,}<td>{escape(examples.get(reason, ''))}"
        for reason, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    return (
        f"<h2>Dead letters</h2><div class=scroll><table><tr><th>reason<th>records"
        f"<th>the first of them{rows}</table></div>"
    )
