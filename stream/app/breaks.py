"""Ways to break the flights, so that one can see which alarm names it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from zlib import crc32

BROKEN_FROM = "2013-07-01"

Flight = dict[str, Any]


class Break(NamedTuple):
    """One way: what is done, in words, and to a flight, or None to leave it out."""

    says: str
    change: Callable[[Flight, float], Flight | None]
    strength: float


def _chance(flight: Flight) -> float:
    """Give a number from 0 to 1 that only depends on the flight."""
    return crc32(flight["flight_id"].encode()) / 2**32


def _units(flight: Flight, factor: float) -> Flight:
    return flight | {"distance": flight["distance"] * factor}


def _rename(flight: Flight, strength: float) -> Flight:
    del strength
    return {("departure_delay" if key == "dep_delay" else key): v for key, v in flight.items()}


def _concept(flight: Flight, strength: float) -> Flight:
    if flight["late"] == "" or _chance(flight) >= strength:
        return flight
    return flight | {"late": "0" if flight["late"] == "1" else "1"}


def _missing(flight: Flight, strength: float) -> Flight:
    return flight | {"dep_delay": ""} if _chance(flight) < strength else flight


def _labels(flight: Flight, strength: float) -> Flight | None:
    return None if flight["late"] == "0" and _chance(flight) < strength else flight


BREAKS: dict[str, Break] = {
    "units": Break("distances come in kilometres, not miles", _units, 1.609344),
    "rename": Break("dep_delay is called departure_delay", _rename, 1.0),
    "concept": Break("for 4 flights in 10, late and punctual change places", _concept, 0.4),
    "missing": Break("the delay at departure is missing for 6 flights in 10", _missing, 0.6),
    "labels": Break("19 in 20 of the punctual flights are left out", _labels, 0.95),
}


def broken(flights: Iterator[Flight], name: str) -> Iterator[Flight]:
    """Give the flights as they are up to July, and broken from then on."""
    way = BREAKS[name]
    for flight in flights:
        if flight["departed_at"] < BROKEN_FROM:
            yield flight
        elif (changed := way.change(flight, way.strength)) is not None:
            yield changed
