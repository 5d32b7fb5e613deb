"""Models that are made beside the stream: ordered at one record, taken up at a later one.

What takes long would hold up all that comes after it. So the fold only notes what it wants; an
edge has it made in another process, and says so by a control record that names the result.
That record has a position like any other: a replay takes the same model up at the same place,
without making it again.
"""

from typing import Any, NamedTuple, Self

from stream.core.settings import How, Window


class Order(NamedTuple):
    """A challenger that is wanted.

    Attributes
    ----------
    number
        That of the model record which told of the reason.
    """

    number: int
    cause: dict[str, Any]
    how: How
    window: Window

    @property
    def since(self) -> float | None:
        """Moment of the first event after the change that is the cause, where there was one."""
        return self.cause.get("since")

    def state(self) -> dict[str, Any]:
        """Give it as JSON."""
        window = {"policy": self.window.policy, "size": self.window.size}
        return {"number": self.number, "cause": self.cause, "how": self.how, "window": window}

    @classmethod
    def revived(cls, state: dict[str, Any]) -> Self:
        """Make the one whose state this is."""
        return cls(state["number"], state["cause"], state["how"], Window(**state["window"]))


class Fitted(NamedTuple):
    """What came of an order: a model, or why there is none.

    Attributes
    ----------
    order
        Its number.
    how, parent, window
        As model records tell them.
    failure
        What went wrong; empty when there is an estimator.
    seconds
        Processor time that it took.
    """

    order: int
    estimator: object | None = None
    how: str = ""
    parent: str | None = None
    window: dict[str, Any] | None = None
    failure: str = ""
    seconds: float = 0.0
