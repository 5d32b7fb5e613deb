"""What is done about an alarm, and when the next one is too soon."""

from collections.abc import Mapping
from typing import Any

from stream.core.settings import Action


class Response:
    """Holds alarms of one kind back during the cooldown and counts them.

    A response that changes the state (`reset`, `challenge`) is not carried out at the alarm: it is
    `due`, and becomes the first step of the next record. So the checkpoint that the alarm
    names is the state before it, and a replay from there does the same.

    Parameters
    ----------
    actions
        What is declared for each kind of alarm.
    cooldown
        Labels after an alarm during which others of its kind are only counted.
    """

    def __init__(self, actions: Mapping[str, Action], cooldown: int) -> None:
        self.actions = actions
        self.cooldown = cooldown
        self.due: Action | None = None
        self.cause: dict[str, Any] = {}
        self.alarms: dict[str, int] = {}
        self.suppressed: dict[str, int] = {}
        self._since: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def hold(self, kind: str, labels: int) -> bool:
        """Whether an alarm of this kind comes too soon after the last; it is counted then."""
        last = self._last.get(kind)
        if last is None or labels - last > self.cooldown:
            return False
        self.suppress(kind, 1)
        return True

    def suppress(self, kind: str, count: int) -> None:
        """Count what told of the same change once more."""
        if count:
            self.suppressed[kind] = self.suppressed.get(kind, 0) + count
            self._since[kind] = self._since.get(kind, 0) + count

    def raised(
        self, kind: str, labels: int, since: float | None = None
    ) -> tuple[int, int, Action]:
        """Note an alarm; gives its number, what was suppressed since the last, and the action.

        Parameters
        ----------
        since
            Moment from which things have changed, where it is known.
        """
        self.alarms[kind] = self.alarms.get(kind, 0) + 1
        self._last[kind] = labels
        action = self.actions[kind]
        number = sum(self.alarms.values())
        if action == "reset" or (action == "challenge" and self.due is None):
            self.due = action
            self.cause = {"kind": "alarm", "alarm_kind": kind, "number": number, "since": since}
        return number, self._since.pop(kind, 0), action

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "due": self.due,
            "cause": self.cause,
            "alarms": self.alarms,
            "suppressed": self.suppressed,
            "since": self._since,
            "last": self._last,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.due = state["due"]
        self.cause = state["cause"]
        self.alarms = dict(state["alarms"])
        self.suppressed = dict(state["suppressed"])
        self._since = dict(state["since"])
        self._last = dict(state["last"])
