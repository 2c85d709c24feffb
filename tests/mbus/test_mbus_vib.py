"""Value information blocks: the tables, what VIFEs do to them, plain text, and what nobody knows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.record import decode_records
from cosem.mbus.vib import Vib, plain_text_vib, vib_end
from cosem.mbus.vif_tables import Kind


def vib(text: str) -> Vib:
    octets = bytes.fromhex(text)
    assert vib_end(octets, 0) == len(octets)
    return Vib.from_octets(octets)


def value(text: str) -> tuple[str, Decimal, str | None]:
    (record,) = decode_records(bytes.fromhex(text)).records
    assert isinstance(record.value, Decimal)
    return record.quantity, record.value, record.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Two thousand of each, read by hand from the tables.
        ("0200 d007", ("energy", Decimal("2"), "Wh")),
        ("0207 d007", ("energy", Decimal("20000000"), "Wh")),
        ("0208 d007", ("energy", Decimal("2000"), "J")),
        ("020f d007", ("energy", Decimal("20000000000"), "J")),
        ("0210 d007", ("volume", Decimal("0.002"), "m³")),
        ("0217 d007", ("volume", Decimal("20000"), "m³")),
        ("0218 d007", ("mass", Decimal("2"), "kg")),
        ("0220 d007", ("on time", Decimal(2000), "s")),
        ("0226 d007", ("operating time", Decimal(2000), "h")),
        ("0228 d007", ("power", Decimal(2), "W")),
        ("0237 d007", ("power", Decimal("20000000000"), "J/h")),
        ("023e d007", ("volume flow", Decimal(2000), "m³/h")),
        ("0240 d007", ("volume flow", Decimal("0.0002"), "m³/min")),
        ("0248 d007", ("volume flow", Decimal("0.000002"), "m³/s")),
        ("0250 d007", ("mass flow", Decimal(2), "kg/h")),
        ("0259 d007", ("flow temperature", Decimal(20), "°C")),
        ("025f d007", ("return temperature", Decimal(2000), "°C")),
        ("0261 d007", ("temperature difference", Decimal(20), "K")),
        ("0266 d007", ("external temperature", Decimal(200), "°C")),
        ("026b d007", ("pressure", Decimal(2000), "bar")),
        ("0273 d007", ("averaging duration", Decimal(2000), "d")),
        ("0275 d007", ("actuality duration", Decimal(2000), "min")),
        ("02fb00 d007", ("energy", Decimal("200000000"), "Wh")),
        ("02fb02 d007", ("reactive energy", Decimal("2000000"), "varh")),
        ("02fb05 d007", ("apparent energy", Decimal("20000000"), "VAh")),
        ("02fb09 d007", ("energy", Decimal("2000000000000"), "J")),
        ("02fb0e d007", ("energy", Decimal("20000000000"), "cal")),
        ("02fb11 d007", ("volume", Decimal("2000000"), "m³")),
        ("02fb14 d007", ("reactive power", Decimal(2000), "var")),
        ("02fb19 d007", ("mass", Decimal("2000000000"), "kg")),
        ("02fb1a d007", ("relative humidity", Decimal(200), "%")),
        ("02fb21 d007", ("volume", Decimal(200), "ft³")),
        ("02fb28 d007", ("power", Decimal("200000000"), "W")),
        ("02fb2b d007", ("phase of voltage to current", Decimal(200), "°")),
        ("02fb2e d007", ("frequency", Decimal(200), "Hz")),
        ("02fb31 d007", ("power", Decimal("2000000000000"), "J/h")),
        ("02fb37 d007", ("apparent power", Decimal("2000000"), "VA")),
        ("02fb77 d007", ("cold or warm temperature limit", Decimal(2000), "°C")),
        ("02fb7f d007", ("cumulative maximum of active power", Decimal("20000000"), "W")),
        ("02fd03 d007", ("credit", Decimal(2000), "currency")),
        ("02fd1c d007", ("baud rate", Decimal(2000), "Bd")),
        ("02fd26 d007", ("storage interval", Decimal(2000), "h")),
        ("02fd28 d007", ("storage interval", Decimal(2000), "mo")),
        ("02fd31 d007", ("duration of tariff", Decimal(2000), "min")),
        ("02fd39 d007", ("period of tariff", Decimal(2000), "a")),
        ("02fd49 d007", ("voltage", Decimal(2000), "V")),
        ("02fd5c d007", ("current", Decimal(2000), "A")),
        ("02fd68 d007", ("duration since last cumulation", Decimal(2000), "h")),
        ("02fd6f d007", ("operating time of battery", Decimal(2000), "a")),
        ("02fd71 a0ff", ("RF level", Decimal(-96), "dBm")),
        ("02fd74 d007", ("remaining battery lifetime", Decimal(2000), "d")),
        ("02fdfd02 d007", ("remaining battery lifetime", Decimal(2000), "mo")),
        ("02fdfd3e d007", ("moisture level", Decimal(2000), "%")),
        ("02fb68 0010", ("resulting rating factor", Decimal(1), "HCA")),  # 4096 times 2**-12
        ("02fb6d 0008", ("low temperature rating factor", Decimal("0.5"), "")),
    ],
)
def test_quantity_power_of_ten_and_unit(text: str, expected: tuple[str, Decimal, str | None]) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("029322 d007", Decimal(2)),  # per hour
        ("029370 d007", Decimal("0.000002")),
        ("029376 d007", Decimal(2)),
        ("029377 d007", Decimal(20)),
        ("02937d d007", Decimal(2000)),
        ("0293f070 d007", Decimal("2E-12")),
    ],
)
def test_corrections_multiply_exactly(text: str, expected: Decimal) -> None:
    assert value(text)[1] == expected


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("9322", "m³/h"),
        ("832d", "Wh/m³"),
        ("9828", "kg/input pulse 0"),
        ("932b", "m³/output pulse 1"),
        ("fdba22", "1/h"),
        ("ab36", "W·s"),
        ("fddc37", "A·s/V"),
        ("ffff22", None),
    ],
)
def test_units_are_divided_and_multiplied(text: str, unit: str | None) -> None:
    assert vib(text).unit == unit


@pytest.mark.parametrize(
    ("text", "qualifiers", "kind", "unit"),
    [
        ("9312", ("average",), Kind.SIGNED, "m³"),
        ("933b", ("forward flow",), Kind.SIGNED, "m³"),
        ("937e", ("future",), Kind.SIGNED, "m³"),
        ("ab40", ("lower limit",), Kind.SIGNED, "W"),
        ("ab49", ("number of exceeds of upper limit",), Kind.UNSIGNED, ""),
        ("bb42", ("begin of first lower limit exceed",), Kind.MOMENT, ""),
        ("bb4f", ("end of last upper limit exceed",), Kind.MOMENT, ""),
        ("bb56", ("duration of last lower limit exceed",), Kind.UNSIGNED, "h"),
        ("bb59", ("duration of first upper limit exceed",), Kind.UNSIGNED, "min"),
        ("bb63", ("duration of first",), Kind.UNSIGNED, "d"),
        ("bb64", ("duration of last",), Kind.UNSIGNED, "s"),
        ("ab6a", ("begin of first",), Kind.MOMENT, ""),
        ("ab6f", ("end of last",), Kind.MOMENT, ""),
        ("9369", ("leakage",), Kind.SIGNED, "m³"),
        ("ab6c", ("during upper limit exceed",), Kind.SIGNED, "W"),
        ("9339", ("start of",), Kind.MOMENT, ""),
        ("fdd9fc03", ("phase L3",), Kind.SIGNED, "A"),
        ("93fc11", ("type C",), Kind.UNSIGNED, "m³"),
        ("93bcfc10", ("backward flow", "absolute values accumulated"), Kind.SIGNED, "m³"),
        ("9379", ("additive constant 10^-2",), Kind.SIGNED, "m³"),
        ("9310", ("VIFE 10h",), Kind.SIGNED, "m³"),
        ("93fc7f", ("VIFE FC 7Fh",), Kind.SIGNED, "m³"),
    ],
)
def test_combinable_vifes(text: str, qualifiers: tuple[str, ...], kind: Kind, unit: str) -> None:
    found = vib(text)
    assert (found.qualifiers, found.kind, found.unit) == (qualifiers, kind, unit)


def test_what_only_the_manufacturer_knows_is_kept_as_octets() -> None:
    assert vib("ff8122").extension == b"\x81\x22"
    assert vib("ff8122").quantity == "manufacturer specific"
    found = vib("93ffa211")  # volume, and then the manufacturer's
    assert (found.quantity, found.unit, found.extension) == ("volume", "m³", b"\xa2\x11")


@pytest.mark.parametrize("text", ["6f", "7b", "7d", "fb07", "fb3f", "fd77", "fdfd01", "ef00", "ef7f"])
def test_reserved_codes_are_unknown_and_not_fatal(text: str) -> None:
    found = vib(text)
    assert (found.quantity, found.known, found.unit, found.scaler_unit) == ("unknown", False, None, None)


# --- plain text --------------------------------------------------------------------------------------------------


def test_plain_text_is_sent_with_the_last_character_first() -> None:
    assert vib("7c0348522574"[:10]).quantity == "%RH"


def test_vifes_stand_behind_the_text_as_meters_send_it_or_in_front_as_the_standard_has_it() -> None:
    behind, before = vib("fc0348522574"), vib("fc7403485225")
    assert (behind.quantity, behind.exponent) == (before.quantity, before.exponent) == ("%RH", -4 + 2)
    (record,) = decode_records(bytes.fromhex("02fc03485225742215")).records
    assert record.value == Decimal("54.10")
    (record,) = decode_records(bytes.fromhex("02fc74034852252215")).records
    assert record.value == Decimal("54.10")


def test_text_that_cannot_be_printed_is_still_a_text() -> None:
    assert vib("7c020102").quantity == "\2\1"
    assert vib("fc02010213").octets == bytes.fromhex("fc02010213")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=127))
def test_plain_text_comes_back(text: str) -> None:
    octets = plain_text_vib(text)
    assert vib_end(octets, 0) == len(octets)
    assert Vib.from_octets(octets).quantity == text


@pytest.mark.parametrize("text", ["", "x" * 128, "€"])
def test_a_text_that_has_no_vib_is_refused(text: str) -> None:
    with pytest.raises(EncodeError):
        plain_text_vib(text)


# --- any octets --------------------------------------------------------------------------------------------------


@given(st.binary(max_size=40))
def test_any_octets_are_a_vib_or_a_decode_error(octets: bytes) -> None:
    try:
        end = vib_end(octets, 0)
    except DecodeError:
        return
    found = Vib.from_octets(octets[:end])
    assert found.octets == octets[:end]
    assert vib_end(octets[:end], 0) == end


def test_every_code_of_every_table_is_a_vib() -> None:
    for prefix in (b"", b"\xfb", b"\xfd", b"\xef", b"\xfd\xfd", b"\x93", b"\x93\xfc"):
        for code in range(0x80):
            octets = prefix + bytes((code,))
            if octets == b"\x7c":
                continue
            found = Vib.from_octets(octets)
            assert found.quantity
            assert found.known or found.unit is None
            unit = found.scaler_unit
            assert unit is None or unit.unit.known
