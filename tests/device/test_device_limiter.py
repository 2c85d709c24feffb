"""The limiter: thresholds, durations, emergencies, and what it does to the supply (behaviours 2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c071_limiter import EmergencyProfile, Limiter, LimiterActions
from cosem.classes.common import ActionItem, AttributeReference
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.device import DeviceOptions
from cosem.device.disconnector import CONNECTED, READY, Disconnector
from cosem.device.host import Host
from cosem.device.limiter import LimiterBehaviour, SoftLimit
from cosem.device.load import Load
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.device.scripts import DISCONNECTION, ScriptTables, calling
from cosem.device.watch import Watch
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime
from support.meters import KEYS, bare_host, causes_of, utc

POWER, NAME, SUPPLY = Obis.parse("0-0:96.13.0.255"), Obis.parse("0-0:17.0.0.255"), Obis.parse("0-0:96.3.10.255")
NOON = utc(2026, 6, 1, 12)
EXCEEDED, FINE, CHANGED = Cause.LIMITER_EXCEEDED, Cause.LIMITER_OK, Cause.LIMITER_CHANGED
OFF, ON = Cause.LOCAL_DISCONNECTION, Cause.LOCAL_CONNECTION


class Bench:
    """A limiter over a power that the test sets, with a disconnector that makes it 0."""

    def __init__(self, *, mode: int = 5, power: int = 100, normal: Data | None = None, **options: Any) -> None:
        host = self.host = bare_host(NOON)
        host.add(DataObject(POWER, value=axdr.double_long_unsigned(power)))
        scripts = ScriptTables(host)
        off = scripts.add(DISCONNECTION, 1, calling(70, SUPPLY, 1))
        on = scripts.add(DISCONNECTION, 2, calling(70, SUPPLY, 2))
        self.watch = Watch(host, scripts)
        self.disconnector = Disconnector(host, SUPPLY, self._switched, mode=mode)
        self.limiter = LimiterBehaviour(
            self.watch,
            NAME,
            AttributeReference(1, POWER, 2),
            normal or axdr.double_long_unsigned(5000),
            LimiterActions(off, on),
            **{"min_over": 60, "min_under": 300, "emergency": axdr.double_long_unsigned(1000), **options},
        )
        self.rows = causes_of(host)
        self.live(0)

    def _switched(self, closed: bool) -> None:
        if not closed:
            self.power(0)

    def power(self, watts: int) -> None:
        assert self.host.write(1, POWER, 2, axdr.double_long_unsigned(watts)) is DataAccessResult.SUCCESS

    def live(self, seconds: int) -> None:
        self.host.device.advance(self.host.now + seconds)

    def set(self, number: int, value: Any) -> DataAccessResult:
        attribute = Limiter.attributes[number]
        return self.host.write(71, NAME, number, attribute.type.to_data(value))

    def emergency(self, profile: int, moment: CosemDateTime, duration: int) -> DataAccessResult:
        return self.set(8, EmergencyProfile(profile, moment, duration))

    @property
    def shown(self) -> tuple[bool, int]:
        """Return emergency_profile_active and threshold_active."""
        limiter: Any = self.limiter.object
        return limiter.emergency_profile_active, limiter.threshold_active


def local(seconds: int) -> CosemDateTime:
    """Return a local date-time without deviation, `seconds` after noon of UTC (14 o'clock in summer)."""
    return CosemDateTime(2026, 6, 1, None, 14, seconds // 60, seconds % 60, 0)


# --- section 2.4 -----------------------------------------------------------------------------------------------------


def test_over_for_less_than_the_minimum_is_no_action_and_for_the_minimum_is_one() -> None:
    bench = Bench()
    bench.power(5001)
    bench.live(59)
    bench.power(4000)
    bench.live(1)
    bench.power(5001)
    bench.live(59)
    assert bench.rows == []
    bench.live(1)
    assert bench.rows == [EXCEEDED, OFF]
    assert bench.disconnector.state == READY


@pytest.mark.parametrize(("mode", "rows", "state"), [(5, [FINE, ON], CONNECTED), (1, [FINE], READY)])
def test_under_for_the_minimum_reconnects_where_the_mode_does(mode: int, rows: list[Cause], state: int) -> None:
    bench = Bench(mode=mode)
    bench.power(5001)
    bench.live(60)
    bench.rows.clear()
    bench.live(299)
    assert bench.rows == []
    bench.live(1)
    assert (bench.rows, bench.disconnector.state) == (rows, state)


def test_an_emergency_profile_of_the_group_begins_and_ends() -> None:
    bench = Bench()
    bench.set(9, (1, 7))
    assert bench.emergency(7, local(60), 120) is DataAccessResult.SUCCESS
    bench.live(59)
    assert (bench.shown, bench.rows) == ((False, 5000), [])
    bench.live(1)
    assert (bench.shown, bench.rows) == ((True, 1000), [CHANGED])
    bench.live(119)
    assert bench.shown == (True, 1000)
    bench.live(1)
    assert (bench.shown, bench.rows) == ((False, 5000), [CHANGED, CHANGED])


def test_an_emergency_profile_of_another_group_never_begins() -> None:
    bench = Bench()
    bench.set(9, (1, 2))
    assert bench.emergency(7, local(60), 120) is DataAccessResult.SUCCESS
    for _ in range(10):
        bench.live(60)
        assert bench.shown == (False, 5000)
    assert bench.rows == []


def test_an_emergency_goes_on_after_a_power_failure_and_ends_when_it_would_have() -> None:
    bench = Bench()
    bench.set(9, (7,))
    bench.emergency(7, local(60), 120)
    bench.live(90)
    bench.host.note(Cause.POWER_DOWN)
    bench.live(30)
    bench.host.note(Cause.POWER_UP)
    bench.live(0)
    assert bench.shown == (True, 1000)
    bench.live(59)
    assert bench.shown == (True, 1000)
    bench.live(1)
    assert bench.shown == (False, 5000)


def test_an_emergency_that_ends_without_power_is_over_when_it_returns() -> None:
    bench = Bench()
    bench.set(9, (7,))
    bench.emergency(7, local(60), 120)
    bench.live(90)
    bench.host.note(Cause.POWER_DOWN)
    bench.live(3600)
    bench.host.note(Cause.POWER_UP)
    bench.live(0)
    assert bench.shown == (False, 5000)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("profile"), st.tuples(st.integers(1, 3), st.integers(-300, 300), st.integers(0, 300))),
            st.tuples(st.just("groups"), st.lists(st.integers(1, 3), max_size=2)),
            st.tuples(st.just("time"), st.integers(1, 200)),
            st.tuples(st.just("jump"), st.integers(-400, 400)),
            st.tuples(st.just("power"), st.booleans()),
        ),
        max_size=30,
    )
)
def test_no_story_has_an_emergency_outside_of_its_window_and_group(story: list[Any]) -> None:
    bench = Bench()
    host, clock = bench.host, bench.host.clock
    profile, begin, duration = 0, 0, 0
    groups: list[int] = []
    powered, changes = True, 0
    before = False
    for what, value in story:
        if what == "time":
            bench.live(value)
        elif what == "power":
            if value is not powered:
                powered = value
                host.note(Cause.POWER_UP if powered else Cause.POWER_DOWN)
                bench.live(0)
        elif not powered:
            continue
        elif what == "jump":
            clock.jump_to(clock.now + value)
        elif what == "groups":
            groups = value
            assert bench.set(9, tuple(groups)) is DataAccessResult.SUCCESS
        else:
            profile, begin, duration = value[0], clock.now + value[1], value[2]
            moment = CosemDateTime.from_octets(clock.octets(begin))
            assert bench.emergency(profile, moment, duration) is DataAccessResult.SUCCESS
        if powered:
            active = profile in groups and begin <= clock.now < begin + duration
            assert bench.shown == (active, 1000 if active else 5000)
            changes += active is not before
            before = active
    assert bench.rows.count(CHANGED) >= changes
    assert bench.rows.count(CHANGED) % 2 == before


def test_exactly_the_threshold_for_an_hour_is_nothing() -> None:
    bench = Bench()
    bench.power(5000)
    bench.live(3600)
    assert bench.rows == []


@pytest.mark.parametrize("number", [4, 5])
@pytest.mark.parametrize("value", [axdr.long_unsigned(1), axdr.visible_string("much"), axdr.array()])
def test_a_threshold_of_another_type_is_type_unmatched(number: int, value: Data) -> None:
    bench = Bench()
    before = bench.host.read(71, NAME, number)
    assert bench.host.write(71, NAME, number, value) is DataAccessResult.TYPE_UNMATCHED
    assert bench.host.read(71, NAME, number) == before


@pytest.mark.parametrize("restart", [False, True])
def test_starting_over_the_threshold_is_no_action_until_it_is_crossed(restart: bool) -> None:
    bench = Bench(power=100 if restart else 6000)
    if restart:
        bench.host.note(Cause.POWER_DOWN)
        bench.power(6000)
        bench.host.note(Cause.POWER_UP)
        bench.rows.clear()
    bench.live(3600)
    assert bench.rows == []
    bench.power(100)
    bench.live(10)
    bench.power(6000)
    bench.live(60)
    assert bench.rows == [EXCEEDED, OFF]


# --- section 2.1 and 2.2 ---------------------------------------------------------------------------------------------


def test_staying_over_acts_once() -> None:
    bench = Bench(mode=0)
    bench.power(6000)
    bench.live(86400)
    assert bench.rows == [EXCEEDED]


def test_behaviour_a_short_spike_has_an_action_under_unless_actions_come_in_pairs() -> None:
    for paired in (False, True):
        bench = Bench(pair_actions=paired)
        bench.power(6000)
        bench.live(10)
        bench.power(100)
        bench.live(300)
        assert bench.rows == ([] if paired else [FINE])
    bench.power(6000)
    bench.live(60)
    bench.live(300)
    assert bench.rows == [EXCEEDED, OFF, FINE, ON]


def test_behaviour_no_minimum_acts_at_once() -> None:
    bench = Bench(min_over=0)
    bench.power(6000)
    bench.live(0)
    assert bench.rows == [EXCEEDED, OFF]


@pytest.mark.parametrize(
    "nothing", [ActionItem(Obis.parse(DISCONNECTION), 0), ActionItem(Obis(bytes(6)), 1), ActionItem(NAME, 1)]
)
def test_a_script_that_is_none_leaves_the_supply_alone(nothing: ActionItem) -> None:
    bench = Bench()
    assert bench.set(11, LimiterActions(nothing, nothing)) is DataAccessResult.SUCCESS
    bench.power(6000)
    bench.live(60)
    assert (bench.rows, bench.disconnector.state) == ([EXCEEDED], CONNECTED)


def test_behaviour_a_written_threshold_holds_at_once_and_is_an_event_where_it_is_another() -> None:
    bench = Bench()
    bench.power(3000)
    bench.set(4, axdr.double_long_unsigned(2000))
    assert (bench.shown, bench.rows) == ((False, 2000), [CHANGED])
    bench.set(4, axdr.double_long_unsigned(2000))
    bench.set(5, axdr.double_long_unsigned(500))
    assert bench.rows == [CHANGED]
    bench.live(30)
    # The value stays on its side: the time it has been there goes on.
    bench.set(4, axdr.double_long_unsigned(2500))
    bench.live(30)
    assert bench.rows == [CHANGED, CHANGED, EXCEEDED, OFF]


@pytest.mark.parametrize(
    ("moment", "duration", "result"),
    [
        (CosemDateTime(), 120, DataAccessResult.SUCCESS),
        (local(0), 0, DataAccessResult.SUCCESS),
        (local(0)._replace(hour=13), 120, DataAccessResult.SUCCESS),
        (local(0)._replace(minute=None), 120, DataAccessResult.OTHER_REASON),
        (local(0)._replace(year=None), 120, DataAccessResult.OTHER_REASON),
        (local(0)._replace(day=31), 120, DataAccessResult.OTHER_REASON),
    ],
    ids=["no time", "no duration", "in the past", "any minute", "any year", "no such day"],
)
def test_behaviour_emergency_profiles_that_never_begin(
    moment: CosemDateTime, duration: int, result: DataAccessResult
) -> None:
    bench = Bench()
    bench.set(9, (7,))
    before = bench.host.read(71, NAME, 8)
    assert bench.emergency(7, moment, duration) is result
    assert (bench.host.read(71, NAME, 8) == before) is (result is DataAccessResult.OTHER_REASON)
    bench.live(7200)
    assert (bench.shown, bench.rows) == ((False, 5000), [])


def test_behaviour_writing_profile_or_group_looks_again_at_once() -> None:
    bench = Bench()
    bench.emergency(7, local(0), 600)
    assert bench.shown == (False, 5000)
    bench.set(9, (7,))
    assert bench.shown == (True, 1000)
    bench.set(5, axdr.double_long_unsigned(700))
    assert bench.shown == (True, 700)
    bench.emergency(8, local(0), 600)
    assert bench.shown == (False, 5000)
    bench.emergency(7, local(0), 600)
    bench.emergency(7, CosemDateTime(), 0)
    assert bench.shown == (False, 5000)
    assert bench.rows == [CHANGED] * 5


def test_a_clock_that_jumps_takes_the_emergency_along() -> None:
    bench = Bench()
    bench.set(9, (7,))
    bench.emergency(7, local(600), 120)
    bench.host.clock.jump_to(NOON + 660)
    assert bench.shown == (True, 1000)
    bench.live(59)
    assert bench.shown == (True, 1000)
    bench.live(1)
    assert bench.shown == (False, 5000)
    bench.host.clock.jump_to(NOON + 590)
    bench.live(9)
    assert bench.shown == (False, 5000)
    bench.live(1)
    assert bench.shown == (True, 1000)
    bench.host.clock.jump_to(NOON + 7200)
    assert bench.shown == (False, 5000)


def test_an_emergency_below_the_power_disconnects_after_the_minimum() -> None:
    bench = Bench(power=3000)
    bench.set(9, (7,))
    bench.emergency(7, local(60), 3600)
    bench.live(119)
    assert bench.disconnector.state == CONNECTED
    bench.live(1)
    assert bench.rows == [CHANGED, EXCEEDED, OFF]


def test_what_the_limiter_finds_out_is_not_written() -> None:
    bench = Bench()
    assert bench.host.write(71, NAME, 3, axdr.double_long_unsigned(1)) is DataAccessResult.READ_WRITE_DENIED
    assert bench.host.write(71, NAME, 10, axdr.boolean(True)) is DataAccessResult.READ_WRITE_DENIED


def test_another_monitored_value_takes_the_thresholds_into_its_type() -> None:
    bench = Bench()
    small, words = Obis.parse("0-0:96.13.1.255"), Obis.parse("0-0:96.13.2.255")
    bench.host.add(DataObject(small, value=axdr.long_unsigned(6000)))
    bench.host.add(DataObject(words, value=axdr.visible_string("high")))
    for class_id, name in ((1, words), (3, small), (1, Obis.parse("0-0:96.99.0.255"))):
        assert bench.set(2, AttributeReference(class_id, name, 2)) is DataAccessResult.OTHER_REASON
    assert bench.limiter.object.monitored_value.logical_name == POWER
    assert bench.set(5, axdr.double_long_unsigned(70_000)) is DataAccessResult.SUCCESS
    assert bench.set(2, AttributeReference(1, small, 2)) is DataAccessResult.OTHER_REASON
    bench.set(5, axdr.double_long_unsigned(1000))
    assert bench.set(2, AttributeReference(1, small, 2)) is DataAccessResult.SUCCESS
    assert bench.host.read(71, NAME, 4) == axdr.long_unsigned(5000)
    assert bench.host.read(71, NAME, 3) == axdr.long_unsigned(5000)
    # It was over the threshold when it came to be looked at: nothing was crossed.
    bench.live(120)
    assert bench.rows == []


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), 0.5])
def test_a_threshold_that_is_no_whole_number_is_none_of_another_type(threshold: float) -> None:
    bench = Bench(normal=Data(Tag.FLOAT64, threshold), emergency=Data(Tag.FLOAT64, 1.0))
    assert bench.set(2, AttributeReference(1, POWER, 2)) is DataAccessResult.OTHER_REASON


@given(
    steps=st.lists(st.tuples(st.sampled_from([0, 4999, 5000, 5001, 9000]), st.integers(0, 400)), max_size=25),
    over=st.sampled_from([0, 1, 60, 90]),
    under=st.sampled_from([0, 30, 300]),
)
def test_actions_are_those_of_the_published_algorithm(steps: list[tuple[int, int]], over: int, under: int) -> None:
    bench = Bench(mode=0, min_over=over, min_under=under)
    expected: list[Cause] = []
    side, since, done = False, 0, True
    now = 0
    for watts, seconds in steps:
        bench.power(watts)
        for second in range(now, now + seconds + 1):
            if watts != 5000 and (watts > 5000) is not side:
                side, since, done = watts > 5000, second, False
            if not done and second - since >= (over if side else under):
                done = True
                expected.append(EXCEEDED if side else FINE)
        bench.live(seconds)
        now += seconds
    assert bench.rows == expected


# --- soft limitation -------------------------------------------------------------------------------------------------


def test_behaviour_a_soft_limit_warns_disconnects_reconnects_and_gives_up_in_the_end() -> None:
    bench = Bench(mode=5, soft=SoftLimit(attempts=2, within=3600))
    for again in (True, True, False):
        bench.rows.clear()
        bench.power(6000)
        bench.live(0)
        assert bench.rows == [Cause.LIMITER_WARNING]
        bench.live(60)
        assert bench.disconnector.state == READY
        bench.live(300)
        assert bench.disconnector.state == (CONNECTED if again else READY)
        assert bench.rows[1:] == [EXCEEDED, OFF, FINE, ON if again else Cause.LIMITER_GAVE_UP]
    # A person has to: and after the time within which it counts it tries again.
    bench.disconnector.press()
    assert bench.disconnector.state == CONNECTED
    bench.live(3600)
    bench.power(6000)
    bench.live(360)
    assert bench.disconnector.state == CONNECTED


# --- in the meter ----------------------------------------------------------------------------------------------------


class Oven:
    """A household that draws 20 kW from the third minute on."""

    def at(self, local: object, step: int) -> Load:
        return Load((8000, 6000, 6000) if step >= NOON // 60 + 3 else (100, 100, 100), (0, 0, 0))


def meter_with(options: DeviceOptions | None = None, **settings: Any) -> ElectricityMeter:
    chosen = MeterSettings(keys=KEYS, **settings)
    return ElectricityMeter(chosen, NOON, SeededRandom(1), load=Oven(), simulation=True, options=options)


def read(host: Host, class_id: int, name: str, number: int) -> Any:
    data = host.read(class_id, Obis.parse(name), number)
    assert data is not None
    return data.value


def test_the_meter_disconnects_who_draws_too_much_and_reconnects_by_mode() -> None:
    meter = meter_with(control_mode=5, limit=10_000)
    rows = causes_of(meter.host)
    meter.advance(NOON + 239)
    assert (rows, meter.metering.connected) == ([], True)
    meter.advance(NOON + 240)
    assert rows == [EXCEEDED, OFF]
    assert read(meter.host, 3, "1-0:1.7.0", 2) == 0
    energy = meter.metering.watt_hours(1)
    meter.advance(NOON + 539)
    assert meter.metering.watt_hours(1) == energy
    meter.advance(NOON + 540)
    assert rows == [EXCEEDED, OFF, FINE, ON]
    meter.advance(NOON + 600)
    assert rows[-2:] == [EXCEEDED, OFF]


def test_currents_over_the_fuse_are_supervised() -> None:
    meter = meter_with(fuse=30)
    details = []
    meter.host.causes.listeners.append(lambda happening: details.append((happening.cause, happening.details["phase"])))
    meter.advance(NOON + 180)
    assert details == [(Cause.SUPERVISION_EXCEEDED, 1)]
    meter.metering.switch(False)
    meter.advance(NOON + 240)
    assert details[1:] == [(Cause.SUPERVISION_OK, 1)]


def test_a_usual_day_is_within_the_limits() -> None:
    meter = ElectricityMeter(MeterSettings(keys=KEYS), NOON, SeededRandom(1), simulation=True)
    rows = causes_of(meter.host)
    meter.advance(NOON + 2 * 86400)
    assert not {EXCEEDED, FINE, Cause.SUPERVISION_EXCEEDED} & set(rows)


def test_the_option_for_pairs_reaches_the_limiter_of_the_meter() -> None:
    for paired in (False, True):
        meter = meter_with(DeviceOptions(limiter_pairs_actions=paired), limit=10_000)
        rows = causes_of(meter.host)
        meter.advance(NOON + 200)
        meter.metering.switch(False)
        meter.advance(NOON + 900)
        assert rows == ([] if paired else [FINE])
