"""Two inputs, one order, whatever the batches."""

import itertools
from collections import deque
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.core.merge import Head, Item, Merge, Stream, by_heads
from stream.core.records import Fault, Row

ROW = Row({}, b"")
sorted_times = st.lists(st.integers(0, 30), max_size=40).map(sorted)


@given(sorted_times, sorted_times, st.data())
def test_sorted_inputs_come_out_by_time_events_first(events, labels, data):
    merge = Merge()
    inputs: dict[Any, list[tuple[int, int]]] = {
        "events": list(enumerate(events)),
        "labels": list(enumerate(labels)),
    }
    taken = []
    while True:
        for name, queue in inputs.items():
            if merge.wants(name):
                for offset, time in queue[: (size := data.draw(st.integers(1, 5)))]:
                    merge.feed(name, float(time), offset, ROW)
                if not queue:
                    merge.end(name)
                inputs[name] = queue[size:]
        batch = merge.take(data.draw(st.integers(1, 7)))
        taken += [(stream, offset) for stream, offset, _ in batch]
        if not batch and not any(inputs.values()) and not merge.wants("events"):
            if merge.wants("labels"):
                continue
            break
    expected = sorted(
        [(time, 0, offset, "events") for offset, time in enumerate(events)]
        + [(time, 1, offset, "labels") for offset, time in enumerate(labels)]
    )
    assert taken == [(stream, offset) for _, _, offset, stream in expected]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-5, 30)), max_size=40), st.data())
def test_promised_labels_follow_their_event_and_come_by_time(rows, data):
    def run(batch):
        merge, taken, fed = Merge(), list[Item](), 0
        merge.end("labels")
        while True:
            while merge.wants("events"):
                for offset in range(fed, min(fed + batch, len(rows))):
                    time, delay = rows[offset]
                    [taken_at] = merge.feed_all("events", [float(time)], [offset], [ROW])
                    label = Row({"event": offset}, b"")
                    merge.promise([max(taken_at, float(time + delay))], [offset], [label])
                if fed >= len(rows):
                    merge.end("events")
                fed += batch
            items = merge.take(3)
            if not items:
                return taken
            taken += items

    items = run(data.draw(st.integers(1, 9)))
    order = [
        ("event", offset) if stream == "events" else ("label", row.fields["event"])
        for stream, offset, row in items
    ]
    assert sorted(order) == sorted(
        [("event", n) for n in range(len(rows))] + [("label", n) for n in range(len(rows))]
    )
    assert all(order.index(("event", n)) < order.index(("label", n)) for n in range(len(rows)))
    assert [offset for stream, offset, _ in items if stream == "labels"] == list(range(len(rows)))
    assert run(1) == items, "batches do not matter"


heads = st.lists(st.integers(0, 9).map(float), max_size=12)


@given(heads, heads)
def test_by_heads_is_the_same_order(events, labels):
    merge = Merge()
    inputs: list[tuple[Stream, list[float]]] = [("events", events), ("labels", labels)]
    for stream, times in inputs:
        for offset, time in enumerate(times):
            merge.feed(stream, time, offset, ROW)
        merge.end(stream)
    assert taken_by_heads(events, labels) == [(s, o) for s, o, _ in merge.take(99)]


@given(heads, heads, st.lists(st.integers(0, 24), max_size=4))
def test_parts_of_what_was_taken_by_heads_have_its_order_by_themselves(events, labels, cuts):
    whole = taken_by_heads(events, labels)
    again = []
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        part = whole[start:end]
        own = {s: [offset for stream, offset in part if stream == s] for s in ("events", "labels")}
        first = {stream: min(offsets, default=0) for stream, offsets in own.items()}
        again += [
            (stream, offset + first[stream])
            for stream, offset in taken_by_heads(
                [events[offset] for offset in own["events"]],
                [labels[offset] for offset in own["labels"]],
            )
        ]
    assert again == whole


def taken_by_heads(events, labels):
    def waiting(times: list[float]) -> deque[Head]:
        return deque((time, n, ROW) for n, time in enumerate(times))

    taken = by_heads(waiting(events), waiting(labels), 99, {"events", "labels"})
    return [(stream, offset) for stream, offset, _ in taken]


def test_more_labels_than_may_be_promised_become_faults_and_none_is_lost():
    merge = Merge(most_promised=2)
    merge.end("labels")
    taken = merge.feed_all("events", [1.0, 2.0, 3.0], [0, 1, 2], [ROW] * 3)
    labels = [Row({"n": n}, b"%d" % n) for n in range(3)]
    merge.promise([taken[0] + 5, taken[1] + 9, taken[2] + 6], [0, 1, 2], labels)
    merge.end("events")
    order = [
        (stream, row.fields.reason if isinstance(row.fields, Fault) else row.raw)
        for stream, _, row in merge.take(9)
        if isinstance(row, Row)
    ]
    assert order[3:] == [("labels", "too_many_promised"), ("labels", b"0"), ("labels", b"2")]
