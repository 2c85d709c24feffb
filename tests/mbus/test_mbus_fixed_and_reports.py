"""What is no record: the fixed data structure, application errors, alarms; manufacturers and media."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError, EncodeError
from cosem.mbus.fixed import BINARY, STORED, FixedData
from cosem.mbus.manufacturer import manufacturer_code, manufacturer_octets
from cosem.mbus.media import medium_name
from cosem.mbus.reports import AlarmReport, ApplicationError
from cosem.units import ScalerUnit, Unit


def test_a_heat_meter_with_two_counters() -> None:
    found = FixedData.from_octets(bytes.fromhex("93929190 10 00 0569 31650000 69000000"))
    assert (found.identification_number, found.access_number, found.medium_name) == ("90919293", 16, "heat")
    energy, volume = found.counters
    assert (energy.quantity, energy.value, energy.unit, energy.historic) == ("energy", Decimal(6531000), "Wh", False)
    assert (volume.quantity, volume.value, volume.unit) == ("volume", Decimal("0.069"), "m³")
    assert energy.scaler_unit() == ScalerUnit(3, Unit.WATT_HOUR)


def test_the_same_unit_but_historic() -> None:
    found = FixedData.from_octets(bytes.fromhex("78563412 0a 00 e97e 01000000 35010000"))
    now, due = found.counters
    assert (now.value, now.unit, now.historic) == (Decimal("0.001"), "m³", False)
    assert (due.value, due.unit, due.historic) == (Decimal("0.135"), "m³", True)
    assert (now.json()["storage"], due.json()["storage"]) == (0, 1)


def test_binary_counters_of_a_fixed_date() -> None:
    found = FixedData.of("12345678", 7, BINARY | STORED, 7, (0x29, 0x32), (70_000, -3))
    assert FixedData.from_octets(found.to_octets()) == found
    assert [counter.raw for counter in found.counters] == [70_000, -3]
    assert found.status == 0x03
    assert all(counter.historic for counter in found.counters)
    assert (found.medium, found.medium_name) == (7, "water")


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        # One thousand in each unit, by the list of EN 1434-3.
        (0x02, "1000", "Wh"),
        (0x0A, "100000000000", "Wh"),
        (0x0D, "100000000", "J"),
        (0x0E, "1000000000", "J"),
        (0x13, "100000000000000", "J"),
        (0x17, "1000000", "W"),
        (0x20, "1000000000", "J/h"),
        (0x26, "0.001", "m³"),
        (0x2C, "1000", "m³"),
        (0x35, "1000", "m³/h"),
        (0x38, "1.000", "°C"),
        (0x3A, "1000", None),
    ],
)
def test_units_of_the_fixed_structure(code: int, value: str, unit: str | None) -> None:
    counter = FixedData.of("00000000", 0, 0, 4, (code, 0x3F), (1000, 0)).counters[0]
    assert (counter.value, counter.unit) == (Decimal(value), unit)


def test_slaves_of_mode_2_send_the_most_significant_octet_first() -> None:
    found = FixedData.from_octets(bytes.fromhex("78563412 01 00 a9a9 00000012 00000003"))
    assert (found.medium_name, [counter.raw for counter in found.counters]) == ("gas", [12, 3])


def test_bcd_that_is_no_number_is_none() -> None:
    counter = FixedData.from_octets(bytes.fromhex("78563412 0a 00 e97e ffffffff 35010000")).counters[0]
    assert (counter.raw, counter.value, counter.json()["value"]) == (None, None, None)


@given(st.binary(min_size=16, max_size=16))
def test_any_sixteen_octets_are_a_fixed_structure(octets: bytes) -> None:
    found = FixedData.from_octets(octets)
    assert found.to_octets() == octets
    assert all(counter.json() for counter in found.counters)
    assert found.medium_name


@pytest.mark.parametrize("size", [0, 15, 17])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        FixedData.from_octets(bytes(size))


@pytest.mark.parametrize(
    "arguments",
    [
        ("1234567", 0, 0, 4, (5, 5), (0, 0)),
        ("12345678", 0, 0, 16, (5, 5), (0, 0)),
        ("12345678", 0, 0, 4, (64, 5), (0, 0)),
        ("12345678", 256, 0, 4, (5, 5), (0, 0)),
        ("12345678", 0, 0, 4, (5, 5), (100_000_000, 0)),
        ("12345678", 0, BINARY, 4, (5, 5), (1 << 31, 0)),
    ],
)
def test_what_the_structure_cannot_say_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(EncodeError):
        FixedData.of(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("", "unspecified error"),
        ("00", "unspecified error"),
        ("04", "premature end of record"),
        ("08", "application too busy for handling readout request"),
        ("55", "reserved error 55h"),
        ("f5", "manufacturer specific error F5h"),
    ],
)
def test_application_errors(octets: str, words: str) -> None:
    error = ApplicationError.from_octets(bytes.fromhex(octets))
    assert error.words == words
    assert error.to_octets().hex() == octets


@given(st.binary(max_size=10))
def test_any_octets_are_an_application_error(octets: bytes) -> None:
    assert ApplicationError.from_octets(octets).to_octets() == octets


def test_an_alarm_is_bits() -> None:
    assert AlarmReport.from_octets(b"\x05").bits == (0, 2)
    assert AlarmReport.from_octets(b"\x00\x80").bits == (15,)
    assert AlarmReport(b"\x05").to_octets() == b"\x05"
    with pytest.raises(DecodeError):
        AlarmReport.from_octets(b"")


@pytest.mark.parametrize(("octets", "code"), [("2d2c", "KAM"), ("9344", "QDS"), ("ae4c", "SEN"), ("0106", "APA")])
def test_manufacturers(octets: str, code: str) -> None:
    assert manufacturer_code(bytes.fromhex(octets)) == code
    assert manufacturer_octets(code.lower()).hex() == octets


@given(st.integers(0, 0x7FFF))
def test_every_number_of_fifteen_bits_has_letters(number: int) -> None:
    octets = number.to_bytes(2, "little")
    assert manufacturer_octets(manufacturer_code(octets)) == octets


@pytest.mark.parametrize("code", ["KA", "KAMM", "K4M", ""])
def test_what_is_no_manufacturer_is_refused(code: str) -> None:
    with pytest.raises(ConfigError):
        manufacturer_octets(code)


@pytest.mark.parametrize(
    ("code", "name"), [(0x04, "heat"), (0x03, "gas"), (0x21, "valve"), (0x1E, "sensor"), (0x77, "reserved (77h)")]
)
def test_media(code: int, name: str) -> None:
    assert medium_name(code) == name
