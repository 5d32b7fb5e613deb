"""What fields were declared to hold: a range or categories, and whether they have to be there.

Where a violation is only told (the default) it is looked for on chunks, in the columns that
the detectors make anyway, and an event costs nothing. Where the event itself is concerned (its
field dropped, a dead letter, a stop), the declared fields of each event are looked at.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from detectors.shape import Breach, What
from stream.core.errors import StopRequestedError
from stream.core.field_rule import FieldRule, RulePolicy
from stream.core.records import Fault, Features
from stream.core.settings import Settings

_MOST_EXAMPLES = 5
_LONGEST = 40


class Rules:
    """The declared fields, and what broke the declaration since it was last asked.

    Parameters
    ----------
    settings
        The rules of each field, and the policies.

    Attributes
    ----------
    closed
        Fields whose categories are all known.
    """

    def __init__(self, settings: Settings) -> None:
        self._rules = settings.rules
        self._policies: dict[str, RulePolicy] = {
            "out_of_range": settings.out_of_range, "unseen_category": settings.unseen_category,
        }  # fmt: skip
        self.closed = frozenset(
            name for name, rule in self._rules.items() if rule.categories is not None
        )
        self._guarded = {
            name for name, rule in self._rules.items()
            if rule.bounds_values() and self._policy(rule) != "accept"
        }  # fmt: skip
        self._found: dict[tuple[What, str], list[Any]] = {}  # records, and some of the values

    def _policy(self, rule: FieldRule) -> RulePolicy:
        return self._policies[_what(rule)]

    # --- single events ---------------------------------------------------------------------

    def guarded(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Give those of these fields whose value has to be looked at in every event."""
        return tuple(name for name in fields if name in self._guarded)

    def must_be_there(self, name: str, *, by_default: bool) -> bool:
        """Whether an event without the field breaks the contract."""
        rule = self._rules.get(name)
        return by_default if rule is None or rule.required is None else rule.required

    def hold(self, guarded: Sequence[str], fields: Features) -> Fault | None:
        """Hold the fields to their rules; takes out of `fields` what is to be left out."""
        for name in guarded:
            rule, value = self._rules[name], fields[name]
            if rule.allows(value):
                continue
            self.note(_what(rule), name, 1, [value])
            policy = self._policy(rule)
            if policy == "drop-field":
                del fields[name]
                continue
            detail = f"{name}: {_cut(value)} is {_said(rule)}"
            if policy == "stop":
                raise StopRequestedError(f'{detail} ([contract] {_what(rule)} = "stop")')
            if rule.categories is None:
                return Fault("out_of_range", detail)
            return Fault("unseen_category", detail)
        return None

    def note(self, what: What, name: str, records: int, values: Sequence[Any]) -> None:
        """Count a violation; a few of the values are kept."""
        found = self._found.setdefault((what, name), [0, []])
        found[0] += records
        for value in values:
            if len(found[1]) < _MOST_EXAMPLES and (shown := _cut(value)) not in found[1]:
                found[1].append(shown)

    # --- a chunk of events -----------------------------------------------------------------

    def look(
        self, names: Sequence[str], numbers: Any, texts: Mapping[str, Counter[str | None]],
        present: Mapping[str, int], events: int,
    ) -> None:  # fmt: skip
        """Look at a chunk of events for what is only told, and for what is missing.

        Parameters
        ----------
        names, numbers
            Fields that are no texts, and a row of values for each; NaN where missing.
        texts
            The values of the others.
        present
            In how many of the events each field has a value.
        """
        rows = {name: place for place, name in enumerate(names)} if self._rules else {}
        for name, rule in self._rules.items():
            what = _what(rule)
            dropped = self._found.get((what, name), [0])[0] if name in self._guarded else 0
            if rule.bounds_values() and name not in self._guarded:
                if name in rows:
                    bad = rule.broken_by(numbers[rows[name]])
                    records, values = len(bad), list(dict.fromkeys(bad.tolist()))
                else:
                    strange = {text: count for text, count in texts.get(name, Counter()).items()
                               if text is not None and not rule.allows(text)}  # fmt: skip
                    records, values = sum(strange.values()), list(strange)
                if records:
                    self.note(what, name, records, values)
            absent = events - present.get(name, 0)
            absent -= dropped if self._policy(rule) == "drop-field" else 0
            if absent > 0 and rule.required:
                self.note("missing_required", name, absent, [])
            elif absent > 0 and rule.missing is not None:
                self.note("missing_rate", name, absent, [])

    def take(self) -> list[Breach]:
        """Give what broke a rule since this was last asked."""
        found, self._found = self._found, {}
        return [
            Breach(what, name, records, self._usual(what, name), self._detail(what, name, values))
            for (what, name), (records, values) in found.items()
        ]

    def _usual(self, what: What, name: str) -> float:
        return (self._rules[name].missing or 0.0) if what == "missing_rate" else 0.0

    def _detail(self, what: What, name: str, values: list[str]) -> str:
        if what == "missing_required":
            return ""
        if what == "missing_rate":
            return f"{self._usual(what, name):g} declared"
        return f"{_said(self._rules[name])}: {', '.join(values)}"

    # --- state -----------------------------------------------------------------------------

    def state(self) -> list[Any]:
        """Give the state as JSON."""
        return [[*key, *found] for key, found in self._found.items()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `state` gave; what is no longer declared is left out."""
        self._found = {
            (what, name): [records, list(values)]
            for what, name, records, values in state if name in self._rules
        }  # fmt: skip


def _what(rule: FieldRule) -> What:
    return "out_of_range" if rule.categories is None else "unseen_category"


def _said(rule: FieldRule) -> str:
    if rule.categories is not None:
        return f"not one of the {len(rule.categories)} declared"
    if np.isinf(rule.low):
        return f"not {rule.high:g} or less"
    if np.isinf(rule.high):
        return f"not {rule.low:g} or more"
    return f"not within {rule.low:g} to {rule.high:g}"


def _cut(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
