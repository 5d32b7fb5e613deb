"""Reading the truth: what counts as a label of each task."""

from math import isfinite
from typing import Any

from stream.core.records import Fault, Label
from stream.core.settings import Settings

_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
_MOST_MEMOS = 1000


class LabelReader:
    """Turns the label field of a record to what the learner is trained on.

    Binary labels are true and false, 1 and 0, or texts that say so; or, when `positive` is
    set, whatever equals it is true and everything else false. Classes are texts or
    integers, at most `max_classes` different ones. A regression target is a finite number.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.classes: dict[int | str, None] = {}
        self._memo: dict[tuple[type, Any], Label | None] = {}

    def read(self, raw: Any) -> Label | Fault | None:
        """Read a label; None means that there is none yet."""
        if raw is None:
            return None
        try:
            return self._memo[type(raw), raw]
        except (KeyError, TypeError):
            label = self._read(raw)
        if self.settings.task != "regression" and not isinstance(label, Fault):
            if len(self._memo) >= _MOST_MEMOS:
                self._memo.clear()
            self._memo[type(raw), raw] = label
        return label

    def _read(self, raw: Any) -> Label | Fault | None:
        if type(raw) is str and raw in self.settings.missing:
            return None
        if type(raw) not in (bool, int, float, str):
            return Fault("bad_label", f"a {type(raw).__name__} is not a label")
        if self.settings.task == "binary":
            return self._binary(raw)
        if self.settings.task == "multiclass":
            return self._class(raw)
        return self._target(raw)

    def _binary(self, raw: bool | int | float | str) -> bool | Fault:
        word = _word(raw)
        if self.settings.positive is not None:
            return word == _word(self.settings.positive)
        if word.lower() in _TRUE:
            return True
        if word.lower() in _FALSE:
            return False
        return Fault(
            "bad_label", f"{word[:80]!r} is neither true nor false; set [input] positive if it is"
        )

    def _class(self, raw: bool | int | float | str) -> int | str | Fault:
        if type(raw) is float:
            if not raw.is_integer():
                return Fault("bad_label", f"{raw!r} is not a class")
            raw = int(raw)
        name = _word(raw) if isinstance(raw, bool) else raw
        assert not isinstance(name, float)
        if name not in self.classes:
            if len(self.classes) >= self.settings.max_classes:
                most = self.settings.max_classes
                return Fault("too_many_classes", f"{name!r} would be more than {most} classes")
            self.classes[name] = None
        return name

    def _target(self, raw: bool | int | float | str) -> float | Fault:
        if type(raw) not in (int, float):
            return Fault("bad_label", f"{str(raw)[:80]!r} is not a number")
        value = float(raw)
        if not isfinite(value) or abs(value) > self.settings.max_abs:
            return Fault("bad_label", f"{raw!r} is not within +-{self.settings.max_abs:g}")
        return value

    def state(self) -> list[int | str]:
        """Give the classes seen so far, in the order they came."""
        return list(self.classes)

    def restore(self, state: list[int | str]) -> None:
        """Take up a state that `state` gave."""
        self.classes = dict.fromkeys(state)
        self._memo.clear()


def _word(raw: bool | int | float | str) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw)
