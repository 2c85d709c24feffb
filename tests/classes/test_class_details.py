"""What single classes have beyond the facts: short names, days as flags, tolerances, secrets."""

from __future__ import annotations

import pytest

from cosem.classes import Access, AssociationSN, LocalStore, PPPSetup, Schedule, describe, lookup
from cosem.classes.access import AttributeAccess, MethodAccess
from cosem.classes.c010_schedule import Weekdays
from cosem.classes.c012_association_sn import ShortNameObject, ShortNameRights, base_name, by_class
from cosem.classes.c044_ppp_setup import IPCPOptionType, PAPAuthentication
from cosem.classes.types import TypeMismatch, bit_string, flags
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import EncodeError
from cosem.obis import Obis

NAME = Obis(bytes.fromhex("0100010800ff"))


@pytest.mark.parametrize(("name", "signed"), [(0x2EE0, 0x2EE0), (0x7FF8, 0x7FF8), (0x8000, -0x8000), (0xFA00, -0x600)])
def test_a_short_name_is_a_signed_long_on_the_wire(name, signed):
    assert base_name.to_data(name) == Data(Tag.LONG, signed)
    assert base_name.from_data(Data(Tag.LONG, signed)) == name


@pytest.mark.parametrize("name", [-1, 0x10000, "FA00", None])
def test_what_is_no_short_name_is_refused(name):
    with pytest.raises(EncodeError):
        base_name.to_data(name)


def test_the_object_list_of_an_association_sn_names_classes_and_versions():
    kind = AssociationSN.attributes[2].type
    octets = bytes.fromhex("0101 0204 10fa00 12000c 1104 0906 0000280000ff")
    (listed,) = kind.from_data(axdr.decode(octets))
    assert listed == ShortNameObject(0xFA00, 12, 4, Obis(bytes.fromhex("0000280000ff")))
    assert (listed.element.class_id, listed.element.version, listed.element.access_rights) == (12, 4, None)
    assert axdr.encode(kind.to_data((listed,))) == octets


@pytest.mark.parametrize(("version", "mode"), [(2, 6), (3, 6), (4, 0x27)])
def test_access_rights_by_base_name_have_the_modes_of_their_version(version, mode):
    right = Access.READ_AND_WRITE | Access.AUTHENTICATED
    wanted = ShortNameRights(
        0x2EE0, (AttributeAccess(2, right, (1, 2)),), (MethodAccess(3, Access.ACCESS | Access.AUTHENTICATED),)
    )
    kind = lookup(12, version).attributes[3].type
    data = kind.to_data((wanted,))
    assert data.value[0].value[1].value[0].value[1] == Data(Tag.ENUM, mode)
    assert kind.from_data(data) == (wanted,)


def test_lists_by_class_are_had_by_a_selector_from_version_1_on():
    assert lookup(12, 0).attributes[2].selectors == {}
    assert by_class([3, 7]).parameters == axdr.array(axdr.long_unsigned(3), axdr.long_unsigned(7))


def test_methods_given_up_are_reserved_and_their_names_gone():
    assert lookup(12, 0).methods[1].name == "getlist_by_classid"
    for version in (1, 2, 3, 4):
        cls = lookup(12, version)
        assert [number for number, method in cls.methods.items() if method.reserved] == (
            [1, 2, 7] if version == 1 else [1, 2, 4, 6, 7]
        )
        with pytest.raises(AttributeError, match="getlist_by_classid"):
            _ = cls.getlist_by_classid


def test_monday_is_the_leftmost_bit():
    days = flags(Weekdays, bit_string(7))
    assert days.from_data(Data(Tag.BIT_STRING, "1000010")) == Weekdays.MONDAY | Weekdays.SATURDAY
    assert days.to_data(Weekdays.SUNDAY) == Data(Tag.BIT_STRING, "0000001")
    with pytest.raises(EncodeError):
        days.to_data(0x80)
    with pytest.raises(EncodeError):
        days.to_data(-1)
    with pytest.raises(TypeMismatch):
        Schedule.attributes[2].type.item.fields["exec_weekdays"].check(Data(Tag.BIT_STRING, "10000100"))


def test_a_mask_without_a_length_keeps_the_one_it_had():
    mask = flags(Weekdays, bit_string())
    for bits in ("", "1", "0100", "0000001", "110000000"):
        data = Data(Tag.BIT_STRING, bits)
        assert mask.to_data(mask.from_data(data), data) == data
    assert mask.to_data(Weekdays.TUESDAY) == Data(Tag.BIT_STRING, "0100000")
    assert mask.to_data(Weekdays.TUESDAY, Data(Tag.BIT_STRING, "1000")) == Data(Tag.BIT_STRING, "0100")
    assert mask.to_data(Weekdays.SUNDAY, Data(Tag.BIT_STRING, "1")) == Data(Tag.BIT_STRING, "0000001")
    with pytest.raises(EncodeError):
        mask.to_data(-1)


def test_a_mask_is_described_bit_by_bit():
    entries = describe(Schedule)["attributes"][1]
    assert entries["bits"]["exec_weekdays"]["0"] == "Monday"
    policy = describe(lookup(64, 1))["attributes"][1]
    assert (policy["bits"][""]["7"], "enumerations" in policy) == ("digitally signed response", False)


def test_lengths_of_the_first_hdlc_setup_are_read_as_long_unsigned_too():
    obj = lookup(23, 0)("0-0:22.0.0", LocalStore({5: Data(Tag.LONG_UNSIGNED, 128)}))
    assert obj.max_info_length_transmit == 128
    obj.max_info_length_transmit = 100
    assert obj.store.values[5] == Data(Tag.UNSIGNED, 100)


def test_the_choice_of_an_authentication_is_told_by_its_shape():
    kind = PPPSetup.attributes[5].type
    pap = PAPAuthentication(b"meter", b"opensesame")
    assert kind.from_data(kind.to_data(pap)) == pap
    assert kind.to_data(None) == Data(Tag.NULL_DATA, None)
    assert "opensesame" not in repr(kind.from_data(kind.to_data(pap)))
    with pytest.raises(TypeMismatch):
        kind.check(axdr.structure(axdr.unsigned(1)))


def test_codes_of_unsigned_options_are_words_and_unknown_ones_kept():
    kind = PPPSetup.attributes[4].type
    data = axdr.array(axdr.structure(axdr.unsigned(77), axdr.unsigned(4), Data(Tag.BOOLEAN, True)))
    (option,) = kind.from_data(data)
    assert option.IPCP_option_type == 77
    assert not option.IPCP_option_type.known
    assert kind.to_data((option,), data) == data
    assert IPCPOptionType.USE_STATIC_IP_POOL.label == "use static IP pool"


def test_an_object_starts_with_the_defaults_of_the_standard():
    port = lookup(23, 1)("0-0:22.0.0")
    assert (port.comm_speed.label, port.window_size_receive, port.max_info_field_length_receive) == (
        "baud 9600",
        1,
        128,
    )
    assert lookup(41)("0-0:25.0.0").TCP_UDP_port == 4059


def test_a_demand_register_keeps_both_averages_in_the_types_it_was_given():
    demand = lookup(5)("1-0:1.4.0", current_average_value=Data(Tag.LONG_UNSIGNED, 12), period=900)
    demand.current_average_value = 13
    assert demand.store.values[2] == Data(Tag.LONG_UNSIGNED, 13)
    assert (demand.period, demand.number_of_periods) == (900, 1)
