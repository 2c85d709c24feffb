"""Sensors, inputs and gas qualities that fail: alarms, substitute values, disturbed counters, named errors."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.device.gas.quality_input import QualityRefusedError, decode_table, encode_table
from cosem.device.gas.sensors import Fault
from cosem.errors import CompositionError, ConfigError
from cosem.gas.composition import Composition
from cosem.gas.conversion import Alarm, ConverterSettings
from cosem.gas.equation import Method
from cosem.gas.quality import Change, GasQuality
from support.gas_devices import EVENTS, START, check, converter, log, quality, read, rows

SUBSTITUTE = Decimal(15)


def later(device, seconds: int) -> None:  # type: ignore[no-untyped-def]
    device.advance(device.now + seconds)


def test_a_sensor_that_fails_is_replaced_and_the_disturbed_counters_count() -> None:
    device = converter()
    later(device, 3600)
    before = device.converter.counters.base.undisturbed.value
    device.pressure.break_down(Fault.FAILS)
    later(device, 3600)
    counters = device.converter.counters
    assert counters.base.undisturbed.value == before
    assert counters.base.disturbed.value > 0
    assert device.converter.last.pressure == SUBSTITUTE
    assert read(device, 3, "7-0:42.0.0.255") == 15_000
    # The sensor itself is shown as it is: no value, and what is wrong with it.
    assert read(device, 67, "7-0:0.15.0.255", 7) is None
    assert read(device, 67, "7-0:0.15.0.255", 9) == 3
    assert device.status.momentary & 1
    assert read(device, 1, "7-0:97.98.0.255") & 1
    device.pressure.repair()
    later(device, 600)
    assert not device.status.momentary & 1
    assert device.status.latched & 1
    assert log(device, "metrological") == [1, 2]
    check(device)


@pytest.mark.parametrize(
    ("fault", "by", "cycle", "hours"),
    [(Fault.STICKS, 0, 300, 5), (Fault.JUMPS, 5, 60, 0.05), (Fault.JUMPS, 200, 300, 0.2), (Fault.FAILS, 0, 60, 0.1)],
)
def test_a_sensor_that_sticks_or_jumps_is_not_believed(fault: Fault, by: int, cycle: int, hours: float) -> None:
    device = converter(cycle=cycle)
    later(device, 7200)
    device.pressure.break_down(fault, Decimal(by))
    later(device, int(hours * 3600))
    assert device.disturbances.alarms == Alarm.PRESSURE
    assert device.converter.last.pressure == SUBSTITUTE


def test_a_jump_that_stays_is_believed_when_it_could_have_come_about() -> None:
    """Otherwise a device that was off for a while would never believe its sensor again."""
    device = converter(cycle=60)
    later(device, 600)
    device.pressure.break_down(Fault.JUMPS, Decimal(5))
    later(device, 60)
    assert device.disturbances.alarms == Alarm.PRESSURE
    later(device, 600)
    assert not device.disturbances.alarms


def test_the_encoder_that_was_silent_brings_everything_and_that_is_disturbed() -> None:
    device = converter()
    later(device, 3600)
    good = device.converter.counters.metering.undisturbed.value
    device.flow.silent = True
    later(device, 3600)
    assert device.disturbances.alarms == Alarm.INPUT
    assert device.converter.counters.metering.absolute == good
    device.flow.silent = False
    later(device, 300)
    caught_up = device.converter.counters.metering
    assert caught_up.undisturbed.value == good
    assert caught_up.disturbed.value > 0
    later(device, 3600)
    assert not device.disturbances.alarms
    check(device)


def test_an_index_that_jumps_counts_nothing() -> None:
    device = converter()
    later(device, 3600)
    device.flow.wrong = 500_000
    before = device.converter.counters.metering.absolute
    later(device, 1200)
    assert device.converter.counters.metering.absolute == before
    assert log(device, "metrological") == [5]
    device.flow.wrong = 0
    later(device, 600)
    check(device)


@given(st.lists(st.sampled_from(["p", "P", "t", "T", "i", "I", "-"]), max_size=30), st.sampled_from([300, 900]))
@settings(max_examples=25, deadline=None)
def test_what_counts_follows_the_alarms_step_by_step(story: list[str], cycle: int) -> None:
    """In every step exactly one of two counters moves, and which one is told by alarm, status, and value used."""
    device = converter(cycle=cycle)
    steps = []
    device.process.stepped.append(steps.append)
    bad = set()
    for what in story:
        if what == "p":
            device.pressure.break_down(Fault.FAILS)
        elif what == "P":
            device.pressure.repair()
        elif what == "t":
            device.temperature.break_down(Fault.FAILS)
        elif what == "T":
            device.temperature.repair()
        elif what in "iI":
            device.flow.silent = what == "i"
        (bad.add if what.islower() else bad.discard)(what.lower())
        before = device.converter.counters.to_state()
        steps.clear()
        later(device, cycle)
        (step,) = steps
        after = device.converter.counters.to_state()
        assert (Alarm.PRESSURE in step.alarms) == ("p" in bad)
        assert (Alarm.TEMPERATURE in step.alarms) == ("t" in bad)
        assert (step.pressure == SUBSTITUTE) >= ("p" in bad)
        for name in after:
            undisturbed, disturbed = after[name][0] - before[name][0], after[name][2] - before[name][2]
            assert (disturbed if not step.alarms else undisturbed) == 0
        word = device.status.momentary
        assert (bool(word & 1), bool(word & 2), bool(word & 4)) == (
            Alarm.PRESSURE in step.alarms,
            Alarm.TEMPERATURE in step.alarms,
            Alarm.INPUT in step.alarms,
        )
    check(device)


def test_a_quality_that_comes_late_twice_or_too_late() -> None:
    device = converter()
    later(device, 7200)
    now = device.clock.now
    late = quality("late", at=now - 4000)
    assert device.offer(late).what is Change.LATE
    assert device.offer(late).what is Change.DOUBLED
    with pytest.raises(QualityRefusedError, match="older than the one in force"):
        device.offer(quality("old", at=now - 9000))
    with pytest.raises(QualityRefusedError, match="no longer valid"):
        device.offer(quality("over", at=now - 9000, until=now - 1))
    assert log(device, "metrological") == [21, 22, 23, 23]
    later(device, 300)
    assert read(device, 3, "7-0:54.0.0.255") == 10_500_000
    check(device)


def test_figures_that_contradict_one_another_are_refused_and_change_nothing() -> None:
    device = converter()
    later(device, 600)
    odd = replace(quality("odd"), gas=replace(quality("odd").gas, density=2.5))
    with pytest.raises(QualityRefusedError, match="odd"):
        device.offer(odd)
    assert device.converter.book.in_force.name == "H table"
    assert log(device, "metrological") == [23]


def test_a_composition_that_does_not_add_up_is_a_named_error() -> None:
    with pytest.raises(CompositionError):
        GasQuality.of_composition("wrong", Composition.of({"methane": 0.7, "ethane": 0.1}))
    mix = GasQuality.of_composition("mix", Composition.of({"methane": 0.96, "ethane": 0.04}))
    device = converter(conversion=ConverterSettings(method=Method.AGA8_DETAIL), quality=mix)
    with pytest.raises(QualityRefusedError, match="composition"):
        device.offer(quality("figures only"))


def test_a_method_that_cannot_use_the_gas_is_refused_and_nothing_changes() -> None:
    """Also where only a gas that still waits for its time would not do."""
    mix = GasQuality.of_composition("mix", Composition.of({"methane": 0.96, "ethane": 0.04}))
    with pytest.raises(ConfigError, match="needs a composition"):
        converter(conversion=ConverterSettings(method=Method.AGA8_DETAIL))
    device = converter(quality=mix)
    later(device, 600)
    device.offer(quality("tomorrow", at=device.clock.now + 86_400))
    with pytest.raises(ConfigError, match="needs a composition"):
        device.process.configure(replace(device.converter.settings, method=Method.AGA8_DETAIL))
    assert device.converter.settings.method is Method.SGERG88
    later(device, 2 * 86_400)
    assert device.converter.last.quality == "tomorrow"


def test_a_quality_that_runs_out_disturbs_until_the_next_one() -> None:
    device = converter()
    later(device, 3600)
    now = device.clock.now
    device.offer(quality("short", at=now, until=now + 1800))
    later(device, 1800)
    undisturbed = device.converter.counters.energy.undisturbed.value
    later(device, 1800)
    assert device.disturbances.alarms == Alarm.QUALITY
    assert device.converter.counters.energy.undisturbed.value == undisturbed
    device.offer(quality("next", at=device.clock.now))
    later(device, 600)
    assert not device.disturbances.alarms
    assert log(device, "metrological") == [20, 20, 9, 20, 10]
    names = [row[-1].decode() for row in rows(device, EVENTS)]
    assert names[0] == "H table"
    assert names[-1] == "next"


def test_a_state_out_of_the_range_of_the_method_is_a_warning_and_counts_undisturbed() -> None:
    device = converter()
    later(device, 600)
    device.process.configure(replace(device.converter.settings, pressure_limits=(Decimal("0.8"), Decimal(200))))
    device.pressure.exchange("other")
    device.pressure.break_down(Fault.JUMPS, Decimal(120))
    later(device, 300)
    assert not device.disturbances.alarms
    assert device.disturbances.range_left
    assert device.status.momentary == 0x100
    device.pressure.exchange("same")
    later(device, 300)
    assert log(device, "metrological") == [13, 14]


def test_a_table_of_a_quality_reads_back() -> None:
    device = converter()
    clock = device.clock
    for given_quality in (
        quality("one", "10.512345", until=START + 86_400),
        GasQuality.of_composition("mix", Composition.of({"methane": 0.9, "ethane": 0.06, "nitrogen": 0.04})),
    ):
        back = decode_table(encode_table(given_quality, clock.octets), clock.utc)
        assert (back.name, back.calorific) == (given_quality.name, given_quality.calorific)
        assert (back.valid_from, back.valid_until) == (given_quality.valid_from, given_quality.valid_until)
        assert back.hydrogen_share == given_quality.hydrogen_share


@given(st.binary(max_size=80))
def test_no_octets_break_the_table(octets: bytes) -> None:
    from cosem.codec import axdr
    from cosem.errors import DecodeError

    try:
        value = axdr.decode(octets)
    except DecodeError:
        return
    with pytest.raises((ConfigError, CompositionError, DecodeError)):
        decode_table(value, lambda moment: 0)


def test_a_battery_is_replaced_in_time() -> None:
    device = converter()
    device.service.drain(120)
    later(device, 31 * 86_400)
    assert log(device, "standard") == [7]
    assert device.status.momentary == 0x400
    assert read(device, 3, "0-0:96.6.6.255") == 89
    assert -100 < read(device, 3, "0-0:96.12.5.255") < -70
    device.service.replace()
    later(device, 86_400)
    assert not device.status.momentary
    assert read(device, 3, "0-0:96.6.0.255") == 24
    assert read(device, 3, "0-0:96.6.6.255") == 3649
