"""Every octet of a telegram explained: fields stand one behind the other, without a gap, as the frame came."""

from __future__ import annotations

from typing import Any

import pytest

from cosem.mbus.ell import VARIABLE, ExtendedLink, SessionNumber
from cosem.mbus.octets import Field, fields
from cosem.mbus.telegram import Telegram, decode, decode_headers, encode, keys_of_one
from cosem.mbus.wireless import Format
from support.mbus_telegrams import METER, lines

LINES = lines()


def _covered(found: list[Field]) -> set[int]:
    return {octet for field in found for octet in range(field.offset, field.offset + field.length)}


@pytest.mark.parametrize("line", LINES, ids=[line["name"] for line in LINES])
def test_every_octet_belongs_to_a_field(line: dict[str, Any]) -> None:
    frame = bytes.fromhex(line["frame"])
    for telegram in (
        decode(frame, keys=keys_of_one(frame, bytes.fromhex(line["key"])) if "key" in line else None),
        decode_headers(frame),
    ):
        found = fields(telegram)
        assert _covered(found) == set(range(len(frame)))
        assert b"".join(field.octets for field in found) == telegram.octets
        assert all(field.length >= len(field.octets) for field in found)


def test_fields_say_what_they_are() -> None:
    (line,) = (line for line in LINES if line["security_mode"] == 7)
    frame = bytes.fromhex(line["frame"])
    found = {
        (field.layer, field.name): (field.offset, field.text)
        for field in fields(decode(frame, keys=keys_of_one(frame, bytes.fromhex(line["key"]))))
    }
    assert found["wmbus-link", "C"] == (1, "RSP-UD")
    assert found["wmbus-link", "identification"] == (4, "11223344")
    assert found["ell", "CC"] == (11, "bidirectional")
    assert found["afl", "MCR"] == (26, "2739")
    assert found["tpl", "CI"] == (38, "M-Bus records, from device")
    assert found["tpl", "identification"] == (39, "12345678")
    assert found["tpl", "configuration"] == (49, "security mode 7")
    assert found["apl", "apl"] == (52, "opened")


def test_the_crcs_of_the_blocks_have_their_place() -> None:
    for form, size, places in ((Format.A, 40, [10, 28, 46, 57]), (Format.B, 40, [51]), (Format.B, 140, [126, 153])):
        frame = encode(Telegram.on_air(0x44, METER, 0x78, bytes(size), form=form))
        found = fields(decode(frame, form=form))
        assert [field.offset for field in found if field.name.startswith("CRC")] == places
        assert _covered(found) == set(range(len(frame)))


def test_a_variable_extended_link_is_split_into_its_fields() -> None:
    ell = ExtendedLink(VARIABLE, 0x80, 1, METER, SessionNumber(0, 5, 1), 0x0F, b"\x01\x02", 77)
    found = fields(decode(encode(Telegram.on_air(0x44, METER, 0x78, b"\x01", ell=ell))))
    names = [field.name for field in found if field.layer == "ell"]
    assert names == [
        "CI", "CC", "access number", "control", "manufacturer", "identification", "version", "medium",
        "session number", "run time delta", "reception level", "payload CRC",
    ]  # fmt: skip
