"""A consumer group of the log in memory: members, generations, rebalances, committed offsets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream.edges.transports.log import CommittedOffset, FencedError, Place


class Token(NamedTuple):
    """What a commit has to show: who read the records, and in which generation of the group."""

    group: str
    generation: int
    member: str


@dataclass(eq=False, slots=True)
class Membership:
    """One member as the group sees it.

    Attributes
    ----------
    joined
        Whether it has joined the generation that is being formed, or the one that stands.
    gone
        A static member that was closed: it keeps its share for its session.
    fenced
        Another process has joined with its instance name.
    """

    id: str
    instance: str | None
    topics: tuple[str, ...]
    joined: bool = False
    gone: bool = False
    fenced: bool = False
    generation: int = -1
    places: frozenset[Place] = frozenset()


class Group:
    """A group under the classic protocol with the eager Range assignor.

    A rebalance begins when the members or the topics change, and ends when every member has
    joined again, which each does in its next poll. A member that does not poll holds it up
    until it is evicted.

    Parameters
    ----------
    counts
        Gives the number of partitions of each topic that exists.

    Attributes
    ----------
    settled
        Whether no rebalance is going on.
    committed
        The offsets of the group.
    """

    def __init__(self, name: str, counts: Callable[[], Mapping[str, int]]) -> None:
        self._name = name
        self._counts = counts
        self._members: dict[str, Membership] = {}
        self._generation = 0
        self._joins = 0
        self.settled = True
        self.committed: dict[Place, CommittedOffset] = {}

    def subscribes(self, topic: str) -> bool:
        """Tell whether a member reads the topic."""
        return any(topic in member.topics for member in self._members.values())

    def join(self, topics: Sequence[str], instance: str | None) -> Membership:
        """Add a member, or let it take the place of the one with its instance name."""
        self._joins += 1
        member = Membership(f"{instance or 'member'}-{self._joins}", instance, tuple(topics))
        old = next((m for m in self._members.values() if instance and m.instance == instance), None)
        if old is None:
            self._members[member.id] = member
            self.rebalance()
            return member
        old.fenced = True
        del self._members[old.id]
        self._members[member.id] = member
        member.joined, member.generation, member.places = old.joined, old.generation, old.places
        if member.topics != old.topics:
            self.rebalance()
        return member

    def leave(self, member: Membership) -> None:
        """Take leave: a static member stays for its session, as it may come back."""
        if member.instance is None:
            self.evict(member)
        else:
            member.gone = True
            self._complete()

    def evict(self, member: Membership) -> None:
        """Drop a member whose session is over, or that polled too rarely."""
        if self._members.pop(member.id, None) is not None:
            self.rebalance()

    def evict_instance(self, instance: str) -> None:
        """Drop the static member of that name."""
        for member in [m for m in self._members.values() if m.instance == instance]:
            self.evict(member)

    def knows(self, member: Membership) -> bool:
        """Tell whether it still is one of the members."""
        return member.id in self._members

    def rebalance(self) -> None:
        """Ask all members to join anew."""
        self.settled = False
        for member in self._members.values():
            member.joined = False

    def rejoin(self, member: Membership) -> None:
        """Join the generation that is being formed; the last to do so completes it."""
        member.joined = True
        self._complete()

    def _complete(self) -> None:
        if self.settled or not all(m.joined or m.gone for m in self._members.values()):
            return
        self.settled = True
        self._generation += 1
        shares = range_shares(list(self._members.values()), self._counts())
        for member in self._members.values():
            member.joined = True
            member.generation = self._generation
            member.places = shares[member.id]

    def check(self, token: object) -> None:
        """Refuse what was read by somebody who is no member any more, or in an old generation.

        Raises
        ------
        FencedError
            The token is not current.
        """
        if not isinstance(token, Token) or token.group != self._name:
            raise FencedError(f"the group {self._name} did not give out {token!r}")
        if token.member not in self._members:
            raise FencedError(f"{token.member} is no longer a member of the group {self._name}")
        if token.generation != self._generation:
            raise FencedError(
                f"the group {self._name} is at generation {self._generation},"
                f" and the records were read in {token.generation}"
            )

    def token(self, member: Membership) -> Token:
        """Give the member's proof of its share."""
        return Token(self._name, member.generation, member.id)


def range_shares(
    members: Sequence[Membership], counts: Mapping[str, int]
) -> dict[str, frozenset[Place]]:
    """Share partitions out as Kafka's Range assignor does: topic by topic, in order of members.

    Static members come first, by their instance name. The first ones get one partition more
    when the division leaves a rest, so topics with equally many partitions are shared alike.

    Examples
    --------
    >>> both = [Membership("b", None, ("t",)), Membership("a", None, ("t",))]
    >>> sorted(place.partition for place in range_shares(both, {"t": 3})["a"])
    [0, 1]
    """
    ordered = sorted(members, key=lambda m: (m.instance is None, m.instance or "", m.id))
    shares: dict[str, set[Place]] = {member.id: set() for member in members}
    for topic, count in counts.items():
        readers = [member for member in ordered if topic in member.topics]
        first = 0
        for index, member in enumerate(readers):
            each, rest = divmod(count, len(readers))
            after = first + each + (index < rest)
            shares[member.id].update(Place(topic, number) for number in range(first, after))
            first = after
    return {name: frozenset(places) for name, places in shares.items()}
