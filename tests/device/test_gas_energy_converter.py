"""An energy converter behind a volume converter: nothing is converted twice, and energy follows the gas."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from cosem.device.gas.energy_converter import EnergyConverter
from cosem.device.gas.sensors import Fault
from cosem.device.random import SeededRandom
from cosem.gas.conversion import Alarm
from cosem.simulator.gas import demo_converter
from support.gas_devices import START, converter, quality, recomputed, rows

DAY = 86_400


def behind(source):  # type: ignore[no-untyped-def]
    settings = replace(demo_converter(2), cycle=300)
    return EnergyConverter(settings, source, SeededRandom(2), simulation=True)


def test_base_volume_is_taken_over_pulse_by_pulse() -> None:
    source = converter()
    device = behind(source)
    device.advance(START + 2 * DAY)
    assert source.now == device.now
    counters = device.converter.counters
    assert counters.base.absolute == counters.metering.absolute
    pending = source.outputs.outputs["base"].pending
    assert counters.base.absolute + pending == source.converter.counters.base.absolute
    assert counters.energy.absolute == counters.base.absolute * 11_294_444 // 10**6
    assert not device.disturbances.alarms
    assert device.host.find(device.map.places["pressure_sensor"]) is None


def test_the_gas_comes_from_outside_and_only_energy_is_disturbed_where_it_does_not() -> None:
    source = converter()
    device = behind(source)
    device.advance(START + 3600)
    device.offer(quality("short", "10.25", at=START + 3600, until=START + 7200))
    device.advance(START + 3 * 3600)
    assert device.disturbances.alarms == Alarm.QUALITY
    assert device.converter.counters.energy.disturbed.value > 0
    assert device.converter.counters.base.disturbed.value == 0
    device.offer(quality("again", "10.75", at=device.clock.now))
    device.advance(START + 6 * 3600)
    assert recomputed(device).equal
    assert {row[12] for row in rows(device, "7-0:99.99.2.255")} == {11_294_444, 10_250_000, 10_750_000}


def test_disturbances_of_the_volume_converter_are_its_own() -> None:
    source = converter()
    device = behind(source)
    source.pressure.break_down(Fault.FAILS)
    device.advance(START + 3600)
    assert source.disturbances.alarms
    assert not device.disturbances.alarms
    assert device.converter.last.factor == Decimal(1)


def test_pulses_without_power_are_lost_and_known() -> None:
    source = converter()
    device = behind(source)
    device.advance(START + 3600)
    device.power_cut()
    device.advance(START + 7200)
    device.power_back()
    device.advance(START + 3 * 3600)
    pending = source.outputs.outputs["base"].pending
    assert device.flow.lost > 0
    counted = device.converter.counters.base.absolute + device.flow.lost + pending
    assert counted == source.converter.counters.base.absolute
