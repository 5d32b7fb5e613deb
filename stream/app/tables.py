"""What a person sees at the end of a run."""

from pathlib import Path

from rich.table import Table

from stream.app.console import console
from stream.app.summary import Summary

_DAY = 86_400.0


def show_summary(summary: Summary, out: Path) -> None:
    """Print the scores beside the baselines, the books, and where to look."""
    screen = console()
    screen.print(_scores(summary))
    screen.print(_books(summary))
    if delay := _delays(summary):
        screen.print(delay)
    if not summary["labels"] and summary["predictions"]:
        screen.print(
            "no label came, so nothing was scored or learnt: name the field in [input] label, "
            "or give the labels with --labels"
        )
    screen.print(
        f"{summary['events']:,} events in {summary['seconds']:.1f} s "
        f"({summary['events_per_second']:,.0f}/s), state {summary['digest'][:12]}; "
        f"outputs in {out}"
    )


def _scores(summary: Summary) -> Table:
    table = Table(title=f"{summary['name']}: {summary['labels']:,} scored predictions")
    for column in ("", "served", "no change", "majority" if _classes(summary) else "mean"):
        table.add_column(column, justify="left" if not column else "right")
    baselines = summary["baselines"]
    for name, value in summary["metrics"].items():
        table.add_row(
            name,
            number(value),
            number(baselines["no_change"].get(name)),
            number(baselines["majority"].get(name)),
        )
    kappas = {"kappa temporal": summary["kappa_temporal"], "kappa M": summary["kappa_m"]}
    for name, kappa in kappas.items():
        if kappa is not None:
            table.add_row(name, number(kappa))
    return table


def _classes(summary: Summary) -> bool:
    return summary["task"] != "regression"


def _books(summary: Summary) -> str:
    parts = [f"{summary['predictions']:,} predictions = {summary['labels']:,} scored"]
    for key in ("pending", "expired", "evicted", "learn_failed"):
        value = summary[key]
        if value or key == "pending":
            parts.append(f"{value:,} {key.replace('_', ' ')}")
    text = " + ".join(parts)
    if summary["dead_letters"]:
        reasons = ", ".join(f"{r} {n:,}" for r, n in summary["dead_letters_by_reason"].items())
        text += f"; {summary['dead_letters']:,} dead letters ({reasons})"
    alarms = ", ".join(f"{n} {kind}" for kind, n in summary["alarms"].items()) or "no"
    held = sum(summary["suppressed"].values())
    told = f"{alarms} alarms ({held} more held back), {summary['checkpoints']} checkpoints"
    return f"{text}\n{told}{_models(summary)}"


def _models(summary: Summary) -> str:
    happened = summary["models"]
    if not happened.get("start") and not happened.get("promotion"):
        return ""
    parts = [f"{happened.get('start', 0)} challengers", f"{happened.get('promotion', 0)} promoted"]
    if happened.get("rollback"):
        parts.append(f"{happened['rollback']} rolled back")
    avoided = summary["errors_avoided"]
    worth = "errors avoided" if avoided >= 0 else "errors more than without them"
    return f"\n{', '.join(parts)}; {abs(avoided):,.0f} {worth}; {summary['model']} is served"


def _delays(summary: Summary) -> str | None:
    delay, coverage = summary["label_delay"], summary["label_coverage"]
    if coverage is None or not delay.get("max"):
        return None
    middle, late, most = (span(delay[key]) for key in ("p50", "p95", "max"))
    return (
        f"labels came for {coverage:.1%} of predictions, after {middle} (median), "
        f"{late} (p95), {most} at most"
    )


def number(value: float | None) -> str:
    """Write a score in four places."""
    return "-" if value is None else f"{value:.4f}"


def span(seconds: float | None) -> str:
    """Write a time span in its natural unit.

    Examples
    --------
    >>> span(90.0), span(9_600.0), span(200_000.0)
    ('90 s', '2.7 h', '2.3 d')
    """
    if seconds is None:
        return "-"
    for unit, size in (("d", _DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
