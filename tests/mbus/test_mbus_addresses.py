"""Addresses of the wired bus: wildcards digit by digit and octet by octet, as text and as sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError
from cosem.mbus.addresses import ANY, SecondaryAddress, check_primary

METER = SecondaryAddress.of("12345678", "KAM", 1, 4, fabrication="00012399")
OCTETS = st.binary(min_size=8, max_size=8)
NUMBERS = st.one_of(st.none(), st.binary(min_size=4, max_size=4))
ADDRESSES = st.builds(SecondaryAddress, OCTETS, NUMBERS)


def test_as_sent() -> None:
    # KAM is 2C2D: eleven, one, thirteen, five bits each.
    assert METER.selection() == bytes.fromhex("78563412 2d2c 01 04 0c78 99230100")
    assert SecondaryAddress.of("1234FFFF").selection() == bytes.fromhex("ffff3412 ffff ff ff")
    assert str(METER) == "12345678-KAM-01-04/00012399"


@pytest.mark.parametrize(
    ("mask", "meant"),
    [
        ("FFFFFFFF", True),
        ("1FFFFFFF", True),
        ("FFFFFF78", True),
        ("1F3F5F7F", True),
        ("2FFFFFFF", False),
        ("FFFFFFF9", False),
        ("12345678-KAM-*-*", True),
        ("12345678-KAM-01-04", True),
        ("FFFFFFFF-*-*-04", True),
        ("FFFFFFFF-*-*-03", False),
        ("12345678-ACW-*-*", False),
        ("12345678-*-02-*", False),
        ("FFFFFFFF2D2CFFFF", True),
        ("12345678/FFFFFFFF", True),
        ("12345678/0001239F", True),
        ("12345678/1001239F", False),
    ],
)
def test_wildcards(mask: str, meant: bool) -> None:
    assert SecondaryAddress.parse(mask).matches(METER) is meant


def test_a_meter_without_a_fabrication_number_hears_no_enhanced_selection() -> None:
    plain = SecondaryAddress(METER.octets)
    assert not SecondaryAddress.parse("12345678/FFFFFFFF").matches(plain)
    assert SecondaryAddress.parse("12345678").matches(plain)


def _plain_match(mask: SecondaryAddress, other: SecondaryAddress) -> bool:
    """The rule as it is written, digit by digit."""

    def digits(octets: bytes) -> str:
        return octets[::-1].hex()

    def fits(wanted: str, have: str) -> bool:
        return all(digit in ("f", own) for digit, own in zip(wanted, have, strict=True))

    if not fits(digits(mask.octets[:4]), digits(other.octets[:4])):
        return False
    if not all(octet in (0xFF, own) for octet, own in zip(mask.octets[4:], other.octets[4:], strict=True)):
        return False
    if mask.fabrication is None:
        return True
    return other.fabrication is not None and fits(digits(mask.fabrication), digits(other.fabrication))


@given(ADDRESSES, st.data())
def test_matching_is_the_rule_as_written(other: SecondaryAddress, data: st.DataObject) -> None:
    octets = bytearray(other.octets)
    for place in range(8):
        octets[place] |= data.draw(st.sampled_from((0, 0x0F, 0xF0, 0xFF))) if place < 4 else 0
        if place >= 4 and data.draw(st.booleans()):
            octets[place] = 0xFF
    if data.draw(st.booleans()):
        octets[data.draw(st.integers(0, 7))] ^= 1
    mask = SecondaryAddress(bytes(octets), data.draw(NUMBERS))
    assert mask.matches(other) is _plain_match(mask, other)
    assert ANY.matches(other)


@given(ADDRESSES)
def test_text_and_selection_there_and_back(address: SecondaryAddress) -> None:
    assert SecondaryAddress.parse(str(address)) == address
    assert SecondaryAddress.from_selection(address.selection()) == address


@given(st.binary(max_size=20))
def test_any_selection_is_an_address_or_an_error(data: bytes) -> None:
    try:
        assert SecondaryAddress.from_selection(data).selection() == data
    except DecodeError:
        assert len(data) != 8


@pytest.mark.parametrize("text", ["1234567", "123456789", "12345678-KAMX-01-04", "1234567G", "12345678-KAM-1-4", ""])
def test_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        SecondaryAddress.parse(text)


def test_primary_addresses() -> None:
    assert [address for address in range(256) if _is_primary(address)] == [*range(252), 253, 254, 255]
    for address in (251, 253, 254, 255, -1):
        with pytest.raises(ConfigError):
            check_primary(address, special=False)


def _is_primary(address: int) -> bool:
    try:
        return check_primary(address) == address
    except ConfigError:
        return False
