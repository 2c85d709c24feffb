"""Services as objects: what they refuse to encode, how they compare, what they show, where they are legal."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from cosem import apdu
from cosem.apdu import table
from cosem.apdu.ciphered import CIPHERED_NAMES, PLAIN_NAMES
from cosem.errors import DecodeError, EncodeError
from cosem.obis import Obis

TARGET = apdu.AttributeDescriptor(3, Obis.parse("1.8.0"), 2)
METHOD = apdu.MethodDescriptor(70, Obis.parse("0-0:96.3.10"), 1)


@pytest.mark.parametrize(
    ("service", "invoke"),
    [
        (apdu.GetRequestNormal(TARGET), None),
        (apdu.GetRequestNormal(TARGET), 256),
        (apdu.GetRequestNormal(TARGET._replace(class_id=65536)), 1),
        (apdu.GetRequestNormal(TARGET._replace(attribute=200)), 1),
        (apdu.GetRequestNormal(TARGET._replace(instance=b"\x01\x00")), 1),
        (apdu.GetRequestNormal(TARGET, apdu.SelectiveAccess(256, b"\x00")), 1),
        (apdu.GetRequestNormal(TARGET, apdu.SelectiveAccess(1, b"")), 1),
        (apdu.GetRequestNext(-1), 1),
        (apdu.GetResponseNormal(b""), 1),
        (apdu.GetResponseNormal(None, 256), 1),
        (apdu.GetResponseWithList((b"",)), 1),
        (apdu.GetResponseWithList((-1,)), 1),
        (apdu.SetRequestNormal(TARGET, None, b""), 1),
        (apdu.SetResponseWithList((256,)), 1),
        (apdu.SetResponseLastDatablockWithList((0,), 1 << 32), 1),
        (apdu.ActionRequestNormal(METHOD, b""), 1),
        (apdu.ActionResponseNormal(256), 1),
        (apdu.DataNotification(b"", b"\x00"), None),
        (apdu.DataNotification(b"\x00" * 5, b"\x00"), 1),
        (apdu.EventNotification(b"", TARGET, b"\x00"), None),
        (apdu.ExceptionResponse(1, 5, 7), None),
        (apdu.InitiateRequest(1 << 24, 0), None),
        (apdu.InitiateRequest(0, 65536), None),
        (apdu.InitiateRequest(0, 0, proposed_qos=128), None),
        (apdu.Aarq(128), None),
        (apdu.Aarq(1, mechanism=128), None),
        (apdu.Aarq(1, auth_value=b"1", auth_choice=0x82), None),
        (apdu.Aarq(1, calling_ae_invocation_id=-1), None),
        (apdu.Aare(1, diagnostic_source="nobody"), None),
    ],
)
def test_what_has_no_encoding_is_an_encode_error_that_names_the_service(service: Any, invoke: int | None) -> None:
    with pytest.raises(EncodeError) as refused:
        service.encode(invoke)
    assert refused.value.path[0] == service.service


def test_services_equal_only_their_own_kind() -> None:
    assert apdu.GetRequestNext(1) == apdu.GetRequestNext(1)
    assert apdu.GetRequestNext(1) != apdu.GetRequestNext(2)
    assert apdu.GetRequestNext(1) != apdu.SetResponseDatablock(1)
    assert apdu.GeneralGlo(b"", b"") != apdu.GeneralDed(b"", b"")
    assert len({apdu.GetRequestNext(1), apdu.GetRequestNext(1), apdu.GetRequestNext(2)}) == 2


def test_services_are_frozen_and_have_no_dictionary() -> None:
    service: Any = apdu.GetRequestNext(1)
    with pytest.raises(AttributeError):
        service.block_number = 2
    with pytest.raises(AttributeError):
        service.other = 2


def test_secrets_are_not_shown() -> None:
    secret = b"hidden-word-0123"
    for service in (
        apdu.Aarq(1, auth_value=secret, mechanism=1),
        apdu.Aare(1, auth_value=secret),
        apdu.InitiateRequest(0, 0, dedicated_key=secret),
    ):
        assert "hidden" not in repr(service)
        assert "hidden" not in str(service)


def test_a_dedicated_key_inside_an_aarq_is_not_shown_either() -> None:
    initiate = apdu.InitiateRequest(0, 0, dedicated_key=b"hidden-word-0123").encode()
    assert "hidden" not in repr(apdu.Aarq(1, initiate))
    assert "hidden" not in repr(apdu.Rlrq(0, initiate))


def test_ciphered_tags_go_both_ways() -> None:
    for plain in PLAIN_NAMES:
        for dedicated in (False, True):
            tag = apdu.ciphered_tag(plain, dedicated)
            assert apdu.plain_tag(tag) == plain
            assert apdu.is_dedicated(tag) is dedicated
            assert CIPHERED_NAMES[tag] == ("ded-" if dedicated else "glo-") + PLAIN_NAMES[plain]
    assert apdu.ciphered_tag(0xC0) == 0xC8
    assert apdu.ciphered_tag(0x08, True) == 0x48
    with pytest.raises(EncodeError, match="no ciphered form"):
        apdu.ciphered_tag(0x0F)
    with pytest.raises(DecodeError):
        apdu.plain_tag(0xC0)


def test_the_table_names_each_service_once_and_its_classes_agree() -> None:
    assert len({(row.tag, row.choice) for row in table.ROWS}) == len(table.ROWS)
    assert len({row.service for row in table.ROWS}) == len(table.ROWS)
    for row in table.ROWS:
        if row.name != "Ciphered":
            cls = getattr(apdu, row.name)
            assert (cls.service, cls.tag) == (row.service, row.tag)
            assert cls.__module__ == f"cosem.apdu.{row.module}"
            assert apdu.row_of(cls.service) is row


def test_a_ciphered_form_is_legal_where_its_plain_form_is() -> None:
    rows = {row.tag: row for row in table.ROWS}
    for tag in CIPHERED_NAMES:
        plain = rows[apdu.plain_tag(tag)]
        assert (rows[tag].states, rows[tag].sender) == (plain.states, plain.sender)
        assert rows[tag].protection == table.Protection.CARRIER
        assert table.Protection.SERVICE in plain.protection


def test_reading_and_writing_need_an_association_and_releasing_one_does() -> None:
    none = table.State.NON_ASSOCIATED
    for name in ("get-request-normal", "set-request-normal", "action-request-normal", "rlrq"):
        assert none not in apdu.row_of(name).states
    assert table.State.PENDING not in apdu.row_of("get-request-normal").states
    assert table.State.PENDING in apdu.row_of("action-request-normal").states
    assert not apdu.row_of("initiate-request").states
    for name in ("aarq", "aare", "rlrq", "rlre"):
        assert apdu.row_of(name).protection == table.Protection.PLAIN


def test_every_exported_name_is_there() -> None:
    assert sorted(apdu.__all__) == list(apdu.__all__)
    for name in apdu.__all__:
        assert getattr(apdu, name).__name__ == name
    assert set(apdu.__all__) <= set(dir(apdu))


def test_a_family_is_imported_when_its_first_apdu_comes() -> None:
    program = (
        "import sys; from cosem.apdu import parse; "
        "assert 'cosem.apdu.get' not in sys.modules; parse(bytes.fromhex('c002c100000003')); "
        "assert 'cosem.apdu.get' in sys.modules; assert 'cosem.apdu.set' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
