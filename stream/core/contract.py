"""From a decoded object to an event or a label the learner can be trusted with, or a reason.

What a record looks like (its keys and their types) is looked at once per look, not once
per record: a plan for each signature is kept, and only the sizes of the numbers are
checked every time.
"""

from collections.abc import Callable
from functools import partial
from math import hypot
from operator import itemgetter
from typing import Any, NamedTuple, cast

from stream.core.errors import StopRequestedError
from stream.core.labels import LabelReader
from stream.core.reading import read_event, read_label
from stream.core.records import Event, Fault, Features, Kind, Label, LabelRecord, Record, Shape
from stream.core.rules import Rules
from stream.core.settings import Settings

_MOST_PLANS = 1000
_MOST_STRAYS = 100
"""Unknown fields that are counted, and of which values are kept."""

_SAMPLE = 256

# Without the call of `__new__`, which takes as long as all the rest here.
_as_event: Callable[[tuple[Any, ...]], Event] = partial(tuple.__new__, Event)

_KINDS: dict[type, Kind] = {str: "text", float: "number", int: "number", bool: "bool"}


class _Plan(NamedTuple):
    """What to do with every object of one signature."""

    drop: tuple[str, ...]
    numbers: Callable[[Features], tuple[float, ...]] | None
    fault: Fault | None
    guarded: tuple[str, ...]
    lacks: str
    strays: tuple[str, ...]
    clash: tuple[str, str] | None


class Contract:
    """The shape of events: which fields, of which kind, and what happens to the others.

    Fields seen in the first `reference` events, and declared ones, are known. A field's
    first value that is not null decides its kind.

    Parameters
    ----------
    settings
        Field names, policies and limits.

    Attributes
    ----------
    rules
        What is declared of the values of each field.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kinds: dict[str, Kind] = {}
        self._declare()
        self.rules = Rules(settings)
        self.seen = 0
        self.strays: dict[str, int] = {}
        self.clashes: dict[tuple[str, str], int] = {}
        self.samples: dict[str, list[Any]] = {}
        self.labels = LabelReader(settings)
        self._plans: dict[tuple[Any, ...], _Plan] = {}
        self._perfect: Shape | None = None  # the last one that asks for nothing to be done
        self._reference_ends = settings.reference + 1

    def _declare(self) -> None:
        settings = self.settings
        roles = (settings.id_field, settings.time_field, settings.label_field)
        for name, kind in settings.types.items():
            if name not in roles:
                self.kinds.setdefault(name, kind)

    def event(self, offset: int, record: Record) -> Event | Fault:
        """Read an event and its label; its features are taken over and held to the contract."""
        event = record if type(record) is Event else read_event(self.settings, offset, record)
        if isinstance(event, Fault):
            return event
        identity, time, moment, features, label, shape, raw = event
        if label is not None:
            label = self.labels.read(label)
            if isinstance(label, Fault):
                return label
            event = _as_event((identity, time, moment, features, label, shape, raw))
        self.seen += 1
        if self.seen == self._reference_ends:
            self._forget()  # from here on a new field is an unknown one
        if shape is not None and shape is self._perfect:
            return event
        return self._examine(features, shape) or event

    def label(self, record: Record) -> tuple[LabelRecord, Label] | Fault:
        """Read a label record, and the label in it."""
        known = record if type(record) is LabelRecord else read_label(self.settings, record)
        if isinstance(known, Fault):
            return known
        label = self.labels.read(known[3])
        if label is None:
            return Fault("missing_label", "the record has no label")
        if isinstance(label, Fault):
            return label
        return known, label

    def _examine(self, fields: Features, shape: Shape | None) -> Fault | None:
        """Hold the features to the contract; takes out of `fields` what is to be left out."""
        signature = (*fields, *map(type, fields.values())) if shape is None else shape.signature
        plan = self._plans.get(signature) or self._plan(fields, signature)
        if plan.strays or plan.clash is not None:
            self._note(plan, fields)
        if plan.fault is not None:
            if plan.lacks:
                self.rules.note("missing_required", plan.lacks, 1, [])
            return plan.fault
        for name in plan.drop:
            del fields[name]
        if shape is not None and shape.largest <= self.settings.max_abs:
            self._perfect = None if plan.drop or plan.guarded else shape
        elif plan.numbers is not None:
            fault = self._absurd(fields, plan.numbers)
            if fault is not None:
                return fault
        return self.rules.hold(plan.guarded, fields) if plan.guarded else None

    def _forget(self) -> None:
        self._plans.clear()
        self._perfect = None

    def _absurd(
        self, fields: Features, numbers: Callable[[Features], tuple[float, ...]]
    ) -> Fault | None:
        limit = self.settings.max_abs
        try:
            if hypot(*numbers(fields)) <= limit:
                return None
        except OverflowError:
            pass  # one of them is
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
        lacks = self._missing(fields, drop) if fault is None else ""
        if lacks:
            fault = Fault("missing_field", f"{lacks}: missing")
        left = [name for name in fields if name not in drop]
        numbers = [name for name in left if type(fields[name]) is not str]
        getter = _getter(numbers) if fault is None else None
        guarded = self.rules.guarded(left)
        lacks = lacks if self.rules.must_be_there(lacks, by_default=False) else ""
        plan = _Plan(tuple(drop), getter, fault, guarded, lacks, *self._oddities(fields))
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
        drops = self.settings.wrong_type in ("missing", "drop-field")
        return False if drops else Fault("wrong_type", detail)

    def _admit(self, name: str, kind: Kind) -> bool | Fault:
        policy = self.settings.unknown_field
        if self.seen <= self.settings.reference:
            policy = "accept"
        if policy == "accept":
            if len(self.kinds) >= self.settings.max_features:
                return False
            self.kinds[name] = kind
            self._forget()
            return True
        if policy in ("ignore", "drop-field"):
            return False
        detail = f"{name}: not among the {len(self.kinds)} known fields"
        if policy == "stop":
            raise StopRequestedError(f"{detail} ([contract] unknown_field = \"stop\")")
        return Fault("unknown_field", detail)

    def _missing(self, fields: Features, drop: list[str]) -> str:
        """Give the first field that has to be there and is not; "" where there is none."""
        policy = self.settings.missing_field
        if policy == "accept":
            return ""
        known = self.seen > self.settings.reference  # then fields are required if nothing is said
        for name in self.kinds:
            absent = name not in fields or name in drop
            if absent and self.rules.must_be_there(name, by_default=known):
                if policy == "stop":
                    raise StopRequestedError(
                        f"{name}: missing ([contract] missing_field = \"stop\")"
                    )
                return name
        return ""

    def _oddities(self, fields: Features) -> tuple[tuple[str, ...], tuple[str, str] | None]:
        """Give the fields that are not known, and the first that is of another kind."""
        strays = []
        clash = None
        for name, value in fields.items():
            kind = _KINDS.get(type(value))
            known = self.kinds.get(name)
            if value is None:
                continue
            if known is None and kind is not None:
                strays.append(name)
            elif clash is None and kind != known and "text" in (kind or "text", known):
                clash = name, kind or ("list" if isinstance(value, list) else "object")
        return tuple(strays), clash

    def _note(self, plan: _Plan, fields: Features) -> None:
        if plan.clash is not None:
            self.clashes[plan.clash] = self.clashes.get(plan.clash, 0) + 1
        for name in plan.strays:
            if name not in self.samples:
                if len(self.samples) >= _MOST_STRAYS:
                    continue
                self.samples[name] = []
            self.strays[name] = self.strays.get(name, 0) + 1
            if len(self.samples[name]) < _SAMPLE:
                self.samples[name].append(fields[name])

    def take_oddities(self) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
        """Give in how many records unknown fields and other kinds were, since last asked."""
        taken = self.strays, self.clashes
        self.strays, self.clashes = {}, {}
        return taken

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "strays": self.strays,
            "clashes": [[*pair, count] for pair, count in self.clashes.items()],
            "samples": self.samples,
            "kinds": list(self.kinds.items()),
            "seen": self.seen,
            "classes": self.labels.state(),
            "rules": self.rules.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.kinds = {name: cast("Kind", kind) for name, kind in state["kinds"]}
        self.seen = state["seen"]
        self.strays = dict(state["strays"])
        self.clashes = {(name, kind): count for name, kind, count in state["clashes"]}
        self.samples = {name: list(values) for name, values in state["samples"].items()}
        self._declare()  # what a changed configuration adds
        self.labels.restore(state["classes"])
        self.rules.restore(state.get("rules", []))
        self._forget()


def _getter(names: list[str]) -> Callable[[Features], tuple[float, ...]] | None:
    if not names:
        return None
    if len(names) == 1:
        only = names[0]
        return lambda fields: (fields[only],)
    return itemgetter(*names)
