"""Policy tables, the security control octet, system titles, keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, PolicyViolation
from cosem.security.control import SecurityControl
from cosem.security.keys import Keys
from cosem.security.policy import BOTH, NOTHING, Policy
from cosem.security.title import SystemTitle


@pytest.mark.parametrize(("value", "bits"), [(0, 0x00), (1, 0x10), (2, 0x20), (3, 0x30)])
def test_policy_of_version_0(value: int, bits: int) -> None:
    assert Policy.from_v0(value) == (bits, bits)
    assert Policy.from_v0(value).request_control(0) == bits
    assert Policy.from_v0(value).response_control(2) == bits | 2


@pytest.mark.parametrize(
    ("value", "request_bits", "response_bits"),
    [
        (0x00, 0x00, 0x00),
        (0x04, 0x10, 0x00),
        (0x08, 0x20, 0x00),
        (0x0C, 0x30, 0x00),
        (0x20, 0x00, 0x10),
        (0x40, 0x00, 0x20),
        (0x60, 0x00, 0x30),
        (0x24, 0x10, 0x10),
        (0x48, 0x20, 0x20),
        (0x6C, 0x30, 0x30),
    ],
)
def test_policy_of_version_1(value: int, request_bits: int, response_bits: int) -> None:
    policy = Policy.from_v1(value)
    assert policy == (request_bits, response_bits)
    # Access rights of class 15 version 3 have the same bits, with read and write in bits 0 and 1.
    assert NOTHING.union(value | 0x03) == policy


def test_unknown_policies() -> None:
    for value in (-1, 4, 255):
        with pytest.raises(ConfigError):
            Policy.from_v0(value)
    for value in (-1, 0x01, 0x02, 0x10, 0x80, 0x100, 0x104, 0x6F):
        with pytest.raises(ConfigError):
            Policy.from_v1(value)


@given(st.integers(0, 3), st.sampled_from([0, 4, 8, 0x0C, 0x20, 0x40, 0x60, 0x24, 0x48, 0x6C]), st.integers(0, 255))
def test_a_union_demands_what_either_demands(value: int, access: int, control: int) -> None:
    policy, right = Policy.from_v0(value), Policy.from_v1(access)
    union = policy.union(access)
    for request in (True, False):
        assert union.satisfied_by(control, request=request) == (
            policy.satisfied_by(control, request=request) and right.satisfied_by(control, request=request)
        )
    assert union.union(access) == union


@pytest.mark.parametrize("access", [0x10, 0x80, 0x9C])
def test_a_right_that_demands_a_signature_is_never_satisfied(access: int) -> None:
    with pytest.raises(PolicyViolation, match="signature"):
        BOTH.union(access)


@given(st.integers(0, 255), st.booleans())
def test_nothing_and_both(control: int, request: bool) -> None:
    assert NOTHING.satisfied_by(control, request=request)
    assert BOTH.satisfied_by(control, request=request) == (control & 0x30 == 0x30)


@given(st.integers(0, 255))
def test_security_control(octet: int) -> None:
    control = SecurityControl(octet)
    assert control == octet
    assert control.suite == octet % 16
    assert [control.authenticated, control.encrypted, control.broadcast, control.compressed] == [
        octet >> bit & 1 == 1 for bit in (4, 5, 6, 7)
    ]
    assert control.protection == octet & 0x30
    assert repr(control) == f"SecurityControl(0x{octet:02X})"


def test_system_titles() -> None:
    title = SystemTitle(bytes.fromhex("4d4d4d0000bc614e"))
    assert title == bytes.fromhex("4d4d4d0000bc614e")
    assert title.manufacturer == "MMM"
    assert str(title) == "MMM-0000BC614E"
    assert repr(title) == "SystemTitle('4d4d4d0000bc614e')"
    assert SystemTitle(bytes(8)).manufacturer is None
    assert str(SystemTitle(bytes(8))) == "0000000000000000"
    assert SystemTitle(b"mmm\0\0\0\0\0").manufacturer is None
    for size in (0, 7, 9):
        with pytest.raises(ConfigError, match="8 octets"):
            SystemTitle(bytes(size))


@given(st.binary(min_size=8, max_size=8))
def test_any_title_can_be_shown(octets: bytes) -> None:
    title = SystemTitle(octets)
    assert octets[3:].hex().upper() in str(title)
    assert title.manufacturer is None or len(title.manufacturer) == 3


@pytest.mark.parametrize("size", [0, 8, 15, 17, 24, 33])
def test_keys_of_other_lengths(size: int) -> None:
    secret = bytes(range(0x80, 0x80 + size))
    with pytest.raises(ConfigError) as error:
        Keys(authentication_key=secret)
    assert "authentication_key" in str(error.value)
    assert str(size) in str(error.value)
    assert not secret or secret.hex() not in repr(error.value)


def test_keys_of_suite_2_fit() -> None:
    assert Keys(bytes(32), bytes(32), master_key=bytes(32)).master_key == bytes(32)
