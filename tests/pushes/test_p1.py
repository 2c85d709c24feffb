"""P1 telegrams inside protected APDUs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.ciphered import GeneralGlo
from cosem.client import DeviceKeys, Listener, Senders
from cosem.errors import DecodeError, EncodeError
from cosem.explain import explain
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.link.wrapper import WrapperLink, build
from cosem.obis import Obis
from cosem.pushes.p1 import P1Line, encode_p1, p1_readings, parse_p1
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS

TITLE = b"CSM\x00\x00\x00\x00\x01"
BODY = (
    b"/CSM5\\12345678\r\n\r\n0-0:1.0.0(221006155014S)\r\n1-0:1.8.0(006545766*Wh)\r\n(lost)\r\n1-0:1.7.0(286*W)(x)\r\n!"
)


def crc16(octets: bytes) -> int:
    """CRC-16/ARC, bit by bit with the unreflected polynomial: the other way round than the code does it."""
    crc = 0
    for octet in octets:
        crc ^= int(f"{octet:08b}"[::-1], 2) << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    return int(f"{crc:016b}"[::-1], 2)


def whole(body: bytes = BODY) -> bytes:
    return body + f"{crc16(body):04X}\r\n".encode()


def protected(plain: bytes, control: int = 0x30) -> bytes:
    keys = DEMO_KEYS
    key = keys.global_unicast_encryption_key
    assert key is not None
    return GeneralGlo(TITLE, protect(key, keys.authentication_key, TITLE, 7, control, plain)).encode()


def test_the_check_sum_is_the_published_one() -> None:
    assert crc16(b"123456789") == 0xBB3D


@pytest.mark.parametrize("control", [0x20, 0x30])
def test_a_telegram_in_a_protected_apdu(control: int) -> None:
    apdu = protected(whole(), control)
    answer = explain(apdu, keyring=Keyring((KeyEntry("m", DEMO_KEYS),))).to_json()
    assert [layer["layer"] for layer in answer["layers"]] == ["general-glo-ciphering", "p1"]
    assert answer["layers"][1]["crc_ok"] is True
    assert answer["value"] == {"visible-string": whole().decode()}
    listener = Listener(WrapperLink(), Senders([DeviceKeys("m", DEMO_KEYS)]))
    (push,) = listener.receive(build(1, 16, apdu), 0.0)
    assert push.problem is None
    assert [str(reading) for reading in push.readings] == [
        "0-0:1.0.0.255 = 221006155014S",
        "1-0:1.8.0.255 = 006545766*Wh",
        "1-0:1.7.0.255 = 286*W)(x",
    ]


def test_a_wrong_check_sum_is_told() -> None:
    wrong = BODY.replace(b"286", b"287") + whole()[len(BODY) :]
    answer = explain(protected(wrong), keyring=Keyring((KeyEntry("m", DEMO_KEYS),)))
    assert not answer.ok
    assert "check sum" in answer.to_json()["error"]["what"]
    listener = Listener(WrapperLink(), Senders([DeviceKeys("m", DEMO_KEYS)]))
    (push,) = listener.receive(build(1, 16, protected(wrong)), 0.0)
    assert push.value is None
    assert push.problem is not None
    assert "check sum" in push.problem


@pytest.mark.parametrize("octets", [b"", b"/", b"/\xff!", b"!", b"/x!12", b"/x!GGGG", b"/x!12345"])
def test_what_is_no_telegram(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_p1(octets)


def test_without_a_check_sum() -> None:
    assert parse_p1(b"/x!\r\n").crc_ok is None


@given(st.binary(max_size=60), st.booleans())
def test_any_octets(tail: bytes, start: bool) -> None:
    try:
        telegram = parse_p1(b"/" * start + tail)
    except DecodeError:
        return
    p1_readings(telegram.text)


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    p1_readings(text)


# --- written ---------------------------------------------------------------------------------------------------------

PRINTABLE = [chr(n) for n in range(0x20, 0x7F)]
values = st.text(st.sampled_from([c for c in PRINTABLE if c not in "()!"]), max_size=12)
lines = st.builds(
    P1Line, st.binary(min_size=6, max_size=6).map(Obis), st.lists(values, min_size=1, max_size=3).map(tuple)
)


@given(st.text(st.sampled_from([c for c in PRINTABLE if c not in "/!"]), max_size=20), st.lists(lines, max_size=8))
def test_what_is_written_is_read_again(identification: str, given_lines: list[P1Line]) -> None:
    octets = encode_p1(identification, given_lines)
    telegram = parse_p1(octets)
    assert telegram.crc_ok is True
    assert (telegram.identification, telegram.lines) == (identification, given_lines)
    body, check = octets[: octets.index(b"!") + 1], octets[octets.index(b"!") + 1 :]
    assert check == f"{crc16(body):04X}\r\n".encode()


@given(st.lists(lines, min_size=1, max_size=4), st.data())
def test_a_bit_that_flips_on_the_way_is_found(given_lines: list[P1Line], data: st.DataObject) -> None:
    octets = bytearray(encode_p1("CSM5", given_lines))
    octets[data.draw(st.integers(1, octets.index(b"!") - 1))] ^= 1 << data.draw(st.integers(0, 6))
    try:
        telegram = parse_p1(bytes(octets))
    except DecodeError:
        return
    assert not telegram.crc_ok


def test_the_layout_of_version_5() -> None:
    written = encode_p1("CSM5\\2x", [P1Line(Obis.parse("1-0:1.8.1"), ("000001.000*kWh",))])
    assert written.startswith(b"/CSM5\\2x\r\n\r\n1-0:1.8.1(000001.000*kWh)\r\n!")


@pytest.mark.parametrize(
    ("identification", "value"), [("a/b", ""), ("a!", ""), ("\n", ""), ("a", "(b"), ("a", "b)"), ("a", "!"), ("a", "é")]
)
def test_text_that_would_end_a_telegram_is_refused(identification: str, value: str) -> None:
    with pytest.raises(EncodeError):
        encode_p1(identification, [P1Line(Obis.parse("1-0:1.8.1"), (value,))])


def test_a_line_without_values_is_refused() -> None:
    with pytest.raises(EncodeError):
        encode_p1("a", [P1Line(Obis.parse("1-0:1.8.1"), ())])
