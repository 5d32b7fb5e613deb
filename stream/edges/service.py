"""The loop on the log: poll, fold, commit, over all partition numbers that are ours.

Who owns what is the group's decision, and it is heard of in `poll` alone. A number that is
new is taken over (its old owner fenced, its state brought up to the last commit) between
polls, slice by slice; one that stays goes on where it was; one that is lost is dropped as
it is, since nothing of it counts that was not committed.
"""

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from stream.core.settings import Settings
from stream.edges.failpoints import reach
from stream.edges.history import inputs_of
from stream.edges.keeper import Keeper
from stream.edges.log_sink import Identity, LogSink
from stream.edges.tenure import Tenure
from stream.edges.topics import Topics
from stream.edges.transports.log import (
    Assignment,
    Batch,
    FencedError,
    Log,
    LogError,
    LogUnavailableError,
    Member,
)
from stream.edges.watchdog import Watchdog
from stream.edges.worker import rare_collections
from stream.edges.workshop import Workshop

_CHUNK = 0.5
"""Seconds of folding between two polls."""

_MOST_FENCINGS = 5
"""Times in a minute that this process may be fenced before it gives way for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How the service goes about its work; no influence on what comes out.

    Attributes
    ----------
    poll_records
        Most records taken from the log at once.
    idle
        Seconds that an input which is not at its end may keep the others waiting.
    watchdog
        Seconds after which a call that does not come back ends the process.
    give_up
        Seconds without the log after which the process ends.
    rest
        Seconds that a poll waits for records when there is nothing else to do.
    """

    poll_records: int = 5000
    idle: float = 2.0
    watchdog: float = 60.0
    give_up: float = 300.0
    rest: float = 0.2


class Observer(Protocol):
    """Who hears how the service is doing; called a few times a second."""

    def turned(self) -> None:
        """Hear that the loop has gone round."""
        ...

    def owns(self, assigned: Collection[int], tenures: Mapping[int, Tenure]) -> None:
        """Hear which numbers are assigned, and those of them that are taken over."""
        ...

    def committed(self, tenure: Tenure) -> None:
        """Hear of commits of a partition; its keeper has what they took."""
        ...

    def lags(self, number: int, stream: str, records: int) -> None:
        """Hear how far an input is from its end."""
        ...

    def says(self, message: str) -> None:
        """Hear something that a person may want to know."""
        ...


class Service:
    """One member of the group that folds the application's partitions.

    Parameters
    ----------
    log
        The connection.
    topics
        Names of all topics.
    settings
        What the fold is told.
    keeper_of
        Makes the keeper of a partition number on its sink.
    instance
        Name of this static member of the group; None for one that comes and goes.
    workshop
        Makes models beside the stream; None where nothing is made.
    """

    def __init__(
        self,
        *,
        log: Log,
        topics: Topics,
        settings: Settings,
        keeper_of: Callable[[int, LogSink], Keeper],
        observer: Observer,
        timing: Timing,
        instance: str | None = None,
        workshop: Workshop | None = None,
    ) -> None:
        self._log = log
        self._topics = topics
        self._settings = settings
        self._keeper_of = keeper_of
        self._observer = observer
        self._timing = timing
        self._instance = instance
        self._workshop = workshop
        self._watchdog = Watchdog(timing.watchdog)
        self._inputs = topics.inputs
        self._member: Member | None = None
        self._assignment: Assignment | None = None
        self._tenures: dict[int, Tenure] = {}
        self._not_before: dict[int, float] = {}
        self._fencings: list[float] = []
        self._away_since: float | None = None
        self._polled_at = 0.0
        self._stopping = False
        self._identity = self._identify()

    def stop(self) -> None:
        """Ask to finish the records at hand, checkpoint, commit and leave."""
        self._stopping = True

    def run(self) -> None:
        """Serve until asked to stop.

        Raises
        ------
        DriftlineError
            Something that trying again does not mend; nothing is lost by it.
        """
        with rare_collections(), ThreadPoolExecutor(8, "commit") as pool:
            try:
                while not self._stopping:
                    self.turn(pool)
                self._end(pool)
            finally:
                self._leave()

    def _end(self, pool: ThreadPoolExecutor) -> None:
        """Commit a last time, each partition with a checkpoint, while it is still ours."""
        try:
            self._commit(pool, [t for t in self._tenures.values() if t.live], last=True)
        except (FencedError, LogUnavailableError) as error:
            self._observer.says(
                f"the last commit did not go through ({error}); what it held is folded again "
                f"by the next owner"
            )

    def turn(self, pool: ThreadPoolExecutor) -> None:
        """Go round once: poll, fold, commit what is due."""
        try:
            member = self._member or self._join()
            batches = member.poll(self._patience(), self._timing.poll_records)
            self._heed(member)
            more = self._feed(batches, member)
            self._take_over()
            until = time.monotonic() + _CHUNK / max(len(self._tenures), 1)
            for tenure in list(self._tenures.values()):
                self._work(tenure, member, until)
            if self._assignment is not None:
                self._commit(pool, [t for t in self._tenures.values() if t.due(more)])
            self._tell(member)
            if self._complete():
                self._away_since = None
        except FencedError as error:
            self._fenced(error)
        except LogUnavailableError as error:
            self._unavailable(error)

    def _feed(self, batches: list[Batch], member: Member) -> bool:
        """Hand out what was read, and tell whether more has come to be read by now, probably.

        An input of which nothing came, though it could, was silent.
        """
        now, last = time.monotonic(), self._polled_at
        self._polled_at = now
        more = sum(len(batch.records) for batch in batches) >= self._timing.poll_records
        if not more:
            for tenure in self._tenures.values():
                tenure.pass_time(min(now - last, self._timing.idle / 4))  # some polls, at least
        for batch in batches:
            owner = self._tenures.get(batch.place.partition)
            if owner is not None:
                owner.feed(batch, member)
        return more

    def _complete(self) -> bool:
        """Whether nothing is left to be taken over: what a log that is away does not let be."""
        return self._assignment is not None and (
            self._assignment.partitions <= self._tenures.keys()
        )

    def _work(self, tenure: Tenure, member: Member, until: float) -> None:
        """Let a tenure go on; one whose commit fails on the way is void, and taken anew."""
        try:
            with self._watchdog.guard(f"partition {tenure.number}"):
                if tenure.live:
                    tenure.fold(member, until)
                else:
                    tenure.catch_up(member)
        except LogError:
            self._give_up(tenure)
            raise

    def _give_up(self, tenure: Tenure) -> None:
        self._not_before[tenure.number] = time.monotonic() + 0.2
        self._drop(tenure.number)

    def _patience(self) -> float:
        """Give the seconds that a poll may wait for records."""
        tenures = self._tenures.values()
        if any(tenure.waiting or not tenure.live for tenure in tenures):
            return 0.0
        dirty = any(tenure.keeper.dirty for tenure in tenures)
        return self._timing.rest / 10 if dirty else self._timing.rest

    # --- membership -----------------------------------------------------------------------

    def _identify(self) -> Identity:
        found = self._log.topics(self._inputs)
        for name, topic in found.items():
            if "compact" in topic.settings.get("cleanup.policy", ""):
                raise LogError(
                    f"{name}: inputs must not be compacted, since records vanish that a take-over "
                    f"has to fold again; set cleanup.policy=delete"
                )
        ids = {name: found[name].id for name in self._inputs}
        return Identity(self._log.cluster(), ids, found[self._topics.events].partitions)

    def _join(self) -> Member:
        member = self._log.member(self._topics.group, self._inputs, self._instance)
        self._member = member
        self._assignment = None
        return member

    def _heed(self, member: Member) -> None:
        """Act on what the group has decided."""
        new, old = member.assignment, self._assignment
        self._assignment = new
        if new is None or (old is not None and old.epoch == new.epoch):
            return
        self._check_numbers(new)
        for number in self._tenures.keys() - new.partitions:
            self._drop(number)
        for tenure in self._tenures.values():
            tenure.sink.token = new.token
            tenure.attend(member)
        self._tell_owned()

    def _check_numbers(self, assignment: Assignment) -> None:
        there = self._identity.partitions
        if max(assignment.partitions, default=0) >= there:
            raise LogError(
                f"partitions were added to {', '.join(self._inputs)}, where there were {there}: "
                f"keys lie on others now, and labels no longer with their events. Go on under "
                f"another application name, with topics of their own"
            )

    def _take_over(self) -> None:
        """Take over one number that is ours and not in our hands yet."""
        assignment, now = self._assignment, time.monotonic()
        if assignment is None:
            return
        for number in sorted(assignment.partitions - self._tenures.keys()):
            if self._not_before.get(number, 0.0) > now:
                continue
            reach("take")
            with self._watchdog.guard(f"taking over partition {number}"):
                try:
                    self._tenures[number] = self._take(number, assignment.token)
                except LogUnavailableError:
                    self._not_before[number] = now + 1.0
                    raise
            self._observer.says(f"partition {number} taken over")
            self._tell_owned()
            return

    def _take(self, number: int, token: object) -> Tenure:
        inputs = inputs_of(self._settings, self._topics, number)
        sink = LogSink(
            self._log, self._topics, self._settings.name, number, inputs, self._identity
        )
        sink.token = token
        try:
            return Tenure(
                self._log, inputs, sink, lambda sink: self._keeper_of(number, sink),
                self._timing.idle, self._workshop,
            )  # fmt: skip
        except BaseException:
            sink.close()
            raise

    def _drop(self, number: int) -> None:
        self._tenures.pop(number).close()
        self._observer.says(f"partition {number} given up")
        self._tell_owned()

    def _tell_owned(self) -> None:
        assignment = self._assignment
        self._observer.owns(assignment.partitions if assignment else (), self._tenures)

    def _leave(self) -> None:
        for number in list(self._tenures):
            self._drop(number)
        if self._member is not None:
            self._member.close()
            self._member = None

    # --- commits and their failures -------------------------------------------------------

    def _commit(self, pool: ThreadPoolExecutor, due: list[Tenure], last: bool = False) -> None:
        """Commit, several at once; drop those whose commit failed, then tell of the worst."""
        if not due:
            return
        failed: list[tuple[LogError, Tenure]] = []

        def commit(tenure: Tenure) -> None:
            try:
                tenure.commit("shutdown" if last else None)
            except LogError as error:
                failed.append((error, tenure))
            else:
                self._observer.committed(tenure)

        with self._watchdog.guard("a commit"):
            list(map(commit, due) if len(due) == 1 else pool.map(commit, due))
        for _, tenure in failed:
            self._give_up(tenure)
        for error in sorted((e for e, _ in failed), key=_gravity):
            raise error

    def _fenced(self, error: FencedError) -> None:
        """Somebody else owns a number of ours, or our membership: join anew and hear what is ours.

        Raises
        ------
        LogError
            It happens again and again: somebody else is started under the same name.
        """
        now = time.monotonic()
        self._fencings = [at for at in self._fencings if now - at < 60] + [now]
        if len(self._fencings) > _MOST_FENCINGS:
            raise LogError(
                f"another process takes over what this one owns, {len(self._fencings)} times in "
                f"a minute ({error}); it is started under the same name "
                f"(instance {self._instance}): stop one of them"
            ) from error
        self._observer.says(f"fenced: {error}; joining again")
        if self._member is not None:
            self._member.close()
            self._member = None

    def _unavailable(self, error: LogUnavailableError) -> None:
        """Wait for the log, but not for ever."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            self._observer.says(f"waiting for the log: {error}")
        if now - self._away_since > self._timing.give_up:
            raise LogError(
                f"the log has not answered for {self._timing.give_up:.0f} s: {error}"
            ) from error
        time.sleep(0.2)

    def _tell(self, member: Member) -> None:
        self._observer.turned()
        for number, tenure in self._tenures.items():
            for stream, place in tenure.places.items():
                lag = tenure.lag(member, place) if tenure.live else None
                if lag is not None:
                    self._observer.lags(number, stream, lag)


def _gravity(error: LogError) -> tuple[bool, bool]:
    """Order errors: those that trying again does not mend, those of ownership, the others."""
    return error.retriable, not isinstance(error, FencedError)
