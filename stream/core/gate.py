"""What a model has to reach before it is served, besides being better than the champion."""

from stream.core.rival import Rival
from stream.core.settings import Gate


def shortcoming(gate: Gate, rival: Rival) -> str | None:
    """Say why a rival may not be promoted; None where it may."""
    labels = rival.compared or 1
    error = rival.errors / labels
    if gate.most_error is not None and error > gate.most_error:
        return f"its error is {error:.4g}, and at most {gate.most_error:g} is allowed"
    usual = rival.baseline_errors / labels
    if gate.baseline and error >= usual:
        return f"its error is {error:.4g}, and the baseline's {usual:.4g}"
    return _weak_slice(gate, rival)


def _weak_slice(gate: Gate, rival: Rival) -> str | None:
    for name, values in rival.slices.items():
        for value, (labels, champion, own) in values.items():
            if labels >= gate.least and (own - champion) / labels > gate.most_loss:
                return (
                    f"where {name} is {value}, its error is {own / labels:.4g} and the "
                    f"champion's {champion / labels:.4g} ({labels:g} labels)"
                )
    return None
