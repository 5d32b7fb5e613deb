"""Starting the service where the log is not there yet."""

import pytest

from stream.app.run import patiently
from stream.edges.topics import TopicError
from stream.edges.transports.log import LogUnavailableError
from tests.services import Heard


class Failing:
    """Fails so many times before it gives something."""

    def __init__(self, times, error):
        self.left = times
        self.error = error

    def __call__(self):
        if self.left:
            self.left -= 1
            raise self.error
        return "built"


def test_a_log_that_comes_late_is_waited_for_and_that_is_said_once():
    observer = Heard()
    slept: list[float] = []
    build = Failing(3, LogUnavailableError("no broker answers"))
    assert patiently(build, observer, sleep=slept.append) == "built"
    assert observer.messages == ["no broker answers; trying again for 300 s"]
    assert len(slept) == 3


def test_it_is_given_up_after_a_while():
    with pytest.raises(LogUnavailableError):
        patiently(Failing(9, LogUnavailableError("gone")), Heard(), give_up=0.0)


def test_what_waiting_does_not_mend_is_not_waited_for():
    with pytest.raises(TopicError):
        patiently(Failing(1, TopicError("different numbers of partitions")), Heard())
