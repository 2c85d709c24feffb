"""Object lists and access rights of every version, in one model, and of real meters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes import Access, AccessRights, AttributeAccess, MethodAccess, ObjectListElement, lookup
from cosem.classes.access import ObjectListElementType, decode_mode, encode_mode
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import EncodeError
from cosem.obis import Obis

SHARED = Path(__file__).parents[3] / "shared" / "vectors"
R, W, RW = Access.READ, Access.WRITE, Access.READ_AND_WRITE
AUTH = Access.AUTHENTICATED

MODES = [
    # version, mode, of methods, right
    (0, 0, False, Access.NONE),
    (0, 1, False, R),
    (0, 2, False, W),
    (0, 3, False, RW),
    (1, 3, False, RW),
    (1, 4, False, R | AUTH),
    (1, 5, False, W | AUTH),
    (2, 6, False, RW | AUTH),
    (0, 1, True, Access.ACCESS),
    (1, 2, True, Access.ACCESS | AUTH),
    (3, 0x01, False, R),
    (3, 0x27, False, RW | AUTH),
    (3, 0xFF, False, Access(0xFF)),
    (3, 0x6D, True, Access.ACCESS | AUTH | Access.ENCRYPTED_REQUEST | Access.ENCRYPTED_RESPONSE),
]


@pytest.mark.parametrize(("version", "mode", "of_methods", "access"), MODES)
def test_modes_mean_rights_and_rights_modes(version, mode, of_methods, access):
    assert decode_mode(version, mode, of_methods=of_methods) == (access, None)
    assert encode_mode(version, access, of_methods=of_methods) == mode


@given(st.integers(0, 3), st.integers(0, 255), st.booleans())
def test_every_mode_is_kept(version, mode, of_methods):
    access, unknown = decode_mode(version, mode, of_methods=of_methods)
    try:
        assert encode_mode(version, access, unknown, of_methods=of_methods) == mode
    except EncodeError:
        assert version == 0
        assert access.protection


@pytest.mark.parametrize(
    ("version", "access"),
    [(0, R | AUTH), (1, R | Access.ENCRYPTED_REQUEST), (2, R | Access.SIGNED_RESPONSE), (1, AUTH)],
)
def test_what_a_version_cannot_say_is_refused_not_weakened(version, access):
    with pytest.raises(EncodeError, match=f"version {version}"):
        encode_mode(version, access)


def test_one_sided_authentication_is_the_authenticated_mode():
    assert encode_mode(1, R | Access.AUTHENTICATED_REQUEST) == 4


def test_an_element_of_version_3_octet_by_octet():
    octets = bytes.fromhex(
        "0204 120003 1100 0906 0100010800FF"
        "0202 0102 0203 0F01 1601 00 0203 0F02 1625 0102 0F01 0F02"
        "0101 0202 0F01 162D".replace(" ", "")
    )
    element = ObjectListElement(
        3,
        0,
        Obis.parse("1.8.0"),
        AccessRights(
            (AttributeAccess(1, R), AttributeAccess(2, R | AUTH, (1, 2))),
            (MethodAccess(1, Access.ACCESS | AUTH | Access.ENCRYPTED_REQUEST),),
        ),
    )
    kind = ObjectListElementType(3)
    assert kind.from_data(axdr.decode(octets)) == element
    assert axdr.encode(kind.to_data(element)) == octets
    rights = element.access_rights
    assert rights.attribute(2) == R | AUTH
    assert rights.attribute(3) == Access.NONE
    assert rights.method(1).protection == AUTH | Access.ENCRYPTED_REQUEST
    assert rights.method(2) == Access.NONE


def test_a_list_without_rights_keeps_its_three_elements():
    octets = bytes.fromhex("0203120003110009060100010800FF")
    for version in range(4):
        kind = ObjectListElementType(version)
        element = kind.from_data(axdr.decode(octets))
        assert element == ObjectListElement(3, 0, Obis.parse("1.8.0"), None)
        assert axdr.encode(kind.to_data(element)) == octets


def test_methods_of_version_0_are_boolean_but_the_later_form_is_read():
    kind = ObjectListElementType(0)
    element = ObjectListElement(3, 0, Obis.parse("1.8.0"), AccessRights((), (MethodAccess(1, Access.ACCESS),)))
    data = kind.to_data(element)
    assert data.value[3].value[1].value[0].value[1] == Data(Tag.BOOLEAN, True)
    later = ObjectListElementType(1).to_data(element)
    assert kind.from_data(later) == element


def real_lists():
    for name in ("jdlms_kamstrup_object_list.json", "spodes_object_list_1.json"):
        path = SHARED / "meters" / name
        if path.exists():
            case = json.loads(path.read_text(encoding="utf-8"))
            yield name, case["hex"], case["object_count"]
    path = SHARED / "dlms.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"kind": "axdr-data"' in line and "object_list" in line:
                case = json.loads(line)
                yield case["id"], case["hex"], None


REAL = list(real_lists())


@pytest.mark.skipif(not REAL, reason="the published lists are not at hand")
def test_lists_of_real_meters_are_read_and_written_back():
    wrong = []
    for name, octets, count in REAL:
        data = axdr.decode(bytes.fromhex(octets))
        if data.tag is not Tag.ARRAY or not data.value or len(data.value[0].value) not in (3, 4):
            continue
        for version in (1, 2, 3):
            kind = lookup(15, version).object_list.type
            elements = kind.from_data(data)
            if count is not None and len(elements) != count:
                wrong.append((name, len(elements)))
            if kind.to_data(elements, data) != data:
                wrong.append((name, version))
    assert not wrong
