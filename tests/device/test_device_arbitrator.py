"""The arbitrator: what weighs most is done (behaviours 4.12)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c068_arbitrator import ActionRequest
from cosem.device.arbitrator import ArbitratorBehaviour
from cosem.errors import ConfigError
from cosem.results import ActionResult, DataAccessResult
from support.meters import utc
from support.recorder import Recorder, script

SUPPLIER, GRID = 0, 1
CONNECT, DISCONNECT = "10", "01"


def arbitrating(weights: Any = ((10, 10), (100, 100)), permissions: Any = ("11", "11")) -> Any:
    recorder = Recorder(utc(2026, 6, 1))
    actions = [script(1), script(2)]
    return recorder, ArbitratorBehaviour(
        recorder.host, recorder.scripts, "0-0:96.3.20.255", actions, permissions, weights
    )


def ask(recorder: Recorder, arbitrator: ArbitratorBehaviour, actor: int, bits: str) -> ActionResult:
    result: ActionResult = recorder.call(arbitrator.object, 1, ActionRequest(actor, bits))
    return result


def test_the_grid_outweighs_the_supplier_until_it_withdraws() -> None:
    recorder, arbitrator = arbitrating()
    ask(recorder, arbitrator, GRID, DISCONNECT)
    ask(recorder, arbitrator, SUPPLIER, CONNECT)
    assert recorder.numbers == [2, 2]
    assert arbitrator.object.last_outcome == 2
    ask(recorder, arbitrator, GRID, "00")
    assert recorder.numbers == [2, 2, 1]
    assert arbitrator.object.last_outcome == 1


def test_equal_weights_do_nothing() -> None:
    recorder, arbitrator = arbitrating(((50, 50), (50, 50)))
    ask(recorder, arbitrator, SUPPLIER, CONNECT)
    ask(recorder, arbitrator, GRID, DISCONNECT)
    assert recorder.numbers == [1]
    assert arbitrator.object.last_outcome == 1


def test_only_what_an_actor_may_ask_for_is_kept() -> None:
    recorder, arbitrator = arbitrating(permissions=("10", "11"))
    assert ask(recorder, arbitrator, SUPPLIER, "11") is ActionResult.SUCCESS
    assert arbitrator.object.most_recent_requests_table == ("10", "00")
    assert recorder.numbers == [1]


def test_behaviour_of_a_request_that_means_nothing() -> None:
    recorder, arbitrator = arbitrating(permissions=("10", "11"))
    assert ask(recorder, arbitrator, 2, CONNECT) is ActionResult.OTHER_REASON
    assert ask(recorder, arbitrator, GRID, "1") is ActionResult.OTHER_REASON
    assert ask(recorder, arbitrator, SUPPLIER, DISCONNECT) is ActionResult.READ_WRITE_DENIED
    assert arbitrator.object.most_recent_requests_table == ("00", "00")
    assert recorder.ran == []


def test_reset_forgets_the_requests_and_keeps_the_tables() -> None:
    recorder, arbitrator = arbitrating()
    ask(recorder, arbitrator, GRID, DISCONNECT)
    assert recorder.call(arbitrator.object, 2, 0) is ActionResult.SUCCESS
    assert (arbitrator.object.most_recent_requests_table, arbitrator.object.last_outcome) == (("00", "00"), 0)
    assert arbitrator.object.permissions_table == ("11", "11")


def test_tables_of_another_size_are_refused() -> None:
    recorder, arbitrator = arbitrating()
    assert recorder.write(arbitrator.object, 3, ("11",)) is DataAccessResult.OTHER_REASON
    assert recorder.write(arbitrator.object, 4, ((1,), (2,))) is DataAccessResult.OTHER_REASON
    assert recorder.write(arbitrator.object, 2, (script(1),)) is DataAccessResult.OTHER_REASON
    assert recorder.write(arbitrator.object, 4, ((7, 7), (1, 1))) is DataAccessResult.SUCCESS
    with pytest.raises(ConfigError, match="each actor"):
        arbitrating(permissions=("1", "11"))


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=2), min_size=2, max_size=2),
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["00", "01", "10", "11"])), max_size=8),
)
def test_a_script_runs_if_and_only_if_one_action_alone_weighs_most(
    weights: list[list[int]], requests: list[tuple[int, str]]
) -> None:
    recorder, arbitrator = arbitrating(weights)
    latest = ["00", "00"]
    for actor, bits in requests:
        before = len(recorder.ran)
        latest[actor] = bits
        assert ask(recorder, arbitrator, actor, bits) is ActionResult.SUCCESS
        first, second = (sum(weights[a][n] for a in (0, 1) if latest[a][n] == "1") for n in (0, 1))
        assert recorder.numbers[before:] == ([] if first == second else [1 if first > second else 2])
