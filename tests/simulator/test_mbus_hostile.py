"""Lines and meters of ill will: whatever they send, a master ends with values or a declared error, in bounded time."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.device.utility.radio import RadioMeter
from cosem.device.utility.wired import UtilityStation, WiredApplication
from cosem.errors import CosemError, MeterRefused, SecurityError
from cosem.explain.mbus import MAX_FORMATS, MBusExplainer, explain_answer, one_key
from cosem.io.memory import MemoryDriver
from cosem.link.conversing import Sleep
from cosem.link.line import Line
from cosem.link.mbus_frame import build, build_short
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.continuation import more_follows
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import MAX_TELEGRAMS, STANDARD_LINE
from cosem.mbus.master import BusMaster, MasterTimes
from cosem.mbus.model import models
from cosem.mbus.ordering import Meters
from cosem.mbus.primary import Primary
from cosem.mbus.readings import reading
from cosem.mbus.record import decode_records
from cosem.mbus.relays import Received, Relay
from cosem.mbus.search import scan_primary, scan_secondary
from cosem.mbus.secondary import Request, SecondaryStation
from cosem.mbus.sending import order
from cosem.mbus.telegram import decode
from cosem.mbus.wireless import Address, Format, WirelessFrame
from cosem.simulator.mbus_bus import SimulatedBus
from support.mbus_meters import meter, station
from support.utility_meters import KEY, NEW_KEY, START, speaker

Mutation = Callable[[bytes, random.Random], bytes]


def garbage(octets: bytes, rnd: random.Random) -> bytes:
    return rnd.randbytes(rnd.randrange(1, 300))


def cut(octets: bytes, rnd: random.Random) -> bytes:
    return octets[: rnd.randrange(len(octets))]


def flipped(octets: bytes, rnd: random.Random) -> bytes:
    changed = bytearray(octets)
    for _ in range(rnd.randrange(1, 4)):
        changed[rnd.randrange(len(changed))] ^= 1 << rnd.randrange(8)
    return bytes(changed)


def endless(octets: bytes, rnd: random.Random) -> bytes:
    return octets * 40


def beginnings(octets: bytes, rnd: random.Random) -> bytes:
    return bytes.fromhex("68ffff68") * rnd.randrange(1, 70) + octets


def sound(octets: bytes, rnd: random.Random) -> bytes:
    """Other octets inside of a frame whose checksum is right."""
    if octets[:1] != b"\x68":
        return octets
    inner = bytearray(octets[4:-2])
    for _ in range(rnd.randrange(1, 6)):
        inner[rnd.randrange(2, len(inner))] = rnd.randrange(256)
    return octets[:4] + bytes(inner) + bytes((sum(inner) & 0xFF, 0x16))


MUTATIONS: Sequence[Mutation] = (garbage, cut, flipped, endless, beginnings, sound)


class IllWill(SimulatedBus):
    """A bus that alters a share of what slaves answer."""

    def __init__(self, stations: Sequence[SecondaryStation], seed: int, share: float, echo: bool) -> None:
        super().__init__(stations, line=Line(STANDARD_LINE), echo=echo)
        self.rnd = random.Random(seed)
        self.share = share

    def _disturb(self, octets: bytes) -> bytes:
        if octets and self.rnd.random() < self.share:
            return self.rnd.choice(MUTATIONS)(octets, self.rnd)
        return octets


class Desk:
    """A master at a bus of ill will, and what he tries."""

    def __init__(self, bus: SimulatedBus, keys: KeyStore | None = None, **times: Any) -> None:
        self.bus = bus
        self.driver = MemoryDriver(BusMaster(Line(STANDARD_LINE), MasterTimes(**times)), bus)
        follows = partial(more_follows, keys=keys)
        self.meters = Meters(Primary(self.driver.initiator, more_follows=follows), keys)  # type: ignore[arg-type]

    def run(self, conversation: Generator[Any, Any, Any]) -> Any:
        return self.driver.run(conversation)


def quiet(seconds: float) -> Generator[Any, Any, None]:
    yield Sleep(seconds)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from((0.3, 1.0)), st.booleans(), st.booleans())
def test_whatever_comes_back_reading_ends_with_values_or_a_declared_error(
    seed: int, share: float, echo: bool, keyed: bool
) -> None:
    heat = speaker("heat-wired", key=KEY if keyed else None)
    bus = IllWill([UtilityStation(heat, epoch=START, primary=5)], seed, share, echo)
    desk = Desk(bus, KeyStore(ask=one_key(KEY)) if keyed else None)
    for conversation in (
        lambda: desk.meters.read(5),
        lambda: desk.meters.read(SecondaryAddress.parse("12345678")),
        lambda: desk.meters.set_clock(5, datetime(2026, 4, 3)),
        lambda: scan_primary(desk.meters.bus, range(4, 7), tries=2),
    ):
        begun = desk.driver.now
        with contextlib.suppress(CosemError):
            desk.run(conversation())
        # Every try has an end, also on a line that never falls silent.
        assert desk.driver.now - begun < 400
    # A bus that has become honest is read, whatever was left half done.
    bus.share = 0.0
    desk.run(quiet(200.0))
    with contextlib.suppress(MeterRefused):  # what an altered order was refused for
        desk.run(desk.meters.read(5))
    answer = desk.run(desk.meters.read(5))
    assert "total_energy_consumption_kwh" in desk.meters.values(answer)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**9))
def test_a_search_among_liars_ends_and_finds_nobody_who_is_not_there(seed: int) -> None:
    honest = [station(meter(number)) for number in ("10000001", "20000002", "30000003")]
    desk = Desk(IllWill(honest, seed, 0.15, echo=False))
    scan = desk.run(scan_secondary(desk.meters.bus, SecondaryAddress.parse("F000000F")))
    there = {slave.identity for slave in honest}
    assert {item.address for item in scan.found} <= there


def test_255_meters_at_one_address_are_a_collision_and_told_apart_by_number() -> None:
    slaves = [station(meter(f"{number:08d}"), primary=7, reaction=0.02 + number / 3000) for number in range(255)]
    desk = Desk(SimulatedBus(slaves, line=Line(STANDARD_LINE)))
    scan = desk.run(scan_primary(desk.meters.bus, [7]))
    assert (scan.found, scan.collisions) == ((), (7,))
    with pytest.raises(CosemError):
        desk.run(desk.meters.read(7))
    found = desk.run(scan_secondary(desk.meters.bus, SecondaryAddress.parse("000002FF"))).found
    assert [item.address.identification for item in found] == [f"{number:08d}" for number in range(200, 255)]


class Says:
    """An application that answers with these telegrams."""

    def __init__(self, *telegrams: tuple[int, bytes]) -> None:
        self.telegrams = telegrams

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        return self.telegrams

    def accept(self, ci: int, octets: bytes) -> bool:
        return True


def saying(*telegrams: tuple[int, bytes]) -> Desk:
    return Desk(SimulatedBus([SecondaryStation(Says(*telegrams), meter(), primary=5)], line=Line(STANDARD_LINE)))


HEADER = meter().octets + bytes(4)


def test_records_of_nothing_and_moments_that_are_none() -> None:
    # No data, a variable length of 0, FFFF dates and times of all types, BCD of F, a NaN.
    records = "0013 0d1300 0d7800 026cffff 046dffffffff 066dffffffffffff 0c13ffffffff 0513 0000c07f 02fd17ffff"
    desk = saying((0x72, HEADER + bytes.fromhex(records)))
    answer = desk.run(desk.meters.read(5))
    assert len(answer.records.records) == 9
    found = reading(answer.telegrams[0], models(), timestamp=datetime(2026, 1, 1), records=answer.records)
    values = found.values
    assert {name for name, value in values.items() if isinstance(value, Decimal)} == set()
    assert '"date":null' in found.line()
    assert values["status"] != "OK"


def test_an_answer_without_end_ends() -> None:
    desk = saying(*((0x72, HEADER + bytes.fromhex("0c1312345678") + b"\x1f") for _ in range(1000)))
    answer = desk.run(desk.meters.read(5))
    assert len(answer.telegrams) == MAX_TELEGRAMS


def test_application_errors_are_told_and_not_taken_for_values() -> None:
    desk = saying((0x70, b"\x08"))
    with pytest.raises(MeterRefused, match="too busy") as refused:
        desk.run(desk.meters.read(5))
    assert refused.value.code == 8
    assert explain_answer([(0x70, b"\x08")], keys=one_key(KEY)).more["application_error"]["code"] == 8


def test_two_masters_on_one_bus() -> None:
    """The other one's frames come out of turn: they are counted and not taken for answers."""
    gas = speaker("gas-wired")
    bus = SimulatedBus([UtilityStation(gas, epoch=START, primary=5)], line=Line(STANDARD_LINE))
    desk = Desk(bus)
    other = bytes.fromhex("105b055b")  # cut frames and whole ones of somebody else
    whole = bytes.fromhex("105b056016")
    initiator = desk.driver.initiator
    seen = 0
    for turn in range(20):

        def meddle(step: int, turn: int = turn) -> None:
            if step == turn:
                initiator.receive(whole if turn % 2 else other, desk.driver.now)

        desk.driver.steps, desk.driver.hook = 0, meddle
        try:
            answer = desk.run(desk.meters.read(5))
        except CosemError:
            continue
        seen += 1
        assert desk.meters.values(answer)["fabrication_no"] == "12345678"
    assert seen > 15


def test_a_message_counter_that_ends_ends_the_telegrams() -> None:
    gas = speaker("gas-wired-gcm", key=KEY)
    gas.counter = 0xFFFF_FFFE
    application = WiredApplication(gas)
    assert application.answer(Request(False, 0, 0, 0.0))
    assert application.answer(Request(False, 0, 0, 0.0)) == ()
    gas.install(NEW_KEY, 0)
    assert application.answer(Request(False, 0, 0, 0.0))
    radio = speaker("gas-radio", key=KEY)
    radio.counter = 0xFFFF_FFFF
    sender = RadioMeter(radio)
    assert (sender.send(), sender.next_at) == (None, None)
    heat = speaker("warm-water-radio", key=KEY)
    heat._session = (1 << 29) - 2
    sender = RadioMeter(heat)
    assert sender.send() is not None
    assert (sender.send(), sender.next_at) == (None, None)


def test_access_numbers_go_round() -> None:
    water = speaker("water-wired", key=KEY)
    keys = KeyStore(ask=one_key(KEY), access_window=8)
    desk = Desk(SimulatedBus([UtilityStation(water, epoch=START, primary=5)], line=Line(STANDARD_LINE)), keys)
    for _ in range(300):
        assert desk.run(desk.meters.read(5)).telegrams[0].verified


def test_a_register_rolls_over() -> None:
    gas = speaker("gas-wired", start_amount=99_999_999_999)
    (ci, octets), *_ = gas.wired_telegrams(("total_m3",))
    said = explain_answer([(ci, octets)])
    assert said.records.records[0].value == Decimal("99999.999")
    gas.meter.settle(START + 86_400)
    said = explain_answer(gas.wired_telegrams(("total_m3",)))
    value = said.records.records[0].value
    assert isinstance(value, Decimal)
    assert 0 < value < 100


def stranger(rnd: random.Random) -> bytes:
    """A frame of somebody new: fragments without end, pieces without end, formats, compact frames, records, noise."""
    sender = Address(rnd.randbytes(2), rnd.randbytes(4), rnd.randrange(256), rnd.randrange(256))
    payload = rnd.choice(
        (
            bytes.fromhex("900f0160") + rnd.randbytes(30),
            bytes((0x78,)) + bytes.fromhex("0c13") + rnd.randbytes(4) + b"\x04" + rnd.randbytes(5),
            bytes((0x79,)) + rnd.randbytes(20),
            bytes((rnd.randrange(0x10),)) + rnd.randbytes(30),
            bytes((rnd.choice((0x69, 0x6A, 0x6B, 0x72, 0x7A, 0x8C, 0x8D, 0x7C, 0x60)),)) + rnd.randbytes(60),
        )
    )
    return WirelessFrame(0x44, sender, payload).stripped


@pytest.mark.parametrize("keyed", [False, True])
def test_hours_among_strangers_leave_nothing_behind(keyed: bool) -> None:
    rnd = random.Random(7)
    store = KeyStore(ask=one_key(KEY)) if keyed else KeyStore()
    explainer = MBusExplainer(store=store)
    for turn in range(6_000):
        explainer.take(Received(stranger(rnd), Relay.HEX, form=Format.STRIPPED), turn * 3.0)
    assert len(store) == 0
    assert len(explainer.formats) <= MAX_FORMATS
    assert explainer._fragments.waiting <= 64
    assert len(explainer._pieces._joiner._waiting) <= 64
    # And an honest meter is heard among them.
    water = speaker("water-radio", key=KEY)
    frame = RadioMeter(water).send()
    assert frame is not None
    said = MBusExplainer(store=KeyStore(ask=one_key(KEY))).take(Received(frame.octets, Relay.HEX, form=frame.form))
    assert said.error is None


def test_a_recorded_week_by_radio_is_refused_and_counted() -> None:
    meters = [RadioMeter(speaker(name, key=KEY)) for name in ("gas-radio", "water-radio", "heat-radio")]
    frames = [sent for _ in range(20) for sender in meters if (sent := sender.send()) is not None]
    store = KeyStore(ask=one_key(KEY), access_window=32)
    explainer = MBusExplainer(store=store)
    first = [explainer.take(Received(sent.octets, Relay.HEX, form=sent.form)) for sent in frames]
    assert [said.error for said in first] == [None] * 60
    again = [explainer.take(Received(sent.octets, Relay.HEX, form=sent.form)) for sent in frames]
    assert all(said.error is not None and not said.records.records for said in again)
    assert store.failures["replay"] == 60


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(MUTATIONS))
def test_an_altered_protected_telegram_never_gives_values(seed: int, mutation: Mutation) -> None:
    rnd = random.Random(seed)
    gas = speaker("gas-radio", key=KEY)
    frame = RadioMeter(gas).send()
    assert frame is not None
    octets = mutation(frame.octets, rnd)
    if octets.startswith(frame.octets):
        return
    said = MBusExplainer(store=KeyStore(ask=one_key(KEY))).take(Received(octets, Relay.HEX, form=frame.form))
    assert said.error is not None or not said.records.records or said.sealed
    with pytest.raises((CosemError, SecurityError)):
        decode(octets, form=frame.form, keys=KeyStore(ask=one_key(NEW_KEY)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(("gas-wired", "electricity-wired", "heat-wired", "gas-wired-gcm")))
def test_a_meter_survives_whatever_a_master_sends(seed: int, name: str) -> None:
    """Orders with any data in clear and under the key, broken frames, and frames of no known kind: it answers on."""
    rnd = random.Random(seed)
    meters = speaker(name, key=rnd.choice((None, KEY)))
    wired = meters.model.wired
    assert wired is not None
    bus = SimulatedBus([UtilityStation(meters, epoch=START, primary=5)], line=Line(STANDARD_LINE))
    heads = [head for item in meters.model.orders for head in item.heads]
    now = 0.0
    for turn in range(40):
        octets = rnd.choice(heads) + rnd.randbytes(rnd.randrange(12))
        ci = 0x51
        if meters.key is not None and rnd.random() < 0.5:
            with contextlib.suppress(CosemError):
                records = decode_records(octets).records
                ci, octets = order(
                    meters.address, records, protection=wired.protection, keys=meters.keys, counter=turn + 1
                )
        sent = rnd.choice(
            (
                rnd.randbytes(rnd.randrange(40)),
                build(0x53, rnd.choice((5, 253, 254, 255)), rnd.randrange(0x100), rnd.randbytes(rnd.randrange(40))),
                build(0x53, 5, ci, octets),
                build_short(rnd.choice((0x40, 0x5B, 0x7B, 0x5A, 0x7A)), rnd.choice((5, 253, 254))),
            )
        )
        bus.receive(sent, now)
        now += 5.0
        bus.handle_timer(now)
        bus.take()


@pytest.mark.parametrize(("name", "year"), [("gas-wired", 2399), ("electricity-wired", 2103)])
def test_a_clock_beyond_what_a_type_knows_is_no_time(name: str, year: int) -> None:
    voice = speaker(name)
    voice.meter.set_clock(START + (year - 2026) * 365 * 86_400)
    said = explain_answer(voice.wired_telegrams(("meter_datetime",)))
    found = reading(said.telegram, models(), timestamp=datetime(2026, 1, 1), records=said.records)  # type: ignore[arg-type]
    assert found.values["meter_datetime"] is None
