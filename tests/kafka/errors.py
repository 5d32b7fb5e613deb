"""What can go wrong with the broker of the tests."""


class BrokerUnavailableError(Exception):
    """This machine offers no way to a broker; the message says what is missing."""


class BrokerError(Exception):
    """A broker is there, or should be, but does not do what it is asked to."""
