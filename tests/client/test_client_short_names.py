"""The same client code with logical and with short names: the same values, results and objects."""

from __future__ import annotations

import asyncio
import importlib.util
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.apdu import InformationReport, ParameterizedAccess, ReadRequest, ReadResponse, VariableName, WriteRequest
from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.state import Client
from cosem.association.steps import Call
from cosem.classes import Clock, Register, known, versions_of
from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess
from cosem.classes.c012_association_sn import AssociationSN, ShortNameObject
from cosem.classes.model import Attribute, Unknown
from cosem.classes.store import LocalStore
from cosem.client.core import ClientOptions
from cosem.client.profile import ProfileInterrupted, ProfileReader
from cosem.client.short_names import ShortNameCore
from cosem.client.verbs import RemoteStore, quantity, set_clock
from cosem.codec import axdr
from cosem.conformance_block import SN_ALL, SN_CORE, Conformance
from cosem.device import AssociationSpec, LogicalDevice, PhysicalDevice
from cosem.device.random import SeededRandom
from cosem.errors import AccessError, ConnectionLost, CosemError, DecodeError, RemoteProtocolError, Timeout
from cosem.io.memory import SERVER_SIDE
from cosem.link.memory import LineQuality, LossyPipe
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import DataAccessResult
from support.lines import Line
from support.meters import KEYS, PASSWORD, build, utc
from support.served import Served, served

_spec = importlib.util.spec_from_file_location(
    "class_strategies_of_names", Path(__file__).parents[1] / "classes" / "class_strategies.py"
)
assert _spec is not None
strategies: Any = importlib.util.module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(strategies)

CLASSES = [cls for class_id in known() if class_id not in (12, 15) for cls in versions_of(class_id).values()]
ENERGY, CLOCK, PROFILE = Obis.parse("1-0:1.8.0"), Obis.parse("0-0:1.0.0"), Obis.parse("1-0:99.1.0")
SWITCH, CURRENT = Obis.parse("0-0:96.3.10"), Obis.parse("0-0:40.0.0")
MANAGEMENT = {"client_sap": 1, "mechanism": 5, "protection": 0x30, "keys": KEYS}
READING = {"client_sap": 2, "mechanism": 1, "secret": PASSWORD}


@lru_cache(maxsize=2)
def two_days(referencing: str) -> Any:
    """Return the same meter of two June days, for clients of logical or short names."""
    return build(utc(2026, 6, 1), utc(2026, 6, 3), referencing=referencing)


def pair(**client: Any) -> tuple[Line, Line]:
    """Return the same client of the same meter, by logical and by short names."""
    return Line(two_days("ln").device, **client).open(), Line(two_days("sn").device, referencing="sn", **client).open()


def outcome(line: Line, conversation: Any) -> Any:
    """Return what a conversation gives, or the result it fails with."""
    try:
        return line.run(conversation)
    except AccessError as error:
        return error.result


# --- LN and SN -----------------------------------------------------------------------------------------------------


def everything(obj: Any) -> AccessRights:
    attributes = tuple(AttributeAccess(number, Access.READ_AND_WRITE) for number in obj.attributes)
    return AccessRights(attributes, tuple(MethodAccess(number, Access.ACCESS) for number in obj.methods))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.class_id}-{cls.class_version}")
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_attribute_reads_and_writes_the_same(cls: Any, data: st.DataObject) -> None:
    name = Obis(bytes((1, 1, 7, 7, 7, 255)))
    values = {number: data.draw(strategies.datas(item.type)) for number, item in cls.attributes.items() if number > 1}
    obj = cls(name, LocalStore({1: axdr.octet_string(bytes(name))} | values))
    device = PhysicalDevice(b"CSM\x00\x00\x00\x00\x01", 0, SeededRandom(1), simulation=True)
    logical = device.add(LogicalDevice(1, b"CSMtest"))
    logical.add(obj)
    for client, referencing in ((1, "ln"), (2, "sn")):
        logical.associate(AssociationSpec(client, client, everything, referencing=referencing))
    device.build()
    ln = Line(device, client_sap=1).open()
    sn = Line(device, client_sap=2, referencing="sn").open()
    assert sn.run(sn.core.find(name)) == ln.run(ln.core.find(name))
    for number, attribute in cls.attributes.items():
        octets = ln.run(ln.core.get_octets(cls.class_id, name, number))
        if attribute.sn_offset is None:
            assert outcome(sn, sn.core.get_octets(cls.class_id, name, number)) == 4
            continue
        assert sn.run(sn.core.get_octets(cls.class_id, name, number)) == octets
        if number > 1:
            results = [
                outcome(line, line.core.set_data(cls.class_id, name, number, values[number])) for line in (ln, sn)
            ]
            assert results[0] == results[1]
            assert ln.run(ln.core.get_octets(cls.class_id, name, number)) == octets
    targets = [(cls.class_id, name, number) for number in cls.attributes]
    for mine, theirs in zip(sn.run(sn.core.read_many(targets)), ln.run(ln.core.read_many(targets)), strict=True):
        assert mine == theirs or isinstance(mine, AccessError)


@pytest.mark.parametrize("client", [{"client_sap": 16}, READING, MANAGEMENT], ids=["public", "reading", "management"])
@pytest.mark.parametrize("ciphering", ["glo", "ded", "general"])
def test_a_meter_shows_the_same_objects_and_values(client: dict[str, Any], ciphering: str) -> None:
    ln, sn = pair(**client, ciphering=ciphering)
    theirs, mine = ln.run(ln.core.object_list()), sn.run(sn.core.object_list())
    listed = {name: element for name, element in theirs.items() if element.class_id != 15}
    assert listed == {name: element for name, element in mine.items() if element.class_id != 12}
    assert sn.run(sn.core.find(CURRENT)).class_id == 12
    targets = [
        (element.class_id, name, attribute.attribute_id)
        for name, element in listed.items()
        if element.class_id != 7
        for attribute in element.access_rights.attribute_access
    ]
    counters = (Obis.parse("0-0:43.1.0"), 2)
    for target, one, other in zip(
        targets, ln.run(ln.core.read_many(targets)), sn.run(sn.core.read_many(targets)), strict=True
    ):
        if target[1:] != counters:
            assert str(one) == str(other), target


def test_typed_objects_and_verbs_work_alike() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 2), referencing="sn")
    line = Line(meter.device, referencing="sn", **MANAGEMENT).open()
    store = RemoteStore(line.core, line.run)
    assert Register(ENERGY, store).value == meter.metering.watt_hours(1, 0)
    assert line.run(quantity(line.core, 3, ENERGY)).unit.symbol == "Wh"
    clock = Clock(CLOCK, store)
    line.run(set_clock(line.core, datetime(2026, 6, 2, 12)))
    assert (clock.time.hour, clock.time_zone) == (12, meter.settings.zone)
    clock.shift_time(60)
    assert clock.time.minute == 1
    clock.daylight_savings_enabled = False
    assert meter.clock.object.daylight_savings_enabled is False
    switch = line.run(line.core.bound(SWITCH, store))
    switch.remote_disconnect()
    assert switch.output_state is False
    with pytest.raises(AccessError, match="read-write-denied"):
        Register(ENERGY, store).value = 5
    assert line.run(line.core.scaler_unit(1, SWITCH)) is None


@pytest.mark.parametrize("client", [READING, MANAGEMENT], ids=["reading", "management"])
@pytest.mark.parametrize("pdu", [100, 1024, 8192])
def test_profiles_are_selected_by_parameterised_access(client: dict[str, Any], pdu: int) -> None:
    ln, sn = pair(**client, max_pdu_size=pdu)
    first, last = datetime(2026, 6, 2, 3), datetime(2026, 6, 2, 5)
    for arguments in (
        {"start": first, "end": last},
        {"start": first, "end": last, "columns": [ENERGY]},
        {"entries": (3, 7)},
        {},
    ):
        tables = [line.run(ProfileReader(line.core, PROFILE).read(**arguments)) for line in (ln, sn)]
        assert tables[0].rows == tables[1].rows
        assert tables[1].rows
    assert sn.core.selects


def test_a_meter_without_parameterised_access_is_read_whole() -> None:
    sn = Line(
        two_days("sn").device, referencing="sn", conformance=SN_CORE & ~Conformance.PARAMETERIZED_ACCESS, **READING
    )
    table = sn.open().run(ProfileReader(sn.core, PROFILE).read(datetime(2026, 6, 2, 3), datetime(2026, 6, 2, 5)))
    assert not sn.core.selects
    assert len(table) == 9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([READING, MANAGEMENT]))
def test_a_line_that_loses_frames_gives_the_same_values(seed: int, client: dict[str, Any]) -> None:
    quality = LineQuality(loss=0.08, corruption=0.05, delay=0.01, jitter=0.02)
    line = Line(
        two_days("sn").device, hdlc=True, quality=quality, seed=seed, referencing="sn", response_timeout=60.0, **client
    )
    clean = Line(two_days("ln").device, **client).open()
    expected = clean.run(clean.core.read_many([(3, ENERGY, 2), (3, ENERGY, 3), (7, PROFILE, 4)]))
    try:
        line.open()
        got = line.run(line.core.read_many([(3, ENERGY, 2), (3, ENERGY, 3), (7, PROFILE, 4)]))
    except CosemError:
        return  # the line was too bad for the link layer, and said so
    assert got == expected


def test_a_profile_cut_half_way_keeps_what_had_arrived() -> None:
    line = Line(two_days("sn").device, referencing="sn", max_pdu_size=200, **READING).open()
    reader = ProfileReader(line.core, PROFILE)
    whole = line.run(reader.read())
    line.driver.hook = lambda step, begun=line.driver.steps: line.driver.cut() if step == begun + 20 else None
    with pytest.raises(ProfileInterrupted) as caught:
        line.run(reader.read())
    line.driver.hook = None
    assert 0 < len(caught.value.table) < len(whole)
    assert line.run(reader.resume(caught.value)).rows == whole.rows


@pytest.mark.parametrize("conformance", [SN_CORE, SN_ALL])
def test_long_values_go_both_ways_in_blocks(conformance: Conformance) -> None:
    from cosem.classes import Data as DataObject

    name = Obis.parse("0-0:96.1.9")
    text = axdr.octet_string(bytes(range(256)) * 8)
    device = PhysicalDevice(b"CSM\x00\x00\x00\x00\x01", 0, SeededRandom(1), simulation=True)
    logical = device.add(LogicalDevice(1, b"CSMtest"))
    logical.add(DataObject(name, value=axdr.octet_string(b"")))
    logical.associate(AssociationSpec(1, 1, everything, referencing="sn", conformance=conformance, max_pdu_size=120))
    device.build()
    line = Line(device, client_sap=1, referencing="sn", conformance=conformance, max_pdu_size=120).open()
    line.run(line.core.set_data(1, name, 2, text))
    assert line.run(line.core.get_data(1, name, 2)) == text


@pytest.mark.parametrize("window", [1, 4])
def test_many_verbs_at_once_of_an_asynchronous_meter(window: int) -> None:
    """Whatever the window is, one request by short name is under way at a time."""

    async def talk(running: Served) -> list[Any]:
        options = ClientOptions(window=window)
        async with await running.connect_async(options=options) as meter:
            objects = await meter.objects()
            assert {element.class_id for element in objects.values()} >= {1, 3, 7, 8, 12}
            wanted = [meter.get(Register.value, f"1-0:{channel}.8.0") for channel in (1, 2, 5, 6, 7, 8)]
            values = await asyncio.gather(*wanted, meter.clock())
            # One that is given up: its answer must not pass for the next one's.
            given_up = asyncio.ensure_future(meter.get(Register.value, "1-0:2.8.0"))
            while not meter.core.machine._under:
                await asyncio.sleep(0)
            given_up.cancel()
            with pytest.raises((asyncio.CancelledError, CosemError)):
                await given_up
            assert meter.core.machine.resting
            assert await meter.get(Register.value, "1-0:1.8.0") == values[0]
            return list(values)

    with served(referencing="sn") as running:
        values = asyncio.run(talk(running))
        metering = running.meter.metering
        assert values[:-1] == [metering.watt_hours(channel, 0) for channel in (1, 2, 5, 6, 7, 8)]


# --- silence -------------------------------------------------------------------------------------------------------


class Forgetful(LossyPipe):
    """A line that loses the next `lost` things the meter says."""

    lost = 0

    def send(self, side: int, octets: bytes, now: float) -> None:
        if side == SERVER_SIDE and self.lost:
            self.lost -= 1
            return
        super().send(side, octets, now)


def forgetful(meter: Any, **settings: Any) -> tuple[Line, Forgetful]:
    line = Line(meter.device, referencing="sn", **settings).open()
    line.run(line.core.object_list())
    line.driver.pipe = pipe = Forgetful()
    return line, pipe


@pytest.mark.parametrize("client", [READING, MANAGEMENT], ids=["reading", "management"])
def test_silence_is_answered_by_a_new_connection(client: dict[str, Any]) -> None:
    line, pipe = forgetful(two_days("sn"), **client)
    wanted = line.run(line.core.get_data(3, ENERGY, 2))
    first = line.responder.sessions[0]
    pipe.lost = 1
    assert line.run(line.core.get_data(3, ENERGY, 2)) == wanted
    assert line.responder.sessions[0] is not first
    assert not line.core.machine.resting


def test_a_write_is_never_repeated_and_its_answer_nobody_elses() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 2), referencing="sn")
    line, pipe = forgetful(meter, options=ClientOptions(reconnects=0), **MANAGEMENT)
    before = meter.clock.now
    pipe.lost = 1
    with pytest.raises(Timeout):
        line.run(line.core.call_data(8, CLOCK, 6, axdr.long(60)))
    assert meter.clock.now == before + 60
    assert not line.core.associated
    with pytest.raises(ConnectionLost):
        line.run(line.core.get_data(3, ENERGY, 2))
    line.run(line.core.open())
    assert line.run(line.core.get_data(3, ENERGY, 2)).value == meter.metering.watt_hours(1, 0)


# --- names ---------------------------------------------------------------------------------------------------------


def known_names(**options: Any) -> ShortNameCore:
    machine = Initiator(WrapperLink(), AssociationSettings(referencing="sn"))
    machine.state = Client.ASSOCIATED
    return ShortNameCore(machine, bytes, ClientOptions(**options))


def play(talk: Any, *answers: Any) -> tuple[Any, list[Any]]:
    """Run a conversation against prepared answers; return its result and the services it asked for."""
    asked: list[Any] = []
    answer: Any = None
    waiting = list(answers)
    try:
        while True:
            step = talk.send(answer)
            assert isinstance(step, Call)
            asked.append(step.service)
            answer = waiting.pop(0)
    except StopIteration as stop:
        assert not waiting
        return stop.value, asked


FIVE = axdr.encode(axdr.unsigned(5))


def listing(*items: tuple[int, int, int, Obis]) -> ReadResponse:
    objects = [ShortNameObject(*item) for item in items]
    return ReadResponse((axdr.encode(AssociationSN.object_list.type.to_data(objects)),))


def test_names_that_are_known_need_no_object_list() -> None:
    core = known_names(base_names={ENERGY: 0x2000})
    value, asked = play(core.get_data(3, ENERGY, 3), ReadResponse((FIVE,)))
    assert value == axdr.unsigned(5)
    assert asked == [ReadRequest((VariableName(0x2010),))]
    assert play(core.get_data(12, CURRENT, 2), ReadResponse((FIVE,)))[1] == [ReadRequest((VariableName(0xFA08),))]


def test_the_object_list_is_read_once() -> None:
    core = known_names()
    _, asked = play(core.get_data(3, ENERGY, 2), listing((0xC000, 3, 0, ENERGY)), ReadResponse((FIVE,)))
    assert asked == [ReadRequest((VariableName(0xFA08),)), ReadRequest((VariableName(0xC008),))]
    assert play(core.get_data(3, ENERGY, 2), ReadResponse((FIVE,)))[1] == [ReadRequest((VariableName(0xC008),))]
    # Without an entry of its own nobody knows what version the association is: no rights.
    assert play(core.object_list())[0][ENERGY].access_rights is None


@pytest.mark.parametrize(
    ("version", "answers"),
    [
        (0, ()),
        (1, ()),
        (9, ()),
        (2, (ReadResponse((3,)),)),
        (2, (ReadResponse((FIVE,)),)),
        (4, (ReadResponse((b"\x01\x00",)),)),
    ],
)
def test_rights_that_are_not_told(version: int, answers: tuple[Any, ...]) -> None:
    core = known_names()
    own = (0xFA00, 12, version, Obis.parse("0-0:40.0.1"))
    objects, asked = play(core.object_list(), listing(own, (0x100, 3, 0, ENERGY)), *answers)
    assert [element.access_rights for element in objects.values()] == [None, None]
    assert asked[1:] == [ReadRequest((VariableName(0xFA10),))] * len(answers)
    assert play(core.find(CURRENT))[0].version == version


def test_an_object_list_of_another_kind_is_told() -> None:
    with pytest.raises(RemoteProtocolError, match="none of Association SN"):
        play(known_names().object_list(), ReadResponse((FIVE,)))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ((3, Obis.parse("1-0:2.8.0"), 2), r"1-0:2.8.0.255 is not in the object list: object-undefined \(4\)"),
        ((1, ENERGY, 2), "is of class 3, not 1: object-class-inconsistent"),
        ((3, ENERGY, 0), "1-0:1.8.0.255:0 has no short name"),
        ((3, ENERGY, -1), "has no short name"),
        ((3, ENERGY, 4), "1-0:1.8.0.255:4 has no short name"),
        ((8000, SWITCH, 4000), "has no short name"),
    ],
)
def test_what_has_no_short_name_is_never_asked_for(target: tuple[int, Obis, int], message: str) -> None:
    """The octets behind an object are somebody else's: a write there could be a method of another object."""
    core = known_names()
    play(core.object_list(), listing((0xC000, 3, 0, ENERGY), (0xD000, 8000, 0, SWITCH)))
    for talk in (core.get_data(*target), core.set_data(*target, axdr.unsigned(1)), core.call_data(*target, None)):
        with pytest.raises(AccessError, match=message.replace(":4 ", r":4(\(\))? ").replace(":0 ", r":0(\(\))? ")):
            play(talk)
    answers, asked = play(core.read_many([target, (3, ENERGY, 2)]), ReadResponse((FIVE,)))
    assert isinstance(answers[0], AccessError)
    assert answers[1] == axdr.unsigned(5)
    assert asked == [ReadRequest((VariableName(0xC008),))]


def test_attributes_of_an_unknown_class_follow_the_rule_and_come_back_unchanged() -> None:
    core = known_names()
    play(core.object_list(), listing((0xD000, 8000, 7, SWITCH)))
    odd = axdr.structure(axdr.unsigned(1), axdr.octet_string(b"odd"))
    value, asked = play(core.get_data(8000, SWITCH, 5), ReadResponse((axdr.encode(odd),)))
    assert value == odd
    assert asked == [ReadRequest((VariableName(0xD020),))]
    from cosem.apdu import WriteResponse

    _, asked = play(core.set_data(8000, SWITCH, 5, value), WriteResponse((0,)))
    assert asked == [WriteRequest((VariableName(0xD020),), (axdr.encode(odd),))]
    unknown = Unknown(SWITCH, RemoteStore(core, lambda talk: play(talk, ReadResponse((axdr.encode(odd),)))[0]),
                      class_id=8000, class_version=7)  # fmt: skip
    assert unknown.store.read(unknown, Attribute.undeclared(8000, 5)) == odd
    with pytest.raises(AccessError, match="has no short name"):
        play(core.call_data(8000, SWITCH, 1, None))


def test_methods_that_return_something_are_read() -> None:
    core = known_names()
    own = Obis.parse("0-0:40.0.1")
    play(core.object_list(), listing((0xFA00, 12, 1, own), (0x200, 70, 0, SWITCH)))
    asked = play(core.call_data(12, own, 3, axdr.array()), ReadResponse((axdr.encode(axdr.structure()),)))
    assert asked == (axdr.structure(), [ReadRequest((ParameterizedAccess(0xFA30, 1, b"\x01\x00"),))])
    assert play(core.call_data(12, own, 3, axdr.array()), ReadResponse((b"\x00",)))[0] is None
    with pytest.raises(AccessError, match=r"0-0:40.0.1.255:3\(\): read-write-denied"):
        play(core.call_data(12, own, 3, None), ReadResponse((DataAccessResult.READ_WRITE_DENIED,)))
    from cosem.apdu import WriteResponse

    _, asked = play(core.call_data(70, SWITCH, 1, None), WriteResponse((0,)))
    assert asked == [WriteRequest((VariableName(0x220),), (b"\x00",))]
    with pytest.raises(AccessError, match="type-unmatched"):
        play(core.call_data(70, SWITCH, 1, None), WriteResponse((DataAccessResult.TYPE_UNMATCHED,)))


def test_answers_that_are_no_values_are_told() -> None:
    core = known_names(base_names={ENERGY: 0x2000})
    with pytest.raises(AccessError, match=r"1-0:1.8.0.255:2: unknown \(77\)"):
        play(core.get_data(3, ENERGY, 2), ReadResponse((77,)))
    with pytest.raises(DecodeError, match=r"1-0:1.8.0.255:2"):
        play(core.get_data(3, ENERGY, 2), ReadResponse((b"\x06\x00",)))


def test_a_report_of_names_nobody_knows() -> None:
    core = known_names()
    play(core.object_list(), listing((0xD000, 8000, 7, SWITCH)))
    with pytest.raises(RemoteProtocolError, match="53256 is no short name"):
        play(core.reported(InformationReport(None, (VariableName(0xD008),), (FIVE,))))
    told, _ = play(core.reported(InformationReport(None, (VariableName(0xD000),), (FIVE,))))
    assert told[0][1:] == (1, axdr.unsigned(5))


def test_lists_keep_to_what_the_meter_takes() -> None:
    names = {Obis(bytes((1, 0, n, 8, 0, 255))): 0x2000 + 0x40 * n for n in range(40)}
    core = known_names(base_names=names)
    targets = [(3, name, 2) for name in names]
    values = [axdr.unsigned(n) for n in range(40)]
    core.machine.conformance = Conformance.READ
    single = [ReadResponse((axdr.encode(value),)) for value in values]
    answers, asked = play(core.read_many(targets), *single)
    assert answers == values
    assert {len(request.specs) for request in asked} == {1}
    core.machine.conformance = SN_CORE
    core.machine.peer_max_pdu_size = 80
    lists = [ReadResponse(tuple(axdr.encode(v) for v in values[at : at + 10])) for at in range(0, 40, 10)]
    answers, asked = play(core.read_many(targets), *lists)
    assert answers == values
    assert all(len(request.encode()) <= 80 - 48 + 2 for request in asked)
