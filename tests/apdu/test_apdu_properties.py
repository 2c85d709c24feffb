"""What holds for every APDU: encoding and parsing are inverse, and any octets give a service or a `DecodeError`."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apdu.apdu_strategies import aares, pairs, usual_aares
from cosem import apdu
from cosem.apdu import acse
from cosem.apdu.table import ROWS
from cosem.errors import DecodeError

TAGS = sorted({row.tag for row in ROWS})


@settings(max_examples=200)
@given(pairs)
def test_parsing_gives_back_what_was_encoded(pair: tuple[int | None, Any]) -> None:
    invoke, service = pair
    octets = service.encode(invoke)
    assert apdu.parse(octets) == (invoke, service)
    assert apdu.parse(octets, checked=False) == (invoke, service)
    assert apdu.parse(octets).service.encode(invoke) == octets
    assert octets[0] == service.tag
    assert isinstance(service, apdu.Service)


@settings(max_examples=200)
@given(st.one_of(aares, usual_aares), st.booleans())
def test_the_quick_reading_of_an_aare_is_the_thorough_one(aare: apdu.Aare, checked: bool) -> None:
    octets = aare.encode()
    quick = acse._parse_usual_aare(octets, checked)
    assert quick is None or quick == acse._parse_any_aare(octets, checked)


def test_the_aare_that_meters_send_is_read_quickly() -> None:
    aare = apdu.Aare(
        3, diagnostic=14, user_information=b"\x28\x05\x20" + bytes(4), mechanism=5, auth_value=b"challenge",
        responder_acse_requirements=acse.AUTHENTICATION, responding_ap_title=b"MMM\0\0\0\0\1",
    )  # fmt: skip
    assert acse._parse_usual_aare(aare.encode(), True) == (None, aare)
    # Others are left to the thorough reading.
    assert acse._parse_usual_aare(apdu.Aare(1, 1, diagnostic=13).encode(), True) is None


@settings(max_examples=200)
@given(usual_aares, st.data())
def test_a_changed_aare_is_read_the_same_quickly_and_thoroughly(aare: apdu.Aare, data: st.DataObject) -> None:
    octets = bytearray(aare.encode())
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    octets += data.draw(st.binary(max_size=2))
    try:
        quick = acse._parse_usual_aare(bytes(octets), False)
    except DecodeError as error:
        with pytest.raises(DecodeError, match=error.what):
            acse._parse_any_aare(bytes(octets), False)
    else:
        assert quick is None or quick == acse._parse_any_aare(bytes(octets), False)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_any_octets_give_a_service_or_a_decode_error(octets: bytes, checked: bool) -> None:
    with contextlib.suppress(DecodeError):
        apdu.parse(octets, checked=checked)


@settings(max_examples=200)
@given(st.sampled_from(TAGS), st.integers(1, 7), st.binary(max_size=100), st.booleans())
def test_any_octets_behind_a_real_tag_do_so_too(tag: int, choice: int, rest: bytes, checked: bool) -> None:
    with contextlib.suppress(DecodeError):
        apdu.parse(bytes((tag, choice)) + rest, checked=checked)
    with contextlib.suppress(DecodeError):
        apdu.parse(bytes((tag, len(rest))) + rest, checked=checked)


@settings(max_examples=200)
@given(pairs, st.data())
def test_a_changed_apdu_is_a_service_or_a_decode_error(pair: tuple[int | None, Any], data: st.DataObject) -> None:
    invoke, service = pair
    octets = bytearray(service.encode(invoke))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        read = apdu.parse(bytes(octets))
        again = read.service.encode(read.invoke)
        assert apdu.parse(again) == read, "what was accepted has a canonical form of the same meaning"


@settings(max_examples=100)
@given(st.sampled_from(TAGS), st.binary(max_size=60))
def test_an_error_points_into_the_octets(tag: int, rest: bytes) -> None:
    octets = bytes((tag,)) + rest
    try:
        apdu.parse(octets)
    except DecodeError as error:
        refused = error
    else:
        return
    assert 0 <= refused.offset <= len(octets)


@settings(max_examples=100)
@given(pairs)
def test_a_truncated_apdu_is_refused(pair: tuple[int | None, Any]) -> None:
    invoke, service = pair
    octets = service.encode(invoke)
    for length in range(len(octets)):
        if isinstance(service, apdu.ExceptionResponse) and length == 3:
            continue  # without its counter it is one of an older edition
        with pytest.raises(DecodeError):
            apdu.parse(octets[:length])
