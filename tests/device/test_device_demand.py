"""Registers, demand registers of block and sliding demand, their maximum (behaviours 4.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.base import MethodDescriptor
from cosem.codec import axdr
from cosem.device.demand import INCOMPLETE, DemandBehaviour, MaximumBehaviour
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit
from support.meters import bare_host, build, session, utc

START = utc(2026, 6, 1)


class Rig:
    """A demand register over a load that changes at given seconds; watts by second from the start."""

    def __init__(self, *, period: int, count: int = 1, watts: dict[int, int]) -> None:
        self.host = bare_host(START)
        self.watts = watts
        self.demand = DemandBehaviour(
            self.host, "1-0:1.4.0.255", self._energy, ScalerUnit(0, Unit.WATT), period=period, count=count
        )
        self.maximum = MaximumBehaviour(self.host, "1-0:1.6.0.255", self.demand)

    def _energy(self) -> int:
        now = self.host.now - START
        begins = sorted(self.watts)
        ends = [*begins[1:], now]
        return sum(self.watts[begin] * max(0, min(end, now) - begin) for begin, end in zip(begins, ends, strict=True))

    def at(self, second: int) -> DemandBehaviour:
        self.host.device.advance(START + second)
        return self.demand

    def call(self, method: int, obj: Any = None) -> ActionResult:
        obj = obj or self.demand.object
        return self.host.invoke(obj.class_id, obj.obis, method, axdr.integer(0))

    def moment(self, attribute: int) -> int:
        data = self.host.read(5, Obis.parse("1-0:1.4.0.255"), attribute)
        assert data is not None
        return int(CosemDateTime.from_octets(data.value).to_datetime().timestamp()) - START


# --- the scenarios of 4.1 ---------------------------------------------------------------------------------------------


def test_block_demand_of_a_constant_load() -> None:
    rig = Rig(period=900, watts={0: 4000})
    assert (rig.at(450).current, rig.demand.last) == (2000, 0)
    assert (rig.at(900).last, rig.demand.current) == (4000, 0)


def test_sliding_demand_of_a_load_that_ends() -> None:
    rig = Rig(period=300, count=3, watts={0: 6000, 300: 0})
    assert [rig.at(second).last for second in (299, 300, 600, 900, 1200)] == [0, 2000, 2000, 2000, 0]


def test_next_period_ends_the_running_one_now() -> None:
    rig = Rig(period=900, watts={0: 4000})
    rig.at(450)
    assert rig.call(2) is ActionResult.SUCCESS
    assert (rig.demand.last, rig.demand.current) == (2000, 0)
    assert rig.moment(6) == rig.moment(7) == 450
    rig.at(899)
    assert rig.demand.last == 2000, "readable until the next period ends"
    rig.at(900)
    assert rig.demand.last == 2000


def test_reset_begins_anew() -> None:
    rig = Rig(period=900, watts={0: 4000})
    rig.at(1350)
    assert rig.call(1) is ActionResult.SUCCESS
    assert (rig.demand.last, rig.demand.current) == (0, 0)
    assert rig.moment(6) == rig.moment(7) == 1350


def test_reset_of_an_extended_register_sets_value_and_capture_time() -> None:
    rig = Rig(period=900, watts={0: 4000})
    rig.at(1350)
    assert rig.maximum.value == 4000
    assert rig.call(1, rig.maximum.object) is ActionResult.SUCCESS
    assert rig.maximum.value == 0
    assert rig.maximum.object.capture_time.to_octets() == rig.host.clock.octets(START + 1350)
    rig.at(1800)
    assert (rig.maximum.value, rig.maximum.at) == (4000, START + 1800)


# --- the rules of 4.1 -------------------------------------------------------------------------------------------------


def test_behaviour_of_a_register_that_cannot_be_reset() -> None:
    meter = build(START, START)
    energy = MethodDescriptor(3, Obis.parse("1-0:1.8.0.255"), 1)
    asked = meter.device.action(session(meter, 1, 0x30), energy, axdr.encode(axdr.integer(0)))
    assert asked == (ActionResult.READ_WRITE_DENIED, None)


def test_the_sliding_window_begins_with_its_oldest_period() -> None:
    rig = Rig(period=300, count=3, watts={0: 3000})
    rig.at(1350)
    assert rig.moment(7) == 600
    assert rig.demand.current == 3000 * 750 // 900
    assert rig.moment(6) == 1200


@pytest.mark.parametrize(("attribute", "bad", "good"), [(8, 0, 300), (8, 86401, 86400), (9, 0, 3), (9, 1001, 2)])
def test_behaviour_of_writing_period_or_number_of_periods(attribute: int, bad: int, good: int) -> None:
    rig = Rig(period=900, watts={0: 4000})
    rig.at(1000)
    make = axdr.double_long_unsigned if attribute == 8 else axdr.long_unsigned
    name = Obis.parse("1-0:1.4.0.255")
    assert rig.host.write(5, name, attribute, make(bad)) is DataAccessResult.OTHER_REASON
    assert rig.demand.last == 4000
    assert rig.host.write(5, name, attribute, make(good)) is DataAccessResult.SUCCESS
    assert rig.demand.last == 0, "begun anew"
    assert rig.host.read(5, name, attribute) == make(good)


def test_behaviour_of_a_clock_jump() -> None:
    rig = Rig(period=900, watts={0: 4000})
    rig.at(450)
    rig.host.clock.jump_to(START + 5000)
    assert (rig.demand.last, rig.demand.status) == (2000, INCOMPLETE)
    rig.at(450 + 400)
    assert rig.demand.last == 4000 * 400 // 900, "up to 5400 of the new time"
    assert rig.demand.status == 0


@given(st.integers(1, 6), st.lists(st.integers(0, 9000), min_size=1, max_size=20))
def test_sliding_demand_is_the_mean_of_the_last_block_demands(count: int, watts: list[int]) -> None:
    load = {60 * number: power for number, power in enumerate(watts)}
    rig = Rig(period=60, count=count, watts=load)
    for number in range(1, len(watts) + 1):
        window = watts[max(0, number - count) : number]
        assert rig.at(60 * number).last == sum(window) // count
        assert rig.maximum.value >= rig.demand.last


def test_no_demand_of_no_period() -> None:
    for period, count in ((0, 1), (900, 0)):
        with pytest.raises(ConfigError, match="no demand"):
            Rig(period=period, count=count, watts={0: 1})


def test_the_meter_shows_its_demand_in_three_objects() -> None:
    meter = build(START, START + 3600)
    values = [meter.host.read(5, Obis.parse("1-0:1.4.0"), 3), meter.host.read(3, Obis.parse("1-0:1.5.0"), 2)]
    assert values[0] == values[1] == axdr.double_long_unsigned(meter.demand.last)
    assert meter.host.read(4, Obis.parse("1-0:1.6.0"), 2) == axdr.double_long_unsigned(meter.maximum.value)
    assert meter.maximum.value >= meter.demand.last > 0
