"""Invocation counters come once, whatever ends the process between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import CounterExhausted
from cosem.headend.counters import DatabaseCounterStore
from cosem.headend.database import open_database
from cosem.security.counters import END


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(1, 300), st.integers(0, 2000), st.booleans()), max_size=15
    )
)
def test_no_counter_is_given_out_twice_though_the_process_ends_and_starts_anew(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("counters") / "headend.db"
    engine = open_database(path)
    used: dict[str, int] = {}
    for name, count, floor, killed in steps:
        store = DatabaseCounterStore(engine)
        first, behind = store.lease(name, count, floor)
        assert first >= max(used.get(name, 0), floor)
        assert behind == first + count
        used[name] = behind
        if killed:
            engine.dispose()
            engine = open_database(path)
    engine.dispose()


def test_many_are_leased_by_one_transaction_or_none(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    store = DatabaseCounterStore(engine)
    names = {f"meter {n}": n for n in range(1200)}
    with engine.begin() as connection:
        first = store.lease_many(connection, names, 10)
    with engine.begin() as connection:
        second = store.lease_many(connection, dict.fromkeys(names, 0), 10)
    assert all(first[name] == (n, n + 10) for name, n in names.items())
    assert all(second[name] == (n + 10, n + 20) for name, n in names.items())
    with pytest.raises(CounterExhausted):
        store.lease("meter 1", 10, END)
    assert store.lease("meter 1", 1) == (21, 22)
    engine.dispose()


def test_the_last_counter_of_the_peer_is_kept(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    store = DatabaseCounterStore(engine)
    assert store.last_received("meter 1") is None
    store.lease("meter 1", 5)
    store.commit_received("meter 1", 77)
    store.commit_received("meter 2", 3)
    assert (store.last_received("meter 1"), store.last_received("meter 2")) == (77, 3)
    assert store.lease("meter 1", 1) == (5, 6)
    engine.dispose()
