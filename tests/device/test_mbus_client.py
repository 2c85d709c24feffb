"""The M-Bus client beside its scenarios: what is refused and how, keys in every order, values, time, alarms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes.c072_mbus_client import CaptureDefinitionElement, MBusClient
from cosem.classes.c077_mbus_diagnostic import LinkStatus
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.mbus.key_status import KEY_STATUS, KeyEvent
from cosem.device.mbus.settings import MBusChannel, MBusSettings
from cosem.device.mbus.values import NOT_UPDATED
from cosem.device.utility.consumption import GasConsumption
from cosem.device.utility.meter import Tamper, Valve
from cosem.device.utility.speaker import simulated
from cosem.device.utility.wired import UtilityStation
from cosem.errors import ConfigError
from cosem.mbus import crypto
from cosem.mbus.model import models
from cosem.times import CosemDateTime
from support.equipped import START, codes
from support.mbus_house import (
    CAPTURE,
    CLIENT,
    DEINSTALL,
    DENIED,
    HOUR,
    OTHER_REASON,
    RESET_ALARM,
    SEND,
    SET_KEY,
    SYNCHRONIZE,
    TEMPORARY_FAILURE,
    TRANSFER_KEY,
    VALUE,
    House,
    house,
)
from support.mbus_slaves import DEFAULT_KEY, NEW_KEY, Slave

OTHER_KEY = bytes(range(0x80, 0x90))


def wrapped(key: bytes) -> Data:
    return axdr.octet_string(crypto.encrypt_cbc(DEFAULT_KEY, bytes(16), key))


def sent(dib: bytes, vib: bytes, value: Data) -> Data:
    item = axdr.structure(axdr.octet_string(dib), axdr.octet_string(vib), value)
    return axdr.array(item)


# --- installing and giving up -----------------------------------------------------------------------------------------


def test_address_0_means_the_next_one_that_is_free() -> None:
    first, second = Slave(START), Slave(START, "22222222", primary=9)
    home = House(1, first, second)
    assert home.install(0) == 0
    second.primary = 0
    assert home.install(0, "0-2:24.1.0.255") == 0
    assert (first.primary, second.primary) == (1, 2)
    assert home.log == [105, 115]


@pytest.mark.parametrize("address", [1, 251, 255])
def test_an_address_that_is_taken_or_none_is_refused(address: int) -> None:
    first, second = Slave(START), Slave(START, "22222222", primary=9)
    home = House(1, first, second)
    home.install(1)
    second.primary = 0
    assert home.install(address, "0-2:24.1.0.255") == OTHER_REASON
    assert second.primary == 0


def test_two_slaves_at_0_are_nobody_in_particular() -> None:
    home = House(1, Slave(START), Slave(START, "22222222"))
    assert home.install() == OTHER_REASON
    assert [slave.primary for slave in home.slaves] == [0, 0]


def test_a_silent_slave_is_given_up_all_the_same_and_keeps_its_address() -> None:
    home, slave = house()
    home.install(4)
    slave.silent = True
    assert home.call(DEINSTALL) == 0
    assert (home.get(CLIENT, 5), slave.primary) == (0, 4)
    assert home.call(DEINSTALL) == OTHER_REASON


def test_a_device_is_given_up_with_either_zero() -> None:
    home, _ = house()
    home.install()
    assert home.call(DEINSTALL, axdr.unsigned(1)) == 12
    assert home.call(DEINSTALL, axdr.unsigned(0)) == 0
    assert home.call(CAPTURE, axdr.unsigned(0)) == 12, "type-unmatched"


def test_values_keep_what_they_were_when_the_device_is_given_up() -> None:
    home, _ = house(capture_period=HOUR)
    home.install()
    home.live(HOUR)
    before = [home.get(VALUE, number) for number in (2, 5)]
    home.call(DEINSTALL)
    home.live(2 * HOUR)
    assert [home.get(VALUE, number) for number in (2, 5)] == before
    assert home.get(CLIENT, 3) == ()


@pytest.mark.parametrize("method", [DEINSTALL, CAPTURE, SYNCHRONIZE])
def test_where_there_is_no_device_there_is_nothing_to_do(method: int) -> None:
    assert house()[0].call(method) == OTHER_REASON


def test_what_a_client_may_not_write() -> None:
    home, _ = house()
    home.install()
    assert home.set(CLIENT, 5, axdr.unsigned(3)) == DENIED
    assert home.set(CLIENT, 6, axdr.double_long_unsigned(3)) == DENIED


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_comes_in_a_protected_request_only() -> None:
    home, slave = house()
    home.install()
    assert home.call(SET_KEY, axdr.octet_string(NEW_KEY)) == DENIED
    assert home.call(TRANSFER_KEY, wrapped(NEW_KEY)) == DENIED
    assert (home.key_status(), slave.secret) == (0, None)


@pytest.mark.parametrize("key", [b"1", bytes(15), bytes(17), bytes(32)])
def test_a_key_has_16_octets_or_none(key: bytes) -> None:
    home, _ = house(secure=True)
    home.install()
    assert home.call(SET_KEY, axdr.octet_string(key)) == OTHER_REASON
    assert home.key_status() == 0


def test_a_key_that_does_not_reach_the_device_is_not_transferred() -> None:
    home, slave = house(secure=True)
    home.install()
    slave.silent = True
    assert home.call(TRANSFER_KEY, wrapped(NEW_KEY)) == TEMPORARY_FAILURE
    slave.silent, slave.refuses = False, True
    assert home.call(TRANSFER_KEY, wrapped(NEW_KEY)) == TEMPORARY_FAILURE
    assert home.key_status() == 0


def test_a_key_is_changed_while_one_is_in_use_transferred_first() -> None:
    home, slave = house(secure=True)
    home.install()
    home.call(TRANSFER_KEY, wrapped(NEW_KEY))
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    assert home.key_status() == 3
    assert home.call(CAPTURE) == 0
    assert home.key_status() == 4
    before = len(slave.orders)
    assert home.call(TRANSFER_KEY, wrapped(OTHER_KEY)) == 0
    assert slave.orders[before][0] == 0x5B, "under the key in use"
    assert (home.key_status(), slave.secret) == (2, OTHER_KEY)
    assert home.call(CAPTURE) == TEMPORARY_FAILURE
    assert home.call(SET_KEY, axdr.octet_string(OTHER_KEY)) == 0
    assert home.key_status() == 3
    assert home.call(CAPTURE) == 0
    assert home.key_status() == 4


def test_a_device_with_a_key_is_not_believed_in_clear_until_the_key_is_removed() -> None:
    home, _ = house(secure=True)
    home.install()
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    assert home.call(CAPTURE) == TEMPORARY_FAILURE
    assert home.get(CLIENT, 11) & 3 == 2
    assert home.call(SET_KEY, axdr.octet_string(b"")) == 0
    assert home.call(CAPTURE) == 0
    assert home.key_status() == 0


def test_order_after_order_is_taken_under_a_key() -> None:
    home, slave = house(secure=True)
    home.install()
    home.call(TRANSFER_KEY, wrapped(NEW_KEY))
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    home.call(CAPTURE)
    assert home.call(1, name="0-1:24.4.0.255") == 0
    assert home.call(2, name="0-1:24.4.0.255") == 0
    assert slave.meter.valve is Valve.RELEASED


def test_order_after_order_is_taken_in_a_mode_with_message_counters() -> None:
    home = House(1, secure=True)
    speaker = simulated(models().named("gas-wired-gcm"), GasConsumption(), START, key=NEW_KEY, default_key=DEFAULT_KEY)
    home.bus.stations.append(UtilityStation(speaker))
    assert home.install() == 0
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    assert home.call(CAPTURE) == 0
    assert (home.key_status(), home.get(CLIENT, 13) >> 8 & 0x1F) == (4, 9)
    assert home.call(1, name="0-1:24.4.0.255") == 0
    assert speaker.meter.valve is Valve.CLOSED
    assert home.call(2, name="0-1:24.4.0.255") == 0
    assert speaker.meter.valve is Valve.RELEASED
    assert home.call(SYNCHRONIZE) == 0
    assert speaker.orders.refused == {}


def test_no_key_is_shown() -> None:
    home, _ = house(secure=True)
    home.install()
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    client = home.mbus.channels[1].client
    for shown in (repr(client.keys), str(vars(client.keys)), repr(client.object)):
        assert NEW_KEY.hex() not in shown
        assert repr(NEW_KEY) not in shown


def test_every_status_and_event_of_the_key_is_settled() -> None:
    statuses = {status for status, _ in KEY_STATUS}
    assert len(statuses) == 5
    assert set(KEY_STATUS) == {(status, event) for status in statuses for event in KeyEvent}
    assert all(KEY_STATUS[status, KeyEvent.REMOVED] == 0 == KEY_STATUS[status, KeyEvent.ENDED] for status in statuses)


class _Known:
    """What there is to know of a key, told in other words than the table: three things that are so or not."""

    def __init__(self) -> None:
        self.ours = self.theirs = None
        self.have = self.passed = self.used = False

    @property
    def status(self) -> int:
        if self.used:
            return 4
        return self.have + 2 * self.passed

    def set(self, key: bytes) -> None:
        if self.used:
            self.passed = self.used = False
        self.ours, self.have = key, True

    def transfer(self, key: bytes) -> None:
        if self.used:
            self.have = self.used = False
        self.theirs, self.passed = key, True

    def remove(self) -> None:
        self.ours = None
        self.have = self.passed = self.used = False

    def read(self) -> bool:
        if self.ours != self.theirs:
            return False
        self.used = self.used or self.have
        return True


_WALKED: list[tuple[House, Slave]] = []


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(("set", "transfer", "remove", "read")), st.sampled_from((NEW_KEY, OTHER_KEY))),
        max_size=12,
    )
)
def test_keys_walk_in_every_order(steps: list[tuple[str, bytes]]) -> None:
    if not _WALKED:
        _WALKED.append(house())
    home, slave = _WALKED[0]
    name, invoke = home.at(CLIENT).obis, home.meter.host.invoke
    slave.secret = None
    slave.keys.remove(slave.address)
    invoke(72, name, 2, axdr.integer(0))
    assert not invoke(72, name, 1, axdr.unsigned(1))
    known = _Known()
    for what, key in steps:
        if what == "set":
            assert not invoke(72, name, 7, axdr.octet_string(key))
            known.set(key)
        elif what == "remove":
            assert not invoke(72, name, 7, axdr.octet_string(b""))
            known.remove()
        elif what == "transfer":
            if known.used and known.ours != known.theirs:
                continue
            invoke(72, name, 8, wrapped(key))
            known.transfer(key)
        else:
            assert (not invoke(72, name, 3, axdr.integer(0))) == known.read()
        assert home.key_status() == known.status
        assert slave.secret == known.theirs


# --- orders -----------------------------------------------------------------------------------------------------------


def test_the_clock_of_the_device_is_set() -> None:
    home, slave = house()
    home.install()
    slave.meter.set_clock(home.meter.now - 500)
    assert home.call(SYNCHRONIZE) == 0
    assert abs(slave.meter.clock() - home.meter.now) <= 5, "the wire takes its time"
    assert home.log == [105, 104]
    slave.silent = True
    assert home.call(SYNCHRONIZE) == TEMPORARY_FAILURE
    assert home.log == [105, 104]


def test_what_is_sent_goes_out_in_one_telegram() -> None:
    home, slave = house()
    home.install()
    assert home.call(SEND, sent(b"\x02", b"\xfd\x17", axdr.long_unsigned(0))) == 0
    assert slave.orders == [b"\x51\x02\xfd\x17\x00\x00"]
    assert home.call(SEND, sent(b"\x0d", b"\xfd\x10", axdr.octet_string(b"house"))) == 0
    assert slave.orders[-1] == b"\x51\x0d\xfd\x10\x05house"
    assert home.call(SEND, sent(b"\x0c", b"\x13", axdr.double_long_unsigned(1234))) == 0
    assert slave.orders[-1] == b"\x51\x0c\x13\x34\x12\x00\x00"


@pytest.mark.parametrize(
    ("dib", "vib", "value"),
    [
        (b"", b"\x13", axdr.unsigned(1)),
        (b"\x0f", b"\x13", axdr.unsigned(1)),
        (b"\x84", b"\x13", axdr.unsigned(1)),
        (b"\x01", b"\xfd", axdr.unsigned(1)),
        (b"\x01", b"\x13", axdr.long_unsigned(1000)),
        (b"\x04", b"\x13", axdr.octet_string(b"abc")),
    ],
)
def test_what_is_no_record_is_not_sent(dib: bytes, vib: bytes, value: Data) -> None:
    home, slave = house()
    home.install()
    assert home.call(SEND, sent(dib, vib, value)) == OTHER_REASON
    assert slave.orders == []


def test_what_is_not_acknowledged_or_refused_fails_for_now() -> None:
    home, slave = house()
    home.install()
    order = sent(b"\x02", b"\xfd\x17", axdr.long_unsigned(0))
    slave.refuses = True
    assert home.call(SEND, order) == TEMPORARY_FAILURE
    slave.silent = True
    assert home.call(SEND, order) == TEMPORARY_FAILURE


# --- values -----------------------------------------------------------------------------------------------------------


def test_the_unit_comes_from_the_device_and_the_time_is_the_devices() -> None:
    home, slave = house()
    home.install()
    slave.meter.set_clock(home.meter.now - 3 * HOUR)
    home.live(1800)
    assert home.call(CAPTURE) == 0
    scaler, unit = home.get(VALUE, 3)
    assert (scaler.value, unit.value, home.get(VALUE, 2)) == (-3, 13, 6)
    at = CosemDateTime.from_octets(home.get(VALUE, 5)).to_datetime()
    assert int(at.timestamp()) == home.meter.now - 3 * HOUR
    slave.tells_time = False
    assert home.call(CAPTURE) == 0
    at = CosemDateTime.from_octets(home.get(VALUE, 5)).to_datetime()
    assert int(at.timestamp()) == home.meter.now


def test_of_many_telegrams_the_records_are_taken_together_also_protected() -> None:
    home, slave = house(secure=True)
    slave.parts = 3
    home.install()
    elements = (CaptureDefinitionElement(b"\x01", b"\xfd\x1a"), CaptureDefinitionElement(b"\x0c", b"\x13"))
    assert home.set(CLIENT, 3, MBusClient.attributes[3].type.to_data(elements)) == 0
    assert home.call(CAPTURE) == 0
    assert (home.get(VALUE, 2), home.get("0-1:24.2.2.255", 2)) == (1, 0)
    home.call(TRANSFER_KEY, wrapped(NEW_KEY))
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    home.live(HOUR)
    assert home.call(CAPTURE) == 0
    assert (home.get(VALUE, 2), home.get("0-1:24.2.2.255", 2)) == (1, 12)


def test_a_record_that_is_missing_leaves_the_old_value() -> None:
    home, _ = house()
    home.install()
    home.call(CAPTURE)
    assert home.get(VALUE, 4) == 0
    elements = (CaptureDefinitionElement(b"\x0c", b"\x14"),)
    home.set(CLIENT, 3, MBusClient.attributes[3].type.to_data(elements))
    home.live(HOUR)
    assert home.call(CAPTURE) == 0
    assert (home.get(VALUE, 2), home.get(VALUE, 4)) == (0, NOT_UPDATED)


def test_more_is_not_captured_than_there_are_places() -> None:
    home, _ = house()
    elements = [CaptureDefinitionElement(b"\x0c", bytes((0x10 + n,))) for n in range(5)]
    kind = MBusClient.attributes[3].type
    assert home.set(CLIENT, 3, kind.to_data(elements)) == OTHER_REASON
    assert home.set(CLIENT, 3, kind.to_data(elements[:4])) == 0


def test_another_meter_in_the_place_of_one_is_not_taken_for_it() -> None:
    home, slave = house()
    home.install(5)
    home.call(CAPTURE)
    slave.primary = 9
    home.bus.stations.append(Slave(START, "99999999", primary=5))
    home.live(HOUR)
    assert home.call(CAPTURE) == TEMPORARY_FAILURE
    assert home.get(VALUE, 2) == 0


# --- alarms -----------------------------------------------------------------------------------------------------------


def test_a_fraud_attempt_lasts_until_the_alarm_is_reset_and_it_is_over() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    slave.meter.tamper(Tamper.COVER)
    home.live(2 * HOUR)
    assert home.log == [105, 103]
    assert home.alarms >> 20 & 1
    assert home.get(CLIENT, 12) == 2
    slave.meter.tamper(Tamper.COVER, present=False)
    home.live(HOUR)
    assert home.alarms >> 20 & 1, "the device remembers"
    assert home.call(RESET_ALARM) == 0
    assert home.get(CLIENT, 12) == 0
    assert not home.alarms >> 20 & 1
    slave.meter.tamper(Tamper.REMOVAL)
    home.live(HOUR)
    assert home.log == [105, 103, 103]


def test_an_alarm_is_reset_without_the_device() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    slave.meter.tamper(Tamper.MAGNET)
    home.live(HOUR)
    slave.silent = True
    assert home.call(RESET_ALARM) == 0
    assert home.get(CLIENT, 12) == 0


def test_a_permanent_error_is_told_by_channel() -> None:
    first, second = Slave(START, primary=9), Slave(START, "22222222")
    home = House(1, first, second)
    home.install(2, "0-2:24.1.0.255")
    second.meter.faulty = True
    assert home.call(CAPTURE, name="0-2:24.1.0.255") == 0
    assert home.log == [115, 116]
    assert home.alarms == 1 << 25
    second.meter.faulty = False
    home.call(CAPTURE, name="0-2:24.1.0.255")
    assert home.alarms == 0


def test_a_device_that_is_given_up_leaves_no_alarm_behind() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    slave.silent = True
    home.live(3 * HOUR)
    assert home.alarms >> 16 & 1
    home.call(DEINSTALL)
    assert not home.alarms >> 16 & 1
    slave.silent, slave.primary = False, 0
    home.install()
    slave.silent = True
    home.live(3 * HOUR)
    assert home.log == [105, 100, 105, 100]


def test_the_next_device_on_a_channel_has_a_battery_of_its_own() -> None:
    first, second = Slave(START), Slave(START, "22222222", primary=9)
    home = House(1, first, second)
    home.install()
    for slave in (first, second):
        slave.meter.drain(100)
    home.call(CAPTURE)
    home.call(DEINSTALL)
    first.primary, second.primary = 9, 0
    home.install()
    assert home.log == [105, 102, 105, 102]


def test_dutch_meters_know_a_new_device_as_an_alarm() -> None:
    home, _ = house(meter={"companion": "dsmr"})
    home.install()
    assert home.log == [105]
    assert home.alarms >> 24 & 1


# --- the port and what it counts --------------------------------------------------------------------------------------


def test_the_speed_of_the_port_is_that_of_the_bus() -> None:
    home, slave = house()
    home.install()
    assert home.get("0-0:24.6.0.255", 2) == 3
    assert home.set("0-0:24.6.0.255", 2, axdr.enum(5)) == 0
    assert home.call(CAPTURE) == 0
    assert slave.baud == 9600 == home.bus.line.settings.baud
    assert home.set("0-0:24.6.0.255", 2, axdr.enum(9)) == OTHER_REASON
    assert home.get("0-0:24.6.0.255", 2) == 5


def test_who_does_not_follow_a_speed_is_lost() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    slave.speeds = frozenset({2400})
    home.set("0-0:24.6.0.255", 2, axdr.enum(5))
    home.live(3 * HOUR)
    assert home.log == [105, 100]


def test_without_a_bus_nobody_is_there() -> None:
    home, _ = house()
    home.mbus.place.port = None
    assert home.install() == OTHER_REASON
    assert home.set("0-0:24.6.0.255", 2, axdr.enum(5)) == 0


def test_the_diagnostic_follows_the_link() -> None:
    home, slave = house(capture_period=HOUR)
    name = "0-1:24.9.0.255"
    assert home.get(name, 4) == LinkStatus.NO_LINK
    home.install()
    home.live(HOUR)
    sent_, good, bad = (home.get(name, number) for number in (6, 7, 8))
    assert home.get(name, 4) == LinkStatus.LINK_OK
    assert sent_ == good > 0 == bad
    slave.silent = True
    home.live(HOUR)
    assert home.get(name, 4) == LinkStatus.LINK_TEMPORARILY_INTERRUPTED
    assert home.get(name, 6) == sent_ + 3, "a frame and its repetitions"
    assert home.get(name, 7) == good
    assert home.get(name, 9)[0].value == 6
    home.live(2 * HOUR)
    assert home.get(name, 4) == LinkStatus.LINK_PERMANENTLY_INTERRUPTED
    assert home.call(1, name=name) == 0
    assert [home.get(name, number) for number in (6, 7, 8)] == [0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": (MBusChannel(1), MBusChannel(1))},
        {"channels": (MBusChannel(0),)},
        {"version": 2},
        {"baud": 1234},
        {"day_begins": 24},
        {"failures": 0},
    ],
)
def test_settings_that_no_meter_has(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        MBusSettings(**wrong)


def test_a_meter_without_m_bus_has_none_of_its_objects() -> None:
    from support.equipped import equipped

    meter = equipped()
    assert meter.equipment.mbus is None
    assert not any(obj.class_id in (25, 72, 73, 74, 76, 77) for obj in meter.logical.objects.values())
    assert codes(meter, "mbus") == []
