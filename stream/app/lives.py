"""The lives of models, told by the records of what happened to them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["champion", "challenger", "previous", "dropped"]

FIRST = "v1"
"""The model that is there from the start; no record tells of it."""

AVOIDED = "errors_avoided"
"""Key of `gain`: errors avoided by the labels scored so far, against the model before."""

Record = Mapping[str, Any]


@dataclass
class Life:
    """What is known of one model.

    Attributes
    ----------
    state
        As of the last record.
    against
        The champion at its beginning; None for the first model, or when it is not known.
    records
        Those that name it.
    """

    version: str
    state: State
    against: str | None = None
    records: list[Record] = field(default_factory=list)

    @property
    def first(self) -> Record | None:
        """The record that it begins with; None for one of which no record is left."""
        return self.records[0] if self.records else None

    @property
    def last(self) -> Record | None:
        """The latest record about it."""
        return self.records[-1] if self.records else None

    @property
    def avoided(self) -> float | None:
        """Errors avoided, as last told; below zero: it made more of them."""
        return None if self.last is None else self.last["gain"].get(AVOIDED)

    @property
    def cost(self) -> Mapping[str, int]:
        """What was done for it while it was not served, as last told."""
        return {} if self.last is None else self.last["cost"]

    @property
    def labels(self) -> int | None:
        """How many labels its last evidence rests on."""
        return None if self.last is None else self.last["evidence"].get("labels")

    @property
    def outcome(self) -> str:
        """What became of it, in a few words."""
        if self.last is None:
            return ""
        event: str = self.last["event"]
        if event == "rollback":
            here = self.last["champion"] == self.version
            return "took over again" if here else "rolled back"
        words = {"start": "running", "promotion": "promoted", "drop": "dropped"}
        return words.get(event, event)


class Lives:
    """The models of one partition, record by record.

    Attributes
    ----------
    champion
        The version that is served; None when it is not known.
    missing
        How many records there were before the first one that is left.
    events
        How many records there are of each event.

    Examples
    --------
    >>> lives = Lives()
    >>> told = {"seq": 1, "event": "promotion", "model": "v2", "champion": "v2"}
    >>> lives.take(told | {"gain": {}, "cost": {}, "evidence": {}})
    >>> lives.champion, {life.version: life.state for life in lives}
    ('v2', {'v1': 'previous', 'v2': 'champion'})
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._begin()
        for record in records:
            self.take(record)

    def _begin(self) -> None:
        self.champion: str | None = FIRST
        self.missing = 0
        self.events: dict[str, int] = {}
        self._last = 0
        self._of: dict[str, Life] = {FIRST: Life(FIRST, "champion")}

    def __iter__(self) -> Iterator[Life]:
        return iter(sorted(self._of.values(), key=lambda life: number_of(life.version)))

    def get(self, version: str) -> Life | None:
        """Give the life of a version, None when there was none."""
        return self._of.get(version)

    @property
    def challengers(self) -> list[Life]:
        """Those of which it is not decided yet whether they are served."""
        return [life for life in self if life.state == "challenger"]

    def take(self, record: Record) -> None:
        """Take the next record; one that does not come after the last begins another run."""
        if record["seq"] <= self._last:
            self._begin()
        self._check_start(record["seq"])
        event, model = record["event"], record["model"]
        self.events[event] = self.events.get(event, 0) + 1
        life = self._of.get(model)
        if life is None and model and event not in ("trigger", "refused"):
            life = self._of[model] = Life(model, "challenger", self.champion)
        if life is not None:
            life.records.append(record)
            if event == "drop":
                life.state = "dropped"
        self._crown(record["champion"], "dropped" if event == "rollback" else "previous")

    def _check_start(self, seq: int) -> None:
        """Do without what came before the first record that is left: nothing is known of it."""
        if not self._last and seq > 1:
            self.missing = seq - 1
            self.champion = None
            self._of.clear()
        self._last = seq

    def _crown(self, champion: str, deposed: State) -> None:
        if champion == self.champion:
            return
        if self.champion is not None and self.champion in self._of:
            self._of[self.champion].state = deposed
        life = self._of.setdefault(champion, Life(champion, "champion"))
        life.state = "champion"
        self.champion = champion

    def previous(self) -> Life | None:
        """Give the newest of the champions of before that may take over again."""
        found = [life for life in self if life.state == "previous"]
        return found[-1] if found else None

    def lineage(self, version: str) -> list[Life]:
        """Give a model and those that it goes back to, up to the first one that is known.

        A model that was made anew goes back to the champion that it was to replace.
        """
        chain: list[Life] = []
        while (life := self._of.get(version)) is not None and life not in chain:
            chain.append(life)
            parent = None if life.first is None else life.first["parent"]
            version = parent or life.against or ""
        return chain


def number_of(version: str) -> int:
    """Give the number in a version, by which they are in order; 0 when there is none."""
    return int(version[1:]) if version[1:].isdecimal() else 0


def cause_of(record: Record) -> str:
    """Write the cause of a record in one line.

    Examples
    --------
    >>> cause_of({"cause": {"kind": "alarm", "alarm": "a3", "detector": None}})
    'alarm: alarm a3'
    """
    cause = dict(record["cause"])
    kind = str(cause.pop("kind", "-"))
    rest = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in cause.items() if v is not None)
    return f"{kind}: {rest}" if rest else kind


def amounts(values: Mapping[str, float]) -> str:
    """Write amounts by name, those that are none left out.

    Examples
    --------
    >>> amounts({"labels": 1200, "events": 0})
    '1,200 labels'
    """
    return ", ".join(f"{n:,.4g} {k}" if n % 1 else f"{n:,.0f} {k}" for k, n in values.items() if n)
