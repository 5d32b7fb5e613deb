"""Who hears how the service is doing: a person on standard error, and Prometheus."""

import sys
from collections.abc import Mapping

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
        self._tenures: Mapping[int, Tenure] | None = None
        self._announced: dict[int, str] = {}

    def turned(self) -> None:
        """Hear that the loop has gone round; a partition may have become live by that."""
        self._telemetry.beat()
        if self._tenures is not None:
            self.owns(self._tenures)

    def owns(self, tenures: Mapping[int, Tenure]) -> None:
        """Hear which numbers are owned; they are looked at again at every turn."""
        self._tenures = tenures
        self._telemetry.owned(tenures, live={n for n, each in tenures.items() if each.live})
        for number in self._announced.keys() - tenures.keys():
            del self._announced[number]

    def committed(self, tenure: Tenure, seconds: float) -> None:
        """Hear of a commit."""
        number, keeper = tenure.number, tenure.keeper
        self._telemetry.observe(number, keeper.last_report, counts_of(keeper.partition))
        self._telemetry.commit(number, seconds)
        manifest = keeper.committed.checkpoint
        if manifest is not None and self._announced.get(number) != manifest["blob"]:
            if number in self._announced or keeper.checkpoint_took:
                self._telemetry.checkpoint(number, keeper.checkpoint_took, manifest["bytes"])
            self._announced[number] = manifest["blob"]

    def lags(self, number: int, stream: str, records: int) -> None:
        """Hear how far an input is from its end."""
        self._telemetry.lag(number, stream, records)

    def says(self, message: str) -> None:
        """Print what a person may want to know."""
        print(f"driftline: {message}", file=sys.stderr, flush=True)
