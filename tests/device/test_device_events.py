"""Events, alarms and fraud: the scenarios of what a meter notes, and the rules behind them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import companion, names
from cosem.companions.companion import read as read_companion
from cosem.device.causes import ENDED_BY, Cause
from cosem.device.events import Events
from cosem.device.guard import GuardOptions
from cosem.device.meter import ElectricityMeter
from cosem.device.tampering import TamperRecords
from cosem.errors import ConfigError, InvocationCounterError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime
from support.equipped import START, Net, body, codes, equipped, later, read, rows, write
from support.meters import bare_host, session, utc

REGISTER, FILTER, DESCRIPTOR = "0-0:97.98.0.255", "0-0:97.98.10.255", "0-0:97.98.20.255"
FRAUD = 1 << 13


def u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def alarms(meter: ElectricityMeter) -> tuple[int, int]:
    return read(meter, 1, REGISTER), read(meter, 1, DESCRIPTOR)


# --- the scenarios ----------------------------------------------------------------------------------------------------


def test_events_1_terminal_cover_opened() -> None:
    net = Net()
    meter = equipped(net)
    later(meter, 100)
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 101)
    assert rows(meter, "fraud") == [(100, 40)]
    assert alarms(meter) == (FRAUD, FRAUD)
    assert net.times == [100]
    name, setup, first, second = body(net.sent[0][1])
    assert name == meter.logical.name
    assert setup == bytes.fromhex("0004190900ff")
    assert (first, second) == (FRAUD, 0)
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 86_400)
    assert codes(meter, "fraud") == [40]
    assert len(net.sent) == 1
    meter.equipment.tampering.terminal_cover(False)
    assert codes(meter, "fraud") == [40, 41]


def test_events_2_a_filter_hides_descriptor_and_push() -> None:
    net = Net()
    meter = equipped(net)
    assert write(meter, 1, FILTER, 2, u32(0xFFFFFFFF & ~FRAUD)) is DataAccessResult.SUCCESS
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 10)
    assert codes(meter, "fraud") == [40]
    assert alarms(meter) == (FRAUD, 0)
    assert net.sent == []


def test_events_3_a_second_cause_pushes_only_after_the_client_has_cleared() -> None:
    net = Net()
    meter = equipped(net)
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 10)
    meter.equipment.tampering.meter_cover(True)
    later(meter, 20)
    assert codes(meter, "fraud") == [40, 44]
    assert net.times == [0]
    assert write(meter, 1, DESCRIPTOR, 2, u32(0)) is DataAccessResult.SUCCESS
    assert write(meter, 1, REGISTER, 2, u32(0)) is DataAccessResult.SUCCESS
    meter.equipment.tampering.magnet(True)
    later(meter, 100)
    assert alarms(meter) == (FRAUD, FRAUD)
    assert net.times == [0, 50]


def test_events_4_clearing_the_register_leaves_the_descriptor() -> None:
    meter = equipped()
    meter.equipment.tampering.terminal_cover(True)
    assert write(meter, 1, REGISTER, 2, u32(0)) is DataAccessResult.SUCCESS
    assert codes(meter, "standard") == [11]
    assert alarms(meter) == (0, FRAUD)


def test_events_5_five_wrong_passwords() -> None:
    meter = equipped(guard=GuardOptions(authentication_attempts=5, lock_after=0))
    wrong = session(meter, 2)
    meter.device.closed(wrong)
    for _ in range(9):
        meter.device.authentication_failed(wrong)
    assert codes(meter, "fraud") == [46]


def test_events_6_a_log_that_was_reset_begins_with_that() -> None:
    meter = equipped()
    for opened in (True, False):
        meter.equipment.tampering.terminal_cover(opened)
    assert meter.host.invoke(7, Obis.parse("0-0:99.98.1.255"), 1, None) is ActionResult.SUCCESS
    assert codes(meter, "fraud") == [255]
    assert codes(meter, "standard") == []


def test_events_7_the_clock_set_by_an_hour() -> None:
    meter = equipped()
    later(meter, 60)
    meter.clock.jump_to(START + 3660)
    assert rows(meter, "standard") == [(60, 4), (3660, 5)]


@pytest.mark.parametrize("seconds", [5, -5])
def test_clock_1_a_small_correction_is_silent(seconds: int) -> None:
    meter = equipped()
    meter.clock.jump_to(START + seconds)
    assert codes(meter, "standard") == []


def test_clock_5_summer_time_is_noted_under_the_time_before() -> None:
    meter = equipped(start=utc(2026, 3, 29))
    meter.advance(utc(2026, 3, 29, 2))
    (row,) = meter.equipment.events.logs["standard"].buffer.rows
    assert row.cells[1][-1] == 3
    assert CosemDateTime.from_octets(row.cells[0][2:]).isoformat() == "2026-03-29T02:00:00+01:00"


def test_events_8_the_same_request_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from support.served import served

    with served(days=1) as running:
        meter = running.meter
        with running.connect() as client:
            driver = client._driver
            sent: list[bytes] = []
            transport: Any = driver.transport
            send = transport.send
            monkeypatch.setattr(transport, "send", lambda octets: (sent.append(octets), send(octets))[1])
            client.get(1, "0-0:42.0.0", 2)
            again = sent[-1]
            send(again)
            answer = transport.receive(2.0)
        assert answer[8:11] == bytes.fromhex("d80106")
        assert codes(meter, "fraud") == [50]
        assert alarms(meter)[0] == FRAUD


# --- behaviour --------------------------------------------------------------------------------------------------------


def test_an_alarm_goes_when_nothing_holds_it_any_more() -> None:
    meter = equipped()
    tampering = meter.equipment.tampering
    tampering.terminal_cover(True)
    tampering.meter_cover(True)
    tampering.terminal_cover(False)
    assert alarms(meter) == (FRAUD, FRAUD)
    tampering.meter_cover(False)
    assert alarms(meter) == (0, FRAUD)


def test_an_alarm_of_what_cannot_end_stays() -> None:
    meter = equipped()
    meter.host.note(Cause.REPLAY)
    meter.equipment.tampering.terminal_cover(True)
    meter.equipment.tampering.terminal_cover(False)
    assert alarms(meter)[0] == FRAUD


def test_alarms_stay_where_the_meter_never_clears_them() -> None:
    meter = equipped(alarm_autoclear=False)
    for opened in (True, False):
        meter.equipment.tampering.terminal_cover(opened)
    assert alarms(meter)[0] == FRAUD


def test_what_lasts_does_not_set_a_cleared_bit_again() -> None:
    meter = equipped()
    meter.equipment.tampering.terminal_cover(True)
    write(meter, 1, REGISTER, 2, u32(0))
    later(meter, 3600)
    assert alarms(meter)[0] == 0
    meter.equipment.tampering.terminal_cover(False)
    meter.equipment.tampering.terminal_cover(True)
    assert alarms(meter)[0] == FRAUD


@pytest.mark.parametrize("name", [REGISTER, DESCRIPTOR, "0-0:97.97.0.255"])
def test_a_client_can_set_no_bit(name: str) -> None:
    meter = equipped()
    meter.host.note(Cause.RAM_ERROR)
    assert write(meter, 1, name, 2, u32(1)) is DataAccessResult.OTHER_REASON
    assert write(meter, 1, name, 2, Data(Tag.UNSIGNED, 0)) is DataAccessResult.TYPE_UNMATCHED
    assert read(meter, 1, name) == 1 << 9
    assert codes(meter, "standard") == [13]


def test_the_error_register_is_cleared_with_an_event() -> None:
    meter = equipped()
    meter.host.note(Cause.RAM_ERROR)
    assert write(meter, 1, "0-0:97.97.0.255", 2, u32(0)) is DataAccessResult.SUCCESS
    assert codes(meter, "standard") == [13, 10]


def test_a_full_log_loses_its_oldest_row() -> None:
    meter = equipped()
    log = meter.equipment.events.logs["fraud"].buffer
    assert write(meter, 7, "0-0:99.98.1.255", 8, u32(3)) is DataAccessResult.SUCCESS
    for _ in range(2):
        for opened in (True, False):
            meter.equipment.tampering.terminal_cover(opened)
    assert [row.cells[1][-1] for row in log.rows] == [41, 40, 41]


def test_a_log_keeps_its_columns_and_has_no_period() -> None:
    meter = equipped()
    name = "0-0:99.98.1.255"
    columns = meter.host.read(7, Obis.parse(name), 3)
    assert columns is not None
    assert write(meter, 7, name, 3, columns) is DataAccessResult.READ_WRITE_DENIED
    assert write(meter, 7, name, 4, u32(900)) is DataAccessResult.READ_WRITE_DENIED


def test_the_standard_log_says_which_parameter_changed_and_255_says_nothing() -> None:
    meter = equipped()
    meter.host.note(Cause.PARAMETER_CHANGED, sub_event=7)
    log = meter.equipment.events.logs["standard"].buffer
    assert log.rows[-1].cells[2] == axdr.encode(u32(7))
    assert read(meter, 1, "0-0:96.11.10.255") == 7
    meter.host.invoke(7, Obis.parse("0-0:99.98.0.255"), 1, None)
    assert log.rows[-1].cells[2] == b"\x00"
    assert read(meter, 1, "0-0:96.11.0.255") == 255


def test_dutch_codes_are_other_codes() -> None:
    meter = equipped(companion="dsmr")
    meter.equipment.mains.voltage(1, 2000)
    later(meter, 10)
    assert codes(meter, "extended power quality") == [93]
    assert read(meter, 1, "0-0:97.98.1.255") == 1
    meter.equipment.mains.voltage(1, None)
    assert codes(meter, "power quality") == [83]
    assert codes(meter, "extended power quality") == [93]
    write(meter, 1, "0-0:97.98.1.255", 2, u32(0))
    assert codes(meter, "standard") == [24]


# --- fraud ------------------------------------------------------------------------------------------------------------


def test_a_magnet_must_stay_for_half_a_minute() -> None:
    meter = equipped()
    tampering = meter.equipment.tampering
    tampering.magnet(True)
    later(meter, 29)
    tampering.magnet(False)
    later(meter, 100)
    assert codes(meter, "fraud") == []
    tampering.magnet(True)
    later(meter, 130)
    tampering.magnet(False)
    assert rows(meter, "fraud") == [(130, 42), (130, 43)]


FRAUDS = {
    Cause.TERMINAL_COVER_OPENED: lambda m, on: m.equipment.tampering.terminal_cover(on),
    Cause.METER_COVER_OPENED: lambda m, on: m.equipment.tampering.meter_cover(on),
    Cause.NEUTRAL_MISSING: lambda m, on: m.equipment.tampering.neutral(on),
    Cause.PHASE_SEQUENCE_REVERSED: lambda m, on: m.equipment.tampering.phase_sequence(on),
    Cause.CURRENT_REVERSAL: lambda m, on: m.equipment.tampering.current_reversal(on),
    Cause.CURRENT_BYPASS: lambda m, on: m.equipment.tampering.current_bypass(1, on),
}


@pytest.mark.parametrize("cause", FRAUDS, ids=lambda cause: cause.name)
def test_each_fraud_has_counter_first_and_last_time(cause: Cause) -> None:
    meter = equipped()
    place = next(p for p in meter.equipment.events.companion.tampering if p.cause == cause.name)
    provoke = FRAUDS[cause]
    for at, on in ((100, True), (160, False), (500, True), (520, True), (590, False)):
        later(meter, at)
        provoke(meter, on)
    later(meter, 600)
    provoke(meter, True)
    later(meter, 607)

    def shown(number: int, class_id: int = 1) -> Any:
        return read(meter, class_id, f"0-0:96.20.{number}.255")

    assert [shown(place.first + n, 3) for n in (0, 2, 4)] == [3, 7, 90]
    times = [shown(n) for n in (place.begun, place.first + 3, place.first + 1)]
    assert times == [meter.clock.octets(START + at) for at in (100, 500, 600)]


def test_frauds_without_an_end_have_counter_first_and_last_time() -> None:
    meter = equipped()
    for at in (60, 7200):
        later(meter, at)
        meter.clock.jump_to(meter.clock.now - 600)
    record = meter.equipment.tamper_records.records[Cause.CLOCK_SET_BACK]
    assert (record.count, record.first, record.last) == (2, START + 60 - 600, START + 7200 - 1200)
    meter.device.security_failed(session(meter, 1), InvocationCounterError(1, 2))
    assert meter.equipment.tamper_records.records[Cause.REPLAY].count == 1
    assert codes(meter, "fraud") == [50]


def test_a_bypassed_phase_is_not_measured() -> None:
    meter = equipped()
    meter.equipment.tampering.current_bypass(1, True)
    later(meter, 60)
    assert meter.metering.current_load.active[0] == 0
    assert codes(meter, "fraud") == [200]
    meter.equipment.tampering.current_bypass(1, False)
    assert meter.metering.current_load.active[0] != 0


def test_a_cover_that_is_opened_without_power_is_noted_when_power_is_back() -> None:
    meter = equipped()
    meter.equipment.power.fail()
    later(meter, 100)
    meter.equipment.tampering.terminal_cover(True)
    assert codes(meter, "fraud") == []
    later(meter, 200)
    meter.equipment.power.restore()
    assert rows(meter, "fraud") == [(100, 40)]


# --- companion profiles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_cause_of_a_companion_profile_exists_and_every_event_comes_into_its_log(name: str) -> None:
    profile = companion(name)
    meter = equipped(companion=name)
    for group in profile.groups:
        assert len({event.code for event in group.events}) == len(group.events)
        for event in group.events:
            if event.cause is None or event.cause == "LOG_CLEARED":
                continue
            detail = {} if event.condition is None else {event.condition[0]: event.condition[1]}
            details = {key: int(value) if value.isdigit() else value for key, value in detail.items()}
            meter.equipment.events._lasting.clear()
            meter.host.note(Cause[event.cause], **details)
            assert read(meter, 1, str(group.code)) == event.code


@pytest.mark.parametrize("name", names())
def test_every_event_of_an_alarm_bit_sets_it(name: str) -> None:
    meter = equipped(companion=name)
    for register in (*meter.equipment.events.alarms, *meter.equipment.events.errors):
        for bit in register.layout.bits:
            for group, code in bit.events:
                register.value = 0
                register.event(group, code, "key")
                assert register.value == 1 << bit.number


def test_a_companion_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no companion profile 'xyz'; there are dsmr, idis"):
        companion("xyz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('events = ["40 -"]', "does not say '40 -'"),
        ('events = ["40 - | a", "40 - | b"]', "comes twice"),
    ],
)
def test_a_companion_profile_that_does_not_hold_together_is_refused(text: str, words: str) -> None:
    head = 'title = "x"\n[[group]]\nname = "g"\ncode = "0-0:96.11.0.255"\nlog = "0-0:99.98.0.255"\n'
    with pytest.raises(ConfigError, match=words):
        read_companion("x", head + text)


# --- properties -------------------------------------------------------------------------------------------------------

LASTING = sorted(ENDED_BY, key=lambda cause: cause.name)
ENDS = sorted({over for ends in ENDED_BY.values() for over in ends}, key=lambda cause: cause.name)


@given(st.lists(st.sampled_from([*LASTING, *ENDS, "clear", "acknowledge"]), max_size=30))
def test_bits_descriptors_and_pushes_follow_their_rules_whatever_happens(story: list[Any]) -> None:
    net = Net()
    meter = equipped(net)
    events = meter.equipment.events
    for step, happens in enumerate(story, 1):
        before = [(register.value, register.descriptor) for register in events.alarms]
        sent = len(net.sent)
        if happens in ("clear", "acknowledge"):
            for register in events.alarms:
                layout = register.layout
                name = layout.register if happens == "clear" else layout.descriptor
                assert meter.host.write(1, name, 2, u32(0)) is DataAccessResult.SUCCESS  # type: ignore[arg-type]
        else:
            meter.host.note(happens)
        later(meter, step)
        after = [(register.value, register.descriptor) for register in events.alarms]
        for (value, descriptor), (value_now, descriptor_now) in zip(before, after, strict=True):
            if happens == "acknowledge":
                assert (value_now, descriptor_now) == (value, 0)
            else:
                # A descriptor only gains what the register gains.
                assert descriptor_now == descriptor | (value_now & ~value)
        left_zero = any(not old and new for (_, old), (_, new) in zip(before, after, strict=True))
        assert len(net.sent) - sent == left_zero


def test_a_session_that_opens_ends_the_row_of_failures() -> None:
    meter = equipped(guard=GuardOptions(authentication_attempts=3, lock_after=0))
    for _ in range(3):
        one = session(meter, 2)
        meter.device.authentication_failed(one)
        meter.device.authentication_failed(one)
    assert codes(meter, "fraud") == []


# --- alone ------------------------------------------------------------------------------------------------------------


def test_events_need_nothing_but_a_device_with_a_clock() -> None:
    host = bare_host(START)
    events = Events(host, companion("idis"))
    records = TamperRecords(host, companion("idis"))
    for cause in (Cause.METER_COVER_OPENED, Cause.METER_COVER_OPENED, Cause.METER_COVER_CLOSED):
        host.note(cause)
    assert [row.cells[1][-1] for row in events.logs["fraud"].buffer.rows] == [44, 45]
    assert (events.alarms[0].value, events.alarms[0].descriptor) == (0, FRAUD)
    assert records.records[Cause.METER_COVER_OPENED].count == 1
