"""Small pictures as inline SVG that stretch to any width; the words around them are HTML."""

from collections.abc import Sequence
from html import escape

Points = Sequence[tuple[float, float]]


def _scaled(points: Points, x: tuple[float, float], y: tuple[float, float]) -> str:
    across, up = (x[1] - x[0]) or 1.0, (y[1] - y[0]) or 1.0
    return " ".join(
        f"{1000 * (a - x[0]) / across:.1f},{1000 * (1 - (b - y[0]) / up):.1f}" for a, b in points
    )


def lines(
    series: Sequence[tuple[str, Points]],
    x: tuple[float, float],
    y: tuple[float, float],
    marks: Sequence[tuple[float, str, str]] = (),
) -> str:
    """Draw lines over a common axis.

    Parameters
    ----------
    series
        Class of each line and its points.
    x, y
        First and last value of the axes.
    marks
        Place, class and words of each vertical mark.
    """
    across = (x[1] - x[0]) or 1.0
    parts = ['<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">']
    parts += [
        f'<line class="grid" x1="0" x2="1000" y1="{at}" y2="{at}"/>' for at in (0, 250, 500, 750)
    ]
    for place, kind, words in marks:
        at = 1000 * (place - x[0]) / across
        parts.append(
            f'<line class="mark {kind}" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="1000">'
            f"<title>{escape(words)}</title></line>"
        )
    parts += [
        f'<polyline class="{kind}" points="{_scaled(points, x, y)}"/>'
        for kind, points in series if points
    ]  # fmt: skip
    return "".join([*parts, "</svg>"])


def histogram(before: Sequence[int], after: Sequence[int], labels: Sequence[str]) -> str:
    """Draw two histograms beside each other, each as shares of its own total."""
    shares = [[count / (sum(counts) or 1) for count in counts] for counts in (before, after)]
    top = max([*shares[0], *shares[1]], default=0.0) or 1.0
    width = 1000 / max(len(labels), 1)
    bars = []
    for place, label in enumerate(labels):
        for side, kind in enumerate(("before", "after")):
            share = shares[side][place]
            height = 1000 * share / top
            words = f"{label}: {share:.3f} {kind}"
            bars.append(
                f'<rect class="{kind}" x="{width * (place + 0.1 + 0.4 * side):.1f}" '
                f'y="{1000 - height:.1f}" width="{0.38 * width:.1f}" height="{height:.1f}">'
                f"<title>{escape(words)}</title></rect>"
            )
    return (
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img">'
        + "".join(bars) + "</svg>"
    )  # fmt: skip
