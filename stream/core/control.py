"""Control records: what a person asks of a running service, taken at a position like any input."""

from collections.abc import Callable, Mapping
from re import fullmatch
from typing import Any, Literal, NamedTuple, get_args

from stream.core.records import Fault, Record, Row

How = Literal["fresh", "warm", "transfer"]
"""How a challenger is made: untrained, from the champion, from the checkpoint that fits best."""

WindowPolicy = Literal["none", "fixed", "change", "dynamic", "representative"]
"""How the events that it is trained on are chosen."""

_SHORTEST = 8
_MOST_LABELS = 1_000_000


class Rollback(NamedTuple):
    """Go on with the learner of an earlier checkpoint; `checkpoint` begins its id."""

    checkpoint: str


class Retrain(NamedTuple):
    """Start a challenger.

    Attributes
    ----------
    how
        As its name says; None: as the configuration says.
    window
        On how many labelled events, or by which policy; None: as the configuration says.
    """

    how: How | None
    window: WindowPolicy | int | None


class Promote(NamedTuple):
    """Make a model of this partition its champion."""

    model: str


class Drop(NamedTuple):
    """Give a challenger, or a champion of before, up."""

    model: str


class Adopt(NamedTuple):
    """Take up what was made beside the stream; the service itself asks for this.

    Attributes
    ----------
    order
        Number of the model record that told of the reason.
    model
        The sha256 of its bytes in the store; empty when it could not be made.
    failure
        Why not.
    seconds
        Processor time that it took.
    """

    order: int
    model: str
    failure: str
    seconds: float


Control = Rollback | Retrain | Promote | Drop | Adopt


def read_control(record: Record) -> Control | Fault:
    """Read a control record.

    Examples
    --------
    >>> read_control(Row({"action": "rollback", "checkpoint": "3f9a51c2e6"}, b""))
    Rollback(checkpoint='3f9a51c2e6')
    >>> read_control(Row({"action": "retrain", "window": 5000}, b""))
    Retrain(how=None, window=5000)
    >>> read_control(Row({"action": "promote", "model": "v3"}, b""))
    Promote(model='v3')
    >>> read_control(Row({"action": "panic"}, b"")).reason
    'bad_control'
    """
    assert isinstance(record, Row), "control records are not read beforehand"
    fields = record.fields
    if isinstance(fields, Fault):
        return fields
    action = fields.get("action")
    if type(action) is not str or action not in _READERS:
        return _bad(f"action {action!r}: one of {', '.join(_ASKED)} is needed")
    return _READERS[action](fields)


def _rollback(fields: Mapping[str, Any]) -> Rollback | Fault:
    checkpoint = fields.get("checkpoint")
    if type(checkpoint) is not str or len(checkpoint) < _SHORTEST:
        return _bad(f"rollback needs a checkpoint's id, {_SHORTEST} digits of it or more")
    return Rollback(checkpoint)


def _retrain(fields: Mapping[str, Any]) -> Retrain | Fault:
    if unknown := _unknown(fields, "how", "window"):
        return unknown
    how, window = fields.get("how"), fields.get("window")
    if how is not None and how not in get_args(How):
        return _bad(f"retrain: how is one of {', '.join(get_args(How))}, not {how!r}")
    counted = type(window) is int and 0 < window <= _MOST_LABELS
    if window is not None and not counted and window not in get_args(WindowPolicy):
        return _bad(
            f"retrain: window is a number of labelled events up to {_MOST_LABELS:,}, or one of "
            f"{', '.join(get_args(WindowPolicy))}, not {window!r}"
        )
    return Retrain(how, window)


def _promote(fields: Mapping[str, Any]) -> Promote | Fault:
    model = _model(fields)
    return model if isinstance(model, Fault) else Promote(model)


def _drop(fields: Mapping[str, Any]) -> Drop | Fault:
    model = _model(fields)
    return model if isinstance(model, Fault) else Drop(model)


def _adopt(fields: Mapping[str, Any]) -> Adopt | Fault:
    if unknown := _unknown(fields, "order", "model", "failure", "seconds"):
        return unknown
    order, model, failure = (fields.get(name, "") for name in ("order", "model", "failure"))
    if type(order) is not int or type(failure) is not str:
        return _bad("adopt needs the number of an order")
    if type(model) is not str or not (failure or fullmatch(r"[0-9a-f]{64}", model)):
        return _bad("adopt needs the sha256 of a model, or the failure to make one")
    seconds = fields.get("seconds", 0.0)
    if type(seconds) not in (int, float) or not 0.0 <= seconds < 1e12:
        return _bad(f"adopt: seconds is a number, not {seconds!r}")
    return Adopt(order, "" if failure else model, failure, float(seconds))


def _model(fields: Mapping[str, Any]) -> str | Fault:
    if unknown := _unknown(fields, "model"):
        return unknown
    model = fields.get("model")
    if type(model) is not str or not fullmatch(r"v[1-9][0-9]{0,8}", model):
        return _bad(f"{fields['action']} needs the version of a model, such as v3, not {model!r}")
    return model


def _unknown(fields: Mapping[str, Any], *known: str) -> Fault | None:
    """Refuse what would have no effect: a name that was misspelt."""
    for name in fields:
        if name not in ("action", *known):
            return _bad(f"{fields['action']} knows {' and '.join(known)}, not {name[:100]!r}")
    return None


def _bad(detail: str) -> Fault:
    return Fault("bad_control", detail)


_ASKED: dict[str, Callable[[Mapping[str, Any]], Control | Fault]] = {
    "retrain": _retrain,
    "promote": _promote,
    "drop": _drop,
    "rollback": _rollback,
}
_READERS = {**_ASKED, "adopt": _adopt}
