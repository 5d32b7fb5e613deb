"""The lives of models, told by the records of what happened to them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["champion", "challenger", "previous", "dropped"]

FIRST = "v1"
"""The model that is there from the start; no record tells of it."""

AVOIDED = "errors_avoided"
"""Key of `gain`: errors avoided, by labels that were scored, and not told before."""

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
    first
        The record that it begins with; None for one of which that is not left.
    records
        Those that name it.
    avoided
        Errors avoided, as far as told; below zero: it made more of them.
    spent
        What was done for it in the shadow, by the records that end a time there.
    """

    version: str
    state: State
    against: str | None = None
    first: Record | None = None
    records: list[Record] = field(default_factory=list)
    avoided: float | None = None
    spent: dict[str, float] = field(default_factory=dict)

    def credit(self, record: Record) -> None:
        """Add what a record says was gained."""
        if AVOIDED in record["gain"]:
            self.avoided = (self.avoided or 0.0) + record["gain"][AVOIDED]

    def charge(self, record: Record) -> None:
        """Add what a record says that a time in the shadow has cost."""
        for name, amount in record["cost"].items():
            self.spent[name] = self.spent.get(name, 0) + amount

    @property
    def cost(self) -> Mapping[str, float]:
        """What was done for it in the shadow; of a time that goes on, as last told."""
        if self.spent or not self.records:
            return self.spent
        running: Mapping[str, float] = self.records[-1]["cost"]
        return running

    @property
    def labels(self) -> int | None:
        """How many labels its last evidence rests on."""
        told = [record["evidence"].get("labels") for record in self.records]
        return next((labels for labels in reversed(told) if labels is not None), None)

    @property
    def outcome(self) -> str:
        """What became of it, in a few words."""
        if not self.records:
            return ""
        last = self.records[-1]
        event: str = last["event"]
        if event == "rollback":
            return "took over again" if last["champion"] == self.version else "rolled back"
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
    >>> told = {"seq": 1, "event": "promotion", "model": "v2", "champion": "v2", "how": "warm"}
    >>> lives.take(told | {"cause": {}, "gain": {}, "cost": {}, "evidence": {}})
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
            first = None if event == "drop" else record
            life = self._of[model] = Life(model, "challenger", self.champion, first)
        if life is not None:
            self._settle(life, record)
        failed = self._of.get(self.champion or "")
        if event == "rollback" and failed is not None and failed is not life:
            failed.records.append(record)  # it names the one that takes over, and ends this one
        self._crown(record["champion"], "previous" if _kept(record, life) else "dropped")

    def _settle(self, life: Life, record: Record) -> None:
        """Take what a record says of a model; it has left the shadow, or goes on in it."""
        life.records.append(record)
        event = record["event"]
        if event in ("promotion", "rollback", "drop"):
            life.charge(record)
            # What it has avoided that a champion was replaced is known when that one goes.
            followed = self._of.get(record["champion"]) if event == "drop" else None
            (followed if followed and life.state == "previous" else life).credit(record)
        if event == "drop":
            life.state = "dropped"

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
        for life in self._of.values():
            if life.state == "previous":  # only the one before the champion is kept
                life.state = "dropped"
        if self.champion is not None and self.champion in self._of:
            self._of[self.champion].state = deposed
        life = self._of.setdefault(champion, Life(champion, "champion"))
        life.state = "champion"
        self.champion = champion

    def previous(self) -> Life | None:
        """Give the champion before, if it may take over again."""
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


def _kept(record: Record, life: Life | None) -> bool:
    """Whether a champion that is replaced may take over again: not after a reset."""
    reset = life is not None and life.first is record and record["how"] == "fresh"
    return record["event"] != "rollback" and not reset


def number_of(version: str) -> int:
    """Give the number in a version, by which they are in order; 0 when there is none."""
    return int(version[1:]) if version[1:].isdecimal() else 0


def cause_of(record: Record) -> str:
    """Write the cause of a record in a few words.

    Examples
    --------
    >>> cause_of({"cause": {"kind": "alarm", "alarm_kind": "concept", "number": 3}})
    'concept alarm 3'
    >>> cause_of({"cause": {"kind": "interval", "records": 5000, "since": None}})
    'interval: records 5000'
    """
    cause = {key: n for key, n in record["cause"].items() if key not in ("how", "since")}
    kind = str(cause.pop("kind", "-"))
    if kind == "alarm" and "alarm_kind" in cause:
        return f"{cause['alarm_kind']} alarm {cause.get('number', '')}".strip()
    rest = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in cause.items() if v is not None)
    return f"{kind}: {rest}" if rest else kind


def amounts(values: Mapping[str, float]) -> str:
    """Write amounts by name, those that are none left out.

    Examples
    --------
    >>> amounts({"learnt": 1200, "answered": 0})
    '1,200 learnt'
    """
    return ", ".join(f"{n:,.4g} {k}" if n % 1 else f"{n:,.0f} {k}" for k, n in values.items() if n)
