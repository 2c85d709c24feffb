"""Who may do what with which object, and the exact result of every refusal (behaviours 0.3, 7.1, 7.4, 7.5)."""

from __future__ import annotations

import pytest

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from cosem.classes import AssociationLN, lookup
from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess
from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c070_disconnect_control import ControlMode, DisconnectControl
from cosem.codec import axdr
from cosem.device.associations import AssociationSpec, full_access, only, read_only
from cosem.device.device import DeviceOptions, PhysicalDevice
from cosem.device.logical_device import LogicalDevice
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError
from cosem.link.base import Address
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security import keywrap
from support.meters import KEYS, build, session, two_days, utc

CLOCK, NAME, REGISTER = "0-0:1.0.0", "0-0:42.0.0", "1-0:1.8.0"
DISCONNECTOR, ASSOCIATION, SETUP = "0-0:96.3.10", "0-0:40.0.0", "0-0:43.0.0"
PUBLIC, MANAGEMENT, READING = 16, 1, 2


def attribute(class_id: int, name: str, number: int) -> AttributeDescriptor:
    return AttributeDescriptor(class_id, Obis.parse(name), number)


def method(class_id: int, name: str, number: int) -> MethodDescriptor:
    return MethodDescriptor(class_id, Obis.parse(name), number)


def get(client: int, class_id: int, name: str, number: int, meter: ElectricityMeter | None = None) -> object:
    meter = meter or two_days()
    return meter.device.get(session(meter, client), attribute(class_id, name, number), None)


def put(meter: ElectricityMeter, class_id: int, name: str, number: int, value: axdr.Data, client: int = 1) -> object:
    target = attribute(class_id, name, number)
    return meter.device.set(session(meter, client), target, None, axdr.encode(value))


@pytest.fixture
def meter() -> ElectricityMeter:
    return build(utc(2026, 6, 1), utc(2026, 6, 1, 1))


# --- GET -----------------------------------------------------------------------------------------------------------


def test_public_client_sees_its_few_objects_only() -> None:
    assert isinstance(get(PUBLIC, 1, NAME, 2), bytes)
    assert isinstance(get(PUBLIC, 8, CLOCK, 2), bytes)
    assert get(PUBLIC, 3, REGISTER, 2) is DataAccessResult.OBJECT_UNDEFINED


@pytest.mark.parametrize(
    ("class_id", "name", "number", "result"),
    [
        (3, "1-0:99.99.99", 2, DataAccessResult.OBJECT_UNDEFINED),
        (1, REGISTER, 2, DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (3, REGISTER, 99, DataAccessResult.READ_WRITE_DENIED),
        (3, REGISTER, 0, DataAccessResult.READ_WRITE_DENIED),
        (3, REGISTER, -1, DataAccessResult.READ_WRITE_DENIED),
        (15, ASSOCIATION, 7, DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_get_refusals(class_id: int, name: str, number: int, result: DataAccessResult) -> None:
    assert get(MANAGEMENT, class_id, name, number) is result


def test_an_unknown_attribute_is_undefined_where_the_option_says_so() -> None:
    settings = MeterSettings(keys=KEYS)
    options = DeviceOptions(unknown_attribute=DataAccessResult.OBJECT_UNDEFINED)
    start = utc(2026, 6, 1)
    meter = ElectricityMeter(settings, start, SeededRandom(1), simulation=True, options=options)
    assert get(MANAGEMENT, 3, REGISTER, 99, meter) is DataAccessResult.OBJECT_UNDEFINED
    result, _ = meter.device.action(session(meter, 1), method(70, DISCONNECTOR, 9), None)
    assert result is ActionResult.OBJECT_UNDEFINED


def test_selection_where_there_is_none_and_unknown_selectors() -> None:
    meter = two_days()
    choice = SelectiveAccess(1, axdr.encode(axdr.null()))
    opened = session(meter, MANAGEMENT)
    assert meter.device.get(opened, attribute(3, REGISTER, 2), choice) is DataAccessResult.OTHER_REASON
    beyond = SelectiveAccess(9, axdr.encode(axdr.null()))
    assert meter.device.get(opened, attribute(7, "1-0:99.1.0", 2), beyond) is DataAccessResult.OTHER_REASON
    assert meter.device.get(opened, attribute(15, ASSOCIATION, 2), beyond) is DataAccessResult.OTHER_REASON
    broken = SelectiveAccess(1, b"\x12")
    assert meter.device.get(opened, attribute(15, ASSOCIATION, 2), broken) is DataAccessResult.OTHER_REASON


def test_every_readable_attribute_of_every_object_reads_as_its_type() -> None:
    meter = two_days()
    for client in (PUBLIC, MANAGEMENT, READING):
        opened = session(meter, client)
        association = meter.logical.associations[client]
        for (class_id, name, number), entry in association.attributes.items():
            answer = meter.device.get(opened, AttributeDescriptor(class_id, Obis(name), number), None)
            if not entry.access & Access.READ:
                assert answer is DataAccessResult.READ_WRITE_DENIED
                continue
            assert isinstance(answer, bytes), (class_id, Obis(name), number, answer)
            entry.attribute.type.check(axdr.decode(answer))


# --- SET -----------------------------------------------------------------------------------------------------------


def test_set_refusals(meter: ElectricityMeter) -> None:
    moment = axdr.octet_string(bytes(12))
    assert put(meter, 3, REGISTER, 2, axdr.double_long_unsigned(1)) is DataAccessResult.READ_WRITE_DENIED
    assert put(meter, 8, CLOCK, 4, axdr.unsigned(0)) is DataAccessResult.READ_WRITE_DENIED
    assert put(meter, 8, CLOCK, 2, axdr.unsigned(0)) is DataAccessResult.TYPE_UNMATCHED
    assert put(meter, 8, CLOCK, 2, axdr.octet_string(b"short")) is not DataAccessResult.SUCCESS
    assert put(meter, 8, CLOCK, 2, moment) is DataAccessResult.OTHER_REASON
    assert put(meter, 8, CLOCK, 2, moment, client=PUBLIC) is DataAccessResult.READ_WRITE_DENIED
    assert put(meter, 3, "1-0:9.9.9", 2, moment) is DataAccessResult.OBJECT_UNDEFINED
    assert put(meter, 1, REGISTER, 2, moment) is DataAccessResult.OBJECT_CLASS_INCONSISTENT
    opened = session(meter, MANAGEMENT)
    broken = meter.device.set(opened, attribute(8, CLOCK, 3), None, b"\x12\x00")
    assert broken is DataAccessResult.TYPE_UNMATCHED
    choice = SelectiveAccess(1, b"\x00")
    zone = axdr.encode(axdr.long(-60))
    assert meter.device.set(opened, attribute(8, CLOCK, 3), choice, zone) is DataAccessResult.OTHER_REASON


def test_a_written_attribute_holds(meter: ElectricityMeter) -> None:
    assert put(meter, 8, CLOCK, 3, axdr.long(-120)) is DataAccessResult.SUCCESS
    assert get(MANAGEMENT, 8, CLOCK, 3, meter) == axdr.encode(axdr.long(-120))


def test_a_choice_keeps_the_type_it_was_built_with() -> None:
    device = small_device(full_access, DataObject("0-0:96.13.0", value=axdr.unsigned(3)), writable={2})
    target = attribute(1, "0-0:96.13.0", 2)
    opened = open_session(device)
    assert device.set(opened, target, None, axdr.encode(axdr.long(4))) is DataAccessResult.TYPE_UNMATCHED
    assert device.set(opened, target, None, axdr.encode(axdr.unsigned(4))) is DataAccessResult.SUCCESS
    assert device.get(opened, target, None) == axdr.encode(axdr.unsigned(4))


def test_a_code_outside_its_enumeration_is_refused_unless_it_stands_there_or_the_option_takes_it() -> None:
    name, other = "0-0:96.3.11", axdr.encode(axdr.enum(129))
    target = attribute(70, name, 4)
    switch = DisconnectControl(name, output_state=True, control_state=1, control_mode=1)
    device = small_device(full_access, switch, writable={4})
    opened = open_session(device)
    assert device.set(opened, target, None, other) is DataAccessResult.OTHER_REASON
    assert device.set(opened, target, None, axdr.encode(axdr.unsigned(2))) is DataAccessResult.TYPE_UNMATCHED
    assert device.set(opened, target, None, axdr.encode(axdr.enum(6))) is DataAccessResult.SUCCESS
    assert switch.control_mode == 6
    switch.control_mode = ControlMode(129)
    assert device.set(opened, target, None, other) is DataAccessResult.SUCCESS
    device.options = DeviceOptions(unknown_code=DataAccessResult.SUCCESS)
    assert device.set(opened, target, None, axdr.encode(axdr.enum(130))) is DataAccessResult.SUCCESS


# --- ACTION --------------------------------------------------------------------------------------------------------


def test_action_refusals(meter: ElectricityMeter) -> None:
    opened = session(meter, MANAGEMENT)
    zero = axdr.encode(axdr.integer(0))
    refusals = [
        (method(70, DISCONNECTOR, 9), zero, ActionResult.READ_WRITE_DENIED),
        (method(3, DISCONNECTOR, 1), zero, ActionResult.OBJECT_CLASS_INCONSISTENT),
        (method(70, "0-0:96.3.99", 1), zero, ActionResult.OBJECT_UNDEFINED),
        (method(70, DISCONNECTOR, 1), axdr.encode(axdr.boolean(True)), ActionResult.TYPE_UNMATCHED),
        (method(70, DISCONNECTOR, 1), b"\x12", ActionResult.TYPE_UNMATCHED),
    ]
    for target, data, expected in refusals:
        result, returned = meter.device.action(opened, target, data)
        assert (result, returned) == (expected, None)
    reading = session(meter, READING)
    assert meter.device.action(reading, method(70, DISCONNECTOR, 1), zero)[0] is ActionResult.READ_WRITE_DENIED


def test_a_register_without_reset_says_so(meter: ElectricityMeter) -> None:
    result, _ = meter.device.action(session(meter, 1), method(3, REGISTER, 1), axdr.encode(axdr.integer(0)))
    assert result is not ActionResult.SUCCESS


# --- rights and protection ------------------------------------------------------------------------------------------


def small_device(rights: object, *objects: object, writable: set[int] | None = None) -> PhysicalDevice:
    device = PhysicalDevice(b"CSM\x00\x00\x00\x00\x09", utc(2026, 1, 1), SeededRandom(1), simulation=True)
    logical = device.add(LogicalDevice(1, b"CSM1"))
    for obj in objects:
        logical.add(obj)  # type: ignore[arg-type]

    def chosen(obj: object) -> AccessRights | None:
        given: AccessRights | None = rights(obj)  # type: ignore[operator]
        if given is None or not writable:
            return given
        attributes = tuple(
            AttributeAccess(item.attribute_id, Access.READ_AND_WRITE if item.attribute_id in writable else item.access)
            for item in given.attribute_access
        )
        return AccessRights(attributes, given.method_access)

    logical.associate(AssociationSpec(1, 1, chosen, version=3))
    device.build()
    return device


def open_session(device: PhysicalDevice, protection: int = 0) -> object:
    from cosem.association.server import Session

    profile = device.association_profile(Address(1, 1))
    assert profile is not None
    opened = Session(profile, Address(1, 1), status=2, request_protection=protection)
    device.opened(opened)
    return opened


@pytest.mark.parametrize(
    ("needed", "protection", "allowed"),
    [
        (Access.NONE, 0x00, True),
        (Access.AUTHENTICATED_REQUEST, 0x00, False),
        (Access.AUTHENTICATED_REQUEST, 0x20, False),
        (Access.AUTHENTICATED_REQUEST, 0x10, True),
        (Access.ENCRYPTED_REQUEST, 0x10, False),
        (Access.ENCRYPTED_REQUEST | Access.AUTHENTICATED_REQUEST, 0x20, False),
        (Access.ENCRYPTED_REQUEST | Access.AUTHENTICATED_REQUEST, 0x30, True),
    ],
)
def test_a_right_may_ask_for_protection(needed: Access, protection: int, allowed: bool) -> None:
    def rights(obj: object) -> AccessRights | None:
        attributes = (AttributeAccess(2, Access.READ_AND_WRITE | needed),)
        methods = (MethodAccess(1, Access.ACCESS | needed),)
        kinds = {1: AccessRights(attributes), 70: AccessRights(attributes, methods)}
        return kinds.get(obj.class_id)  # type: ignore[attr-defined]

    device = small_device(rights, DataObject("0-0:96.13.0", value=axdr.unsigned(3)), DisconnectControl("0-0:96.3.10"))
    opened = open_session(device, protection)
    value = axdr.encode(axdr.unsigned(5))
    got = device.get(opened, attribute(1, "0-0:96.13.0", 2), None)
    done = device.set(opened, attribute(1, "0-0:96.13.0", 2), None, value)
    called, _ = device.action(opened, method(70, DISCONNECTOR, 1), axdr.encode(axdr.integer(0)))
    denied = DataAccessResult.READ_WRITE_DENIED
    assert (got is denied) is not allowed
    assert (done is denied) is not allowed
    assert (called is ActionResult.READ_WRITE_DENIED) is not allowed


def test_object_lists_differ_by_client_and_say_the_rights() -> None:
    kind = lookup(15, 1)
    assert kind is not None
    lists = {}
    for client in (PUBLIC, MANAGEMENT, READING):
        octets = get(client, 15, ASSOCIATION, 2)
        assert isinstance(octets, bytes)
        elements = kind.attributes[2].type.from_data(axdr.decode(octets))
        lists[client] = {element.logical_name: element for element in elements}
    assert len(lists[PUBLIC]) < len(lists[READING]) < len(lists[MANAGEMENT])
    clock = Obis.parse(CLOCK)
    assert lists[MANAGEMENT][clock].access_rights.attribute(2) == Access.READ_AND_WRITE
    assert lists[READING][clock].access_rights.attribute(2) == Access.READ
    assert not lists[READING][clock].access_rights.method(1)


def test_selectors_of_the_object_list() -> None:
    meter = two_days()
    kind = lookup(15, 1)
    assert kind is not None
    opened = session(meter, MANAGEMENT)

    def select(number: int, parameters: axdr.Data) -> list[object]:
        choice = SelectiveAccess(number, axdr.encode(parameters))
        answer = meter.device.get(opened, attribute(15, ASSOCIATION, 2), choice)
        assert isinstance(answer, bytes)
        return [item.value for item in axdr.decode(answer).value]

    whole = len(axdr.decode(meter.device.get(opened, attribute(15, ASSOCIATION, 2), None)).value)  # type: ignore[arg-type]
    assert len(select(1, axdr.null())) == whole
    registers = select(2, axdr.array(axdr.long_unsigned(3)))
    assert registers
    assert all(item[0].value == 3 for item in registers)  # type: ignore[index]
    one = axdr.structure(axdr.long_unsigned(8), axdr.octet_string(bytes(Obis.parse(CLOCK))))
    assert len(select(4, one)) == 1
    assert len(select(3, axdr.array(one))) == 1


def test_the_association_object_shows_its_session() -> None:
    assert get(MANAGEMENT, 15, ASSOCIATION, 3) == axdr.encode(axdr.structure(axdr.integer(1), axdr.long_unsigned(1)))
    assert get(PUBLIC, 15, ASSOCIATION, 8) == axdr.encode(axdr.enum(2))
    assert get(MANAGEMENT, 15, ASSOCIATION, 9) == axdr.encode(axdr.octet_string(bytes(Obis.parse(SETUP))))
    mechanism = get(READING, 15, ASSOCIATION, 6)
    assert isinstance(mechanism, bytes)
    assert axdr.decode(mechanism).value[-1].value == 1


# --- secrets, keys, policy --------------------------------------------------------------------------------------------


def test_a_new_secret_serves_the_next_association() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1), mechanism=6)
    opened = session(meter, MANAGEMENT)
    new = axdr.encode(axdr.octet_string(b"fedcba9876543210"))
    result, _ = meter.device.action(opened, method(15, ASSOCIATION, 2), new)
    assert result is ActionResult.SUCCESS
    profile = meter.device.association_profile(Address(1, 1))
    assert profile is not None
    assert profile.secret == b"fedcba9876543210"
    for wrong, expected in (
        (axdr.octet_string(b"short"), ActionResult.OTHER_REASON),
        (axdr.unsigned(1), ActionResult.TYPE_UNMATCHED),
    ):
        assert meter.device.action(opened, method(15, ASSOCIATION, 2), axdr.encode(wrong))[0] is expected
    assert meter.device.action(opened, method(15, ASSOCIATION, 2), b"\x09")[0] is ActionResult.TYPE_UNMATCHED


def test_gmac_has_no_secret_to_change(meter: ElectricityMeter) -> None:
    new = axdr.encode(axdr.octet_string(b"fedcba9876543210"))
    result, _ = meter.device.action(session(meter, MANAGEMENT), method(15, ASSOCIATION, 2), new)
    assert result is ActionResult.READ_WRITE_DENIED


@pytest.mark.parametrize(
    ("before", "wanted", "accepted"),
    [(0, 1, True), (0, 3, True), (1, 3, True), (2, 3, True), (3, 3, True), (3, 1, False), (1, 2, False), (2, 0, False)],
)
def test_a_policy_only_gets_stronger(before: int, wanted: int, accepted: bool) -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1), policy=before)
    opened = session(meter, MANAGEMENT)
    result, _ = meter.device.action(opened, method(64, SETUP, 1), axdr.encode(axdr.enum(wanted)))
    assert (result is ActionResult.SUCCESS) is accepted
    assert get(MANAGEMENT, 64, SETUP, 2, meter) == axdr.encode(axdr.enum(wanted if accepted else before))
    written = put(meter, 64, SETUP, 2, axdr.enum(0))
    assert (written is DataAccessResult.SUCCESS) is (before == 0 and wanted == 0)


def transfer(*keys: tuple[int, bytes]) -> bytes:
    rows = [axdr.structure(axdr.enum(number), axdr.octet_string(wrapped)) for number, wrapped in keys]
    return axdr.encode(axdr.array(*rows))


def test_keys_are_replaced_all_or_none(meter: ElectricityMeter) -> None:
    assert KEYS.master_key is not None
    new, other = bytes(range(0x60, 0x70)), bytes(range(0x70, 0x80))
    good = keywrap.wrap(KEYS.master_key, new)
    opened = session(meter, MANAGEMENT)
    spec = meter.logical.associations[MANAGEMENT].spec
    for bad in (
        transfer((0, good), (2, good[:-1] + b"\x00")),
        transfer((0, good), (9, good)),
        transfer((0, keywrap.wrap(KEYS.master_key, bytes(24)))),
        transfer(),
    ):
        result, _ = meter.device.action(opened, method(64, SETUP, 2), bad)
        assert result is ActionResult.OTHER_REASON
        assert spec.keys == KEYS
    both = transfer((0, good), (2, keywrap.wrap(KEYS.master_key, other)))
    assert meter.device.action(opened, method(64, SETUP, 2), both)[0] is ActionResult.SUCCESS
    assert (spec.keys.global_unicast_encryption_key, spec.keys.authentication_key) == (new, other)


def test_without_a_master_key_no_key_comes_in() -> None:
    from cosem.security.keys import Keys

    keys = Keys(KEYS.global_unicast_encryption_key, KEYS.authentication_key)
    start = utc(2026, 6, 1)
    meter = ElectricityMeter(MeterSettings(keys=keys), start, SeededRandom(1), simulation=True)
    wrapped = keywrap.wrap(bytes(16), bytes(16))
    result, _ = meter.device.action(session(meter, 1), method(64, SETUP, 2), transfer((0, wrapped)))
    assert result is ActionResult.OTHER_REASON


# --- building ---------------------------------------------------------------------------------------------------------


def test_mistakes_in_building_are_told() -> None:
    start = utc(2026, 1, 1)
    with pytest.raises(ConfigError, match="seeded source of randomness"):
        PhysicalDevice(b"CSM\x00\x00\x00\x00\x09", start, SeededRandom(1))
    device = PhysicalDevice(b"CSM\x00\x00\x00\x00\x09", start, SeededRandom(1), simulation=True)
    with pytest.raises(ConfigError, match="management logical device"):
        device.build()
    logical = device.add(LogicalDevice(1, b"CSM1"))
    with pytest.raises(ConfigError, match="taken"):
        device.add(LogicalDevice(1, b"CSM2"))
    logical.add(DataObject("0-0:96.13.0", value=axdr.unsigned(3)))
    with pytest.raises(ConfigError, match="there already"):
        logical.add(DataObject("0-0:96.13.0", value=axdr.unsigned(3)))
    logical.associate(AssociationSpec(16, 1, read_only))
    with pytest.raises(ConfigError, match="has an association"):
        logical.associate(AssociationSpec(16, 2, read_only))
    for name in (b"", bytes(17)):
        with pytest.raises(ConfigError, match="1 to 16 octets"):
            LogicalDevice(2, name)
    with pytest.raises(ConfigError, match="needs an encryption key"):
        AssociationSpec(1, 2, read_only, mechanism=5)
    with pytest.raises(ConfigError, match="needs a secret"):
        AssociationSpec(1, 2, read_only, mechanism=1)
    with pytest.raises(ConfigError, match="class 15 version 9"):
        logical.associate(AssociationSpec(5, 5, read_only, version=9))


def test_unknown_access_points_have_no_profile() -> None:
    device = two_days().device
    assert device.association_profile(Address(99, 1)) is None
    assert device.association_profile(Address(16, 7)) is None


def test_rights_helpers() -> None:
    clock = two_days().clock.object
    assert only([CLOCK])(clock) is not None
    assert only([NAME])(clock) is None
    rights = full_access(clock)
    assert rights.attribute(1) == Access.READ
    assert rights.method(6) == Access.ACCESS
    assert AssociationLN.class_id == 15
