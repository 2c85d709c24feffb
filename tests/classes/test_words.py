"""Codes, units and status bits in words; what is not known is kept as its number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c008_clock import Clock
from cosem.classes.c070_disconnect_control import ControlMode, ControlState, DisconnectControl
from cosem.classes.words import ProfileStatus, coded, coded_type, flag_words, value_words
from cosem.codec import axdr
from cosem.errors import EncodeError
from cosem.obis import Obis
from cosem.times import ClockStatus, CosemDate, CosemDateTime
from cosem.units import ScalerUnit, Unit


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ControlState.READY_FOR_RECONNECTION, "ready for reconnection (2)"),
        (ControlMode(129), "unknown (129)"),
        (ClockStatus.INVALID | ClockStatus.DAYLIGHT_SAVING, "invalid, daylight saving (129)"),
        (ClockStatus(0x90), "daylight saving, bit 4 (144)"),
        (ScalerUnit(-1, Unit(30)), "scaler -1, unit Wh (30)"),
        (Unit(255), "count (255)"),
        (CosemDateTime(2026, 7, 1, 3, 2, 0, 0, 0, -120, 0x80), "2026-07-01T02:00:00+02:00 (daylight saving)"),
        (CosemDateTime(2026, 1, 1, 4, 2, 0, 0, 0, -60, 0), "2026-01-01T02:00:00+01:00"),
        (CosemDate(2026, 7, 1, 3), "2026-07-01"),
        ((ControlState.CONNECTED, ControlState.DISCONNECTED), "connected (1); disconnected (0)"),
        ((0,) * 51, "51 elements"),
        (Obis.parse("1.8.0"), "1-0:1.8.0.255"),
        (b"KAM", "KAM"),
        (b"\x00\x01", "0001"),
        (True, "True"),
    ],
)
def test_values_in_words(value, words):
    assert value_words(value) == words


@given(st.integers(0, 255))
def test_every_bit_of_a_status_is_told_once_and_the_number_stands_behind(number):
    words = flag_words(ProfileStatus(number))
    assert len(words.split(", ")) == max(1, number.bit_count())
    assert coded(ProfileStatus(number)) == f"{words} ({number})"


def test_which_attributes_are_codes_or_bits():
    assert coded_type(70, Obis.parse("0-0:96.3.10"), 3).members is ControlState
    assert coded_type(8, Obis.parse("0-0:1.0.0"), 4).members is ClockStatus
    assert coded_type(1, Obis.parse("0-1:96.10.3"), 2).members is ProfileStatus
    assert coded_type(1, Obis.parse("0-0:97.97.0"), 2) is None
    assert coded_type(1, Obis.parse("1-0:96.10.1"), 2) is None
    assert coded_type(3, Obis.parse("1.8.0"), 2) is None
    assert coded_type(9999, Obis.parse("1.8.0"), 2) is None
    assert coded_type(70, Obis.parse("0-0:96.3.10"), 99) is None


def test_a_number_outside_an_enumeration_is_written_only_on_purpose():
    obj = DisconnectControl("0-0:96.3.10", control_mode=ControlMode.MODE_1)
    with pytest.raises(EncodeError, match=r"129 is no code of enum ControlMode in 0-0:96.3.10.255 > control_mode"):
        obj.control_mode = 129
    assert obj.control_mode is ControlMode.MODE_1
    obj.control_mode = 4
    assert obj.control_mode is ControlMode.MODE_4
    obj.control_mode = ControlMode(129)
    assert obj.control_mode == 129
    obj.control_mode = 129
    obj.control_mode = axdr.enum(130)
    assert obj.control_mode == 130


def test_summer_time_in_the_status_of_a_local_clock():
    assert value_words(Clock("0-0:1.0.0", status=ClockStatus.DAYLIGHT_SAVING).status) == "daylight saving (128)"
