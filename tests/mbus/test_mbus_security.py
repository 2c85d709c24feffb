"""The security modes both ways: right key, wrong key, altered octets, published keys, refusals by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError, PolicyViolation, TagMismatch
from cosem.mbus import crypto
from cosem.mbus.afl import AuthenticationLayer
from cosem.mbus.ci import Direction, HeaderKind
from cosem.mbus.header import Configuration, Header
from cosem.mbus.security import (
    Scene,
    check_mac,
    is_protected,
    message_mac,
    open_text,
    protect_text,
    refusal,
)
from support.mbus_telegrams import KEY, METER, OTHER_KEY, RECORDS

PROTECTING = (5, 7, 8, 9, 10)


def _scene(
    mode: int,
    *,
    length: int | None = None,
    direction: Direction = Direction.FROM_DEVICE,
    counter: int = 2739,
    own_counter: bool = True,
    **more: int,
) -> Scene:
    in_header = counter if own_counter and mode not in (0, 5) else None
    configuration = Configuration.of(mode, length=length, counter=in_header, **more)
    header = Header(HeaderKind.LONG, METER, 42, 0, configuration)
    return Scene(header, METER, direction, counter, b"\x72" + header.octets)


@pytest.mark.parametrize("mode", PROTECTING)
@pytest.mark.parametrize("length", [None, 0x10])
def test_a_text_opens_with_its_key_and_no_other(mode: int, length: int | None) -> None:
    scene = _scene(mode, length=length)
    text = protect_text(KEY, scene, RECORDS)
    assert RECORDS[:16] not in text
    assert (RECORDS[16:] in text) == (length is not None)
    opened = open_text(KEY, scene, text)
    assert opened.plain == RECORDS
    assert len(opened.trailer) == len(text) - len(RECORDS)
    with pytest.raises(TagMismatch):
        open_text(OTHER_KEY, scene, text)


@pytest.mark.parametrize("mode", [8, 9, 10])
@pytest.mark.parametrize("length", [None, 7])
def test_no_octet_of_an_authenticated_text_can_be_altered(mode: int, length: int | None) -> None:
    scene = _scene(mode, length=length)
    text = protect_text(KEY, scene, RECORDS)
    for index in range(len(text)):
        altered = bytearray(text)
        altered[index] ^= 0x01
        with pytest.raises(TagMismatch):
            open_text(KEY, scene, bytes(altered))
    with pytest.raises((TagMismatch, DecodeError)):
        open_text(KEY, scene, text[:-1])


@pytest.mark.parametrize("mode", [8, 9, 10])
def test_header_counter_and_direction_are_protected_too(mode: int) -> None:
    scene = _scene(mode, derivation=1)
    text = protect_text(KEY, scene, RECORDS)
    other = scene.header._replace(status=0x04)
    for wrong in (
        scene._replace(front=b"\x72" + other.octets),
        scene._replace(counter=2740),
        scene._replace(direction=Direction.TO_DEVICE),
        scene._replace(address=METER._replace(identification=b"\x79\x56\x34\x12")),
    ):
        with pytest.raises(TagMismatch):
            open_text(KEY, wrong, text)


@given(st.sampled_from(PROTECTING), st.integers(0, 8), st.binary(max_size=48), st.sampled_from(list(Direction)))
def test_every_text_comes_back(mode: int, blocks: int, rest: bytes, direction: Direction) -> None:
    plain = b"\x2f\x2f" + bytes(14) + rest
    length = min(blocks * 16, len(plain) // 16 * 16)
    if mode in (5, 7):
        length = max(length, 16)
    scene = _scene(mode, length=length, direction=direction)
    assert open_text(KEY, scene, protect_text(KEY, scene, plain)).plain == plain


@given(st.sampled_from(PROTECTING), st.binary(max_size=64), st.one_of(st.none(), st.just(16), st.just(48)))
def test_any_text_is_opened_or_refused(mode: int, text: bytes, length: int | None) -> None:
    scene = _scene(mode, length=length)
    try:
        open_text(KEY, scene, text)
    except (TagMismatch, DecodeError):
        return
    # nothing but two octets of filler says that a block was enciphered with this key
    assert mode in (5, 7)


def test_the_published_keys_of_mode_7_are_derived() -> None:
    number = bytes.fromhex("78563412")
    assert crypto.derive(KEY, crypto.ENCRYPTION, 0xAB3, number).hex() == "eccf39d475d730b8284fdfdc1995d52f"
    assert crypto.derive(KEY, crypto.AUTHENTICATION, 0xAB3, number).hex() == "c9cd19ff5a9aad5a6bbda13bd2c4c7ad"
    assert len({crypto.derive(KEY, constant, 0xAB3, number) for constant in (0x00, 0x01, 0x10, 0x11)}) == 4


def test_the_primitives_hold_their_standards_vectors() -> None:
    # RFC 4493 (AES-CMAC), example 2; RFC 3610 (CCM), packet vector 1
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    block = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    assert crypto.cmac(key, block).hex() == "070a16b46b4d4144f79bdd9dd04a287c"
    assert crypto.cmac(key, block, 8).hex() == "070a16b46b4d4144"
    ccm_key = bytes.fromhex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf")
    nonce = bytes.fromhex("00000003020100a0a1a2a3a4a5")
    text = crypto.encrypt_ccm(ccm_key, nonce, bytes(range(8, 31)), bytes(range(8)), 8)
    assert text.hex() == "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"


def test_a_cut_text_is_refused_before_anything_is_deciphered() -> None:
    scene = _scene(5, length=32)
    with pytest.raises(DecodeError, match="32 octets are said to be enciphered, 31 are there"):
        open_text(KEY, scene, bytes(31))
    with pytest.raises(DecodeError, match="no block"):
        open_text(KEY, _scene(5), bytes(15))
    with pytest.raises(DecodeError, match="hold no tag"):
        open_text(KEY, _scene(9), bytes(11))


def test_plain_text_of_the_block_modes_begins_with_fillers() -> None:
    with pytest.raises(EncodeError, match="2F2F"):
        protect_text(KEY, _scene(5), bytes(16))
    with pytest.raises(EncodeError, match="no block"):
        protect_text(KEY, _scene(7), b"\x2f\x2f")


def test_a_counter_may_stand_in_the_authentication_layer_but_must_stand_somewhere() -> None:
    scene = _scene(7, own_counter=False)
    text = protect_text(KEY, scene, RECORDS)
    assert open_text(KEY, scene, text).plain == RECORDS
    with pytest.raises(DecodeError, match="needs a message counter"):
        open_text(KEY, scene._replace(counter=None), text)


@pytest.mark.parametrize("mode", sorted(set(range(32)) - {0, *PROTECTING}))
def test_other_modes_are_refused_by_name(mode: int) -> None:
    why = refusal(mode)
    header = Header(HeaderKind.LONG, METER, 0, 0, Configuration(mode << 8))
    scene = Scene(header, METER, Direction.FROM_DEVICE, None, b"")
    with pytest.raises(PolicyViolation, match=rf"security mode {mode} \({why}\)"):
        open_text(KEY, scene, bytes(16))
    with pytest.raises(PolicyViolation, match=f"security mode {mode}"):
        protect_text(KEY, scene, bytes(16))


def test_modes_without_protection_say_so() -> None:
    assert refusal(13) == "TLS"
    assert not is_protected(Configuration.of(0), RECORDS)
    assert not is_protected(Configuration.of(5, length=0), RECORDS)
    assert is_protected(Configuration.of(5, length=16), b"")
    assert is_protected(Configuration.of(9, length=0), b"")
    assert open_text(KEY, _scene(0), RECORDS).plain == protect_text(KEY, _scene(0), RECORDS) == RECORDS


def test_a_reserved_derivation_is_refused() -> None:
    with pytest.raises(PolicyViolation, match="derivation 2"):
        open_text(KEY, _scene(10, derivation=2), bytes(32))


@pytest.mark.parametrize(("kind", "length"), [(3, 2), (4, 4), (5, 8), (6, 12), (7, 16)])
def test_a_mac_covers_fields_and_message_at_each_length(kind: int, length: int) -> None:
    scene = _scene(7, own_counter=False)
    layer = AuthenticationLayer(control=0x20 | kind, counter=2739)
    mac = message_mac(KEY, layer, scene, RECORDS)
    assert len(mac) == length
    check_mac(KEY, layer._replace(mac=mac), scene, RECORDS)
    for wrong, message in (
        (layer._replace(mac=mac[:-1] + bytes((mac[-1] ^ 1,))), RECORDS),
        (layer._replace(mac=mac, counter=2740), RECORDS),
        (layer._replace(mac=mac, length=3), RECORDS),
        (layer._replace(mac=mac), RECORDS[:-1] + b"\x01"),
        (layer, RECORDS),
    ):
        with pytest.raises(TagMismatch):
            check_mac(KEY, wrong, scene, message)


@pytest.mark.parametrize(("kind", "what"), [(0, "has no MAC"), (8, "GMAC"), (9, "GMAC"), (2, "has no MAC")])
def test_authentication_types_that_are_no_cmac_are_refused(kind: int, what: str) -> None:
    with pytest.raises(PolicyViolation, match=what):
        message_mac(KEY, AuthenticationLayer(control=kind), _scene(7), RECORDS)
