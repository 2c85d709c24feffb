"""Meters of the models ordered by a master: clock, valve, keys, records; protected where they have a key."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from cosem.device.utility.meter import Valve
from cosem.device.utility.speaker import Speaker
from cosem.device.utility.wired import UtilityStation
from cosem.errors import ConfigError, MeterRefused, RemoteProtocolError, SecurityError, WeakProtection
from cosem.io.memory import MemoryDriver
from cosem.link.line import Line
from cosem.link.mbus_frame import Frame, LongFrame
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.continuation import more_follows
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import STANDARD_LINE
from cosem.mbus.master import BusMaster
from cosem.mbus.ordering import KeyForm, Meters
from cosem.mbus.primary import Primary
from cosem.mbus.record import Record, decode_records
from cosem.mbus.secondary import Request, SecondaryStation
from cosem.mbus.wireless import Address
from cosem.simulator.mbus_bus import SimulatedBus
from support.utility_meters import DEFAULT_KEY, KEY, NEW_KEY, START, speaker

LATER = 9_000_000


class House:
    """Meters on a bus in memory and their master, who has the keys in `keys`."""

    def __init__(self, stations: Iterable[SecondaryStation], keys: KeyStore | None = None) -> None:
        line = Line(STANDARD_LINE)
        master = BusMaster(line)
        self.bus = SimulatedBus(stations, line=line)
        self.driver = MemoryDriver(master, self.bus)
        self.keys = KeyStore() if keys is None else keys
        self.meters = Meters(Primary(master, more_follows=partial(more_follows, keys=self.keys)), self.keys)

    def run(self, conversation: Generator[Any, Any, Any]) -> Any:
        return self.driver.run(conversation)


def house(*voices: Speaker, keys: KeyStore | None = None) -> House:
    return House([UtilityStation(one, epoch=START, primary=place) for place, one in enumerate(voices, 5)], keys)


def known(address: Address, key: bytes = KEY) -> KeyStore:
    return KeyStore(ask=lambda meter: key if meter == address else None)


def test_a_protected_answer_of_several_telegrams_is_one() -> None:
    heat = speaker("heat-wired", key=KEY)
    there = house(heat, keys=known(heat.address))
    answer = there.run(there.meters.read(5))
    assert (len(answer.telegrams), answer.meter, answer.telegrams[1].verified) == (2, heat.address, True)
    values = there.meters.values(answer)
    assert {"total_energy_consumption_kwh", "prev_12_month_date"} <= set(values)
    # Whoever has no key cannot tell that more follows.
    stranger = house(speaker("heat-wired", key=KEY))
    assert len(stranger.run(stranger.meters.bus.read(5))) == 1
    with pytest.raises(SecurityError):
        stranger.run(stranger.meters.read(5))


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("where", [5, SecondaryAddress.parse("12345678")])
def test_a_valve_is_moved_and_seen(key: bytes | None, where: int | SecondaryAddress) -> None:
    gas = speaker("gas-wired", key=key)
    there = house(gas, keys=KeyStore() if key is None else known(gas.address))
    answer = there.run(there.meters.move_valve(where, "close", stamp=LATER))
    assert (gas.meter.valve, there.meters.values(answer)["valve"]) == (Valve.CLOSED, "closed")
    there.run(there.meters.move_valve(where, "release", stamp=LATER))
    assert gas.meter.valve is Valve.RELEASED
    with pytest.raises(ConfigError, match="open"):
        there.run(there.meters.move_valve(where, "open"))
    gas.meter.stuck = True
    with pytest.raises(RemoteProtocolError, match="its valve is released"):
        there.run(there.meters.move_valve(where, "close", stamp=LATER))


def test_a_clock_is_set_and_seen() -> None:
    gas, water = speaker("gas-wired", key=KEY), speaker("water-wired", identification="12345679")
    there = house(gas, water, keys=known(gas.address))
    noon = datetime(2026, 6, 3, 12, 0, 5)
    answer = there.run(there.meters.set_clock(5, noon))
    assert str(there.meters.values(answer)["meter_datetime"]) == "2026-06-03 12:00"
    # Summer time is taken back by a meter that keeps normal time.
    there.run(there.meters.set_clock(6, noon, summer_time=True))
    assert water.meter.local().hour == 11
    # To all, in clear: who has a key does not listen.
    there.run(there.meters.set_clock(255, datetime(2027, 1, 1)))
    assert (water.meter.local().year, gas.meter.local().year) == (2027, 2026)


@pytest.mark.parametrize("form", ["counted", "bare"])
def test_a_key_is_changed_and_proved(form: KeyForm) -> None:
    gas = speaker("gas-wired", key=KEY)
    there = house(gas, keys=known(gas.address))
    change = partial(there.meters.change_key, 5, NEW_KEY, form=form)
    answer = there.run(change(under=DEFAULT_KEY, stamp=LATER))
    assert (gas.key, answer.telegrams[0].verified, there.keys.find(gas.address)) == (NEW_KEY, True, NEW_KEY)
    assert there.run(there.meters.move_valve(5, "close")).telegrams[0].verified


def test_a_first_key_and_keys_that_do_not_come_true() -> None:
    gas = speaker("gas-wired")
    there = house(gas, keys=known(gas.address))
    with pytest.raises(WeakProtection):
        there.run(there.meters.read(5))
    with pytest.raises(MeterRefused) as refused:
        there.run(there.meters.change_key(5, KEY, under=NEW_KEY, stamp=1))
    assert refused.value.code == 0x14
    assert there.run(there.meters.change_key(5, KEY, under=DEFAULT_KEY, stamp=2)).telegrams[0].verified
    # The counter of key changes goes on: an old one is a repetition, and the key in use stays.
    there = house(gas, keys=known(gas.address))
    with pytest.raises(MeterRefused, match="access denied"):
        there.run(there.meters.change_key(5, NEW_KEY, under=DEFAULT_KEY, stamp=1))
    assert there.keys.find(gas.address) == KEY
    # A bare key wrapped under another one is taken for what it is not: the store keeps the key that was good.
    with pytest.raises(RemoteProtocolError, match="does not use it"):
        there.run(there.meters.change_key(5, NEW_KEY, under=NEW_KEY, form="bare"))
    assert there.keys.find(gas.address) == KEY


def test_records_are_sent_and_what_the_meter_says_is_told() -> None:
    gas = speaker("gas-wired", key=KEY)
    there = house(gas, keys=known(gas.address))
    site = decode_records(bytes.fromhex("0dfd1003414243")).records
    answer = there.run(there.meters.order(5, site))
    assert there.meters.values(answer)["site"] == "CBA"
    with pytest.raises(MeterRefused, match="unknown"):
        there.run(there.meters.order(5, decode_records(bytes.fromhex("01fd2a01")).records))
    # What was refused before does not fall on the next order.
    there.run(there.meters.bus.send(5, 0x5F, b"\0"))
    there.run(there.meters.acknowledge(5))


def test_order_after_order_none_is_a_repetition() -> None:
    gas = speaker("gas-wired", key=KEY, access_window=16)
    there = house(gas, keys=known(gas.address))
    for turn in range(40):
        there.run(there.meters.move_valve(5, "close" if turn % 2 else "release", stamp=LATER))
    assert gas.orders.refused == {}


class Liar:
    """Somebody who answers with octets of his choice."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = answers

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        return self.answers

    def accept(self, ci: int, octets: bytes) -> bool:
        return True


VOLUME = bytes.fromhex("0c1378563412")


@pytest.mark.parametrize("shape", ["long header", "no header", "fixed"])
def test_a_meter_with_a_key_is_not_believed_in_clear_whatever_the_telegram_looks_like(shape: str) -> None:
    gas = speaker("gas-wired", key=KEY)
    identity = SecondaryAddress(gas.address.header)
    lie = {
        "long header": (0x72, gas.address.header + bytes(4) + VOLUME),
        "no header": (0x78, VOLUME),
        "fixed": (0x73, gas.address.identification + bytes.fromhex("0100e97e0100000035010000")),
    }[shape]
    keys = KeyStore(ask=lambda meter: KEY if meter.number == "12345678" else None)
    there = House([SecondaryStation(Liar(lie), identity, primary=5)], keys)
    for where in (SecondaryAddress.parse("12345678"), identity):
        with pytest.raises(WeakProtection):
            there.run(there.meters.read(where))
    if shape != "no header":
        with pytest.raises(WeakProtection):
            there.run(there.meters.read(5))
    else:
        # At a primary address it is he who proved himself there before.
        honest = UtilityStation(gas, epoch=START, primary=5)
        there.bus.stations[:] = [honest]
        there.run(there.meters.read(5))
        there.bus.stations[:] = [SecondaryStation(Liar(lie), identity, primary=5)]
        with pytest.raises(WeakProtection):
            there.run(there.meters.read(5))


def test_somebody_else_is_not_taken_for_the_meter_that_was_asked() -> None:
    asked = SecondaryAddress.of("12345678", "KAM", 1, 4)
    other = SecondaryAddress.of("12345679", "KAM", 1, 4)
    there = House([SecondaryStation(Liar((0x72, other.octets + bytes(4) + VOLUME)), asked)])
    with pytest.raises(RemoteProtocolError, match="12345679-KAM-01-04 answers"):
        there.run(there.meters.read(asked))
    # Nor are two meters one answer.
    parts = [(0x72, who.octets + bytes((turn, 0, 0, 0)) + VOLUME + b"\x1f") for turn, who in enumerate((asked, other))]
    there = House([SecondaryStation(Liar(*parts), asked, primary=7)])
    with pytest.raises(RemoteProtocolError, match="one answer of two meters"):
        there.run(there.meters.read(7))


def test_answers_that_were_recorded_are_refused() -> None:
    gas = speaker("gas-wired", key=KEY)
    keys = known(gas.address)
    recorded = gas.wired_telegrams(("total_m3",))
    there = House([SecondaryStation(Liar(*recorded), SecondaryAddress(gas.address.header), primary=5)], keys)
    there.run(there.meters.read(5))
    with pytest.raises(SecurityError, match="repetition"):
        there.run(there.meters.read(5))
    assert keys.failures["replay"] == 1


def test_orders_without_a_model() -> None:
    unknown = SecondaryAddress.of("12345678", "KAM", 1, 4)
    there = House([SecondaryStation(Liar((0x72, unknown.octets + bytes(4) + VOLUME)), unknown, primary=5)])
    assert there.run(there.meters.set_clock(5, datetime(2026, 4, 3))).records.records
    with pytest.raises(ConfigError, match="no model says"):
        there.run(there.meters.move_valve(5, "close"))
    silent = House([SecondaryStation(Liar(), unknown, primary=5)])
    with pytest.raises(RemoteProtocolError, match="does not say who it is"):
        silent.run(silent.meters.order(5, [Record.of(decode_records(VOLUME).records[0].dib, b"\x13", 1)]))


class Deaf(SimulatedBus):
    """A bus that loses every acknowledge once."""

    lost = 0
    last = b""

    def _answers(self, frame: Frame, now: float) -> None:
        before = len(self._arriving)
        super()._answers(frame, now)
        said = b"".join(octets for _, _, octets in sorted(self._arriving)[before:])
        if said == b"\xe5" and isinstance(frame, LongFrame) and self.last != frame.data:
            self.lost += 1
            self._arriving.clear()
        self.last = frame.data if isinstance(frame, LongFrame) else self.last


def test_an_order_whose_acknowledge_is_lost_is_carried_out_once() -> None:
    gas = speaker("gas-wired", key=KEY)
    there = house(gas, keys=known(gas.address))
    bus = Deaf(there.bus.stations, line=there.bus.line)
    there.driver.responder = bus
    there.run(there.meters.move_valve(5, "close", stamp=LATER))
    # Under the same frame count bit: carried out anew the change would be refused, as its counter came before.
    there.run(there.meters.change_key(5, NEW_KEY, under=DEFAULT_KEY, stamp=LATER))
    assert (bus.lost, gas.meter.valve, gas.key, gas.orders.refused) == (2, Valve.CLOSED, NEW_KEY, {})
