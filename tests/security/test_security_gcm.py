"""Protection of octets: published values, the way there and back, and every altered bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import (
    CosemError,
    DecodeError,
    KeyMissing,
    LocalProtocolError,
    PolicyViolation,
    SecurityError,
    TagMismatch,
)
from cosem.security.control import AUTHENTICATED, COMPRESSED, ENCRYPTED, SecurityControl
from cosem.security.gcm import cipher, protect, unprotect
from cosem.security.keywrap import unwrap, wrap

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "security_examples.json").read_text(encoding="utf-8"))
EK, AK, TITLE = (bytes.fromhex(EXAMPLES["keys"][name]) for name in ("ek", "ak", "title"))
SHARED = Path(__file__).parents[3] / "shared" / "vectors"
CONTROLS = st.sampled_from([0x10, 0x20, 0x30, 0x50, 0x60, 0x70])
COUNTERS = st.integers(0, 0xFFFFFFFF)


def vectors(file: str, kind: str) -> list[Any]:
    path = SHARED / file
    if not path.exists():
        return []
    cases = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [pytest.param(case, id=case["id"]) for case in cases if case["kind"] == kind]


# --- published values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES["gcm"], ids=lambda example: example["content"][:2])
def test_published_examples_both_ways(example: dict[str, Any]) -> None:
    content, plain = bytes.fromhex(example["content"]), bytes.fromhex(example["plain"])
    assert protect(EK, AK, TITLE, example["counter"], content[0], plain) == content
    opened = unprotect(EK, AK, TITLE, content)
    assert opened == (plain, content[0], example["counter"], True if content[0] & AUTHENTICATED else None)


@pytest.mark.parametrize("case", vectors("dlms.jsonl", "gcm"))
def test_shared_vectors(case: dict[str, Any]) -> None:
    keys, expected, octets = case["keys"], case["expected"], bytes.fromhex(case["hex"])
    if "key" in keys:
        # The primitive alone: DLMS has no additional data of this form, but cipher and tag are the same.
        sealed = cipher(bytes.fromhex(keys["key"])).encrypt(
            bytes.fromhex(keys["iv"]), bytes.fromhex(expected["plain_hex"]), bytes.fromhex(keys["aad"])
        )
        assert sealed.hex() == expected["cipher_hex"] + expected["tag16"]
        assert sealed[:-4].hex() == expected["cipher_hex"] + expected["tag12"]
    elif "ak" in keys:
        ek, ak, title = (bytes.fromhex(keys[name]) for name in ("ek", "ak", "system_title"))
        assert unprotect(ek, ak, title, octets).plain.hex() == expected["plain_hex"]
        assert (
            protect(ek, ak, title, keys["invocation_counter"], octets[0], bytes.fromhex(expected["plain_hex"]))
            == octets
        )
    else:
        # A whole general-ciphering APDU: its text is enciphered under this key, the tag under an unknown one.
        nonce = bytes.fromhex(keys["system_title"]) + keys["invocation_counter"].to_bytes(4, "big")
        text = cipher(bytes.fromhex(keys["ek"])).encrypt(nonce, bytes.fromhex(expected["plain_hex"]), None)[:-16]
        assert text in octets


@pytest.mark.parametrize("case", vectors("dlms_bad.jsonl", "gcm"))
def test_shared_refusals(case: dict[str, Any]) -> None:
    if "replay" in case.get("tags", ()):
        pytest.skip("a matter of the context: see test_security_context")
    ek, ak, title = (bytes.fromhex(case["keys"][name]) for name in ("ek", "ak", "system_title"))
    with pytest.raises(TagMismatch):
        unprotect(ek, ak, title, bytes.fromhex(case["hex"]))


# --- properties --------------------------------------------------------------------------------------------


@given(
    control=CONTROLS,
    plain=st.binary(max_size=600),
    counter=COUNTERS,
    key=st.sampled_from([16, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    auth_key=st.binary(min_size=16, max_size=16),
    title=st.binary(min_size=8, max_size=8),
)
def test_there_and_back(control: int, plain: bytes, counter: int, key: bytes, auth_key: bytes, title: bytes) -> None:
    content = protect(key, auth_key, title, counter, control, plain)
    assert len(content) == 5 + len(plain) + (12 if control & AUTHENTICATED else 0)
    opened = unprotect(key, auth_key, title, content)
    assert opened == (plain, control, counter, True if control & AUTHENTICATED else None)
    assert isinstance(opened.control, SecurityControl)
    assert protect(AESGCM(key), auth_key, title, counter, control, plain) == content


@given(
    control=CONTROLS.filter(lambda control: control & AUTHENTICATED),
    plain=st.binary(max_size=80),
    data=st.data(),
)
def test_any_altered_bit_is_refused(control: int, plain: bytes, data: st.DataObject) -> None:
    content = bytearray(protect(EK, AK, TITLE, 7, control, plain))
    bit = data.draw(st.integers(0, len(content) * 8 - 1), label="bit")
    content[bit // 8] ^= 1 << bit % 8
    if bit == 4:
        # 10h itself was turned off: no tag is looked for then. The context refuses that by policy.
        assert unprotect(EK, AK, TITLE, bytes(content)).verified is None
        return
    with pytest.raises((TagMismatch, PolicyViolation)):
        unprotect(EK, AK, TITLE, bytes(content))


@given(st.binary(max_size=64), st.booleans())
def test_any_octets_open_or_are_refused(octets: bytes, keyed: bool) -> None:
    try:
        opened = unprotect(EK, AK if keyed else None, TITLE, octets, allow_unverified=True)
    except (SecurityError, DecodeError):
        return
    assert opened.verified in (None, True)


@given(st.binary(max_size=40), st.sampled_from([0x10, 0x30]))
def test_unverified_only_where_asked_for(plain: bytes, control: int) -> None:
    content = protect(EK, AK, TITLE, 1, control, plain)
    with pytest.raises(KeyMissing):
        unprotect(EK, None, TITLE, content)
    assert unprotect(EK, None, TITLE, content, allow_unverified=True) == (plain, control, 1, None)


@pytest.mark.parametrize("wrong", ["key", "auth_key", "title"])
@pytest.mark.parametrize("control", [0x10, 0x30])
def test_wrong_key_or_title(wrong: str, control: int) -> None:
    content = protect(EK, AK, TITLE, 1, control, b"text")
    given_ = {"key": EK, "auth_key": AK, "title": TITLE}
    given_[wrong] = bytes(len(given_[wrong]))
    with pytest.raises(TagMismatch):
        unprotect(given_["key"], given_["auth_key"], given_["title"], content)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", [0x10, 0x30])
def test_cut_short(control: int) -> None:
    content = protect(EK, AK, TITLE, 1, control, b"")
    for size in range(len(content)):
        with pytest.raises(DecodeError):
            unprotect(EK, AK, TITLE, content[:size])


def test_no_protection_passes_through_here() -> None:
    assert protect(EK, None, TITLE, 9, 0, b"text") == b"\x00\x00\x00\x00\x09text"
    assert unprotect(EK, None, TITLE, b"\x00\x00\x00\x00\x09text") == (b"text", 0, 9, None)


def test_what_protect_refuses() -> None:
    with pytest.raises(LocalProtocolError):
        protect(EK, AK, TITLE, 1, COMPRESSED | ENCRYPTED, b"")
    for control in (0x10, 0x30):
        with pytest.raises(KeyMissing):
            protect(EK, None, TITLE, 1, control, b"")
    with pytest.raises(KeyMissing):
        protect(EK, AK, TITLE[:7], 1, 0x30, b"")


def test_what_unprotect_refuses() -> None:
    with pytest.raises(PolicyViolation):
        unprotect(EK, AK, TITLE, bytes((COMPRESSED | ENCRYPTED, 0, 0, 0, 1, 2)))
    with pytest.raises(DecodeError):
        unprotect(EK, AK, b"", protect(EK, AK, TITLE, 1, 0x30, b""))


# --- key wrap ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES["key_wrap"], ids=lambda example: str(len(example["kek"]) * 4))
def test_wrapped_keys(example: dict[str, str]) -> None:
    kek, key, wrapped = (bytes.fromhex(example[name]) for name in ("kek", "key", "wrapped"))
    assert wrap(kek, key) == wrapped
    assert unwrap(kek, wrapped) == key


@pytest.mark.parametrize("case", vectors("dlms.jsonl", "key-wrap"))
def test_shared_wrapped_keys(case: dict[str, Any]) -> None:
    kek, key = bytes.fromhex(case["keys"]["kek"]), bytes.fromhex(case["expected"]["key_data"])
    assert wrap(kek, key).hex() == case["hex"]
    assert unwrap(kek, bytes.fromhex(case["hex"])) == key


@pytest.mark.parametrize("case", vectors("dlms_bad.jsonl", "key-wrap"))
def test_shared_broken_wraps(case: dict[str, Any]) -> None:
    with pytest.raises(SecurityError):
        unwrap(bytes.fromhex(case["keys"]["kek"]), bytes.fromhex(case["hex"]))


@given(kek=st.binary(min_size=16, max_size=16), key=st.binary(min_size=16, max_size=16), bit=st.integers(0, 191))
def test_wrap_there_and_back_and_any_altered_bit(kek: bytes, key: bytes, bit: int) -> None:
    wrapped = bytearray(wrap(kek, key))
    assert len(wrapped) == 24
    assert unwrap(kek, bytes(wrapped)) == key
    wrapped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecurityError):
        unwrap(kek, bytes(wrapped))


@given(st.binary(max_size=60))
def test_any_octets_unwrap_or_are_refused(octets: bytes) -> None:
    with pytest.raises(SecurityError):
        unwrap(EK, octets)


@pytest.mark.parametrize("size", [0, 8, 17])
def test_keys_that_cannot_be_wrapped(size: int) -> None:
    secret = bytes(range(0xA0, 0xA0 + size))
    with pytest.raises(KeyMissing) as error:
        wrap(EK, secret)
    assert not secret or secret.hex() not in str(error.value)
    for act in (wrap, unwrap):
        with pytest.raises(CosemError, match="key encryption key"):
            act(bytes(size), bytes(24))
