"""From a decoded object to an event or a label the learner can be trusted with, or a reason.

What a record looks like (its keys and their types) is looked at once per look, not once
per record: a plan for each signature is kept, and only the sizes of the numbers are
checked every time.
"""

from collections.abc import Callable
from math import hypot
from operator import itemgetter
from typing import Any, NamedTuple, cast

from stream.core.errors import StopRequestedError
from stream.core.labels import LabelReader
from stream.core.records import Fault, Features, Kind, Label
from stream.core.settings import Settings
from stream.core.times import parse_time

_MOST_PLANS = 1000
_LONGEST_ID = 256
_KINDS: dict[type, Kind] = {str: "text", float: "number", int: "number", bool: "bool"}


class Event(NamedTuple):
    """One observation to predict for.

    Attributes
    ----------
    time
        As it came.
    moment
        The same in seconds since the epoch, or the position when the input has no time.
    label
        The truth when it came with the event.
    """

    id: str
    time: Any
    moment: float
    features: Features
    label: Label | None


class LabelRecord(NamedTuple):
    """The truth for an event id; `moment` is None when the record has no time."""

    id: str
    time: Any
    moment: float | None
    label: Label


class _Plan(NamedTuple):
    """What to do with every object of one signature."""

    drop: tuple[str, ...]
    numbers: Callable[[Features], tuple[float, ...]] | None
    fault: Fault | None


class Contract:
    """The shape of events: which fields, of which kind, and what happens to the others.

    Fields seen in the first `reference` events, and declared ones, are known. A field's
    first value that is not null decides its kind.

    Parameters
    ----------
    settings
        Field names, policies and limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kinds: dict[str, Kind] = dict(settings.types)
        for name in (settings.id_field, settings.time_field, settings.label_field):
            self.kinds.pop(name or "", None)
        self.seen = 0
        self.labels = LabelReader(settings)
        self._plans: dict[tuple[Any, ...], _Plan] = {}
        self._never = tuple(
            name for name in (*settings.ignore, settings.label_time_field) if name is not None
        )

    def event(self, offset: int, fields: dict[str, Any]) -> Event | Fault:
        """Read an event; `fields` is taken over and becomes its features."""
        settings = self.settings
        named, timed, labelled = settings.id_field, settings.time_field, settings.label_field
        identity = str(offset) if named is None else read_id(fields.pop(named, None))
        if isinstance(identity, Fault):
            return identity
        time = offset if timed is None else fields.pop(timed, None)
        moment = float(offset) if timed is None else parse_time(time)
        if isinstance(moment, Fault):
            return moment
        label = None if labelled is None else self.labels.read(fields.pop(labelled, None))
        if isinstance(label, Fault):
            return label
        for name in self._never:
            fields.pop(name, None)
        fault = self._examine(fields)
        if fault is not None:
            return fault
        return Event(identity, time, moment, fields, label)

    def label(self, fields: dict[str, Any]) -> LabelRecord | Fault:
        """Read a label record: the id, the label, and a time if there is one."""
        settings = self.settings
        identity = read_id(fields.get(settings.id_field or "id"))
        if isinstance(identity, Fault):
            return identity
        label = self.labels.read(fields.get(settings.label_field or "label"))
        if label is None:
            return Fault("missing_label", "the record has no label")
        if isinstance(label, Fault):
            return label
        time = label_time(settings, fields)
        if time is None:
            return LabelRecord(identity, None, None, label)
        moment = parse_time(time)
        if isinstance(moment, Fault):
            return moment
        return LabelRecord(identity, time, moment, label)

    def _examine(self, fields: Features) -> Fault | None:
        """Hold the features to the contract; takes out of `fields` what is to be left out."""
        self.seen += 1
        if self.seen == self.settings.reference + 1:
            self._plans.clear()  # from here on a new field is an unknown one
        signature = (*fields, *map(type, fields.values()))
        plan = self._plans.get(signature)
        if plan is None:
            plan = self._plan(fields, signature)
        if plan.fault is not None:
            return plan.fault
        for name in plan.drop:
            del fields[name]
        if plan.numbers is not None:
            try:
                size = hypot(*plan.numbers(fields))
            except OverflowError:
                size = float("inf")
            if not size <= self.settings.max_abs:
                return self._absurd(fields)
        return None

    def _absurd(self, fields: Features) -> Fault | None:
        limit = self.settings.max_abs
        for name, value in fields.items():
            if type(value) is not str and not -limit <= value <= limit:
                return Fault("absurd_number", f"{name}: {value!r} is not within +-{limit:g}")
        return None

    def _plan(self, fields: Features, signature: tuple[Any, ...]) -> _Plan:
        drop: list[str] = []
        fault = None
        for name, value in fields.items():
            verdict = self._judge(name, value)
            if isinstance(verdict, Fault):
                fault = verdict
                break
            if not verdict:
                drop.append(name)
        fault = fault or self._missing(fields, drop)
        numbers = [n for n, v in fields.items() if n not in drop and type(v) is not str]
        plan = _Plan(tuple(drop), _getter(numbers) if fault is None else None, fault)
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[signature] = plan
        return plan

    def _judge(self, name: str, value: Any) -> bool | Fault:
        """Whether to keep the field, or why the whole record cannot be used."""
        if value is None:
            return False
        kind = _KINDS.get(type(value))
        if kind is None:
            return Fault("nested_value", f"{name}: a {type(value).__name__} is not a feature")
        known = self.kinds.get(name)
        if known is None:
            return self._admit(name, kind)
        if known == kind or (known != "text" and kind != "text"):
            return True
        detail = f"{name}: a {kind} where a {known} was expected"
        if self.settings.wrong_type == "stop":
            raise StopRequestedError(f"{detail} ([contract] wrong_type = \"stop\")")
        return False if self.settings.wrong_type == "missing" else Fault("wrong_type", detail)

    def _admit(self, name: str, kind: Kind) -> bool | Fault:
        policy = self.settings.unknown_field
        if self.seen <= self.settings.reference:
            policy = "accept"
        if policy == "accept":
            if len(self.kinds) >= self.settings.max_features:
                return False
            self.kinds[name] = kind
            self._plans.clear()
            return True
        if policy == "ignore":
            return False
        detail = f"{name}: not among the {len(self.kinds)} known fields"
        if policy == "stop":
            raise StopRequestedError(f"{detail} ([contract] unknown_field = \"stop\")")
        return Fault("unknown_field", detail)

    def _missing(self, fields: Features, drop: list[str]) -> Fault | None:
        if self.settings.missing_field == "accept" or self.seen <= self.settings.reference:
            return None
        absent = [name for name in self.kinds if name not in fields or name in drop]
        if not absent:
            return None
        detail = f"{absent[0]}: missing"
        if self.settings.missing_field == "stop":
            raise StopRequestedError(f"{detail} ([contract] missing_field = \"stop\")")
        return Fault("missing_field", detail)

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "kinds": list(self.kinds.items()),
            "seen": self.seen,
            "classes": self.labels.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.kinds = {name: cast("Kind", kind) for name, kind in state["kinds"]}
        self.seen = state["seen"]
        self.labels.restore(state["classes"])
        self._plans.clear()


def read_id(raw: Any) -> str | Fault:
    """Read an id: a text of 1 to 256 characters, or an integer."""
    if type(raw) is str and 0 < len(raw) <= _LONGEST_ID:
        return raw
    if type(raw) is int:
        return str(raw)
    if raw is None or raw == "":
        return Fault("missing_id", "the record has no id")
    if type(raw) is not str:
        return Fault("bad_id", f"a {type(raw).__name__} is not an id")
    return Fault("bad_id", f"an id of {len(raw)} characters, {_LONGEST_ID} at most")


def label_time(settings: Settings, fields: dict[str, Any]) -> Any:
    """Give the time field of a label record, None where there is none."""
    for name in (settings.label_time_field, settings.time_field):
        if name is not None and fields.get(name) is not None:
            return fields[name]
    return None


def _getter(names: list[str]) -> Callable[[Features], tuple[float, ...]] | None:
    if not names:
        return None
    if len(names) == 1:
        only = names[0]
        return lambda fields: (fields[only],)
    return itemgetter(*names)
