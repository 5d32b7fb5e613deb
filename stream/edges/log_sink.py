"""Outputs in a log, exactly once: a commit is one transaction with the position in it.

The committed position O of the group is thereby atomic with the outputs. Checkpoints are
rarer; the last one announced lies at a position C at or before O, and what lies between is
folded again, silently, when a partition is taken over.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from stream.core.compact import compact
from stream.core.errors import CheckpointError
from stream.core.parts import Outputs
from stream.edges.failpoints import reach
from stream.edges.history import Inputs
from stream.edges.topics import Topics
from stream.edges.transports.base import Committed, Position
from stream.edges.transports.log import Log, LogError, Outgoing, Place, Range, Record
from stream.state.blob import Manifest

POSITION = "position"
"""Header of the last record of each transaction in each topic: the committed position."""

_SKEW = 60_000
"""Milliseconds by which the clocks of two owners of a partition may differ."""


class JournalEntry(TypedDict):
    """The order in which two input topics were really taken, from one commit to the next.

    Attributes
    ----------
    seq
        Number of the entry in its partition, from 1, without gaps.
    position
        The committed position.
    steps
        Positions at which the order was cut, the last one being `position`. Within a step
        control records come first and the others by record time, events before labels.
    """

    seq: int
    position: dict[str, int]
    steps: list[dict[str, int]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What offsets mean something in: the cluster, and the input topics as they are now."""

    cluster: str
    topics: dict[str, str]
    partitions: int

    def state(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {"cluster": self.cluster, "topics": self.topics, "partitions": self.partitions}


def standing(records: Iterable[Record]) -> list[tuple[bytes, int]]:
    """Give value and time of what a compacted topic still says: the last of each key.

    Read one by one, since the topic may be long; in the order of the records.
    """
    found: dict[bytes | None, tuple[bytes, int]] = {}
    for record in records:
        found.pop(record.key, None)
        if record.value is not None:
            found[record.key] = record.value, record.time
    return list(found.values())


class LogSink:
    """The output topics of one partition number, for as long as it is ours.

    Parameters
    ----------
    name
        The application.
    number
        The partition number, of all topics.
    inputs
        Where the inputs of that number lie.
    identity
        Cluster and topics as they are now; state of others is refused.

    Attributes
    ----------
    token
        Proof of ownership that the next commit is made with.
    steps
        The journal since the last checkpoint: positions at which the order of the inputs was
        cut, up to the last commit.
    cuts
        The same since the last commit.
    asked
        Control records that are written with the next commit.
    """

    def __init__(
        self, log: Log, topics: Topics, name: str, number: int, inputs: Inputs, identity: Identity
    ) -> None:
        self._log = log
        self._topics = topics
        self._number = number
        self._inputs = inputs
        self._identity = identity
        self.token: object = None
        self.steps: list[Position] = []
        self.cuts: list[Position] = []
        self.asked: list[dict[str, Any]] = []
        self._seq = 0
        self._manifests: list[Manifest] = []
        self._gone: list[bytes] = []
        self._waiting: dict[str, list[Outgoing]] = {}
        self._producer = log.producer(f"{name}-{topics.group}-{number}")

    # --- taking over ----------------------------------------------------------------------

    def begin(self) -> Committed:
        """Find out what the last owner committed; it is fenced by now."""
        manifest, made = self._read_manifests()
        ranges = self._log.ranges(list(self._inputs.places.values()))
        position, skips = self._committed()
        if manifest is None:
            if position is not None:
                raise CheckpointError(
                    f"group {self._topics.group} has committed {position} on partition "
                    f"{self._number}, and {self._topics.checkpoints} announces no checkpoint for "
                    f"it: the topic was emptied or re-created. Restore it, or go on under "
                    f"another application name or [kafka] group"
                )
            return Committed(self._start(ranges))
        self._check_identity(manifest)
        position = self._journal(manifest, made, position) or self._last_written(manifest)
        self._check_reach(manifest, position, ranges)
        return Committed(position, manifest, skips)

    def _place(self, topic: str) -> Place:
        return Place(topic, self._number)

    def _start(self, ranges: dict[Place, Range]) -> Position:
        starts = {s: ranges[p].start for s, p in self._inputs.places.items()}
        position: Position = {s: n for s, n in starts.items() if n or s != "control"}
        position.setdefault("labels", position["events"])
        return position

    def _read_manifests(self) -> tuple[Manifest | None, int]:
        """Read all announced checkpoints; gives the last one, and when it was announced."""
        found = standing(self._records(self._place(self._topics.checkpoints)))
        self._manifests = [orjson.loads(value) for value, _ in found]
        return (self._manifests[-1], found[-1][1]) if found else (None, 0)

    def _records(self, place: Place, start: int | None = None) -> Iterator[Record]:
        span = self._log.ranges([place])[place]
        first = span.start if start is None else max(start, span.start)
        return self._log.read(place, first, span.end) if first < span.end else iter(())

    def _committed(self) -> tuple[Position | None, list[tuple[str, int, str, str]]]:
        places = self._inputs.places
        found = self._log.committed(self._topics.group, list(places.values()))
        position: Position = {s: found[p].offset for s, p in places.items() if p in found}
        if not position.keys() >= places.keys() - {"control"}:
            return None, []
        kept = orjson.loads(found[places["events"]].metadata or b"{}")
        if self._inputs.single:  # the two streams share the topic, and its offsets
            own: Position | None = kept.get("position")
            if own is None or self._inputs.next_offset(own, "events") != position["events"]:
                raise self._moved(position, own, "what was kept beside it is")
            position = own
        return position, [(s, o, stage, "") for s, o, stage in kept.get("skips", [])]

    def _journal(
        self, manifest: Manifest, made: int, position: Position | None
    ) -> Position | None:
        """Read the order in which the inputs were taken since a checkpoint."""
        place = self._place(self._topics.journal)
        first = manifest.get("journal", 0)
        start = self._log.offset_at(place, made - _SKEW)
        entries = [] if start is None else self._entries(place, start)
        if not entries or entries[0]["seq"] > first + 1:
            entries = self._entries(place, None)
        entries = [entry for entry in entries if entry["seq"] > first]
        if [entry["seq"] for entry in entries] != list(range(first + 1, first + 1 + len(entries))):
            raise CheckpointError(
                f"{self._topics.journal}, partition {self._number}: entries after {first} are "
                f"missing, so the order of the inputs since the last checkpoint is lost; keep "
                f"the journal for good (retention.ms=-1)"
            )
        self._seq = first + len(entries)
        self.steps = [step for entry in entries for step in entry["steps"]]
        if self._inputs.single:
            return position
        last: Position = entries[-1]["position"] if entries else manifest["position"]
        if position is not None and position != last:
            raise self._moved(position, last, "the journal's is")
        return last

    def _moved(self, position: Position, other: Position | None, whose: str) -> LogError:
        return LogError(
            f"partition {self._number}: the group's position is {position}, and {whose} {other}: "
            f"somebody moved the offsets of group {self._topics.group}. Move them back, or go on "
            f"under another application name"
        )

    def _entries(self, place: Place, start: int | None) -> list[JournalEntry]:
        return [orjson.loads(r.value) for r in self._records(place, start) if r.value is not None]

    def _last_written(self, manifest: Manifest) -> Position:
        """Recover the committed position from the outputs: the group's has expired."""
        best: Position = dict(manifest["position"])
        for topic in self._topics.outputs:
            place = self._place(topic)
            span = self._log.ranges([place])[place]
            width = 64
            while True:
                start = max(span.start, span.end - width)
                records = self._records(place, start)
                found = [value for r in records for name, value in r.headers if name == POSITION]
                if found or start <= span.start:
                    break
                width *= 4
            if found:
                best = max(best, orjson.loads(found[-1]), key=lambda p: sum(p.values()))
        return best

    def _check_identity(self, manifest: Manifest) -> None:
        theirs, ours = manifest.get("log") or {}, self._identity.state()
        for part, what in (("cluster", "another cluster"), ("topics", "input topics of other ids"),
                           ("partitions", "another number of partitions")):
            if theirs.get(part) != ours[part]:
                raise CheckpointError(
                    f"partition {self._number}: the last checkpoint was made on {what} "
                    f"({theirs.get(part)}, and here {ours[part]}), so its offsets mean other "
                    f"records. Restore what was there, or go on under another application name"
                )

    def _check_reach(
        self, manifest: Manifest, position: Position, ranges: dict[Place, Range]
    ) -> None:
        starts = self._inputs.starts(manifest["position"])
        ends = self._inputs.starts(position)
        for place, span in ranges.items():
            if not span.start <= starts[place] <= ends[place]:
                raise CheckpointError(
                    f"{place.topic}, partition {self._number}: begins at offset {span.start} by "
                    f"now, and the last checkpoint goes on at {starts[place]}: records that were "
                    f"not folded into it are gone (retention). Make retention longer than an "
                    f"outage, and go on under another application name"
                )

    # --- committing -----------------------------------------------------------------------

    def write(self, outputs: Outputs) -> None:
        """Encode outputs; they are sent when they are committed."""
        topics = self._topics
        self._add(topics.predictions, outputs.predictions, [p["id"] for p in outputs.predictions])
        own = str(self._number)
        self._add(topics.metrics, outputs.metrics, [own] * len(outputs.metrics))
        self._add(topics.alarms, outputs.alarms, [a["alarm"] for a in outputs.alarms])
        self._add(topics.models, outputs.models, [f"{own}-{m['seq']}" for m in outputs.models])
        letters = outputs.dead_letters
        keys = [f"{d['origin']['topic']}-{own}-{d['origin']['offset']}" for d in letters]
        self._add(topics.dead_letters, letters, keys)

    def _add(self, topic: str, records: Sequence[Any], keys: Sequence[str]) -> None:
        if records:
            waiting = self._waiting.setdefault(topic, [])
            waiting += zip(map(str.encode, keys), map(compact, records), strict=True)

    def step(self, position: Position, always: bool = False) -> None:
        """Note that the order of the inputs was cut here, for the journal.

        With one topic of events and labels only what is around a control record needs it.
        """
        if self._inputs.single and not always:
            return
        if not self.cuts or self.cuts[-1] != position:
            self.cuts.append(dict(position))

    def ask(self, record: dict[str, Any]) -> None:
        """Ask for something by a control record, which only an owner can write."""
        self.asked.append(record)

    def discard(self) -> None:
        """Forget what was written since the last commit; what was asked for stays."""
        self._waiting.clear()
        self.cuts.clear()

    def commit(self, committed: Committed, manifest: Manifest | None) -> None:
        """Send everything and commit it with the position, in one transaction."""
        position = committed.position
        self.step(position, always=bool(self.cuts))
        if manifest is not None:
            self._announce(manifest)
        if self.cuts:
            self._write_journal(position)
        header = (POSITION, orjson.dumps(position))
        producer = self._producer
        producer.begin()
        for topic, records in self._waiting.items():
            producer.send(self._place(topic), records, header)
        if self.asked:
            own = str(self._number).encode()
            wanted = [(own, orjson.dumps(record)) for record in self.asked]
            producer.send(self._place(self._topics.control), wanted, header)
        reach("send")
        producer.commit(self._offsets(position), self._metadata(committed), self.token)
        reach("commit.done")
        self._waiting.clear()
        self.asked.clear()
        if manifest is not None:
            self._gone.clear()
            self.steps.clear()
        else:
            self.steps += self.cuts
        self.cuts.clear()

    def _offsets(self, position: Position) -> dict[Place, int]:
        """Give what the group commits; of control records only once there was one."""
        starts, control = self._inputs.starts(position), self._inputs.places.get("control")
        if control is not None and "control" not in position:
            del starts[control]
        return starts

    def _announce(self, manifest: Manifest) -> None:
        seq = self._seq + bool(self.cuts)
        announced: Any = {**manifest, "log": self._identity.state(), "journal": seq}
        key = f"{self._number}-{manifest['checkpoint']}".encode()
        self._waiting.setdefault(self._topics.checkpoints, []).extend(
            [*((gone, None) for gone in self._gone if gone != key), (key, orjson.dumps(announced))]
        )
        self._manifests.append(announced)
        reach("manifest")

    def _write_journal(self, position: Position) -> None:
        self._seq += 1
        entry = JournalEntry(seq=self._seq, position=position, steps=self.cuts)
        self._waiting[self._topics.journal] = [(str(self._number).encode(), orjson.dumps(entry))]

    def _metadata(self, committed: Committed) -> str:
        """Give what a take-over has to know beside the position.

        Of the records left out, those before the position; what the learner said of them is in
        their dead letters by now.
        """
        position = committed.position
        skips = [[s, o, stage] for s, o, stage, _ in committed.skips if o < position[s]]
        kept: dict[str, Any] = {"skips": skips} if skips else {}
        if self._inputs.single:
            kept["position"] = position
        return orjson.dumps(kept).decode()

    def manifests(self) -> list[Manifest]:
        """Give the manifests of all announced checkpoints that are kept, oldest first."""
        return self._manifests

    def collected(self, kept: set[str]) -> None:
        """Hear which checkpoints are left; the others are withdrawn with the next commit."""
        left = [manifest for manifest in self._manifests if manifest["blob"] in kept]
        ids = {manifest["checkpoint"] for manifest in left}
        gone = {m["checkpoint"] for m in self._manifests} - ids
        self._gone += [f"{self._number}-{checkpoint}".encode() for checkpoint in sorted(gone)]
        self._manifests = left

    def close(self) -> None:
        """Let the producer go; an open transaction is aborted by the next owner."""
        self._producer.close()
