"""Bad input to a whole meter over the link: the standard's result, and nothing half-done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c009_script_table import ScriptTable
from cosem.classes.c010_schedule import Schedule, ScheduleEntry, Weekdays
from cosem.classes.c020_activity_calendar import ActivityCalendar
from cosem.classes.c022_single_action_schedule import ExecutionTime
from cosem.classes.c061_register_table import TableCellDefinition
from cosem.classes.c071_limiter import EmergencyProfile, Limiter
from cosem.classes.common import CaptureObject, TimeWindow
from cosem.classes.model import InterfaceClass
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.clock import DAY, DeviceClock
from cosem.device.disconnector import CONNECTED
from cosem.device.image import Call, ImageOptions
from cosem.device.meter import ElectricityMeter
from cosem.device.moments import at_second
from cosem.device.scripts import MAX_ACTIONS, calling
from cosem.device.tariffs import TWO_TARIFFS
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDate, CosemDateTime, CosemTime
from support.equipped import codes
from support.full import SCHEDULE, START, Manager, full_meter
from support.wild import Wild

_EMPTY = tuple(Data(Tag.NULL_DATA, None) for _ in range(4))
JUNK = (
    Data(Tag.NULL_DATA, None),
    Data(Tag.BOOLEAN, True),
    Data(Tag.INTEGER, -128),
    Data(Tag.UNSIGNED, 255),
    Data(Tag.LONG, -32768),
    Data(Tag.LONG_UNSIGNED, 65535),
    Data(Tag.DOUBLE_LONG, -(2**31)),
    Data(Tag.DOUBLE_LONG_UNSIGNED, 2**32 - 1),
    Data(Tag.LONG64_UNSIGNED, 2**64 - 1),
    Data(Tag.ENUM, 255),
    Data(Tag.FLOAT32, float("nan")),
    Data(Tag.FLOAT64, float("inf")),
    Data(Tag.BIT_STRING, ""),
    Data(Tag.OCTET_STRING, b""),
    Data(Tag.OCTET_STRING, b"\xff" * 12),
    Data(Tag.OCTET_STRING, bytes(12)),
    Data(Tag.OCTET_STRING, bytes(3000)),
    Data(Tag.STRUCTURE, ()),
    Data(Tag.STRUCTURE, _EMPTY),
    Data(Tag.ARRAY, ()),
    Data(Tag.ARRAY, _EMPTY * 100),
    Data(Tag.ARRAY, (Data(Tag.STRUCTURE, ()),)),
)
"""Values that are wrong for nearly everything: other types, nothing, limits, empty and endless structures."""

_TELLS = {(18, 3), (18, 4)}
"""Methods whose refusal is told in an attribute: why an image is not verified or activated."""


def state(obj: InterfaceClass[Any]) -> list[str]:
    """Everything an object shows, but the time."""
    store: Any = obj.store
    return [repr(store.data(number)) for number in obj.attributes if (obj.class_id, number) != (8, 2)]


def members(meter: ElectricityMeter) -> Iterator[tuple[InterfaceClass[Any], str, int, Any]]:
    """Every attribute and method of every object, with the type of its value or parameter."""
    for obj in list(meter.logical.objects.values()):
        yield from ((obj, "set", number, item.type) for number, item in obj.attributes.items())
        yield from ((obj, "call", number, item.parameter) for number, item in obj.methods.items())


def offer(client: Manager, obj: InterfaceClass[Any], what: str, number: int, value: Data) -> int:
    """Write or call; see that a refusal has changed nothing."""
    before = state(obj)
    result = client.set(obj, number, value) if what == "set" else client.call(obj, number, value)
    if result and not (what == "call" and (obj.class_id, number) in _TELLS):
        assert state(obj) == before, (obj, what, number, value, result)
    return result


def test_no_wrong_value_breaks_an_object_or_leaves_a_refusal_half_done() -> None:
    meter = full_meter()
    client = Manager(meter)
    results = [offer(client, obj, what, number, v) for obj, what, number, _ in members(meter) for v in JUNK]
    assert set(results) <= {int(result) for result in DataAccessResult}
    assert results.count(DataAccessResult.TYPE_UNMATCHED) > 1000
    meter.advance(START + 86_400)
    assert isinstance(client.get(meter.clock.object, 2), Data)


@pytest.mark.parametrize("seed", range(4))
def test_no_wrong_value_of_the_right_type_leaves_a_refusal_half_done(seed: int) -> None:
    meter = full_meter()
    client = Manager(meter)
    source = random.Random(seed)
    names = list(meter.logical.objects)
    classes = sorted({obj.class_id for obj in meter.logical.objects.values()})
    results = []
    for obj, what, number, kind in members(meter):
        if obj.class_id in (1, 3) or (obj.class_id, number) == (64, 1 if what == "call" else 2):
            continue
        for _ in range(2):
            value = Wild(source, names, classes, meter.clock.now).value(kind)
            results.append(offer(client, obj, what, number, value))
    assert {int(DataAccessResult.SUCCESS), int(DataAccessResult.OTHER_REASON)} <= set(results)
    meter.advance(START + 3600)


# --- each of the bad inputs that a head-end sends one day -------------------------------------------------------------


class Desk:
    """A full meter and its manager, by logical names."""

    def __init__(self, **settings: Any) -> None:
        self.meter = full_meter(**settings)
        self.client = Manager(self.meter)

    def at(self, name: str) -> Any:
        return self.meter.logical.objects[bytes(Obis.parse(name))]

    def set(self, name: str, number: int, value: Any) -> int:
        obj = self.at(name)
        return self.client.set(obj, number, obj.attributes[number].type.to_data(value))

    def call(self, name: str, number: int, value: Any) -> int:
        obj = self.at(name)
        return self.client.call(obj, number, obj.methods[number].parameter.to_data(value))

    def get(self, name: str, number: int) -> Any:
        found = self.client.get(self.at(name), number)
        assert isinstance(found, Data)
        return found.value


IMAGE, LIMITER, CALENDAR, SUPPLY = "0-0:44.0.0.255", "0-0:17.0.0.255", "0-0:13.0.0.255", "0-0:96.3.10.255"
OTHER = int(DataAccessResult.OTHER_REASON)


def test_a_wrong_image_is_refused_with_its_event_and_the_firmware_stays() -> None:
    desk = Desk(image=ImageOptions(block_size=100, verify_duration=0))
    old = desk.get("1-0:0.2.0.255", 2)
    assert desk.call(IMAGE, Call.INITIATE.value, (b"V3", 150)) == 0
    for number, block in enumerate((bytes(100), bytes(50))):
        assert desk.call(IMAGE, Call.BLOCK_TRANSFER.value, (number, block)) == 0
    assert desk.call(IMAGE, Call.VERIFY.value, 0) == ActionResult.OTHER_REASON
    assert (desk.get(IMAGE, 6), desk.get(IMAGE, 7)) == (4, ())
    assert desk.call(IMAGE, Call.ACTIVATE.value, 0) == ActionResult.OTHER_REASON
    assert (desk.get(IMAGE, 6), desk.get("1-0:0.2.0.255", 2)) == (7, old)
    assert [code for code in codes(desk.meter, "standard") + codes(desk.meter, "fraud") if code == 51] == [51, 51]


@pytest.mark.parametrize("by_method", [True, False])
def test_a_policy_that_would_weaken_is_other_reason(by_method: bool) -> None:
    desk = Desk()
    setup = "0-0:43.0.0.255"
    desk.meter.security.policy = 0x6C
    for weaker in (0, 0x24, 0x48, 0x64):
        given = axdr.enum(weaker)
        obj = desk.at(setup)
        assert (desk.client.call(obj, 1, given) if by_method else desk.client.set(obj, 2, given)) == OTHER
        assert desk.get(setup, 2) == 0x6C
    assert codes(desk.meter, "standard") == []


def test_a_script_that_refers_to_nothing_is_other_reason_and_does_the_rest() -> None:
    desk = Desk(control_mode=4)
    table = "0-0:10.0.106.255"
    script = ScriptTable.attributes[2].type
    nothing = calling(70, "0-0:96.3.99.255", 1)
    written = [(9, (nothing, calling(70, SUPPLY, 1)))]
    assert desk.client.set(desk.at(table), 2, script.to_data(written)) == 0, "what it names may come later"
    assert desk.call(table, 1, 9) == ActionResult.OTHER_REASON
    assert desk.get(SUPPLY, 3) == 0
    assert codes(desk.meter, "disconnector") == [62]
    assert desk.call(table, 1, 1) == ActionResult.OTHER_REASON, "the script that was there is not there any more"


def test_a_limiter_whose_script_is_gone_tells_what_it_saw_and_moves_nothing() -> None:
    desk = Desk(control_mode=5, limit=1)
    assert desk.client.set(desk.at("0-0:10.0.106.255"), 2, axdr.array()) == 0
    desk.meter.advance(START + 9 * 3600)
    assert 65 in codes(desk.meter, "disconnector")
    assert 64 not in codes(desk.meter, "disconnector")
    assert desk.get(SUPPLY, 3) == CONNECTED


def test_a_calendar_with_gaps_is_not_activated_and_the_old_one_goes_on() -> None:
    desk = Desk()
    before = [desk.get(CALENDAR, number) for number in range(2, 6)]
    assert desk.set(CALENDAR, 9, TWO_TARIFFS.days[:1]) == 0
    assert desk.call(CALENDAR, 1, 0) == ActionResult.OTHER_REASON
    assert [desk.get(CALENDAR, number) for number in range(2, 6)] == before
    assert 9 not in codes(desk.meter, "standard")


def test_an_activation_that_is_refused_leaves_the_one_that_was_planned() -> None:
    desk = Desk()
    kind = ActivityCalendar.attributes[10].type
    later = CosemDateTime.from_octets(desk.meter.clock.octets(START + 7200))
    past = CosemDateTime.from_octets(desk.meter.clock.octets(START - 7200))
    assert desk.client.set(desk.at(CALENDAR), 10, kind.to_data(later)) == 0
    assert desk.set(CALENDAR, 9, TWO_TARIFFS.days[:1]) == 0
    assert desk.client.set(desk.at(CALENDAR), 10, kind.to_data(past)) == OTHER
    assert kind.from_data(axdr.octet_string(desk.get(CALENDAR, 10))) == later
    assert desk.set(CALENDAR, 9, TWO_TARIFFS.days) == 0
    desk.meter.advance(START + 7200)
    assert 9 in codes(desk.meter, "standard")


def test_an_emergency_profile_in_the_past_is_taken_and_never_active() -> None:
    desk = Desk()
    kinds = Limiter.attributes
    past = CosemDateTime.from_octets(desk.meter.clock.octets(START - 3600))
    assert desk.client.set(desk.at(LIMITER), 9, kinds[9].type.to_data((7,))) == 0
    assert desk.client.set(desk.at(LIMITER), 8, kinds[8].type.to_data(EmergencyProfile(7, past, 3600))) == 0
    desk.meter.advance(START + 86_400)
    assert (desk.get(LIMITER, 10), codes(desk.meter, "disconnector")) == (False, [])


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (axdr.long_unsigned(0), ActionResult.TYPE_UNMATCHED),
        (axdr.octet_string(b""), ActionResult.TYPE_UNMATCHED),
        (axdr.structure(), ActionResult.TYPE_UNMATCHED),
        (None, ActionResult.SUCCESS),
    ],
)
def test_a_method_with_a_wrong_parameter_is_type_unmatched_and_moves_nothing(
    value: Data | None, result: ActionResult
) -> None:
    desk = Desk(control_mode=4)
    assert desk.client.call(desk.at(SUPPLY), 1, value) == result
    assert desk.get(SUPPLY, 3) == (CONNECTED if result else 0)


@pytest.mark.parametrize("year", [b"\x00\x00", b"\x00\x01", b"\xff\x07"])
@pytest.mark.parametrize("weekday", [b"\x01", b"\xff"])
def test_a_year_that_no_calendar_has_is_refused_wherever_a_date_stands(year: bytes, weekday: bytes) -> None:
    desk = Desk()
    octets = year + b"\x06\x14" + weekday + b"\x0d\x2a\x00\x00\x80\x00\xff"
    date, moment = CosemDate.from_octets(octets[:5]), CosemDateTime.from_octets(octets)
    window = [TimeWindow(moment, moment)]
    for name, number in (("0-4:25.9.0.255", 4), ("0-0:2.1.0.255", 5), ("0-0:2.2.0.255", 3)):
        assert desk.set(name, number, window) == OTHER
    assert desk.call("0-0:11.0.0.255", 1, (1, date, 1)) == OTHER
    assert desk.set("0-0:15.0.1.255", 4, [ExecutionTime(CosemTime(0, 0, 0, 0), date)]) == OTHER
    assert desk.set(CALENDAR, 7, [(b"s", moment, b"week")]) == OTHER
    desk.meter.advance(START + 86_400)


def entry(index: int) -> ScheduleEntry:
    """An entry of every minute."""
    every = CosemTime(None, None, 0, 0)
    script = Obis.parse("0-0:10.0.99.255")
    return ScheduleEntry(index, True, script, 1, every, 0xFFFF, Weekdays(127), "", CosemDate(), CosemDate())


def test_more_switch_times_than_a_meter_can_follow_are_refused() -> None:
    desk = Desk()
    kind = Schedule.attributes[2].type
    assert desk.client.set(desk.at(SCHEDULE), 2, kind.to_data([entry(1), entry(2)])) == 0
    assert desk.client.set(desk.at(SCHEDULE), 2, kind.to_data([entry(n) for n in (1, 2, 3)])) == OTHER
    assert desk.call(SCHEDULE, 2, entry(3)) == OTHER
    assert len(desk.get(SCHEDULE, 2)) == 2
    desk.set("0-0:15.0.1.255", 3, 5)
    times = [ExecutionTime(CosemTime(None, None, second, 0), CosemDate()) for second in range(3)]
    assert desk.set("0-0:15.0.1.255", 4, times) == OTHER
    windows = [TimeWindow(CosemDateTime(second=n), CosemDateTime(second=n + 1)) for n in range(2)]
    assert desk.set("0-0:2.2.0.255", 3, windows) == OTHER
    assert desk.set("0-0:2.2.0.255", 3, windows[:1]) == 0


def test_scripts_that_call_each_other_without_measure_are_stopped() -> None:
    desk = Desk()
    table = "0-0:10.0.106.255"
    last = 7
    scripts: list[Any] = [
        (number, tuple(calling(9, table, 1, axdr.long_unsigned(number + 1)) for _ in range(30)))
        for number in range(1, last)
    ]
    scripts.append((last, (calling(1, "0-0:96.13.0.255", 1),)))
    done: list[int] = []
    invoke = desk.meter.host.invoke

    def counted(*target: Any) -> ActionResult:
        done.append(target[0])
        return invoke(*target)

    desk.meter.host.invoke = counted  # type: ignore[method-assign]
    assert desk.set(table, 2, scripts) == 0
    assert desk.call(table, 1, 1) == ActionResult.OTHER_REASON
    assert len(done) <= MAX_ACTIONS
    assert desk.call(table, 1, 1) == ActionResult.OTHER_REASON
    assert len(done) > MAX_ACTIONS, "the next one has its own measure"


TABLE, COMPACT = "1-0:98.10.0.255", "0-0:66.0.0.255"


@pytest.mark.parametrize("class_id", [12, 15, 61, 62, 65])
def test_what_shows_other_attributes_is_not_shown_in_itself(class_id: int) -> None:
    desk = Desk()
    own = CaptureObject(62, Obis.parse(COMPACT), 4)
    for obj in list(desk.meter.logical.objects.values()):
        if obj.class_id != class_id:
            continue
        for number in obj.attributes:
            if class_id != 61:
                captures = [own, CaptureObject(class_id, obj.obis, number)]
                assert desk.set(COMPACT, 3, captures) == OTHER
            assert desk.set(TABLE, 3, TableCellDefinition(class_id, obj.obis, (0, 0, 0), number)) == OTHER
    assert desk.get(TABLE, 3)[0].value == 3


@given(st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31)), st.integers(0, DAY - 1), st.integers(-720, 720))
def test_the_day_without_a_change_is_a_midnight_and_its_seconds(day: datetime, second: int, zone: int) -> None:
    clock = DeviceClock(lambda: START, zone=zone)
    midnight = clock.plain_midnight(day.date())
    moments = clock.moments(at_second(day.date(), second))
    if midnight is not None:
        assert moments == (midnight + second,)
    else:
        # Only days beside a change, or beside the turn of a year, are looked up second by second.
        near = [clock.deviation(moments[0] + hours * 3600)[0] for hours in range(-72, 73, 6)]
        assert len(set(near)) > 1 or {12, 1} & {day.month}
