"""The scenarios of the M-Bus client (9.4), both versions of class 72: a client, a bus, and the rows of the logs."""

from __future__ import annotations

import pytest

from cosem.codec import axdr
from cosem.device.utility.meter import Valve
from cosem.mbus import crypto
from cosem.times import CosemDateTime
from support.equipped import rows
from support.mbus_house import (
    CAPTURE,
    CLIENT,
    CONTROL_LOG,
    DEINSTALL,
    HOUR,
    OTHER_REASON,
    SET_KEY,
    TRANSFER_KEY,
    VALUE,
    VALVE,
    House,
    house,
)
from support.mbus_slaves import DEFAULT_KEY, NEW_KEY

VERSIONS = pytest.mark.parametrize("version", [0, 1])


@VERSIONS
def test_94_1_a_slave_at_0_is_installed_once(version: int) -> None:
    home, slave = house(version)
    assert home.install(1) == 0
    assert home.get(CLIENT, 5) == 1 == slave.primary
    number = 12345678 if version else 0x12345678
    manufacturer = int.from_bytes(slave.address.manufacturer, "little")
    assert [home.get(CLIENT, n) for n in (6, 7, 8, 9)] == [number, manufacturer, 16, 3]
    assert home.log == [105]
    assert home.key_status() == 0
    assert home.get("0-0:97.98.1.255", 2) >> 19 & 1
    assert home.install(2) == OTHER_REASON
    assert home.get(CLIENT, 5) == 1


@VERSIONS
def test_94_2_where_nobody_is_nobody_is_installed(version: int) -> None:
    home = House(version)
    assert home.install(1) == OTHER_REASON
    assert home.get(CLIENT, 5) == 0
    assert home.log == []


@VERSIONS
def test_94_3_a_key_is_set_transferred_and_in_use(version: int) -> None:
    home, slave = house(version, secure=True)
    home.install()
    assert home.call(SET_KEY, axdr.octet_string(NEW_KEY)) == 0
    assert home.key_status() == 1
    wrapped = crypto.encrypt_cbc(DEFAULT_KEY, bytes(16), NEW_KEY)
    before = home.get(CLIENT, 10)
    assert home.call(TRANSFER_KEY, axdr.octet_string(wrapped)) == 0
    assert slave.secret == NEW_KEY
    assert home.key_status() == 3
    home.live(600)
    assert home.call(CAPTURE) == 0
    assert home.key_status() == 4
    assert home.get(CLIENT, 10) != before
    assert home.get(VALUE, 2) == 2
    if version:
        assert home.get(CLIENT, 13) >> 8 & 0x1F == 5


@VERSIONS
def test_94_4_under_a_wrong_key_nothing_is_believed(version: int) -> None:
    home, slave = house(version, secure=True, capture_period=HOUR)
    home.install()
    home.live(HOUR)
    value, at = home.get(VALUE, 2), home.get(VALUE, 5)
    slave.take_key(NEW_KEY)
    home.call(SET_KEY, axdr.octet_string(bytes(16)))
    home.live(HOUR)
    assert home.get(CLIENT, 11) & 3 == 2
    assert home.log == [105]
    home.live(2 * HOUR)
    assert home.log == [105, 100]
    assert (home.get(VALUE, 2), home.get(VALUE, 5)) == (value, at)
    assert home.get(VALUE, 4) & 0x80
    assert home.key_status() == 1


@VERSIONS
def test_94_5_hourly_rows_and_a_slave_that_is_silent_for_three_hours(version: int) -> None:
    home, slave = house(version, capture_period=HOUR)
    home.install()
    home.live(2 * HOUR)
    slave.silent = True
    home.live(3 * HOUR)
    assert home.log == [105, 100]
    assert home.alarms >> 16 & 1
    slave.silent = False
    home.live(HOUR)
    assert home.log == [105, 100, 101]
    assert not home.alarms >> 16 & 1
    found = home.table()
    assert [CosemDateTime.from_octets(row[0]).minute for row in found] == [0] * 6
    # Twelve steps of a litre are an hour. Old values stay while nobody answers.
    assert [row[1] for row in found] == [12, 24, 24, 24, 24, 72]
    assert [bool(row[2] & 0x80) for row in found] == [False, False, True, True, True, False]
    assert rows(home.meter, "mbus")[1] == (5 * HOUR, 100)


@VERSIONS
def test_94_6_a_low_battery_is_told_once(version: int) -> None:
    home, slave = house(version, capture_period=HOUR)
    home.install()
    slave.meter.drain(100)
    home.live(3 * HOUR)
    assert home.log == [105, 102]
    assert home.alarms >> 28 & 1
    assert home.get(CLIENT, 12) & 1


@VERSIONS
def test_94_7_the_valve_is_closed_from_afar_and_opened_by_hand(version: int) -> None:
    home, slave = house(version)
    home.install()
    assert home.call(1, name=VALVE) == 0
    assert slave.meter.valve is Valve.CLOSED
    assert (home.get(VALVE, 3), home.get(VALVE, 2)) == (0, False)
    assert home.table(CONTROL_LOG)[-1][1] == 162
    assert home.log == [105, 162]
    assert home.call(2, name=VALVE) == 0
    assert slave.meter.valve is Valve.RELEASED
    assert (home.get(VALVE, 3), home.get(VALVE, 2)) == (2, False)
    slave.meter.push_button()
    assert home.call(CAPTURE) == 0
    assert (home.get(VALVE, 3), home.get(VALVE, 2)) == (1, True)
    assert [row[1] for row in home.table(CONTROL_LOG)] == [162, 161]
    assert home.log == [105, 162, 161]


@VERSIONS
def test_94_8_a_slave_that_is_given_up_is_at_0_again(version: int) -> None:
    home, slave = house(version, secure=True)
    home.install(7)
    home.call(SET_KEY, axdr.octet_string(NEW_KEY))
    assert home.call(DEINSTALL) == 0
    assert home.get(CLIENT, 5) == 0 == slave.primary
    assert home.key_status() == 0
    assert home.call(CAPTURE) == OTHER_REASON
    assert home.install(3) == 0
    assert slave.primary == 3
