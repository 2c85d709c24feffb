"""Values with names out of pushes: the layouts met in the field, and what must not be taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.obis import Obis
from cosem.pushes.reading import Reading
from cosem.pushes.readings import readings

IMPORT = axdr.octet_string(bytes.fromhex("0100010800ff"))
POWER = axdr.octet_string(bytes.fromhex("0100010700ff"))
SERIAL = axdr.octet_string(bytes.fromhex("0000600100ff"))
WATT_HOURS = axdr.structure(axdr.integer(-1), axdr.enum(30))


def words(value: Data) -> list[str]:
    return [str(reading) for reading in readings(value)]


def test_a_structure_per_reading() -> None:
    push = axdr.array(
        axdr.structure(IMPORT, axdr.double_long_unsigned(12345), WATT_HOURS),
        axdr.structure(SERIAL, axdr.octet_string(b"84895126")),
    )
    assert words(push) == ["1-0:1.8.0.255 = 1234.5 Wh", "0-0:96.1.0.255 = 84895126"]


def test_a_flat_list_of_names_and_values() -> None:
    push = axdr.structure(
        axdr.visible_string("Kamstrup_V0001"), IMPORT, axdr.double_long_unsigned(7), POWER, axdr.double_long_unsigned(9)
    )
    assert words(push) == ["1-0:1.8.0.255 = 7", "1-0:1.7.0.255 = 9"]


def test_a_flat_list_with_scalers() -> None:
    push = axdr.structure(IMPORT, axdr.double_long_unsigned(7), WATT_HOURS, POWER, axdr.double_long_unsigned(9))
    assert words(push) == ["1-0:1.8.0.255 = 0.7 Wh", "1-0:1.7.0.255 = 9"]


def test_a_push_object_list_in_front_names_the_values_behind() -> None:
    def column(class_id: int, name: Data, attribute: int) -> Data:
        return axdr.structure(axdr.long_unsigned(class_id), name, axdr.integer(attribute), axdr.long_unsigned(0))

    push_setup = axdr.octet_string(bytes.fromhex("0000190900ff"))
    objects = axdr.array(column(40, push_setup, 2), column(3, IMPORT, 2), column(3, IMPORT, 3))
    push = axdr.structure(objects, axdr.double_long_unsigned(50), WATT_HOURS)
    named = readings(push)
    assert [(reading.class_id, reading.attribute) for reading in named] == [(3, 2), (3, 3)]
    assert str(named[0]) == "1-0:1.8.0.255 = 5.0 Wh"


def test_a_value_of_many_parts_is_written_out() -> None:
    event = axdr.structure(SERIAL, axdr.long_unsigned(3), axdr.null(), axdr.array(axdr.octet_string(b"\x00\x01")))
    reading = Reading(Obis.parse("0-0:96.5.135"), event)
    assert str(reading) == "0-0:96.5.135.255 = {0-0:96.1.0.255, 3, null-data, {0001}}"


def test_a_date_time_is_read_out() -> None:
    clock = axdr.octet_string(bytes.fromhex("0000010000ff"))
    moment = axdr.octet_string(bytes.fromhex("07e80b1c040f0f0100ffc400"))
    assert words(axdr.structure(clock, moment)) == ["0-0:1.0.0.255 = 2024-11-28T15:15:01+01:00"]
    assert readings(axdr.structure(clock, moment))[0].to_json()["date_time"] == "2024-11-28T15:15:01+01:00"


def test_six_characters_of_text_are_no_name() -> None:
    assert readings(axdr.structure(axdr.octet_string(b"KFM_01"), axdr.unsigned(1))) == []


def test_a_value_without_names_names_nothing() -> None:
    assert readings(axdr.double_long_unsigned(5)) == []
    assert readings(axdr.structure(axdr.unsigned(1), axdr.unsigned(2))) == []


def test_an_unknown_unit_is_kept() -> None:
    scaler = axdr.structure(axdr.integer(0), axdr.enum(200))
    reading = readings(axdr.structure(IMPORT, axdr.double_long_unsigned(1), scaler))[0]
    assert reading.to_json()["unit"] == 200


_LEAVES = st.one_of(
    st.binary(max_size=13).map(axdr.octet_string),
    st.sampled_from([IMPORT, POWER, SERIAL, WATT_HOURS, axdr.null()]),
    st.integers(0, 255).map(axdr.unsigned),
    st.integers(-128, 127).map(axdr.integer),
    st.integers(0, 65535).map(axdr.long_unsigned),
)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=5).map(lambda items: axdr.structure(*items)), max_leaves=30
)


@given(_TREES)
def test_any_value_gives_readings_that_print(value: Data) -> None:
    for reading in readings(value):
        assert str(reading).startswith(str(reading.obis))
        assert reading.to_json()["obis"] == str(reading.obis)
