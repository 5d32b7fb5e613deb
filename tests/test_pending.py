"""Pending predictions against a plain dictionary, and the cost of a million of them."""

from collections import OrderedDict

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core import pending as module
from stream.core import segments
from stream.core.pending import Pending, Served
from stream.core.segments import RecentIds


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(module, "CAPACITY", 8)
    monkeypatch.setattr(module, "_SPARSE", 4)
    monkeypatch.setattr(module, "_LOOK_EVERY", 1)
    monkeypatch.setattr(segments, "CAPACITY", 8)


def served(number: int, arrived: float) -> Served:
    name = f"e{number}"
    return Served(name, arrived, number, arrived, {"x": number / 3}, True, 0.5, None, None, "v1")


FIELDS = (
    "id", "arrived", "time", "moment", "features", "prediction", "probability", "no_change",
    "majority", "model", "shadow",
)  # fmt: skip


def values(one: Served | None) -> list[object] | None:
    return None if one is None else [getattr(one, name) for name in FIELDS]


def reborn(pending: Pending, stored: dict[str, bytes]) -> Pending:
    for name, content in pending.pieces().items():
        if content is not None:
            stored[name] = content
    pending.stored()
    again = Pending(pending.ttl, pending.most)
    again.restore(orjson.loads(orjson.dumps(pending.state())), stored)
    return again


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 12)),
        st.tuples(st.just("pop"), st.integers(0, 200)),
        st.tuples(st.just("pass"), st.integers(0, 30)),
        st.tuples(st.sampled_from(["reborn", "digest"]), st.just(0)),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_it_is_a_dictionary_with_a_time_to_live_whatever_is_restored(steps):
    ttl, most = 40.0, 30
    stored: dict[str, bytes] = {}
    pending, never = Pending(ttl, most), Pending(ttl, most)
    model: OrderedDict[str, Served] = OrderedDict()
    number, now = 0, 0.0
    for step, amount in steps:
        if step == "add":
            for _ in range(amount):
                one = served(number, now)
                number += 1
                model[one.id] = one
                evicted = next(iter(model)) if len(model) > most else None
                if evicted:
                    del model[evicted]
                for each in (pending, never):
                    assert each.add(one) == evicted
        elif step == "pop":
            expected = values(model.pop(f"e{amount}", None))
            assert values(pending.pop(f"e{amount}")) == expected
            assert values(never.pop(f"e{amount}")) == expected
        elif step == "pass":
            now += amount
            old = [name for name, one in model.items() if one.arrived + ttl < now]
            for name in old:
                del model[name]
            assert pending.expire(now) == old == never.expire(now)
        elif step == "digest":
            pending.essence()
        else:
            before = pending.essence()
            pending = reborn(pending, stored)
            assert pending.essence() == before
        assert len(pending) == len(model)
    assert pending.essence() == never.essence(), "whenever it was written down"
    for each in (pending, never):
        kept = sum(len(piece.rows) for piece in each._pieces[:-1])
        assert kept <= 8 * len(model) + 8, "sparse pieces are merged"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), max_size=8))
def test_recent_ids_forget_the_oldest_and_survive_a_restore(batches):
    recent, number = RecentIds(24), 0
    for batch in batches:
        for _ in range(batch):
            recent.add(f"e{number}")
            number += 1
        again = RecentIds(24)
        again.restore(orjson.loads(orjson.dumps(recent.state())), recent.pieces())
        assert again.ids == recent.ids
        assert again.state() == recent.state()
        recent = again
        assert all(f"e{each}" in recent for each in range(max(0, number - 24), number))
        assert len(recent.ids) <= 24 + 8
