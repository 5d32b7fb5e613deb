"""Who hears how the service is doing: a person on standard error, and Prometheus."""

import sys
from collections.abc import Collection, Mapping

from stream.edges.telemetry import Telemetry, counts_of
from stream.edges.tenure import Tenure


class TelemetryObserver:
    """Tells Prometheus at commits, and a person what happens to partitions.

    Parameters
    ----------
    telemetry
        What `/metrics` shows; told whether or not anybody looks.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._owned: tuple[Collection[int], Mapping[int, Tenure]] | None = None

    def turned(self) -> None:
        """Hear that the loop has gone round; a partition may have become live by that."""
        self._telemetry.beat()
        if self._owned is not None:
            self.owns(*self._owned)

    def owns(self, assigned: Collection[int], tenures: Mapping[int, Tenure]) -> None:
        """Hear which numbers are owned; they are looked at again at every turn."""
        self._owned = assigned, tenures
        self._telemetry.owned(assigned, live={n for n, each in tenures.items() if each.live})

    def committed(self, tenure: Tenure) -> None:
        """Hear of commits, those at alarms included."""
        number, keeper = tenure.number, tenure.keeper
        self._telemetry.observe(number, keeper.last_report, counts_of(keeper.partition))
        while keeper.took:
            took = keeper.took.popleft()
            self._telemetry.commit(number, took.commit)
            if took.manifest is not None:
                self._telemetry.checkpoint(number, took.checkpoint, took.manifest["bytes"])
        while tenure.bench.seconds:
            self._telemetry.made(number, tenure.bench.seconds.pop())

    def lags(self, number: int, stream: str, records: int) -> None:
        """Hear how far an input is from its end."""
        self._telemetry.lag(number, stream, records)

    def says(self, message: str) -> None:
        """Print what a person may want to know."""
        print(f"driftline: {message}", file=sys.stderr, flush=True)
