"""Signed image containers: made, taken apart, and every octet of them guarded."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError, SecurityError
from cosem.security.image import (
    ECDSA_P256,
    ED25519,
    MBUS_DEVICE,
    THIS_DEVICE,
    ImagePart,
    load_private_key,
    make_image,
    parse_image,
    public_key,
    verify_image,
)

ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
EC = ec.derive_private_key(0x1234567, ec.SECP256R1())
KEYS = pytest.mark.parametrize(("key", "algorithm"), [(ED, ED25519), (EC, ECDSA_P256)], ids=["ed25519", "p256"])

parts = st.lists(
    st.one_of(
        st.builds(ImagePart, st.just(THIS_DEVICE), st.integers(0, 9), st.binary(min_size=1, max_size=48), st.binary()),
        st.builds(ImagePart, st.just(MBUS_DEVICE), st.integers(1, 4), st.binary(min_size=1, max_size=48), st.binary()),
    ),
    min_size=1,
    max_size=16,
)


@KEYS
@given(parts=parts)
def test_what_is_made_is_verified_and_comes_apart(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, algorithm: int, parts: list[ImagePart]
) -> None:
    octets = make_image(parts, key)
    container = verify_image(octets, public_key(key))
    assert container.parts == tuple(parts)
    assert container.algorithm == algorithm
    assert container == parse_image(octets)


@KEYS
@given(where=st.integers(0), bit=st.integers(0, 7))
def test_no_bit_may_be_turned(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, algorithm: int, where: int, bit: int
) -> None:
    octets = bytearray(make_image([ImagePart(THIS_DEVICE, 0, b"V2", b"firmware")], key))
    octets[where % len(octets)] ^= 1 << bit
    with pytest.raises((DecodeError, SecurityError)):
        verify_image(bytes(octets), public_key(key))


@given(st.binary() | st.binary().map(lambda octets: b"CSMIMAGE\x01\x01\x01" + octets))
def test_any_octets_are_a_container_or_a_decode_error(octets: bytes) -> None:
    offset = None
    try:
        container = parse_image(octets)
    except DecodeError as error:
        offset = error.offset
    else:
        assert container.parts
    assert offset is None or 0 <= offset <= len(octets)


@given(length=st.integers(0, 200))
def test_a_container_that_is_cut_off_is_none(length: int) -> None:
    octets = make_image([ImagePart(THIS_DEVICE, 0, b"V2", bytes(100)), ImagePart(MBUS_DEVICE, 1, b"G", b"gas")], ED)
    if length < len(octets):
        with pytest.raises(DecodeError):
            parse_image(octets[:length])
    with pytest.raises(DecodeError, match="where the header tells of"):
        parse_image(octets + b"\x00")


def test_keys_of_others_and_of_the_other_algorithm_are_refused() -> None:
    octets = make_image([ImagePart(THIS_DEVICE, 1, b"V2", b"x")], ED)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(SecurityError, match="signature of the image is wrong"):
        verify_image(octets, public_key(other))
    with pytest.raises(SecurityError, match="another algorithm"):
        verify_image(octets, public_key(EC))
    with pytest.raises(SecurityError, match="is none"):
        verify_image(make_image([ImagePart(THIS_DEVICE, 1, b"V2", b"x")], EC), b"\x04" + bytes(64))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([], "1 to 16 parts"),
        ([ImagePart(THIS_DEVICE, 0, b"x", b"")] * 17, "1 to 16 parts"),
        ([ImagePart(THIS_DEVICE, 10, b"x", b"")], "place 10"),
        ([ImagePart(MBUS_DEVICE, 0, b"x", b"")], "place 0"),
        ([ImagePart(2, 0, b"x", b"")], "kind 2"),
        ([ImagePart(THIS_DEVICE, 0, b"", b"")], "1 to 48 octets"),
        ([ImagePart(THIS_DEVICE, 0, bytes(49), b"")], "1 to 48 octets"),
    ],
)
def test_parts_without_a_place_are_refused(wrong: list[ImagePart], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        make_image(wrong, ED)


def test_private_keys_come_from_pem_and_nothing_of_them_is_told() -> None:
    for key in (ED, EC):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        assert public_key(load_private_key(pem)) == public_key(key)
    locked = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open"))
    other = ec.derive_private_key(7, ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong in (locked, b"secret words", other):
        with pytest.raises(ConfigError) as refused:
            load_private_key(wrong)
        assert "secret words" not in str(refused.value)
