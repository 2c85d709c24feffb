"""Conversations of the client against answers no simulated meter gives."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from cosem.apdu.action import ActionResponseNormal
from cosem.apdu.get import GetRequestNormal, GetRequestWithList, GetResponseNormal, GetResponseWithList
from cosem.apdu.set import SetRequestNormal, SetResponseNormal
from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.state import Client
from cosem.association.steps import Call, Calls
from cosem.classes import Data as DataObject
from cosem.classes import ProfileGeneric, Register, lookup
from cosem.client.core import Core
from cosem.client.verbs import RemoteStore, quantity
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.errors import AccessError, ConfigError, DecodeError, RemoteProtocolError, TagMismatch
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult

ENERGY = Obis.parse("1-0:1.8.0")
DENIED = GetResponseNormal(None, DataAccessResult.READ_WRITE_DENIED)


@pytest.fixture
def core() -> Core:
    machine = Initiator(WrapperLink(), AssociationSettings())
    machine.state = Client.ASSOCIATED
    return Core(machine, bytes)


def _value(data: Data) -> GetResponseNormal:
    return GetResponseNormal(axdr.encode(data))


def play(talk: Generator[Any, Any, Any], *answers: Any) -> tuple[Any, list[Any]]:
    """Run a conversation against prepared answers; return its result and the services it asked for."""
    asked: list[Any] = []
    answer: Any = None
    waiting = list(answers)
    try:
        while True:
            step = talk.throw(answer) if isinstance(answer, BaseException) else talk.send(answer)
            assert isinstance(step, (Call, Calls))
            asked.append(step.service if isinstance(step, Call) else list(step.services))
            answer = waiting.pop(0)
    except StopIteration as stop:
        assert not waiting
        return stop.value, asked


def test_a_result_of_a_later_edition_keeps_its_number(core: Core) -> None:
    with pytest.raises(AccessError, match=r"1-0:1.8.0.255:2: unknown \(77\)") as caught:
        play(core.get_data(3, ENERGY, 2), GetResponseNormal(None, 77))
    assert caught.value.result == 77
    with pytest.raises(AccessError, match=r"unknown \(88\)"):
        play(core.set_data(3, ENERGY, 2, axdr.unsigned(1)), SetResponseNormal(88))


def test_octets_that_are_no_value_are_told_with_the_attribute(core: Core) -> None:
    with pytest.raises(DecodeError, match=r"1-0:1.8.0.255:2"):
        play(core.get_data(3, ENERGY, 2), GetResponseNormal(b"\x06\x00"))


def test_lists_that_are_refused_or_miscounted(core: Core) -> None:
    targets = [(3, ENERGY, 2), (3, ENERGY, 3)]
    with pytest.raises(AccessError, match="a list of attributes: read-write-denied"):
        play(core.read_many(targets), DENIED)
    with pytest.raises(RemoteProtocolError, match="1 answers to 2 attributes"):
        play(core.read_many(targets), GetResponseWithList((b"\x11\x05",)))
    result, asked = play(core.read_many(targets), GetResponseWithList((b"\x11\x05", DataAccessResult.OBJECT_UNDEFINED)))
    assert result[0] == axdr.unsigned(5)
    assert isinstance(result[1], AccessError)
    assert isinstance(asked[0], GetRequestWithList)


def test_an_error_of_security_in_a_batch_is_raised(core: Core) -> None:
    core.machine.conformance = type(core.machine.conformance)(0)
    with pytest.raises(TagMismatch):
        play(core.read_many([(3, ENERGY, 2)]), [TagMismatch("wrong")])
    result, _ = play(core.read_many([(3, ENERGY, 2)]), [_value(axdr.unsigned(1))])
    assert result == [axdr.unsigned(1)]


def test_a_write_that_leaves_a_choice_asks_for_the_type_once(core: Core) -> None:
    obj = DataObject(ENERGY)
    result, asked = play(
        core.write(obj, DataObject.value, 5), _value(axdr.long_unsigned(1)), SetResponseNormal(DataAccessResult.SUCCESS)
    )
    assert result is None
    assert [type(item) for item in asked] == [GetRequestNormal, SetRequestNormal]
    assert asked[1].data == axdr.encode(axdr.long_unsigned(5))
    # What was read before tells the type already; what is typed by itself needs none.
    play(core.read(obj, DataObject.value), _value(axdr.unsigned(7)))
    _, asked = play(core.write(obj, DataObject.value, 5), SetResponseNormal(DataAccessResult.SUCCESS))
    assert asked[0].data == axdr.encode(axdr.unsigned(5))
    other = DataObject("0-0:96.1.0")
    _, asked = play(core.write(other, DataObject.value, axdr.long(3)), SetResponseNormal(DataAccessResult.SUCCESS))
    assert asked[0].data == axdr.encode(axdr.long(3))


def test_a_write_of_what_may_not_be_read_goes_by_the_declaration(core: Core) -> None:
    obj = ProfileGeneric("1-0:99.1.0")
    _, asked = play(core.write(obj, ProfileGeneric.capture_period, 900), SetResponseNormal(DataAccessResult.SUCCESS))
    assert asked[0].data == axdr.encode(axdr.double_long_unsigned(900))
    with pytest.raises(Exception, match="type"):
        play(core.write(DataObject(ENERGY), DataObject.value, 5), DENIED)


def test_what_a_method_returns(core: Core) -> None:
    obj = ProfileGeneric("1-0:99.1.0")
    ok = ActionResult.SUCCESS
    result, _ = play(core.invoke(obj, ProfileGeneric.reset, axdr.integer(0)), ActionResponseNormal(ok, None))
    assert result is None
    result, _ = play(core.invoke(obj, ProfileGeneric.reset, 0), ActionResponseNormal(ok, axdr.encode(axdr.null())))
    assert result is None
    first_version: Any = lookup(7, 0)
    selected = first_version.get_buffer_by_index
    parameter = axdr.structure(
        axdr.double_long_unsigned(1), axdr.double_long_unsigned(0), axdr.long_unsigned(1), axdr.long_unsigned(0)
    )
    rows = axdr.array(axdr.structure(axdr.unsigned(1)))
    result, _ = play(core.invoke(obj, selected, parameter), ActionResponseNormal(ok, axdr.encode(rows)))
    assert len(result) == 1
    with pytest.raises(RemoteProtocolError, match="was carried out, but its return value is unusable"):
        play(core.invoke(obj, selected, parameter), ActionResponseNormal(ok, axdr.encode(axdr.unsigned(1))))
    with pytest.raises(AccessError, match=r"2\(\) was carried out, but its return value: type-unmatched"):
        play(
            core.call_data(7, obj.obis, 2, None),
            ActionResponseNormal(ok, None, DataAccessResult.TYPE_UNMATCHED),
        )


def test_a_scaler_that_cannot_be_read_is_none_and_asked_once(core: Core) -> None:
    assert play(core.scaler_unit(3, ENERGY), DENIED)[0] is None
    assert play(core.scaler_unit(3, ENERGY)) == (None, [])
    assert play(core.scaler_unit(1, Obis.parse("0-0:96.1.0"))) == (None, [])
    with pytest.raises(ConfigError, match="is no register with scaler and unit"):
        play(quantity(core, 3, ENERGY), _value(axdr.unsigned(1)))
    other = Obis.parse("1-0:2.8.0")
    bad = _value(axdr.structure(axdr.integer(0)))
    with pytest.raises(ConfigError, match="is no register"):
        play(quantity(core, 3, other), bad, _value(axdr.unsigned(1)))
    good = _value(axdr.structure(axdr.integer(-1), axdr.enum(30)))
    result, _ = play(quantity(core, 3, Obis.parse("1-0:3.8.0")), good, _value(axdr.unsigned(15)))
    assert str(result) == "1.5 Wh"


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_object_lists_of_every_version_are_told_apart(version: int) -> None:
    """The same meter as each version of class 15 lists it; versions 0 to 2 write modes, version 3 bits."""
    core = Core(Initiator(WrapperLink(), AssociationSettings()), bytes)
    core.machine.state = Client.ASSOCIATED
    mode = axdr.enum(3 if version == 3 else 1)

    def element(class_id: int, number: int, name: str) -> Data:
        attribute = axdr.structure(axdr.integer(2), mode, axdr.null())
        method_mode = axdr.boolean(True) if version == 0 else axdr.enum(1)
        rights = axdr.structure(axdr.array(attribute), axdr.array(axdr.structure(axdr.integer(1), method_mode)))
        return axdr.structure(
            axdr.long_unsigned(class_id), axdr.unsigned(number), axdr.octet_string(bytes(Obis.parse(name))), rights
        )

    data = axdr.array(element(15, version, "0-0:40.0.0"), element(3, 0, "1-0:1.8.0"))
    if lookup(15, version) is None:
        pytest.skip("no such version")
    objects, _ = play(core.object_list(), _value(data))
    assert list(objects) == [Obis.parse("0-0:40.0.0"), ENERGY]
    assert objects[ENERGY].access_rights.attribute_access[0].attribute_id == 2
    assert objects[ENERGY].access_rights.attribute_access[0].access & 1


def test_an_object_list_of_no_known_form_is_told(core: Core) -> None:
    with pytest.raises(RemoteProtocolError, match="a form that no version of class 15 knows"):
        play(core.object_list(), _value(axdr.array(axdr.unsigned(1))))


def test_a_remote_object_is_its_store(core: Core) -> None:
    seen: list[Any] = []
    store = RemoteStore(core, seen.append)
    register = Register(ENERGY, store)
    _ = register.value
    register.value = axdr.unsigned(1)
    register.reset()
    assert len(seen) == 3
    for talk in seen:
        talk.close()
