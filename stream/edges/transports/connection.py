"""What the two Kafka clients are given alike: times, secrets out of messages, calls that end."""

import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from stream.edges.transports.log import LogError, LogUnavailableError

T = TypeVar("T")

_SECRET = re.compile(r"password|secret|sasl.?jaas|token|credential|key(?!.?deserializer)", re.I)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connection waits, in seconds.

    Attributes
    ----------
    session
        Silence after which the group takes a member for dead.
    transaction
        After it the broker aborts a transaction that nobody has ended.
    call
        Most that any one call waits for an answer.
    """

    session: float = 6.0
    transaction: float = 30.0
    call: float = 10.0


def bounded(seconds: float, what: str, call: Callable[..., T], *arguments: object) -> T:
    """Make a call that may never return; give up waiting after a while.

    The call is left to itself then, on a thread that does not keep the process from ending.

    Raises
    ------
    LogUnavailableError
        The call did not return in time; else whatever it raised itself.

    Examples
    --------
    >>> bounded(5, "sum", sum, [1, 2])
    3
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call(*arguments))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name=f"kafka-{what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise LogUnavailableError(f"Kafka: {what}: no answer within {seconds:g} s")
    return outcome[0]


def masked(text: str, settings: Mapping[str, Any]) -> str:
    """Take the values of secret settings out of a text.

    Examples
    --------
    >>> masked("bad login u/hunter2", {"sasl.username": "u", "sasl.password": "hunter2"})
    'bad login u/***'
    """
    secrets = [str(value) for key, value in settings.items() if _SECRET.search(key) and value]
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def refuse_own(settings: Mapping[str, Any], own: Collection[str]) -> None:
    """Refuse settings on which the guarantees rest.

    Raises
    ------
    LogError
        One of them is given.
    """
    for key in settings:
        if key in own:
            raise LogError(
                f"[kafka.client_settings]: {key} is set by driftline itself, as its guarantees"
                " rest on it; leave it out"
            )
