"""The authentication and fragmentation layer: fields there and back, and fragments put together or given up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.afl import (
    MAC_LENGTHS,
    AuthenticationLayer,
    FragmentJoiner,
    Joined,
    KeyInformation,
    decode_afl,
    fragment,
    message_control,
)

SENDER, OTHER = b"meter 01", b"meter 02"
WHOLE = AuthenticationLayer(control=message_control(8, length=True), counter=7, mac=bytes(range(8)), length=50)
MESSAGE = bytes(range(50))


@st.composite
def authentication_layers(draw: st.DrawFn) -> AuthenticationLayer:
    kind = draw(st.sampled_from(sorted(MAC_LENGTHS)))
    number = draw(st.integers(0, 255))
    has_control = draw(st.booleans())
    size = MAC_LENGTHS[kind] if has_control else draw(st.integers(0, 16))
    optional = st.booleans()
    return AuthenticationLayer(
        number,
        bool(number) and draw(st.booleans()),
        draw(st.integers(0, 7)) << 4 | kind if has_control else None,
        KeyInformation(draw(st.integers(0, 255)), draw(st.integers(0, 3)), draw(st.integers(0, 15)))
        if draw(optional)
        else None,
        draw(st.integers(0, 0xFFFF_FFFF)) if draw(optional) else None,
        draw(st.binary(min_size=size, max_size=size)) if size else None,
        draw(st.integers(0, 0xFFFF)) if draw(optional) else None,
    )


@given(authentication_layers(), st.binary(max_size=3), st.binary(max_size=3))
def test_layers_go_there_and_back(layer: AuthenticationLayer, front: bytes, behind: bytes) -> None:
    octets = front + layer.octets + behind
    assert decode_afl(octets, len(front)) == (layer, len(octets) - len(behind))


@given(st.binary(max_size=40))
def test_any_octets_are_a_layer_or_a_decode_error(octets: bytes) -> None:
    octets = b"\x90" + octets
    try:
        layer, end = decode_afl(octets)
    except DecodeError:
        return
    assert layer.octets == octets[:end]


def test_the_published_layer_is_read() -> None:
    layer, end = decode_afl(bytes.fromhex("900F002C25B30A0000AF5D74DF73A600D972"))
    assert end == 17
    assert layer == AuthenticationLayer(control=0x25, counter=0xAB3, mac=bytes.fromhex("AF5D74DF73A600D9"))
    assert layer.authentication == 5


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        ("9001", "cut short"),
        ("90010000", "says 1 octets"),
        ("90050000", "says 5 octets, 2 are there"),
        ("90020001", "reserved bits"),
        ("90020080", "reserved bits"),
        ("9003000000", "1 octets of the authentication layer belong to no field"),
        ("90020040", "more fragments follow"),
        ("90030008B3", "too short for its fields"),
        ("90040024250A", "MAC is cut short"),
        ("900400242000", "authentication type 0 has no MAC"),
        ("900400242100", "authentication type 1 has no MAC"),
        ("90040002C000", "reserved bits"),
    ],
)
def test_what_is_malformed_is_refused(octets: str, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        decode_afl(bytes.fromhex(octets))


def test_there_is_no_mac_of_any_other_length() -> None:
    with pytest.raises(EncodeError, match="not 6"):
        message_control(6)


def _join(joiner: FragmentJoiner, parts: list[tuple[AuthenticationLayer, bytes]], now: float = 0.0) -> Joined | None:
    result = None
    for layer, piece in parts:
        result = joiner.take(SENDER, layer, piece, now)
    return result


@given(st.integers(1, 30), st.integers(0, 3))
def test_fragments_are_put_together_though_each_comes_more_than_once(size: int, repeats: int) -> None:
    parts = fragment(WHOLE, MESSAGE, size)
    assert [layer.fragment for layer, _ in parts] == list(range(1, len(parts) + 1))
    repeated = [part for part in parts[:-1] for _ in range(repeats + 1)]
    assert _join(FragmentJoiner(), [*repeated, parts[-1]]) == Joined(WHOLE, MESSAGE)


def test_only_the_first_fragment_has_the_fields_and_the_last_the_mac() -> None:
    first, second, third = (layer for layer, _ in fragment(WHOLE, MESSAGE, 20))
    assert (first.control, first.counter, first.length, first.mac) == (WHOLE.control, 7, 50, None)
    assert second == AuthenticationLayer(2, more=True)
    assert third == AuthenticationLayer(3, mac=WHOLE.mac)


def test_two_senders_do_not_disturb_each_other() -> None:
    joiner = FragmentJoiner()
    parts = fragment(WHOLE, MESSAGE, 20)
    for layer, piece in parts[:-1]:
        assert joiner.take(SENDER, layer, piece, 0) is None
        assert joiner.take(OTHER, layer, piece, 0) is None
    assert joiner.waiting == 2
    assert joiner.take(OTHER, *parts[-1], 0) == joiner.take(SENDER, *parts[-1], 0) == Joined(WHOLE, MESSAGE)
    assert joiner.waiting == 0


def test_a_missing_fragment_costs_its_message_and_is_counted() -> None:
    failures: Counter[str] = Counter()
    joiner = FragmentJoiner(failures=failures)
    parts = fragment(WHOLE, MESSAGE, 10)
    joiner.take(SENDER, *parts[0], 0)
    with pytest.raises(DecodeError, match="fragment 3 follows fragment 1"):
        joiner.take(SENDER, *parts[2], 0)
    with pytest.raises(DecodeError, match="beginning is missing"):
        joiner.take(SENDER, *parts[3], 0)
    assert failures == {"fragment refused": 2}
    assert _join(joiner, parts) == Joined(WHOLE, MESSAGE)


def test_a_message_that_begins_anew_gives_up_the_one_that_was_cut() -> None:
    joiner = FragmentJoiner()
    joiner.take(SENDER, *fragment(WHOLE, MESSAGE, 10)[0], 0)
    assert _join(joiner, fragment(WHOLE._replace(counter=8), MESSAGE, 10)) == Joined(WHOLE._replace(counter=8), MESSAGE)
    assert joiner.failures == {"message cut": 1}


def test_a_fragment_that_comes_too_late_finds_nothing() -> None:
    joiner = FragmentJoiner(patience=10)
    parts = fragment(WHOLE, MESSAGE, 30)
    joiner.take(SENDER, *parts[0], 100)
    with pytest.raises(DecodeError, match="beginning is missing"):
        joiner.take(SENDER, *parts[1], 110.5)
    assert joiner.failures == {"fragment late": 1, "fragment refused": 1}


def test_the_length_and_the_limit_hold() -> None:
    joiner = FragmentJoiner(size=30)
    with pytest.raises(DecodeError, match="more than 30 octets"):
        _join(joiner, fragment(WHOLE, MESSAGE, 20))
    with pytest.raises(DecodeError, match="50 octets, its length says 51"):
        _join(FragmentJoiner(), fragment(WHOLE._replace(length=51), MESSAGE, 25))


def test_no_more_senders_are_held_than_are_allowed() -> None:
    joiner = FragmentJoiner(senders=3)
    part = fragment(WHOLE, MESSAGE, 10)[0]
    for number in range(10):
        joiner.take(bytes((number,)), *part, number)
    assert joiner.waiting == 3
    assert joiner.failures == {"too many senders": 7}


def test_a_second_mac_and_a_second_control_field_are_refused() -> None:
    parts = fragment(WHOLE, MESSAGE, 20)
    for wrong in (AuthenticationLayer(2, control=5, mac=bytes(8)), AuthenticationLayer(2, mac=bytes(8))):
        joiner = FragmentJoiner()
        joiner.take(SENDER, parts[0][0]._replace(mac=bytes(8)), parts[0][1], 0)
        with pytest.raises(DecodeError, match="had already"):
            joiner.take(SENDER, wrong, parts[1][1], 0)


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.binary(max_size=3)), max_size=30))
def test_any_order_of_fragments_holds_no_more_than_one_message(parts: list[tuple[int, bool, bytes]]) -> None:
    joiner = FragmentJoiner()
    for number, more, piece in parts:
        try:
            joined = joiner.take(SENDER, AuthenticationLayer(number, more), piece, 0)
        except DecodeError:
            continue
        assert joiner.waiting <= 1
        assert joined is None or joined.layer.fragment == 0


def test_a_message_is_fragmented_into_no_less_than_two_and_no_more_than_255() -> None:
    for size in (50, 1):
        with pytest.raises(EncodeError, match="2 to 255 fragments"):
            fragment(WHOLE, MESSAGE * (1 if size == 50 else 6), size)
