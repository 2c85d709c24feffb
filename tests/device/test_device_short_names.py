"""Short names on the device: where objects are, what names that cannot be get, the object of the association."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.apdu import (
    BlockNumberAccess,
    GetRequestNormal,
    InformationReport,
    ParameterizedAccess,
    ReadRequest,
    UnconfirmedWriteRequest,
    VariableName,
    WriteRequest,
)
from cosem.apdu.base import AttributeDescriptor
from cosem.association.steps import Call, Listen, Post
from cosem.classes import Data as DataObject
from cosem.classes import DisconnectControl, Register, known, lookup, versions_of
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.conformance_block import SN_CORE, Conformance
from cosem.device import AssociationSpec, LogicalDevice, PhysicalDevice
from cosem.device.associations import full_access, only, read_only
from cosem.device.random import SeededRandom
from cosem.device.short_names import assign, information_report, names_of
from cosem.errors import AccessError, AssociationRejected, ConfigError, ExceptionResponseReceived, ServiceErrorReceived
from cosem.obis import Obis
from cosem.units import ScalerUnit, Unit
from support.lines import Line
from support.meters import KEYS, PASSWORD, build, utc

ENERGY, SWITCH = Obis.parse("1-0:1.8.0"), Obis.parse("0-0:96.3.10")
ONE = axdr.encode(axdr.unsigned(1))
ZERO = axdr.encode(axdr.integer(0))
MANAGEMENT = {"mechanism": 5, "protection": 0x30, "keys": KEYS, "client_sap": 1, "referencing": "sn"}
CLASSES = [cls for class_id in known() for cls in versions_of(class_id).values()]


def device(*specs: AssociationSpec, objects: tuple[Any, ...] = (), names: dict[str, int] | None = None) -> Any:
    made = PhysicalDevice(b"CSM\x00\x00\x00\x00\x01", 0, SeededRandom(1), simulation=True)
    logical = made.add(LogicalDevice(1, b"CSMtest"))
    for obj in objects:
        logical.add(obj, (names or {}).get(str(obj.obis)))
    for spec in specs:
        logical.associate(spec)
    made.build()
    return made


def spec(rights: Any = full_access, client: int = 1, instance: int = 1, **other: Any) -> AssociationSpec:
    return AssociationSpec(client, instance, rights, referencing="sn", **other)


def switch(called: list[Any]) -> DisconnectControl:
    obj = DisconnectControl(SWITCH, output_state=True, control_state=1, control_mode=4)
    obj.store.handlers[1] = called.append  # type: ignore[union-attr]
    return obj


def register() -> Register:
    return Register(ENERGY, value=axdr.double_long_unsigned(5), scaler_unit=ScalerUnit(0, Unit.WATT_HOUR))


def results(line: Line, *specs: Any) -> tuple[Any, ...]:
    return tuple(line.call(Call(ReadRequest(specs))).results)


def written(line: Line, *pairs: tuple[Any, bytes]) -> tuple[Any, ...]:
    request = WriteRequest(tuple(item for item, _ in pairs), tuple(value for _, value in pairs))
    return tuple(line.call(Call(request)).results)


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.class_id}-{cls.class_version}")
def test_no_two_members_of_a_class_share_an_offset(cls: Any) -> None:
    members = [*cls.attributes.values(), *cls.methods.values()]
    offsets = [member.sn_offset for member in members if member.sn_offset is not None]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 8 == 0 for offset in offsets)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=60), st.data())
def test_names_never_overlap_and_stay_where_they_are(kinds: list[Any], data: st.DataObject) -> None:
    objects = [kind(Obis(bytes((0, 1, index, 0, 0, 255)))) for index, kind in enumerate(kinds)]
    chosen = data.draw(st.sets(st.integers(0x40, 0xF0), max_size=min(5, len(objects))))
    given_names = {bytes(obj.obis): base << 8 for obj, base in zip(objects, sorted(chosen), strict=False)}
    names = dict(given_names)
    try:
        assign(objects, names)
    except ConfigError:
        # Two given ones can be too near to each other, but only those.
        assert len(given_names) > 1
        return
    found = [name for obj in objects for name in names_of(obj, names[bytes(obj.obis)])]
    assert len(set(found)) == len(found)
    assert all(0 < name < 0xFA00 and name % 8 == 0 for name in found)
    assert given_names.items() <= names.items()
    again = dict(names)
    assign(objects, again)
    assert again == names


def test_well_known_objects_stand_where_the_standard_has_them() -> None:
    line = Line(build(utc(2026, 6, 1), utc(2026, 6, 2), referencing="sn").device, **MANAGEMENT).open()
    name, saps, own = results(line, VariableName(0xFD08), VariableName(0xFC08), VariableName(0xFA00))
    assert axdr.decode(name).value == b"CSM10000001"
    assert axdr.decode(saps).value[0].value[0].value == 1
    assert axdr.decode(own).value == bytes((0, 0, 40, 0, 2, 255))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({str(ENERGY): 0x0101}, "no base name"),
        ({str(ENERGY): 0xFFF8}, "no base name"),
        ({str(ENERGY): -8}, "no base name"),
        ({str(ENERGY): 0xFA08}, "of the association itself"),
        ({str(ENERGY): 0x2000, str(SWITCH): 0x2010}, "both have the short name 2010h"),
    ],
)
def test_names_that_cannot_be_given(names: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        device(spec(), objects=(register(), switch([])), names=names)


def test_more_objects_than_names() -> None:
    many = [DataObject(Obis(bytes((0, 1, index >> 8, index & 0xFF, 0, 255)))) for index in range(4000)]
    with pytest.raises(ConfigError, match="no short names are left"):
        assign(many, {})


def test_an_association_is_named_by_one_of_two_ways() -> None:
    with pytest.raises(ConfigError, match="ln, sn"):
        AssociationSpec(1, 1, full_access, referencing="names")
    with pytest.raises(ConfigError, match="class 12 version 9"):
        device(spec(version=9))


# --- reading, writing, calling -----------------------------------------------------------------------------------


def here(**other: Any) -> tuple[Line, list[Any]]:
    """Return a client of a device with a register at 2000h and a switch at 3000h."""
    called: list[Any] = []
    names = {str(ENERGY): 0x2000, str(SWITCH): 0x3000}
    made = device(spec(**other), objects=(register(), switch(called)), names=names)
    return Line(made, client_sap=1, referencing="sn").open(), called


def test_attributes_and_methods_have_their_offsets() -> None:
    line, called = here()
    five = axdr.encode(axdr.double_long_unsigned(5))
    assert results(line, VariableName(0x2008)) == (five,)
    assert written(line, (VariableName(0x3018), axdr.encode(Data(Tag.ENUM, 2)))) == (0,)
    assert results(line, VariableName(0x3018)) == (axdr.encode(Data(Tag.ENUM, 2)),)
    assert written(line, (VariableName(0x3020), ZERO)) == (0,)
    # By Read too, as some clients invoke everything; what returns nothing gives null-data.
    assert results(line, ParameterizedAccess(0x3020, 1, ZERO)) == (b"\x00",)
    assert called == [0, 0]


def test_names_that_cannot_be_get_exact_results() -> None:
    line, called = here()
    unknown = (0, 0x1FF8, 0x2001, 0x2018, 0x2030, 0x3030, 0xFA20, 0xFFF8)
    for name in unknown:
        assert results(line, VariableName(name)) == (4,), hex(name)
        assert written(line, (VariableName(name), ONE)) == (4,), hex(name)
        assert results(line, ParameterizedAccess(name, 1, ZERO)) == (4,), hex(name)
    # A method whose name is only read does nothing; one that the device does not carry out is denied.
    assert results(line, VariableName(0x3020), VariableName(0x3028)) == (3, 3)
    assert results(line, ParameterizedAccess(0x3028, 1, ZERO)) == (3,)
    assert called == []
    # What may only be read; a value and a parameter of a wrong type, and none at all.
    assert written(line, (VariableName(0x2008), ONE)) == (3,)
    assert written(line, (VariableName(0x3018), ONE), (VariableName(0x3020), ONE)) == (12, 12)
    with pytest.raises(ExceptionResponseReceived):
        written(line, (VariableName(0x3018), b"\x06\x00"))
    # A selection where there is none.
    assert results(line, ParameterizedAccess(0x2008, 1, ZERO)) == (250,)
    assert written(line, (ParameterizedAccess(0x3018, 1, ZERO), ONE)) == (250,)
    assert written(line, (ParameterizedAccess(0x3020, 1, ZERO), ONE)) == (250,)
    assert called == []
    assert results(line, VariableName(0x2008), VariableName(0x2010))[0][0] == Tag.DOUBLE_LONG_UNSIGNED


def test_a_client_sees_only_its_own_objects() -> None:
    line, _ = here(rights=only([str(SWITCH)], read_only))
    assert results(line, VariableName(0x2008), VariableName(0x3008)) == (4, axdr.encode(axdr.boolean(True)))
    assert written(line, (VariableName(0x3018), axdr.encode(Data(Tag.ENUM, 2))), (VariableName(0x3020), ZERO)) == (3, 3)


def test_writing_without_an_answer() -> None:
    line, called = here()
    line.call(Post(UnconfirmedWriteRequest((VariableName(0x3020), VariableName(0x3028)), (ZERO, ZERO))))
    assert results(line, VariableName(0x2008)) == (axdr.encode(axdr.double_long_unsigned(5)),)
    assert called == [0]


def test_services_that_were_not_agreed() -> None:
    line, _ = here(conformance=Conformance.READ | Conformance.MULTIPLE_REFERENCES)
    with pytest.raises(ServiceErrorReceived, match="write"):
        line.call(Call(WriteRequest((VariableName(0x3018),), (ONE,))))
    with pytest.raises(ExceptionResponseReceived):
        line.call(Call(GetRequestNormal(AttributeDescriptor(3, ENERGY, 2), None)))
    assert results(line, ParameterizedAccess(0x2008, 1, ZERO)) == (13,)
    assert results(line, BlockNumberAccess(1))[0] != 0


def test_a_client_of_logical_names_does_not_get_in() -> None:
    line, _ = here()
    other = Line(line.responder.server, client_sap=1)
    with pytest.raises(AssociationRejected, match="application-context-name-not-supported"):
        other.open()


# --- the association's own object ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(5))
def test_the_association_shows_itself_in_every_version(version: int) -> None:
    line, _ = here(version=version)
    declared = lookup(12, version)
    assert declared is not None
    for attribute in declared.attributes.values():
        (answer,) = results(line, VariableName(0xFA00 + attribute.sn_offset))
        if attribute.name == "current_user":
            assert answer == 11
        else:
            attribute.type.from_data(axdr.decode(answer))
    listed = declared.attributes[2].type.from_data(axdr.decode(results(line, VariableName(0xFA08))[0]))
    assert {(item.base_name, item.class_id, item.version) for item in listed} == {
        (0xFA00, 12, version), (0xFC00, 17, 0), (0x2000, 3, 0), (0x3000, 70, 0)
    }  # fmt: skip


def structures(*items: tuple[int, Obis]) -> Data:
    return axdr.array(*(axdr.structure(axdr.long_unsigned(c), axdr.octet_string(bytes(n))) for c, n in items))


def test_parts_of_the_object_list() -> None:
    line, _ = here(version=1)
    kind = lookup(12, 1).attributes[2].type  # type: ignore[union-attr]
    by_class = ParameterizedAccess(0xFA08, 1, axdr.encode(axdr.array(axdr.long_unsigned(3), axdr.long_unsigned(9))))
    wanted = structures((70, SWITCH), (3, SWITCH))
    by_name = ParameterizedAccess(0xFA08, 2, axdr.encode(wanted))
    first, second = results(line, by_class, by_name)
    assert [item.base_name for item in kind.from_data(axdr.decode(first))] == [0x2000]
    assert [item.base_name for item in kind.from_data(axdr.decode(second))] == [0x3000]
    assert results(line, ParameterizedAccess(0xFA08, 3, ZERO), ParameterizedAccess(0xFA08, 1, ZERO)) == (250, 250)


def test_methods_of_the_association() -> None:
    old, _ = here(version=0)
    kind = lookup(12, 0).attributes[2].type  # type: ignore[union-attr]
    classes = axdr.encode(axdr.array(axdr.long_unsigned(3)))
    (listed,) = results(old, ParameterizedAccess(0xFA20, 0, classes))
    assert [item.base_name for item in kind.from_data(axdr.decode(listed))] == [0x2000]
    (listed,) = results(old, ParameterizedAccess(0xFA28, 0, axdr.encode(structures((70, SWITCH)))))
    assert [item.base_name for item in kind.from_data(axdr.decode(listed))] == [0x3000]
    for version in (0, 1):
        line, _ = here(version=version)
        asked = axdr.encode(structures((70, SWITCH), (3, SWITCH)))
        (bits,) = results(line, ParameterizedAccess(0xFA38, 0, asked))
        pairs = [tuple(item.value for item in pair.value) for pair in axdr.decode(bits).value]
        assert pairs == [("1111", "10"), ("", "")]
    line, _ = here()
    references = axdr.array(
        *(
            axdr.structure(axdr.long_unsigned(c), axdr.octet_string(bytes(n)), axdr.integer(a))
            for c, n, a in ((3, ENERGY, 2), (3, ENERGY, 9), (70, ENERGY, 2))
        )
    )
    (values,) = results(line, ParameterizedAccess(0xFA30, 1, axdr.encode(references)))
    null = Data(Tag.NULL_DATA, None)
    assert axdr.decode(values).value == (axdr.double_long_unsigned(5), null, null)
    # Those that later versions took back, a wrong parameter, and the proof when it was given long ago.
    assert results(line, ParameterizedAccess(0xFA20, 1, classes), ParameterizedAccess(0xFA38, 1, classes)) == (4, 4)
    assert results(line, ParameterizedAccess(0xFA30, 1, ZERO)) == (12,)
    assert results(line, ParameterizedAccess(0xFA58, 1, axdr.encode(axdr.octet_string(bytes(16))))) == (3,)


@pytest.mark.parametrize(
    ("version", "mechanism", "method"), [(1, 1, 0xFA40), (1, 3, 0xFA48), (2, 1, 0xFA40), (4, 3, 0xFA40)]
)
def test_a_secret_is_changed_for_the_next_association(version: int, mechanism: int, method: int) -> None:
    made = device(spec(version=version, mechanism=mechanism, secret=b"12345678"))
    client = {"client_sap": 1, "referencing": "sn", "mechanism": mechanism, "weak_mechanisms": frozenset({3})}
    line = Line(made, secret=b"12345678", **client).open()
    assert written(line, (VariableName(method), axdr.encode(axdr.octet_string(b"")))) == (250,)
    assert written(line, (VariableName(method), axdr.encode(axdr.octet_string(b"87654321")))) == (0,)
    Line(made, secret=b"87654321", **client).open()
    with pytest.raises((AssociationRejected, AccessError)):
        Line(made, secret=b"12345678", **client).open()


def test_who_only_reads_keeps_the_password() -> None:
    made = device(spec(rights=read_only, mechanism=1, secret=PASSWORD))
    line = Line(made, client_sap=1, referencing="sn", mechanism=1, secret=PASSWORD).open()
    assert written(line, (VariableName(0xFA40), axdr.encode(axdr.octet_string(b"87654321")))) == (3,)


def test_an_association_of_logical_names_beside_it_is_not_changed() -> None:
    both = device(spec(client=2, instance=2), AssociationSpec(1, 1, full_access), objects=(register(),))
    alone = device(AssociationSpec(1, 1, full_access), objects=(register(),))
    lists = [
        line.run(line.core.get_octets(15, Obis.parse("0-0:40.0.0"), 2))
        for line in (Line(both, client_sap=1).open(), Line(alone, client_sap=1).open())
    ]
    assert lists[0] == lists[1]


# --- high level security -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", [3, 4, 5, 6])
@pytest.mark.parametrize("ciphering", ["plain", "glo", "ded", "general"])
@pytest.mark.parametrize("hdlc", [False, True])
def test_high_level_security(mechanism: int, ciphering: str, hdlc: bool) -> None:
    policy = 0 if ciphering == "plain" else 3
    secret = b"0123456789abcdef"

    def make() -> Any:
        return device(spec(mechanism=mechanism, secret=secret, policy=policy, keys=KEYS), objects=(register(),))

    settings = {
        "client_sap": 1,
        "referencing": "sn",
        "mechanism": mechanism,
        "secret": secret,
        "keys": KEYS,
        "protection": policy << 4,
        "ciphering": "glo" if ciphering == "plain" else ciphering,
        "weak_mechanisms": frozenset({3, 4}),
    }
    line = Line(make(), hdlc=hdlc, **settings).open()
    assert line.run(line.core.get_data(3, ENERGY, 2)).value == 5
    line.run(line.core.close())
    if mechanism != 5:
        made = make()
        with pytest.raises(AccessError, match="read-write-denied"):
            Line(made, hdlc=hdlc, **(settings | {"secret": b"another one 1234"})).open()
        assert made.authentication_failures == 1
        assert not made.sessions


def test_nothing_but_the_proof_is_listened_to_while_it_is_awaited() -> None:
    from cosem.apdu import Aare, parse
    from cosem.apdu.acse import AUTHENTICATION, Aarq
    from cosem.apdu.acse_fields import CHARSTRING
    from cosem.apdu.initiate import InitiateRequest
    from cosem.link import wrapper
    from cosem.security.hls import HlsIdentity

    secret = b"0123456789abcdef"
    made = device(spec(mechanism=6, secret=secret), objects=(register(),), names={str(ENERGY): 0x2000})
    responder = Line(made, client_sap=1, referencing="sn").responder

    def ask(octets: bytes) -> Any:
        responder.receive(wrapper.build(1, 1, octets), 0.0)
        return parse(wrapper.parse(responder.take(), 0)[2]).service

    ours = bytes(range(16))
    aarq = Aarq(2, InitiateRequest(int(SN_CORE), 1024).encode(), 6, ours, CHARSTRING, AUTHENTICATION, b"CSMclien")
    aare = ask(aarq.encode())
    assert isinstance(aare, Aare)
    assert ask(ReadRequest((VariableName(0x2008), VariableName(0xFA58))).encode()).results == (3, 3)
    assert ask(WriteRequest((VariableName(0x2008),), (ONE,)).encode()).results == (3,)
    assert ask(ReadRequest((VariableName(0xFA58),)).encode()).results == (3,)
    identity = HlsIdentity(
        6,
        own_challenge=ours,
        peer_challenge=aare.auth_value,
        own_title=b"CSMclien",
        peer_title=aare.responding_ap_title,
        secret=secret,
        context=None,
    )
    proof = axdr.encode(axdr.octet_string(identity.proof()))
    # By Write the client forgoes the meter's own proof.
    assert ask(WriteRequest((VariableName(0xFA58),), (proof,)).encode()).results == (0,)
    assert ask(ReadRequest((VariableName(0x2008),)).encode()).results == (axdr.encode(axdr.double_long_unsigned(5)),)


# --- reports -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", [0, 0x30])
def test_a_report_is_understood_by_the_client(protection: int) -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 2), referencing="sn", policy=protection >> 4)
    line = Line(meter.device, **(MANAGEMENT | {"protection": protection})).open()
    clock = Obis.parse("0-0:1.0.0")
    report = information_report(meter.device, line.responder.sessions[0], [(3, ENERGY, 2), (8, clock, 2)])
    line.responder.notify(line.settings.address, report, protection=protection)
    heard = line.call(Listen(5.0))
    assert isinstance(heard, InformationReport)
    told = line.run(line.core.reported(heard))
    assert [(item.class_id, item.logical_name, number) for item, number, _ in told] == [(3, ENERGY, 2), (8, clock, 2)]
    assert told[0][2] == line.run(line.core.get_data(3, ENERGY, 2))


def test_reports_that_cannot_be() -> None:
    line, _ = here()
    server, session = line.responder.server, line.responder.sessions[0]
    with pytest.raises(AccessError, match="no short name"):
        information_report(server, session, [(3, ENERGY, 9)])
    session.conformance &= ~Conformance.INFORMATION_REPORT
    with pytest.raises(ConfigError, match="did not agree"):
        information_report(server, session, [(3, ENERGY, 2)])
