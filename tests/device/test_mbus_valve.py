"""The valve of a M-Bus device: commands, what the device says of it, hands, scripts and schedules, and its logs."""

from __future__ import annotations

import pytest

from cosem.classes.c022_single_action_schedule import ExecutionTime, SingleActionSchedule
from cosem.codec import axdr
from cosem.device.host import Origin
from cosem.device.mbus.settings import ValveCodes
from cosem.device.utility.meter import Valve
from cosem.obis import Obis
from cosem.times import CosemDate, CosemTime
from support.equipped import START
from support.mbus_house import (
    CAPTURE,
    CONTROL_LOG,
    DEINSTALL,
    HOUR,
    OTHER_REASON,
    TEMPORARY_FAILURE,
    VALVE,
    House,
    house,
)
from support.mbus_slaves import Slave

OFF, ON = 1, 2


def state(home: House) -> tuple[int, bool]:
    return home.get(VALVE, 3), home.get(VALVE, 2)


def logged(home: House) -> list[int]:
    return [row[1] for row in home.table(CONTROL_LOG)]


def test_a_valve_that_is_stuck_is_pending_until_it_moves() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    home.call(CAPTURE)
    slave.meter.stuck = True
    assert home.call(OFF, name=VALVE) == 0
    assert state(home) == (1, True)
    assert logged(home) == [164]
    assert home.get("0-0:97.98.1.255", 2) >> 27 & 1
    slave.meter.stuck = False
    slave.meter.close_valve()
    home.live(HOUR)
    assert state(home) == (0, False)
    assert logged(home) == [164, 162]
    assert not home.get("0-0:97.98.1.255", 2) >> 27 & 1


def test_a_command_that_is_pending_is_taken_back() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    slave.meter.stuck = True
    home.call(OFF, name=VALVE)
    assert home.call(ON, name=VALVE) == 0
    assert slave.orders[-1] == b"\x51\x01\xfd\x1f\x01"
    slave.meter.stuck = False
    home.live(2 * HOUR)
    assert state(home) == (1, True)
    assert logged(home) == [164]


def test_a_device_that_does_not_answer_leaves_the_valve_as_it_is() -> None:
    home, slave = house()
    home.install()
    slave.silent = True
    assert home.call(OFF, name=VALVE) == TEMPORARY_FAILURE
    slave.silent, slave.refuses = False, True
    assert home.call(OFF, name=VALVE) == TEMPORARY_FAILURE
    slave.refuses = False
    home.call(CAPTURE)
    assert state(home) == (1, True)
    assert logged(home) == []


def test_a_command_that_never_arrived_is_not_taken_for_what_hands_do() -> None:
    home, slave = house()
    home.install()
    slave.silent = True
    home.call(OFF, name=VALVE)
    slave.silent = False
    slave.meter.close_valve()
    home.call(CAPTURE)
    assert state(home) == (2, False)
    assert logged(home) == [160]


def test_each_channel_logs_its_own_valve() -> None:
    first, second = Slave(START, primary=9), Slave(START, "22222222")
    home = House(1, first, second)
    home.install(2, "0-2:24.1.0.255")
    home.call(OFF, name="0-2:24.4.0.255")
    assert [row[1] for row in home.table("0-2:24.5.0.255")] == [172]
    assert logged(home) == []
    assert first.meter.valve is Valve.OPEN


def test_without_a_device_there_is_no_valve_to_move() -> None:
    home, _ = house()
    assert home.call(OFF, name=VALVE) == OTHER_REASON
    home.install()
    home.call(OFF, name=VALVE)
    home.call(DEINSTALL)
    assert state(home) == (1, True)


def test_a_valve_is_found_as_it_is_when_its_device_is_installed() -> None:
    home, slave = house()
    slave.meter.close_valve()
    home.install()
    assert state(home) == (0, False)
    assert home.log == [105]


def test_what_hands_do_is_seen_at_the_next_readout() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    slave.meter.close_valve()
    home.live(HOUR)
    assert state(home) == (2, False)
    slave.meter.open_valve()
    home.live(HOUR)
    assert state(home) == (1, True)
    assert logged(home) == [160, 161]
    assert home.get("0-1:24.1.0.255", 12) == 0b1100


def test_a_local_act_is_another_event_and_is_taken_back_by_hand() -> None:
    home, slave = house(mode=1)
    home.install()
    with home.meter.host.acting(Origin.LOCAL):
        assert not home.meter.host.invoke(70, Obis.parse(VALVE), OFF, axdr.integer(0))
    assert state(home) == (2, False)
    assert slave.meter.valve is Valve.CLOSED
    assert logged(home) == [165]
    assert home.get("0-1:24.1.0.255", 12) == 1 << 6


def test_mode_2_opens_valves_that_may_be_opened_from_afar() -> None:
    home, _ = house(mode=2, valve=ValveCodes(positions={0: "closed", 1: "open", 2: "open"}))
    home.install()
    home.call(OFF, name=VALVE)
    assert home.call(ON, name=VALVE) == 0
    assert state(home) == (1, True)
    assert logged(home) == [162, 163]


@pytest.mark.parametrize(("mode", "result"), [(0, 0), (6, 0), (7, OTHER_REASON)])
def test_control_modes(mode: int, result: int) -> None:
    home, slave = house()
    home.install()
    assert home.set(VALVE, 4, axdr.enum(mode)) == result
    if mode == 0:
        assert home.call(OFF, name=VALVE) == 0
        assert slave.meter.valve is Valve.OPEN


def test_a_device_that_does_not_tell_is_believed_when_it_acknowledges() -> None:
    home, _ = house(valve=ValveCodes(position=b"\x01\xfd\x1b"))
    home.install()
    home.call(OFF, name=VALVE)
    assert state(home) == (0, False)
    assert logged(home) == [162]


def test_the_script_and_the_schedule_of_a_channel_close_its_valve() -> None:
    home, slave = house(capture_period=HOUR)
    home.install()
    assert home.call(1, axdr.long_unsigned(1), "0-1:10.0.106.255") == 0
    assert slave.meter.valve is Valve.CLOSED
    assert home.call(1, axdr.long_unsigned(2), "0-1:10.0.106.255") == 0
    slave.meter.push_button()
    home.live(HOUR)
    assert state(home) == (1, True)
    local = home.meter.clock.local(home.meter.clock.now)
    at = ExecutionTime(CosemTime(local.hour + 1, 30, 0, 0), CosemDate(local.year, local.month, local.day))
    kind = SingleActionSchedule.attributes[4].type
    assert home.set("0-1:15.0.1.255", 4, kind.to_data((at,))) == 0
    home.live(2 * HOUR)
    assert slave.meter.valve is Valve.CLOSED
    assert logged(home) == [162, 161, 162]


def test_a_meter_whose_companion_has_no_codes_for_valves_logs_nothing() -> None:
    home, slave = house(meter={"companion": "dsmr"})
    home.install()
    home.call(OFF, name=VALVE)
    assert state(home) == (0, False)
    assert logged(home) == []
    assert slave.meter.valve is Valve.CLOSED
