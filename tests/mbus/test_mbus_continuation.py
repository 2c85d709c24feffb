"""Whether an answer goes on: records of every length are walked over, values that look like DIF 1F are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.mbus.continuation import more_follows

HEADER = bytes.fromhex("785634122d2c010401000000")
RECORDS = [
    "0c1378563412",  # eight digits
    "04131f1f1f1f",  # a value of nothing but 1F
    "840106 1f000000",
    "8c8010 93 3a 1f1f1f1f",  # DIFEs and a VIFE
    "0d78 04 31323334",  # text
    "0d78 c2 3412",  # digits of variable length
    "0d78 e3 010203",
    "0d78 f0 " + "1f" * 16,
    "047c 03 333231 01000000",  # a unit in plain text
    "04fc 03 333231 74 01000000",
    "0b131f1f1f",
    "0616 1f1f1f1f1f1f",
    "0013",
    "2f2f",
]


@pytest.mark.parametrize("record", RECORDS)
def test_records(record: str) -> None:
    octets = bytes.fromhex(record)
    assert more_follows(0x72, HEADER + octets + b"\x1f")
    assert more_follows(0x78, octets + octets + b"\x1f\x01\x02")
    assert more_follows(0x7A, bytes(4) + octets + b"\x1f")
    assert not more_follows(0x72, HEADER + octets)
    assert not more_follows(0x72, HEADER + octets + b"\x0f\x1f")


def test_what_is_protected_or_no_records_ends_the_answer() -> None:
    assert not more_follows(0x72, HEADER[:11] + b"\x05" + b"\x1f")
    assert not more_follows(0x7A, bytes.fromhex("01000005") + b"\x1f")
    assert not more_follows(0x73, b"\x1f" * 16)
    assert not more_follows(0x72, HEADER + b"\x04\x13\x1f")


@given(st.integers(0, 255), st.binary(max_size=80))
def test_any_octets(ci: int, data: bytes) -> None:
    assert more_follows(ci, data) in (True, False)
