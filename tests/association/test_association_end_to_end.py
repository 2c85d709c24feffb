"""Whole sessions of both ends in memory: every mechanism, protection, form of ciphering and link."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from association.association_world import ENERGY, METHOD, POWER, UNKNOWN, World, world
from cosem.apdu import (
    ActionRequestNormal,
    ActionRequestWithList,
    GetRequestNormal,
    GetRequestWithList,
    SetRequestNormal,
    SetRequestWithList,
)
from cosem.apdu.base import SelectiveAccess
from cosem.association.conversations import open_association, release
from cosem.association.state import Client
from cosem.association.steps import Call, Calls
from cosem.codec import axdr
from cosem.results import DataAccessResult

CIPHERINGS = [
    (0, "glo"),
    *((protection, form) for protection in (0x10, 0x20, 0x30) for form in ("glo", "ded", "general")),
]


def session(both: World, size: int) -> Generator[Any, Any, str]:
    """Do one of everything, in blocks where the PDU size asks for it."""
    yield from open_association(both.initiator, both.random.randbytes)
    assert both.initiator.state is Client.ASSOCIATED
    big = axdr.encode(axdr.octet_string(both.random.randbytes(size)))
    small = axdr.encode(axdr.unsigned(3))
    answer = yield Call(SetRequestNormal(ENERGY, None, big))
    assert answer.result == 0
    answer = yield Call(GetRequestNormal(ENERGY, None))
    assert answer.data == big
    answer = yield Call(ActionRequestNormal(METHOD, big))
    assert (answer.result, answer.data) == (0, big)
    answer = yield Call(SetRequestWithList(((ENERGY, None), (POWER, None)), (big, small)))
    assert answer.results == (0, 0)
    answer = yield Call(GetRequestWithList(((ENERGY, None), (UNKNOWN, None), (POWER, None))))
    assert answer.results == (big, DataAccessResult.OBJECT_UNDEFINED, small)
    answer = yield Call(ActionRequestWithList((METHOD, METHOD), (big, small)))
    assert [(item.result, item.data) for item in answer.results] == [(0, big), (0, small)]
    answers = yield Calls([GetRequestNormal(ENERGY, None), GetRequestNormal(POWER, None)] * 3, window=3)
    assert [item.data for item in answers] == [big, small] * 3
    yield from release(both.initiator)
    return "finished"


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
@pytest.mark.parametrize(("protection", "form"), CIPHERINGS)
@pytest.mark.parametrize("mechanism", range(7))
def test_session(mechanism: int, protection: int, form: str, hdlc: bool) -> None:
    both = world(mechanism, protection, form, hdlc=hdlc, server_pdu=300, max_pdu_size=200)
    assert both.run(session(both, 700)) == "finished"
    assert both.initiator.state is Client.DISCONNECTED
    assert both.objects.log == ["opened", "closed"]
    assert not both.objects.errors
    assert not both.initiator.problems
    assert set(both.objects.protections) == {protection}


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
def test_a_second_association_follows_on_the_same_machines(hdlc: bool) -> None:
    both = world(5, 0x30, "ded", hdlc=hdlc)
    for _ in range(3):
        assert both.run(session(both, 100)) == "finished"
    assert both.objects.log == ["opened", "closed"] * 3


def test_association_without_release_is_replaced_by_the_next() -> None:
    both = world(1)
    both.associate()
    both.driver.cut()
    both.driver.connected = True
    both.associate()
    assert both.objects.log == ["opened", "closed", "opened"]


def test_ciphered_context_with_plain_requests_is_possible_where_the_policy_allows() -> None:
    both = world(0, 0, ciphered=True)
    assert both.run(session(both, 50)) == "finished"
    assert both.objects.log == ["opened", "closed"]


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    client_pdu=st.one_of(st.just(0), st.integers(12, 400), st.just(65535)),
    server_pdu=st.one_of(st.just(0), st.integers(96, 400), st.just(65535)),
    form=st.sampled_from(CIPHERINGS),
    hdlc=st.booleans(),
)
def test_block_transfer_of_any_size_both_ways(
    data: st.DataObject, client_pdu: int, server_pdu: int, form: tuple[int, str], hdlc: bool
) -> None:
    both = world(0, *form, hdlc=hdlc, max_pdu_size=client_pdu, server_pdu=server_pdu)
    both.associate()
    seen: list[bytes] = []
    for _ in range(3):
        values = data.draw(st.lists(st.integers(0, 1500), min_size=1, max_size=3))
        octets = [axdr.encode(axdr.octet_string(both.random.randbytes(size))) for size in values]
        target = data.draw(st.sampled_from(["get", "set", "action"]))
        selection = data.draw(st.sampled_from([None, SelectiveAccess(2, axdr.encode(axdr.unsigned(1)))]))
        attributes = [ENERGY, POWER, ENERGY._replace(attribute=3)][: len(octets)]
        if len(octets) == 1:
            both.objects.values[ENERGY] = octets[0]
            if target == "get":
                assert both.call(Call(GetRequestNormal(ENERGY, selection), sink=seen.append)).data == octets[0]
            elif target == "set":
                both.objects.values.clear()
                assert both.call(Call(SetRequestNormal(ENERGY, selection, octets[0]))).result == 0
                assert both.objects.values[ENERGY] == octets[0]
            else:
                assert both.call(Call(ActionRequestNormal(METHOD, octets[0]))).data == octets[0]
            continue
        pairs = tuple((attribute, selection) for attribute in attributes)
        both.objects.values.update(zip(attributes, octets, strict=True))
        if target == "get":
            assert both.call(Call(GetRequestWithList(pairs))).results == tuple(octets)
        elif len(pairs) * 14 + 70 > (server_pdu or 65535):
            continue  # the list of attributes alone must fit one PDU
        elif target == "set":
            both.objects.values.clear()
            assert both.call(Call(SetRequestWithList(pairs, tuple(octets)))).results == (0,) * len(octets)
            assert both.objects.values == dict(zip(attributes, octets, strict=True))
        else:
            answer = both.call(Call(ActionRequestWithList((METHOD,) * len(octets), tuple(octets))))
            assert [item.data for item in answer.results] == octets


def test_a_profile_longer_than_any_pdu_is_read_in_blocks_where_the_client_sets_no_limit() -> None:
    both = world(max_pdu_size=0)
    both.associate()
    long = axdr.encode(axdr.octet_string(bytes(200_000)))
    both.objects.values[ENERGY] = long
    blocks: list[bytes] = []
    assert both.call(Call(GetRequestNormal(ENERGY, None), sink=blocks.append)).data == long
    assert len(blocks) == 4
    assert b"".join(blocks) == long


@pytest.mark.parametrize("protection", [0, 0x30])
def test_a_value_longer_than_any_pdu_is_written_in_blocks_where_the_meter_sets_no_limit(protection: int) -> None:
    both = world(0, protection, server_pdu=0)
    both.associate()
    long = axdr.encode(axdr.octet_string(bytes(200_000)))
    assert both.call(Call(SetRequestNormal(ENERGY, None, long))).result == 0
    assert both.objects.values[ENERGY] == long
    assert both.call(Call(ActionRequestNormal(METHOD, long))).data == long
