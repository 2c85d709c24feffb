"""Power line, radio and internet classes: renamed attributes, shifted short names, secrets, unverified parts."""

from __future__ import annotations

import pytest

from cosem.classes import LocalStore, describe, lookup
from cosem.classes.c050_sfsk_phy_mac_setup import DeltaElectricalPhase
from cosem.classes.c083_prime_nb_ofdm_plc_mac_functional_parameters import MACCapabilities
from cosem.classes.c091_g3_plc_mac_setup import GroupMasterKey, Neighbour
from cosem.classes.c100_ntp_setup import AuthenticationKey
from cosem.classes.c104_zigbee_network_control import DeviceRegistration, DeviceStatus
from cosem.classes.c123_array_manager import ArrayRange, EntryRange
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import EncodeError


def test_phases_and_frequencies_of_sfsk():
    cls = lookup(50, 0)
    station = cls(
        "0-0:26.0.0",
        LocalStore(
            {3: axdr.enum(6), 7: axdr.decode(bytes.fromhex("0202 0600012110 0600013880")), 8: axdr.long_unsigned(0xFFE)}
        ),
    )
    assert station.delta_electrical_phase is DeltaElectricalPhase.MINUS_60_DEGREES
    assert station.frequencies == (74000, 80000)


@pytest.mark.parametrize(
    ("class_id", "version", "number", "before", "now"),
    [
        (50, 1, 6, "search_initiator_gain", "search_initiator_threshold"),
        (91, 4, 10, "mac_neighbour_table_entry_TTL", "mac_POS_table_entry_TTL"),
    ],
)
def test_a_renamed_attribute_is_gone_in_the_later_version(class_id, version, number, before, now):
    cls = lookup(class_id, version)
    assert lookup(class_id, version - 1).attributes[number].name == before
    assert cls.attributes[number].name == now
    assert not hasattr(cls, before)


def test_an_lte_modem_has_its_quality_of_service_where_its_version_puts_it():
    assert lookup(151, 0).LTE_quality_of_service.id == 2
    assert lookup(151, 1).LTE_quality_of_service.id == 3
    assert lookup(151, 1).LTE_network_parameters.sn_offset == 8


@pytest.mark.parametrize(("class_id", "number", "offset"), [(98, 2, 8), (98, 3, 0x18), (128, 7, 0x38), (153, 2, 0x10)])
def test_places_left_free_shift_the_short_names_after_them(class_id, number, offset):
    assert lookup(class_id).attributes[number].sn_offset == offset


def test_capabilities_are_bits_of_a_number():
    kind = lookup(83).attributes[14].type
    assert kind.from_data(axdr.long_unsigned(0x0043)) == (
        MACCapabilities.SWITCH_CAPABLE | MACCapabilities.PACKET_AGGREGATION | MACCapabilities.ARQ
    )
    assert kind.from_data(axdr.long_unsigned(0x8080)) == 0x8080
    assert describe(lookup(83))["attributes"][13]["bits"][""]["11"] == "ARQ buffering switching"


def test_status_bits_of_a_zigbee_device_keep_their_number():
    status = lookup(104).attributes[4].type.item.fields["status"]
    data = Data(Tag.BIT_STRING, "11000")
    assert status.from_data(data) == DeviceStatus.AUTHORISED_ON_PAN | DeviceStatus.ACTIVELY_REPORTING
    assert status.to_data(DeviceStatus.SEP_TRANSMITTING, data) == Data(Tag.BIT_STRING, "00001")


def test_a_neighbour_of_a_g3_node():
    neighbours = lookup(91, 1).attributes[11].type
    data = axdr.decode(bytes.fromhex("0101 020b 120001 0301 04063c 1602 0f00 1601 0406fc 1140 0f02 1105 110a"))
    (neighbour,) = neighbours.from_data(data)
    assert isinstance(neighbour, Neighbour)
    assert (neighbour.tone_map, neighbour.modulation.label, neighbour.lqi) == ("001111", "QPSK or DQPSK", 64)
    assert neighbours.to_data((neighbour,), data) == data


@pytest.mark.parametrize(
    "value",
    [
        GroupMasterKey(0, b"opensesame"),
        AuthenticationKey(1, b"opensesame"),
        DeviceRegistration(bytes(8), 1, b"opensesame"),
    ],
)
def test_keys_are_not_shown(value):
    assert "opensesame" not in repr(value)


@pytest.mark.parametrize(("class_id", "number"), [(65, 8), (95, 11), (95, 13), (95, 15), (126, 4), (128, 7), (128, 8)])
def test_parts_that_no_source_verifies_stay_data(class_id, number):
    cls = lookup(class_id)
    attribute = cls.attributes[number]
    data = axdr.structure(axdr.unsigned(1), axdr.array(axdr.octet_string(b"x")))
    obj = cls("0-0:96.0.0", LocalStore({}))
    setattr(obj, attribute.name, data)
    assert getattr(obj, attribute.name) == data
    with pytest.raises(EncodeError, match="give the value as Data"):
        setattr(obj, attribute.name, (1, (b"x",)))


def test_unverified_classes_say_so():
    unverified = {
        (62, 1), (66, 0), (67, 0), (70, 1), (73, 0), (76, 0), (91, 1), (91, 2), (91, 3), (91, 4), (92, 0),
        (95, 0), (96, 0), (97, 0), (98, 0), (126, 0), (128, 0), (161, 1), (162, 1),
    }  # fmt: skip
    for class_id, version in unverified:
        cls = lookup(class_id, version)
        assert not cls.verified
        words = " ".join(cls.__doc__.split())
        assert "not verified" in words.lower() or "one public source" in words, cls
    assert lookup(92).class_version == 4
    assert lookup(91).class_version == 4


def test_the_class_of_a_lorawan_device_goes_by_a_name_that_python_can_spell():
    device = lookup(128)("0-0:96.0.0", LocalStore({2: axdr.enum(0)}))
    assert device.class_ == 0


def test_ranges_of_an_array_manager():
    kind = lookup(123).methods[2].parameter
    assert axdr.encode(kind.to_data(ArrayRange(1, EntryRange(2, 3)))) == bytes.fromhex("0202 1101 0202 120002 120003")
    entry = lookup(123).methods[3].parameter
    data = axdr.structure(axdr.unsigned(1), axdr.long_unsigned(2), axdr.structure(axdr.unsigned(3)))
    assert entry.from_data(data).entry == (3,)
    assert entry.to_data(entry.from_data(data)._replace(entry=data.value[2])) == data
