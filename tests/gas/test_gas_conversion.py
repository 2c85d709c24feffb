"""Conversion: factors, increments that add up over any path, counters that lose nothing, faults, saving."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import ConfigError, GasError, LocalProtocolError
from cosem.gas.aga8_detail import Aga8Detail
from cosem.gas.averages import PeriodAverage
from cosem.gas.characteristics import Characteristics
from cosem.gas.conversion import NO_ALARM, Alarm, Conversion, Converter, ConverterSettings
from cosem.gas.counters import FACTOR_SCALE, MICRO, ConverterCounters, Counter, in_units, in_words, rounded
from cosem.gas.equation import Method
from cosem.gas.factors import BaseConditions, Conditions, CorrectionCurve, Volume, pressure_ratio_factor
from cosem.gas.inputs import EncoderCause, EncoderInput, EncoderStep, PulseInput, Reading, SensorWatch
from cosem.gas.quality import Change, GasQuality, QualityBook, Source
from support.gases import gas, load

D = Decimal
LEAN = GasQuality("lean", D("11.294444"), Characteristics(**load("sgerg88")["gases"]["gas1"]))
RICH = GasQuality("rich", D("12.05"), Characteristics(**load("sgerg88")["gases"]["gas3"]), 500, None, Source.REMOTE)
COLD, GONE, DOUBTED = Reading(D(15)), Reading(None), Reading(D(70), good=False)
SEVENTY = Reading(D(70))


def converter(**settings: Any) -> Converter:
    return Converter(ConverterSettings(**settings), LEAN)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"method": Method.SGERG88}, "76.0904"),
        ({"method": Method.AGA8_DETAIL}, "76.0895"),
        ({"method": Method.FIXED}, "65.4883"),
        ({"conversion": Conversion.PT}, "65.4883"),
        ({"conversion": Conversion.PT, "fixed_k": D("0.86")}, "76.1492"),
        ({"conversion": Conversion.T, "substitute_pressure": D("1.0355")}, "0.9688"),
    ],
)
def test_seventy_bar_and_fifteen_degrees_give_the_known_factors(settings: dict[str, Any], factor: str) -> None:
    quality = replace(LEAN, gas=gas(1)) if settings.get("method") is Method.AGA8_DETAIL else LEAN
    step = Converter(ConverterSettings(**settings), quality).step(0, MICRO, SEVENTY, COLD)
    assert f"{step.factor:.4f}" == factor
    assert step.alarms is NO_ALARM


def test_t_conversion_does_not_look_at_a_pressure() -> None:
    step = converter(conversion=Conversion.T).step(0, MICRO, GONE, Reading(D(0)))
    assert step.alarms is NO_ALARM
    assert step.factor == 1


paths = st.lists(
    st.tuples(
        st.integers(0, 5_000_000),
        st.decimals(1, 90, places=3),
        st.decimals(-10, 60, places=2),
        st.integers(0, 120),
        st.sampled_from([None, None, None, RICH, replace(LEAN, name="late", valid_from=10)]),
        st.sampled_from(["good", "good", "good", "no pressure", "no temperature", "no input"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(paths, st.sampled_from([Conversion.PTZ, Conversion.PT, Conversion.T]), st.booleans())
def test_increments_add_up_to_the_totals_over_any_path(path: list[Any], conversion: Conversion, cut: bool) -> None:
    curve = CorrectionCurve(((D(10), D("-1.5")), (D(100), D("0.4")), (D(1600), D("0.1"))))
    made = ConverterSettings(conversion=conversion, curve=curve)
    machine = Converter(made, LEAN)
    now, steps = 0, []
    for increment, bar, celsius, seconds, offered, fault in path:
        now += seconds
        pressure = GONE if fault == "no pressure" else Reading(bar)
        temperature = GONE if fault == "no temperature" else Reading(celsius)
        steps.append(machine.step(now, increment, pressure, temperature, input_failed=fault == "no input"))
        if offered is not None:
            machine.offer(offered, now)
        if cut:  # every step is followed by a power cut
            saved = json.loads(json.dumps(machine.to_state()))
            machine = Converter(made, LEAN)
            machine.restore(saved)
            assert machine.to_state() == saved
    counters = machine.counters
    assert counters.metering.absolute == sum(step.metering for step in steps) == sum(row[0] for row in path)
    for name in ("corrected", "base", "energy"):
        assert getattr(counters, name).absolute == sum(getattr(step, name) for step in steps)
    # And to what a client computes from the factors that were applied, to less than one unit for each of the counters.
    exact_base = sum(step.corrected * step.factor for step in steps)
    exact_energy = sum(step.base * step.calorific for step in steps)
    exact_corrected = sum(step.metering * step.curve_factor for step in steps)
    for name, exact in (("corrected", exact_corrected), ("base", exact_base), ("energy", exact_energy)):
        pair = getattr(counters, name)
        assert 0 <= exact - pair.absolute < 2
        carried = pair.undisturbed.carry + pair.disturbed.carry
        scale = MICRO if name == "energy" else FACTOR_SCALE
        assert (exact - pair.absolute) * scale == carried
    disturbed = sum(step.metering for step in steps if step.alarms & (Alarm.PRESSURE | Alarm.TEMPERATURE | Alarm.INPUT))
    assert counters.metering.disturbed.value == disturbed


def test_a_sensor_that_fails_sticks_out_of_its_limits_or_doubts_itself_is_substituted() -> None:
    made = converter(substitute_pressure=D(65), substitute_temperature=D(12))
    good = made.step(0, MICRO, SEVENTY, COLD)
    for at, (pressure, temperature, alarm) in enumerate(
        [
            (GONE, COLD, Alarm.PRESSURE),
            (DOUBTED, COLD, Alarm.PRESSURE),
            (Reading(D(101)), COLD, Alarm.PRESSURE),
            (Reading(D("NaN")), COLD, Alarm.PRESSURE),
            (SEVENTY, Reading(D(-40)), Alarm.TEMPERATURE),
            (SEVENTY, GONE, Alarm.TEMPERATURE),
            (GONE, GONE, Alarm.PRESSURE | Alarm.TEMPERATURE),
        ],
        start=1,
    ):
        step = made.step(at, MICRO, pressure, temperature)
        assert step.alarms == alarm
        assert step.pressure == (65 if Alarm.PRESSURE in alarm else 70)
        assert step.temperature == (12 if Alarm.TEMPERATURE in alarm else 15)
    counters = made.counters
    assert counters.metering.undisturbed.value == MICRO
    assert counters.metering.disturbed.value == 7 * MICRO
    assert counters.base.undisturbed.value == good.base
    again = made.step(9, MICRO, SEVENTY, COLD)
    assert again.alarms is NO_ALARM
    assert counters.metering.undisturbed.value == 2 * MICRO


def test_the_limits_themselves_are_inside() -> None:
    made = converter(pressure_limits=(D(1), D(80)), temperature_limits=(D(-10), D(40)))
    for bar, celsius in ((1, -10), (80, 40)):
        assert made.step(0, 0, Reading(D(bar)), Reading(D(celsius))).alarms is NO_ALARM


def test_gas_that_ran_out_of_validity_disturbs_what_depends_on_it_and_nothing_else() -> None:
    book = QualityBook(LEAN)
    book.offer(replace(RICH, valid_from=0, valid_until=100), 0)
    computed = Converter(ConverterSettings(), book)
    computed.step(0, 0, SEVENTY, COLD)
    assert computed.step(100, MICRO, SEVENTY, COLD).alarms is NO_ALARM
    step = computed.step(200, MICRO, SEVENTY, COLD)
    assert step.alarms == Alarm.QUALITY
    assert step.quality == "lean"
    pairs = computed.counters
    assert (pairs.metering.disturbed.value, pairs.base.disturbed.value > 0) == (0, True)
    fixed = Converter(ConverterSettings(conversion=Conversion.PT), QualityBook(LEAN))
    fixed.step(10, MICRO, SEVENTY, COLD)
    assert fixed.counters.base.disturbed.value == 0
    assert fixed.counters.energy.disturbed.value > 0


def test_a_new_quality_converts_from_its_time_on_and_never_before() -> None:
    made = converter()
    made.step(0, 0, SEVENTY, COLD)
    assert made.offer(RICH, 0).what is Change.WAITING
    assert made.book.next_change == 500
    before = made.step(500, MICRO, SEVENTY, COLD)
    assert (before.quality, before.calorific) == ("lean", LEAN.calorific)
    assert [row.what for row in before.changes] == [Change.IN_FORCE]
    after = made.step(1000, MICRO, SEVENTY, COLD)
    assert (after.quality, after.calorific) == ("rich", RICH.calorific)
    assert after.factor != before.factor
    energy = made.counters.energy.absolute
    with pytest.raises(LocalProtocolError, match="needs a step to 1200 first"):
        made.offer(replace(RICH, name="too soon"), 1200)
    made.offer(replace(RICH, name="corrected", calorific=D(10)), 1000)
    assert made.counters.energy.absolute == energy
    assert made.step(1001, MICRO, SEVENTY, COLD).calorific == 10


def test_an_equation_without_a_solution_is_an_alarm_and_the_last_k_goes_on() -> None:
    nonsense = replace(RICH, name="nonsense", gas=Characteristics(48, 0.555, 0.0))
    made = converter()
    last = made.step(0, MICRO, SEVENTY, COLD)
    made.step(500, 0, SEVENTY, COLD)
    made.offer(nonsense, 500)
    step = made.step(501, MICRO, SEVENTY, COLD)
    assert step.alarms == Alarm.COMPRESSIBILITY
    assert step.k == last.k
    assert made.counters.base.disturbed.value == step.base
    assert made.counters.metering.disturbed.value == 0
    never = Converter(ConverterSettings(fixed_k=D("0.9")), nonsense)
    assert never.step(0, MICRO, SEVENTY, COLD).k == D("0.9")


def test_a_state_out_of_the_methods_range_is_told_and_is_no_alarm() -> None:
    made = converter(method=Method.AGA8_GROSS1, temperature_limits=(D(-25), D(70)))
    step = made.step(0, MICRO, SEVENTY, Reading(D(60)))
    assert step.alarms is NO_ALARM
    assert step.outside == ("temperature 60 °C: 0 to 55",)


def test_more_than_can_flow_is_counted_and_disturbed() -> None:
    made = converter(flow_max=D(100))
    made.step(0, 0, SEVENTY, COLD)
    assert made.step(3600, 100 * MICRO, SEVENTY, COLD).flow == 100
    step = made.step(3600 + 60, 2 * MICRO, SEVENTY, COLD)
    assert step.alarms == Alarm.FLOW
    assert step.flow == 120
    assert step.base_flow is not None
    assert step.base_flow == pytest.approx(D(120) * step.factor, abs=D("0.001"))
    assert made.counters.metering.absolute == 102 * MICRO
    assert made.step(3660, MICRO, SEVENTY, COLD).flow is None


def test_the_curve_of_the_meter_is_applied_by_its_flow() -> None:
    curve = CorrectionCurve(((D(10), D(-2)), (D(20), D(0)), (D(100), D(1))))
    assert curve.error(D(5)) == -2
    assert curve.error(D(15)) == -1
    assert curve.error(D(60)) == D("0.5")
    assert curve.error(D(1000)) == 1
    made = converter(curve=curve)
    made.step(0, 0, SEVENTY, COLD)
    step = made.step(3600, 15 * MICRO, SEVENTY, COLD)
    assert step.curve_factor == rounded(D(1) / D("0.99")) / D(FACTOR_SCALE)
    assert step.corrected == 15 * MICRO * 100_000_000 // 99_000_000
    assert made.step(3600, MICRO, SEVENTY, COLD).curve_factor == step.curve_factor
    assert CorrectionCurve().factor(D(5)) == 1
    for points in (((D(2), D(0)), (D(1), D(0))), ((D(1), D(0)), (D(1), D(1))), ((D(1), D(80)),)):
        with pytest.raises(ConfigError):
            CorrectionCurve(points)


def test_nothing_is_converted_twice_and_nothing_negative() -> None:
    made = converter()
    made.step(100, MICRO, SEVENTY, COLD)
    with pytest.raises(LocalProtocolError, match="no step back to 99"):
        made.step(99, MICRO, SEVENTY, COLD)
    for wrong in (-1, D(5), 1.5):
        with pytest.raises(ConfigError, match="never negative"):
            made.step(101, wrong, SEVENTY, COLD)  # type: ignore[arg-type]
    assert made.counters.metering.absolute == MICRO
    at_base = Volume(D(100)).corrected(D("1.01")).to_base(D(2))
    assert at_base == Volume(D("202.00"), Conditions.BASE)
    assert at_base.energy(D("11.5")) == D("2323.000")
    with pytest.raises(GasError, match="not converted again"):
        at_base.to_base(D(2))
    with pytest.raises(GasError, match="not corrected again"):
        at_base.corrected(D(2))
    with pytest.raises(GasError, match="no energy before it is converted"):
        Volume(D(100)).energy(D(11))


def test_factors_take_series_and_agree_with_the_machine() -> None:
    bars, celsius = numpy.array([1.0, 30.0, 70.0]), numpy.array([-5.0, 10.0, 40.0])
    equation = Aga8Detail(gas(1))
    k = equation.z(bars, celsius) / equation.z(1.01325, 0)
    factors = pressure_ratio_factor(bars, celsius, k, BaseConditions())
    machine = Converter(ConverterSettings(method=Method.AGA8_DETAIL), replace(LEAN, gas=gas(1)))
    for at, (bar, degrees, factor) in enumerate(zip(bars, celsius, factors, strict=True)):
        step = machine.step(at, 0, Reading(D(str(bar))), Reading(D(str(degrees))))
        assert float(step.factor) == pytest.approx(float(factor), rel=2e-8)


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**11)), max_size=30))
def test_a_counter_loses_less_than_a_unit_ever(amounts: list[tuple[int, int]]) -> None:
    counter = Counter()
    added = sum(counter.add(amount, factor, FACTOR_SCALE) for amount, factor in amounts)
    exact = sum(amount * factor for amount, factor in amounts)
    assert counter.value == added
    assert counter.value * FACTOR_SCALE + counter.carry == exact
    assert 0 <= counter.carry < FACTOR_SCALE


@given(st.integers(-(10**25), 10**25))
def test_units_and_decimals_are_the_same_number(units: int) -> None:
    assert in_units(in_words(units)) == units


def test_what_is_finer_than_a_unit_is_refused() -> None:
    for value in (D("0.0000001"), D("NaN"), D("Infinity")):
        with pytest.raises(ConfigError):
            in_units(value)


def test_saved_states_that_are_none_are_refused() -> None:
    made = converter()
    made.step(5, MICRO, SEVENTY, COLD)
    good = made.to_state()
    broken = [
        {},
        good | {"at": "yesterday"},
        good | {"k": 0},
        good | {"counters": {}},
        good | {"counters": good["counters"] | {"base": [1, 2, 3]}},
        good | {"counters": good["counters"] | {"base": [1, 2, 3, -4]}},
    ]
    for state in broken:
        with pytest.raises(ConfigError):
            converter().restore(state)
    assert ConverterCounters.restore(good["counters"]) == made.counters


def test_other_settings_hold_from_the_next_step_on_and_the_counters_go_on() -> None:
    made = converter()
    first = made.step(0, MICRO, SEVENTY, COLD)
    made.configure(replace(made.settings, conversion=Conversion.PT, fixed_k=D("0.86")))
    second = made.step(60, MICRO, SEVENTY, COLD)
    assert (second.k, f"{second.factor:.4f}") == (D("0.86"), "76.1492")
    made.configure(replace(made.settings, conversion=Conversion.PTZ, base=BaseConditions(temperature=D(15))))
    third = made.step(120, MICRO, SEVENTY, COLD)
    assert third.factor > first.factor
    assert made.counters.base.absolute == first.base + second.base + third.base
    # What was saved under one setting does not stand in the way of another.
    fixed = Converter(replace(made.settings, conversion=Conversion.PT, fixed_k=D("0.9")), LEAN)
    fixed.restore(made.to_state())
    assert fixed.step(180, 0, SEVENTY, COLD).k == D("0.9")


def test_a_state_that_is_refused_changes_nothing() -> None:
    made, other = converter(), converter()
    made.step(5, MICRO, SEVENTY, COLD)
    other.step(7, MICRO, SEVENTY, COLD)
    other.offer(RICH, 7)
    before = made.to_state()
    with pytest.raises(ConfigError):
        made.restore(other.to_state() | {"k": -1})
    assert made.to_state() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"pressure_limits": (D(80), D(1))},
        {"temperature_limits": (D(-300), D(1))},
        {"substitute_pressure": D(0)},
        {"substitute_temperature": D(-300)},
        {"fixed_k": D(0)},
        {"flow_max": D(0)},
    ],
)
def test_settings_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ConverterSettings(**wrong)
    with pytest.raises(ConfigError):
        BaseConditions(D(0))


def test_a_sensor_that_sticks_or_jumps_is_doubted_and_believed_again() -> None:
    watch = SensorWatch(rate_max=D("0.1"), stuck_after=600)
    assert watch.read(0, Reading(D(70))).good
    assert watch.read(300, Reading(D(70))).good
    assert not watch.read(600, Reading(D(70))).good
    assert watch.read(660, Reading(D("70.1"))).good
    assert not watch.read(670, Reading(D(75))).good
    assert watch.read(680, Reading(D("70.2"))).good
    # Long enough after the last believed reading a new level is no jump any more.
    assert not watch.read(700, Reading(D(75))).good
    assert watch.read(730, Reading(D(75))).good
    assert watch.read(731, GONE) == GONE._replace(good=False)
    assert not watch.read(732, DOUBTED).good
    assert SensorWatch().read(0, Reading(D(1))).good
    assert converter().step(0, MICRO, watch.read(733, Reading(D(1))), COLD).alarms == Alarm.PRESSURE
    for wrong in ({"rate_max": D(0)}, {"stuck_after": 0}):
        with pytest.raises(ConfigError):
            SensorWatch(**wrong)  # type: ignore[arg-type]


def test_pulses_are_volumes_exactly() -> None:
    assert PulseInput(D("0.01")).increment(7) == 70_000
    with pytest.raises(ConfigError):
        PulseInput(D("0.01")).increment(-1)
    for volume in ("0", "-1", "0.0000005"):
        with pytest.raises(ConfigError):
            PulseInput(D(volume))


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(60, 3600), st.booleans()), max_size=40), st.integers(0, 9999)
)
def test_an_encoder_counts_every_digit_across_overflow_silence_and_power_cuts(
    flows: list[tuple[int, int, bool]], start: int
) -> None:
    encoder, index, now = EncoderInput(D("0.1"), digits=4, flow_max=D(20_000)), start, 0
    encoder.read(now, index)
    counted = 0
    for steps, seconds, silent in flows:
        index, now = (index + steps) % 10_000, now + seconds
        if silent and steps:
            index = (index - steps) % 10_000  # nothing flowed after all: the meter was read in vain
            assert encoder.read(now, None).increment == 0
        else:
            counted += 0 if silent else steps
            found = encoder.read(now, index)
            assert found.cause is None
            assert found.increment == (0 if silent else steps) * 100_000
        saved = json.loads(json.dumps(encoder.to_state()))
        encoder = EncoderInput(D("0.1"), digits=4, flow_max=D(20_000))
        encoder.restore(saved)
    total = (start + counted) % 10_000
    assert encoder.index == total == index


def test_an_encoder_that_jumps_or_says_nothing_counts_nothing_until_it_is_plausible() -> None:
    encoder = EncoderInput(D("0.1"), flow_max=D(36))  # a digit each ten seconds
    assert encoder.read(0, None) == EncoderStep(0, EncoderCause.SILENT)
    assert encoder.read(0, 1000) == EncoderStep()
    assert encoder.read(20, None) == EncoderStep()
    assert encoder.read(21, None) == EncoderStep(0, EncoderCause.SILENT)
    assert encoder.read(30, 5000) == EncoderStep(0, EncoderCause.JUMPED)
    assert encoder.read(40, 999) == EncoderStep(0, EncoderCause.JUMPED)
    assert encoder.read(40, 10**8) == EncoderStep(0, EncoderCause.JUMPED)
    # Back again: what flowed in between is counted, once.
    assert encoder.read(50, 1004) == EncoderStep(400_000)
    encoder.accept(60, 0)
    assert encoder.read(70, 1) == EncoderStep(100_000)
    with pytest.raises(ConfigError):
        encoder.accept(80, 10**9)
    with pytest.raises(ConfigError):
        EncoderInput(D("0.1"), digits=0)


@given(
    st.lists(st.tuples(st.decimals(-30, 90, places=3), st.integers(0, 900)), min_size=1, max_size=30),
    st.integers(0, 29),
)
def test_averages_are_exact_and_go_on_after_a_power_cut(values: list[tuple[Decimal, int]], cut: int) -> None:
    average, at = PeriodAverage(places=6), 0
    for number, (value, weight) in enumerate(values):
        at += weight
        average.add(value, weight, at)
        if number == cut:
            saved = json.loads(json.dumps(average.to_state()))
            average = PeriodAverage(places=6)
            average.restore(saved)
    found = average.running
    assert found is not None
    weights = sum(weight for _, weight in values)
    if weights:
        exact = sum(value * weight for value, weight in values) / weights
        assert abs(found.mean - exact) <= D("0.0000005")
    assert found.least == min(value for value, _ in values)
    assert found.greatest == max(value for value, _ in values)
    assert found.least <= found.mean <= found.greatest or not weights or abs(found.least - found.mean) < D("0.000001")
    assert average.close() == found
    assert average.last == found
    assert average.running is None
    again = PeriodAverage(places=6)
    again.restore(json.loads(json.dumps(average.to_state())))
    assert again.last == found


def test_an_average_has_the_time_of_its_extremes() -> None:
    average = PeriodAverage()
    for value, weight, at in ((D(10), 60, 60), (D(30), 30, 90), (D(5), 30, 120), (D(30), 60, 180)):
        average.add(value, weight, at)
    found = average.close()
    assert found is not None
    assert found.mean == D("19.166667")
    assert (found.least_at, found.greatest_at) == (120, 90)
    with pytest.raises(ConfigError):
        average.add(D(1), -1, 0)


def test_a_year_with_faults_loses_and_doubles_nothing() -> None:
    """Hourly steps for a year: an encoder that overflows and jumps, sensors that fail, power cuts, gas that changes."""
    chance = Random(7)
    made = ConverterSettings(conversion=Conversion.PTZ, substitute_pressure=D(40))
    encoder = EncoderInput(D("0.1"), digits=5, flow_max=D(500))
    machine = Converter(made, QualityBook(LEAN))
    index, flowed, steps = 99_000, 0, []
    encoder.read(0, index)
    for now in range(3600, 366 * 86400, 3600):
        digits = chance.randrange(0, 4000)
        index, flowed = (index + digits) % 100_000, flowed + digits
        shown = {0: None, 1: (index + 50_000) % 100_000}.get(chance.randrange(60), index)
        seen = encoder.read(now, shown if now < 365 * 86400 + 82_800 else index)
        pressure = Reading(D(chance.randrange(3000, 6000)) / 100, good=chance.randrange(50) > 0)
        temperature = Reading(D(chance.randrange(-500, 3000)) / 100) if chance.randrange(50) else GONE
        steps.append(machine.step(now, seen.increment, pressure, temperature, input_failed=seen.cause is not None))
        if chance.randrange(24) == 0:
            late = replace(RICH, name=f"day {now}", valid_from=now - 1800, valid_until=now + 40 * 3600)
            machine.offer(late, now)
            assert machine.offer(late, now).what is Change.DOUBLED
        if chance.randrange(30) == 0:
            saved = json.loads(json.dumps([machine.to_state(), encoder.to_state()]))
            machine, encoder = Converter(made, QualityBook(LEAN)), EncoderInput(D("0.1"), digits=5, flow_max=D(500))
            machine.restore(saved[0])
            encoder.restore(saved[1])
    counters = machine.counters
    assert encoder.index == index
    assert counters.metering.absolute == flowed * 100_000
    assert {step.alarms for step in steps} >= {NO_ALARM, Alarm.PRESSURE, Alarm.TEMPERATURE, Alarm.INPUT, Alarm.QUALITY}
    sensors = Alarm.PRESSURE | Alarm.TEMPERATURE | Alarm.INPUT
    assert counters.metering.disturbed.value == sum(step.metering for step in steps if step.alarms & sensors)
    assert counters.base.undisturbed.value == sum(step.base for step in steps if not step.alarms)
    assert counters.energy.absolute == sum(step.energy for step in steps)
    assert 0 <= sum(step.base * step.calorific for step in steps) - counters.energy.absolute < 2
