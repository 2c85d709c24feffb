"""An object in memory: values keep their types, methods do what was set, errors change nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cosem.classes import (
    AssociationLN,
    Clock,
    DisconnectControl,
    LocalStore,
    ProfileGeneric,
    Register,
    SecuritySetup,
    TypeMismatch,
)
from cosem.classes import Data as DataClass
from cosem.classes.c007_profile_generic import CLOCK_TIME, SortMethod, by_entry, by_time, range_descriptor
from cosem.classes.c015_association_ln import ApplicationContextName, by_class, without_rights
from cosem.classes.c064_security_setup import KeyAgreement, KeyId
from cosem.classes.c070_disconnect_control import ControlMode, ControlState
from cosem.classes.common import CaptureObject
from cosem.classes.model import Attribute
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import AccessError, ConfigError, EncodeError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import ClockStatus, CosemDateTime
from cosem.units import ScalerUnit, Unit


def register(**values):
    return Register("1-0:1.8.0", **{"value": axdr.double_long_unsigned(1234567), **values})


def test_a_register_reads_as_python_and_holds_data():
    obj = register(scaler_unit=ScalerUnit(-3, Unit.WATT_HOUR))
    assert obj.logical_name == Obis.parse("1.8.0") == obj.obis
    assert obj.value == 1234567
    assert str(obj.scaler_unit.quantity(obj.value)) == "1234.567 Wh"
    assert obj.store.values[2] == Data(Tag.DOUBLE_LONG_UNSIGNED, 1234567)
    assert axdr.encode(obj.store.data(3)) == bytes.fromhex("02020ffd161e")


def test_writing_keeps_the_concrete_type():
    obj = register()
    obj.value = 8
    assert obj.store.values[2] == Data(Tag.DOUBLE_LONG_UNSIGNED, 8)
    obj.value = axdr.long64(-8)
    obj.value = 9
    assert obj.store.values[2] == Data(Tag.LONG64, 9)


def test_a_wrong_type_is_refused_and_the_value_kept():
    obj = register()
    with pytest.raises(TypeMismatch) as caught:
        obj.value = axdr.structure(axdr.null())
    assert caught.value.given == "structure"
    with pytest.raises(TypeMismatch):
        obj.scaler_unit = axdr.enum(3)
    with pytest.raises(EncodeError):
        obj.value = "several string types could hold this"
    assert obj.value == 1234567
    assert obj.scaler_unit == ScalerUnit()


def test_an_attribute_without_value_and_a_method_without_handler_are_access_errors():
    obj = Register("1.8.0")
    with pytest.raises(AccessError) as caught:
        _ = obj.value
    assert caught.value.result is DataAccessResult.OBJECT_UNDEFINED
    with pytest.raises(AccessError) as caught:
        obj.reset()
    assert caught.value.result is ActionResult.OBJECT_UNDEFINED


def test_an_unknown_attribute_name_is_named():
    with pytest.raises(ConfigError, match="Register has no attribute valu"):
        Register("1.8.0", valu=1)


def test_objects_of_one_class_share_nothing():
    first, second = register(), register()
    first.value = 1
    assert second.value == 1234567
    assert Register.attributes[2].default is None


def test_methods_call_their_handlers():
    obj = DisconnectControl(
        "0-0:96.3.10",
        output_state=True,
        control_state=ControlState.CONNECTED,
        control_mode=ControlMode.MODE_1,
    )
    calls = []
    obj.store.handlers[1] = calls.append
    obj.remote_disconnect()
    obj.remote_disconnect(axdr.integer(5))
    obj.store.invoke_data(obj, DisconnectControl.remote_disconnect, None)
    obj.store.invoke_data(obj, DisconnectControl.remote_disconnect, axdr.null())
    obj.store.invoke_data(obj, DisconnectControl.remote_disconnect, axdr.integer(0))
    assert calls == [0, 5, 0, 0, 0]
    with pytest.raises(TypeMismatch):
        obj.store.invoke_data(obj, DisconnectControl.remote_disconnect, axdr.unsigned(0))
    assert len(calls) == 5


def test_methods_return_data():
    obj = SecuritySetup("0-0:43.0.0")
    obj.store.handlers[3] = lambda keys: tuple(KeyAgreement(key.key_id, key.key_data[::-1]) for key in keys)
    asked = (KeyAgreement(KeyId.AUTHENTICATION_KEY, b"ab"),)
    assert obj.key_agreement(asked) == (KeyAgreement(KeyId.AUTHENTICATION_KEY, b"ba"),)
    data = SecuritySetup.key_agreement.parameter.to_data(asked)
    answer = obj.store.invoke_data(obj, SecuritySetup.key_agreement, data)
    assert answer == axdr.array(axdr.structure(axdr.enum(2), axdr.octet_string(b"ba")))
    obj.store.handlers[4] = lambda use: None
    with pytest.raises(EncodeError, match="generate_key_pair needs a parameter"):
        obj.generate_key_pair()


def test_attributes_can_be_computed_when_read():
    clock = Clock("0-0:1.0.0", time_zone=-60, status=ClockStatus.DAYLIGHT_SAVING)
    now = CosemDateTime.from_datetime(datetime(2024, 3, 31, 1, 15, tzinfo=UTC))
    asked = []

    def time(selection):
        asked.append(selection)
        return Clock.time.type.to_data(now)

    clock.store.computed[2] = time
    assert clock.time == now
    assert clock.status is ClockStatus.DAYLIGHT_SAVING
    assert axdr.encode(clock.store.data(2))[:2] == b"\x09\x0c"
    assert asked == [None, None]


def test_profile_rows_read_as_tuples_and_keep_their_columns_types():
    when = bytes.fromhex("07e8031f07020f00ff8000ff")
    row = axdr.structure(axdr.octet_string(when), axdr.unsigned(8), axdr.double_long_unsigned(5))
    profile = ProfileGeneric("1-0:99.1.0", buffer=axdr.array(row), capture_objects=(CLOCK_TIME,), capture_period=900)
    assert profile.buffer == ((when, 8, 5),)
    assert profile.sort_method is SortMethod.FIFO
    profile.buffer = (*profile.buffer, (None, 0, 6))
    assert profile.store.values[2].value[1] == axdr.structure(
        axdr.null(), axdr.unsigned(0), axdr.double_long_unsigned(6)
    )
    assert profile.capture_objects == (CaptureObject(8, Obis.parse("0-0:1.0.0"), 2, 0),)


def test_selections_carry_their_parameters_as_data():
    start = CosemDateTime.from_octets(bytes.fromhex("07e8030105000000ff8000ff"))
    end = CosemDateTime.from_octets(bytes.fromhex("07e8030206000000ff8000ff"))
    selector, parameters = by_time(start, end)
    assert selector == 1
    assert axdr.encode(parameters).hex() == (
        "0204020412000809060000010000ff0f02120000090c07e8030105000000ff8000ff090c07e8030206000000ff8000ff0100"
    )
    back = range_descriptor.type.from_data(parameters)
    assert back.restricting_object == CLOCK_TIME
    assert back.from_value == start.to_octets()
    assert axdr.encode(by_entry(1, 10).parameters).hex() == "02040600000001060000000a120001120000"
    assert by_class((3, 4)).parameters == axdr.array(axdr.long_unsigned(3), axdr.long_unsigned(4))
    assert without_rights(None) == (1, axdr.null())


def test_object_identifiers_are_read_in_both_forms():
    association = AssociationLN("0-0:40.0.0", application_context_name=ApplicationContextName(context_id_element=3))
    structure = association.store.values[4]
    assert axdr.encode(structure).hex() == "0207110211101202f41105110811011103"
    association.application_context_name = axdr.octet_string(bytes.fromhex("60857405080101"))
    assert association.application_context_name == ApplicationContextName(context_id_element=1)
    association.application_context_name = ApplicationContextName(context_id_element=3)
    assert association.store.values[4] == axdr.octet_string(bytes.fromhex("60857405080103"))
    with pytest.raises(TypeMismatch):
        association.application_context_name = axdr.octet_string(bytes.fromhex("608574050801"))


def test_any_value_of_class_1_is_plain_python():
    obj = DataClass("0-0:42.0.0", value=b"ABC1234567890123")
    assert obj.value == b"ABC1234567890123"
    obj.value = axdr.structure(axdr.unsigned(1), axdr.array(axdr.long(2), axdr.long(3)))
    assert obj.value == (1, (2, 3))
    obj.value = (4, (5, 6, 7))
    assert obj.store.values[2] == axdr.structure(axdr.unsigned(4), axdr.array(axdr.long(5), axdr.long(6), axdr.long(7)))


def test_an_undeclared_attribute_is_kept_as_data():
    obj = register()
    own = Attribute.undeclared(3, 200)
    obj.store.write(obj, own, axdr.enum(7))
    assert obj.store.read(obj, own) == axdr.enum(7)
    with pytest.raises(EncodeError, match="give the value as Data"):
        obj.store.write(obj, own, 7)


def test_a_store_may_be_anything_that_reads_and_writes():
    class Remote:
        def read(self, obj, attribute, selection=None):
            return attribute.type.from_data(axdr.decode(bytes.fromhex("0600000005")))

        def write(self, obj, attribute, value):
            self.written = (attribute.class_id, obj.obis, attribute.id, attribute.type.to_data(value))

        def invoke(self, obj, method, parameter):
            self.invoked = (method.id, parameter)

    store = Remote()
    proxy = Register("1-0:1.8.0", store)
    assert proxy.value == 5
    proxy.scaler_unit = ScalerUnit(0, Unit.WATT)
    assert store.written == (3, proxy.obis, 3, axdr.structure(axdr.integer(0), axdr.enum(27)))
    proxy.reset()
    assert store.invoked == (1, 0)


def test_a_store_can_be_made_from_data_alone():
    obj = Register("1.8.0", LocalStore({2: axdr.unsigned(3)}))
    assert obj.value == 3
