"""Register monitors: what is crossed, in which order, and what a client may set (behaviours 4.2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c009_script_table import ScriptTable
from cosem.classes.c021_register_monitor import RegisterMonitor
from cosem.classes.common import ActionItem, ActionSet, AttributeReference
from cosem.codec import axdr
from cosem.device.causes import Cause
from cosem.device.disconnector import CONNECTED, READY, Disconnector
from cosem.device.host import Host
from cosem.device.register_monitor import MonitorBehaviour
from cosem.device.scripts import DISCONNECTION, ScriptTables, calling, writing
from cosem.device.watch import MAX_ROUNDS, Watch
from cosem.obis import Obis
from cosem.results import DataAccessResult
from support.meters import bare_host, causes_of

VALUE, NAME, PROBE = Obis.parse("0-0:96.13.0.255"), Obis.parse("0-0:16.1.0.255"), Obis.parse("0-0:10.0.108.255")
SUPPLY = Obis.parse("0-0:96.3.10.255")


class Bench:
    """A monitor whose scripts tell their numbers: 10 + i up, 20 + i down."""

    def __init__(self, *thresholds: int, value: int = 5, **options: Any) -> None:
        host = self.host = bare_host()
        host.add(DataObject(VALUE, value=axdr.double_long_unsigned(value)))
        probe = host.add(ScriptTable(PROBE))
        self.run: list[int] = []
        host.handle(probe, 1, self.run.append)
        self.scripts = ScriptTables(host)
        self.watch = Watch(host, self.scripts)
        self.monitor = MonitorBehaviour(
            self.watch,
            NAME,
            AttributeReference(1, VALUE, 2),
            [axdr.double_long_unsigned(threshold) for threshold in thresholds],
            [actions(number) for number in range(1, len(thresholds) + 1)],
            **options,
        )
        self.live(0)

    def live(self, seconds: int) -> None:
        self.host.device.advance(self.host.now + seconds)

    def becomes(self, value: int) -> list[int]:
        """Return the scripts that a new value has run."""
        self.run.clear()
        self.host.write(1, VALUE, 2, axdr.double_long_unsigned(value))
        self.live(0)
        return list(self.run)

    def set(self, number: int, value: Any) -> DataAccessResult:
        attribute = RegisterMonitor.attributes[number]
        return self.host.write(21, NAME, number, attribute.type.to_data(value))


def actions(number: int) -> ActionSet:
    return ActionSet(ActionItem(PROBE, 10 + number), ActionItem(PROBE, 20 + number))


def numbers(*values: int) -> axdr.Data:
    return axdr.array(*(axdr.double_long_unsigned(value) for value in values))


# --- the tests of 4.2 ------------------------------------------------------------------------------------------------


def test_two_thresholds_crossed_upwards_run_both_in_order() -> None:
    assert Bench(10, 20).becomes(25) == [11, 12]


def test_one_threshold_crossed_downwards_runs_its_own_only() -> None:
    bench = Bench(10, 20)
    bench.becomes(25)
    assert bench.becomes(15) == [22]
    assert bench.becomes(5) == [21]
    bench.becomes(25)
    assert bench.becomes(5) == [22, 21]


def test_exactly_the_threshold_runs_nothing() -> None:
    bench = Bench(10, 20)
    assert bench.becomes(10) == []
    assert bench.becomes(11) == [11]


def test_an_alarm_monitor_runs_its_push_script_once() -> None:
    bench = Bench(0, value=0)
    assert bench.becomes(0x2000) == [11]
    assert bench.becomes(0x2001) == []
    assert bench.becomes(0) == []
    assert bench.becomes(0x1) == [11]


# --- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
def test_behaviour_the_first_value_runs_nothing(restart: bool) -> None:
    bench = Bench(10, value=50)
    if restart:
        bench.host.note(Cause.POWER_DOWN)
        assert bench.becomes(5) == []
        bench.host.note(Cause.POWER_UP)
    bench.live(3600)
    assert bench.run == []
    assert bench.becomes(5 if not restart else 50) == ([21] if not restart else [11])


def test_behaviour_as_many_actions_as_thresholds() -> None:
    bench = Bench(10, 20)
    assert bench.set(4, (actions(1),)) is DataAccessResult.OTHER_REASON
    assert bench.set(4, (actions(1), actions(2), actions(3))) is DataAccessResult.OTHER_REASON
    assert len(bench.monitor.object.actions) == 2
    assert bench.host.write(21, NAME, 2, numbers(10, 20, 30)) is DataAccessResult.SUCCESS
    # Between the two writes the new threshold has no action.
    assert bench.becomes(35) == [11, 12]
    assert bench.set(4, (actions(1), actions(2), actions(3))) is DataAccessResult.SUCCESS
    assert bench.becomes(5) == [23, 22, 21]


@pytest.mark.parametrize("threshold", [axdr.long_unsigned(1), axdr.visible_string("1"), axdr.array(), axdr.null()])
def test_thresholds_have_the_type_of_the_monitored_value(threshold: axdr.Data) -> None:
    bench = Bench(10)
    mixed = axdr.array(axdr.double_long_unsigned(1), threshold)
    assert bench.host.write(21, NAME, 2, mixed) is DataAccessResult.TYPE_UNMATCHED
    assert bench.host.read(21, NAME, 2) == numbers(10)


def test_another_monitored_value_begins_with_its_first() -> None:
    bench = Bench(10)
    other, words = Obis.parse("0-0:96.13.1.255"), Obis.parse("0-0:96.13.2.255")
    bench.host.add(DataObject(other, value=axdr.unsigned(50)))
    bench.host.add(DataObject(words, value=axdr.visible_string("high")))
    for class_id, name in ((1, words), (3, other), (1, Obis.parse("0-0:96.99.0.255"))):
        assert bench.set(3, AttributeReference(class_id, name, 2)) is DataAccessResult.OTHER_REASON
    assert bench.set(3, AttributeReference(1, other, 2)) is DataAccessResult.SUCCESS
    bench.live(60)
    assert bench.run == []
    bench.host.write(1, other, 2, axdr.unsigned(9))
    bench.live(0)
    assert bench.run == [21]


def test_a_monitored_value_that_comes_later_is_seen_from_then_on() -> None:
    bench = Bench(10)
    late = Obis.parse("0-0:96.13.1.255")
    monitor = MonitorBehaviour(
        bench.watch, "0-0:16.1.1", AttributeReference(1, late, 2), [axdr.unsigned(3)],
        [actions(5)],
    )  # fmt: skip
    for threshold in (axdr.null(), axdr.array(), axdr.visible_string("3")):
        assert bench.host.write(21, monitor.object.obis, 2, axdr.array(threshold)) is DataAccessResult.TYPE_UNMATCHED
    assert bench.host.write(21, monitor.object.obis, 2, axdr.array(axdr.long(3))) is DataAccessResult.SUCCESS
    bench.live(60)
    bench.host.add(DataObject(late, value=axdr.unsigned(1)))
    bench.live(60)
    bench.host.write(1, late, 2, axdr.unsigned(4))
    bench.live(0)
    assert bench.run == [15]


def test_a_script_that_refers_to_nothing_costs_itself_only() -> None:
    bench = Bench(10, 20)
    nothing = ActionItem(Obis.parse("0-0:10.0.200.255"), 1)
    bench.set(4, (ActionSet(nothing, nothing), actions(2)))
    assert bench.becomes(25) == [12]


def test_monitors_that_set_each_other_off_do_not_stop_the_device() -> None:
    bench = Bench(10)
    up = bench.scripts.add("0-0:10.0.50", 1, writing(1, VALUE, 2, axdr.double_long_unsigned(50)))
    down = bench.scripts.add("0-0:10.0.50", 2, writing(1, VALUE, 2, axdr.double_long_unsigned(5)))
    runs: list[int] = []
    bench.host.device.on_write.append(lambda obj, number, value: runs.append(value.value))
    bench.set(4, (ActionSet(down, up),))
    runs.clear()
    bench.becomes(50)
    assert 1 < len(runs) <= MAX_ROUNDS + 1
    bench.live(59)
    before = len(runs)
    bench.live(1)
    assert len(runs) > before


def test_too_high_a_voltage_disconnects_as_a_local_cause() -> None:
    host = bare_host()
    voltage = Obis.parse("1-0:32.7.0.255")
    host.add(DataObject(voltage, value=axdr.long_unsigned(2300)))
    scripts = ScriptTables(host)
    watch = Watch(host, scripts)
    off = scripts.add(DISCONNECTION, 1, calling(70, SUPPLY, 1))
    on = scripts.add(DISCONNECTION, 2, calling(70, SUPPLY, 2))
    disconnector = Disconnector(host, SUPPLY, mode=5)
    rows = causes_of(host)
    MonitorBehaviour(watch, NAME, AttributeReference(1, voltage, 2), [axdr.long_unsigned(2530)], [ActionSet(off, on)])
    states = []
    for value in (2300, 2540, 2535, 2400):
        host.write(1, voltage, 2, axdr.long_unsigned(value))
        host.device.advance(host.now)
        states.append(disconnector.state)
    assert states == [CONNECTED, READY, READY, CONNECTED]
    assert rows == [Cause.LOCAL_DISCONNECTION, Cause.LOCAL_CONNECTION]


def test_causes_with_details_are_noted_where_given() -> None:
    bench = Bench(10, up=Cause.SUPERVISION_EXCEEDED, down=Cause.SUPERVISION_OK, details={"phase": 2})
    seen: list[tuple[Cause, object]] = []
    bench.host.causes.listeners.append(lambda it: seen.append((it.cause, it.details["phase"])))
    bench.becomes(20)
    bench.becomes(3)
    assert seen == [(Cause.SUPERVISION_EXCEEDED, 2), (Cause.SUPERVISION_OK, 2)]


@given(
    thresholds=st.lists(st.integers(0, 12), max_size=5),
    values=st.lists(st.integers(0, 12), max_size=20),
)
def test_each_step_runs_what_lies_between(thresholds: list[int], values: list[int]) -> None:
    bench = Bench(*thresholds, value=6)
    before = 6
    for value in values:
        up = [11 + i for i, threshold in enumerate(thresholds) if before <= threshold < value]
        down = [21 + i for i, threshold in enumerate(thresholds) if value < threshold <= before]
        assert bench.becomes(value) == up + down[::-1]
        before = value


def test_a_host_without_monitors_never_wakes() -> None:
    host: Host = bare_host()
    watch = Watch(host, ScriptTables(host))
    host.note(Cause.POWER_UP)
    host.device.advance(host.now + 60)
    assert watch.next_time() is None
