"""The features of a chunk, packed as they come, against the events themselves."""

from collections import Counter
from math import isnan

import orjson
from hypothesis import given
from hypothesis import strategies as st

from stream.core.columns import Gathered
from stream.core.records import Kind, Shape

KINDS: dict[str, Kind] = {
    "x": "number", "on": "bool", "city": "text", "y": "number", "carrier": "text",
}  # fmt: skip
VALUES = {
    "number": st.one_of(st.floats(-1e30, 1e30), st.integers(-(2**53), 2**53), st.booleans()),
    "bool": st.booleans(),
    "text": st.sampled_from(["Oslo", "Bergen", ""]),
}
events = st.fixed_dictionaries({}, optional={name: VALUES[kind] for name, kind in KINDS.items()})
THEN = ["go on", "go on", "restore", "no shape", "drop"]
shuffled = st.tuples(events, st.permutations(list(KINDS)))


@given(st.lists(st.tuples(shuffled, st.sampled_from(THEN)), min_size=1))
def test_it_gives_what_the_events_hold_whenever_it_was_written_down(steps):
    kinds: dict[str, Kind] = {}
    shapes: dict[str, Shape] = {}
    chunk, kept = Gathered(), []
    for (event, order), then in steps:
        event = {name: event[name] for name in order if name in event}
        kinds |= {name: KINDS[name] for name in event}  # in the order in which they are met
        types = [(name, type(value), 0.0) for name, value in event.items()]
        shape = shapes.setdefault(str(types), Shape(types))
        if then == "drop" and event:
            del event[next(iter(event))]  # by a rule, which the shape knows nothing of
        chunk.add(event, kinds, None if then == "no shape" else shape)
        kept.append(event)
        if then == "restore":
            state = orjson.loads(orjson.dumps(chunk.state()))
            chunk = Gathered()
            chunk.restore(state)
            assert orjson.loads(orjson.dumps(chunk.state())) == state
    numbers, tallies = chunk.take(kinds)
    names = [name for name, kind in kinds.items() if kind != "text"]
    assert chunk.names == names
    for name, row in zip(names, numbers.tolist(), strict=True):
        for event, number in zip(kept, row, strict=True):
            assert number == float(event[name]) if name in event else isnan(number)
    assert list(tallies) == [name for name, kind in kinds.items() if kind == "text"]
    for name, tally in tallies.items():
        assert tally == Counter(event.get(name) for event in kept)
    assert chunk.state() == []
