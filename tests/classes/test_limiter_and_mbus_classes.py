"""Limiter, M-Bus classes and data classes: published values, short names of every version, samples."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from cosem.classes import CompactData, LocalStore, MBusClient, RegisterTable, StatusMapping, lookup
from cosem.classes.c071_limiter import EmergencyProfile, Limiter, LimiterActions
from cosem.classes.c072_mbus_client import EncryptionKeyStatus
from cosem.classes.common import ActionItem, BaudRate
from cosem.classes.types import TypeMismatch
from cosem.codec import axdr
from cosem.codec.axdr import CompactArray, Data, Tag, TypeDescription
from cosem.errors import EncodeError
from cosem.obis import Obis
from cosem.times import CosemDateTime

METERS = Path(__file__).parents[3] / "shared" / "vectors" / "meters"
SCRIPTS = Obis(bytes.fromhex("00000a006aff"))


def held(cls, **octets):
    """Return an object whose attributes hold these octets, by name."""
    numbers = {attribute.name: number for number, attribute in cls.attributes.items()}
    values = {numbers[name]: axdr.decode(bytes.fromhex(value)) for name, value in octets.items()}
    return cls("0-0:17.0.0", LocalStore(values))


def test_a_limiter_as_a_meter_sends_it():
    limiter = held(
        Limiter,
        monitored_value="0203 120003 0906 0100010700ff 0f02",
        threshold_active="0600000000",  # the threshold of a published push of an XT211
        emergency_profile="0203 120001 090c 07ea0101ff000000ff8000ff 0600000e10",
        emergency_profile_group_id_list="0102 120001 120002",
        actions="0202 0202 0906 00000a006aff 120001 0202 0906 00000a006aff 120002",
    )
    assert limiter.monitored_value == (3, Obis(bytes.fromhex("0100010700ff")), 2)
    assert limiter.threshold_active == 0
    start = CosemDateTime.from_octets(bytes.fromhex("07ea0101ff000000ff8000ff"))
    assert limiter.emergency_profile == EmergencyProfile(1, start, 3600)
    assert limiter.emergency_profile_group_id_list == (1, 2)
    assert limiter.actions == LimiterActions(ActionItem(SCRIPTS, 1), ActionItem(SCRIPTS, 2))
    limiter.threshold_active = 4000  # in the type that it had
    assert limiter.store.values[3] == Data(Tag.DOUBLE_LONG_UNSIGNED, 4000)


def test_a_threshold_without_a_value_before_it_needs_its_type():
    limiter = Limiter("0-0:17.0.0")
    with pytest.raises(EncodeError, match="give it as Data"):
        limiter.threshold_normal = 4000
    limiter.threshold_normal = axdr.double_long(4000)
    assert limiter.threshold_normal == 4000


@pytest.mark.parametrize(("version", "first", "last"), [(0, 0x60, 0x98), (1, 0x70, 0xA8)])
def test_methods_of_an_mbus_client_lie_after_its_attributes(version, first, last):
    cls = lookup(72, version)
    assert [method.sn_offset for method in cls.methods.values()] == list(range(first, last + 1, 8))
    assert max(attribute.sn_offset for attribute in cls.attributes.values()) == first - 8


def test_an_mbus_client_tells_its_device():
    client = held(
        MBusClient,
        capture_definition="0101 0202 0901 0c 0901 13",
        identification_number="0612345678",
        manufacturer_id="122c2d",
        encryption_key_status="1604",
    )
    assert client.capture_definition[0] == (b"\x0c", b"\x13")
    assert client.manufacturer_id == 0x2C2D
    assert client.encryption_key_status is EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE
    assert lookup(74)("0-0:24.6.0").comm_speed is BaudRate.BAUD_2400


def test_a_status_mapping_names_one_entry_or_many():
    mapping = held(StatusMapping, status_word="0408a5", mapping_table="0202 1101 120005")
    assert (mapping.status_word, mapping.mapping_table) == ("10100101", (1, 5))
    again = held(StatusMapping, mapping_table="0202 1101 0102 120005 120007")
    assert again.mapping_table.ref_table_mapping == (5, 7)


def test_cells_of_a_register_table_may_be_a_compact_array():
    table = held(RegisterTable, table_cell_values="13 12 04 00010002")
    assert table.table_cell_values == (1, 2)


def test_waveforms_are_compact_arrays_and_nothing_else():
    kind = lookup(66).attributes[2].type
    samples = CompactArray(TypeDescription(Tag.LONG), struct.pack(">3h", -1, 0, 1))
    data = Data(Tag.COMPACT_ARRAY, samples)
    assert axdr.decode(axdr.encode(kind.to_data(samples))) == data
    assert [item.value for item in kind.from_data(data).values] == [-1, 0, 1]
    with pytest.raises(TypeMismatch):
        kind.check(axdr.array(axdr.long(1)))


def test_compact_data_restricts_rows_and_columns_from_version_1_on():
    assert "restriction" not in lookup(62, 0).attributes[3].type.notation
    assert CompactData.attributes[3].type.item.fields.keys() > {"restriction", "columns"}
    assert lookup(62).class_version == 0
    assert not CompactData.verified


def listed():
    for path in sorted(METERS.glob("*.json")):
        for item in json.loads(path.read_text(encoding="utf-8")).get("objects", []):
            if (item.get("cls") or 0) >= 50 and "attributes" in item:
                yield item["cls"], item["version"], [attribute["index"] for attribute in item["attributes"]]


def test_real_meters_have_the_declared_attributes():
    found = list(listed())
    if not found:
        pytest.skip("the meters are not at hand")
    for class_id, version, numbers in found:
        assert numbers == list(lookup(class_id, version).attributes), (class_id, version)
    assert {class_id for class_id, _, _ in found} >= {64, 70, 71, 72, 74}
