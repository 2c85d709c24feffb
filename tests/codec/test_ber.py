"""BER: elements inside elements, the few types ACSE has, and any octets at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import ber
from cosem.errors import DecodeError, EncodeError

APPLICATION_CONTEXT = (2, 16, 756, 5, 8, 1, 1)


def test_an_explicit_object_identifier() -> None:
    octets = bytes.fromhex("a109060760857405080101")
    element = ber.element_at(octets)
    assert (element.tag, element.end) == (0xA1, len(octets))
    assert element.only(ber.OBJECT_IDENTIFIER).oid() == APPLICATION_CONTEXT
    assert ber.tlv(0xA1, ber.tlv(ber.OBJECT_IDENTIFIER, ber.oid_content(APPLICATION_CONTEXT))) == octets


def test_elements_fill_what_is_around_them() -> None:
    octets = bytes.fromhex("8a0207808b0107")
    first, second = ber.elements(octets)
    assert (first.tag, first.bits(), second.tag, second.integer()) == (0x8A, "1", 0x8B, 7)
    assert second.content == b"\x07"
    assert ber.elements(octets, 4) == [second]
    assert ber.element_at(bytes.fromhex("30") + b"\x07" + octets).elements()[1].content == b"\x07"


@pytest.mark.parametrize("length", ["02", "8102", "820002", "83000002", "8400000002"])
def test_lengths_longer_than_needed_are_read(length: str) -> None:
    assert ber.element_at(bytes.fromhex(f"04{length}abcd")).content == b"\xab\xcd"


@pytest.mark.parametrize(
    ("octets", "what", "offset"),
    [
        ("", "an element is missing", 0),
        ("60", "a length is missing", 1),
        ("6080", "an indefinite length", 1),
        ("6085000000000100", "a length of 5 octets", 1),
        ("60820100", "element 60 of 256 octets, but only 0 left", 0),
        ("608201", "a length is cut short", 1),
        ("6002ab", "element 60 of 2 octets, but only 1 left", 0),
        ("1f8101", "an identifier of several octets", 0),
        ("3f0100", "an identifier of several octets", 0),
    ],
)
def test_what_is_no_element(octets: str, what: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        ber.element_at(bytes.fromhex(octets))
    assert (caught.value.what, caught.value.offset) == (what, offset)


def test_an_element_inside_may_not_reach_out() -> None:
    octets = bytes.fromhex("a103" + "0403aabbcc")
    with pytest.raises(DecodeError) as caught:
        ber.element_at(octets).elements()
    assert caught.value.offset == 2
    with pytest.raises(DecodeError):
        ber.element_at(octets).only(4)


def test_only_wants_one_element_of_that_tag() -> None:
    for octets in ("a100", "a104020105ff", "a106020105020106", "a103040105"):
        with pytest.raises(DecodeError):
            ber.element_at(bytes.fromhex(octets)).only(ber.INTEGER)


@pytest.mark.parametrize("content", ["", "80", "8001", "85", "858580", "0180", "ff" * 12 + "7f"])
def test_what_is_no_object_identifier(content: str) -> None:
    octets = bytes((6, len(content) // 2)) + bytes.fromhex(content)
    with pytest.raises(DecodeError):
        ber.element_at(octets).oid()


@pytest.mark.parametrize("content", ["", "01", "0800", "ff00"])
def test_what_is_no_bit_string(content: str) -> None:
    octets = bytes((3, len(content) // 2)) + bytes.fromhex(content)
    with pytest.raises(DecodeError):
        ber.element_at(octets).bits()


@pytest.mark.parametrize("size", [0, 9])
def test_integers_of_no_or_too_many_octets(size: int) -> None:
    with pytest.raises(DecodeError):
        ber.element_at(bytes((2, size)) + bytes(size)).integer()


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_both_ways(value: int) -> None:
    octets = ber.tlv(ber.INTEGER, ber.integer_content(value))
    assert ber.element_at(octets).integer() == value
    assert len(octets) == 2 + len(ber.integer_content(value)) <= 10
    shorter = ber.integer_content(value)[1:]
    assert not shorter or int.from_bytes(shorter, "big", signed=True) != value


@given(st.text("01", max_size=40))
def test_bits_both_ways(bits: str) -> None:
    assert ber.element_at(ber.tlv(ber.BIT_STRING, ber.bits_content(bits))).bits() == bits


OIDS = st.tuples(st.integers(0, 1), st.integers(0, 39)) | st.tuples(st.just(2), st.integers(0, 2**63))


@given(OIDS, st.lists(st.integers(0, 2**63), max_size=8))
def test_object_identifiers_both_ways(head: tuple[int, int], tail: list[int]) -> None:
    arcs = (*head, *tail)
    assert ber.element_at(ber.tlv(ber.OBJECT_IDENTIFIER, ber.oid_content(arcs))).oid() == arcs


@pytest.mark.parametrize("arcs", [(), (1,), (3, 1), (0, 40), (1, -1), (2, 1 << 64)])
def test_arcs_that_name_nothing(arcs: tuple[int, ...]) -> None:
    with pytest.raises(EncodeError):
        ber.oid_content(arcs)


def test_bits_are_0_and_1() -> None:
    with pytest.raises(EncodeError):
        ber.bits_content("012")


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFE).filter(lambda tag: tag & 0x1F != 0x1F), st.binary(max_size=300)), max_size=5
    )
)
def test_elements_both_ways(parts: list[tuple[int, bytes]]) -> None:
    octets = b"".join(ber.tlv(tag, content) for tag, content in parts)
    assert [(element.tag, element.content) for element in ber.elements(octets)] == parts


def within(error: DecodeError, start: int, end: int) -> None:
    assert start <= error.offset <= end


@given(st.binary(max_size=60) | st.lists(st.sampled_from([0, 1, 2, 3, 6, 0x30, 0x60, 0x80, 0x81, 0xA1])).map(bytes))
def test_any_octets_give_elements_or_decode_error(octets: bytes) -> None:
    def walk(element: ber.Element, depth: int) -> None:
        for read in (element.integer, element.bits, element.oid):
            try:
                read()
            except DecodeError as error:
                within(error, element.start, element.end)
        try:
            inside = element.elements()
        except DecodeError as error:
            within(error, element.start, element.end)
            return
        for item in inside:
            if depth < 5:
                walk(item, depth + 1)

    try:
        found = ber.elements(octets)
    except DecodeError as error:
        within(error, 0, len(octets))
        return
    for element in found:
        walk(element, 0)
