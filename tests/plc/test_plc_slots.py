"""The MAC layer slot by slot: frames put together from slots and taken apart into them; repeater calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.errors import ConfigError
from cosem.plc.addresses import NEW
from cosem.plc.mac import Mac
from cosem.plc.mac_events import AlarmHeard, MacEvent, MacIndication, MacRequest, RepeaterDecided
from cosem.plc.mac_settings import MacSettings
from cosem.plc.phy import FRAME_INDICATOR, with_alarm
from cosem.plc.repeater_call import PATTERN, PIECES, Piece, RepeaterCall, Turn
from cosem.plc.slots import SlotStation
from support.power_line import INITIATOR, heard, initiator

GOOD = heard()


def run(one: SlotStation, other: SlotStation, first: int, last: int, lost: int | None = None) -> list[MacEvent]:
    """Let two stations hear each other in every slot but one; return what both tell."""
    told: list[MacEvent] = []
    for now in range(first, last):
        slots = []
        for station in (one, other):
            told += station.handle_timer(now)
            slots.append(station.take(now))
        assert slots[0] is None or slots[1] is None or slots[0] == slots[1]
        for slot, listener, own in ((slots[0], other, slots[1]), (slots[1], one, slots[0])):
            if slot is not None and own is None and now != lost:
                told += listener.receive(slot, GOOD, now + 1)
    return told


def pair(indicator: bytes = FRAME_INDICATOR) -> tuple[SlotStation, SlotStation]:
    server = Mac(MacSettings(repeater=Repeater.ALWAYS), address=5, initiator=INITIATOR)
    return SlotStation(initiator(), indicator=indicator), SlotStation(server, indicator=indicator)


@given(st.binary(min_size=1, max_size=242), st.integers(0, 3))
def test_an_exchange_in_slots(sdu: bytes, credit: int) -> None:
    concentrator, meter = pair(b"\x12\x34")
    concentrator.mac.transmit(MacRequest(5, sdu, credit=credit), 0)
    told = run(concentrator, meter, 0, 40)
    got = [event for event in told if isinstance(event, MacIndication)]
    assert [(event.frame.sdu, event.at) for event in got] == [(sdu, 1 + got[0].frame.subframes)]
    meter.mac.transmit(MacRequest(INITIATOR, sdu), 40)
    told = run(concentrator, meter, 40, 80)
    assert [event.frame.sdu for event in told if isinstance(event, MacIndication)] == [sdu]


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_slot_that_is_lost_costs_its_copy_only(lost: int) -> None:
    concentrator, meter = pair()
    meter.mac.repeater = Repeater.NEVER
    concentrator.mac.transmit(MacRequest(5, bytes(100), credit=1), 0)
    told = run(concentrator, meter, 0, 20, lost=lost)
    got = [event for event in told if isinstance(event, MacIndication)]
    assert [(event.delta, event.at) for event in got] == [(1, 9)]
    assert meter.mac.counters.crc_nok >= 1
    assert meter.mac.counters.crc_ok == 1


def test_slots_of_another_indicator_are_counted() -> None:
    concentrator, meter = pair()
    foreign = SlotStation(concentrator.mac, indicator=b"\x00\x01")
    foreign.mac.transmit(MacRequest(5, b"\x90\x01\x10\xc0"), 0)
    assert not [event for event in run(foreign, meter, 0, 5) if isinstance(event, MacIndication)]
    assert meter.bad_indicators == 1
    assert meter.mac.counters.crc_ok == 0


def test_an_alarm_in_the_pause() -> None:
    concentrator, meter = pair()
    concentrator.mac.transmit(MacRequest(5, b"\x90\x01\x10\xc0"), 0)
    run(concentrator, meter, 0, 5)
    meter.mac.transmit(MacRequest(INITIATOR, bytes(60)), 5)
    meter.mac.alarm(1)
    told = run(concentrator, meter, 5, 20)
    assert [event for event in told if isinstance(event, AlarmHeard)] == [AlarmHeard(GOOD.level, 7)]
    assert [len(event.frame.sdu) for event in told if isinstance(event, MacIndication)] == [60]
    # A slot in which nothing but the pause can be read still tells it.
    assert concentrator.receive(with_alarm(bytes(45)), GOOD, 30) == [AlarmHeard(GOOD.level, 30)]


@given(st.lists(st.binary(max_size=50) | st.just(b"\xaa\xaa\x54\xc7\xff\xff" + bytes(39)), max_size=20))
def test_any_slots_are_borne(slots: list[bytes]) -> None:
    _, meter = pair()
    for now, slot in enumerate(slots):
        meter.receive(slot, GOOD, 2 * now)
    assert meter.mac.counters.crc_ok == 0


# --- repeater calls ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("highest", "new", "slots"), [(99, 0, 5), (1000, 0, 48), (20, 0, 1), (21, 0, 2), (0, 3, 4)])
def test_how_many_slots_a_call_takes(highest: int, new: int, slots: int) -> None:
    assert RepeaterCall(highest, new).slots == slots


@given(st.integers(0, 3000), st.integers(0, 9), st.integers(1, 0xBFF), st.integers(0, 1 << 16))
def test_every_station_has_a_piece_of_its_own(highest: int, new: int, address: int, draw: int) -> None:
    call = RepeaterCall(highest, new)
    position = call.position(address, draw)
    assert position == (address if address <= highest else None)
    drawn = call.position(NEW, draw)
    assert (drawn is None) == (new == 0)
    if drawn is not None:
        # Behind the pieces of all addresses and of the initiator, and before the end.
        assert highest < drawn < call.slots * PIECES


def test_who_hears_another_first_does_not_repeat() -> None:
    call = RepeaterCall(99, threshold=80)
    for level, piece, repeats in (
        (80.0, Piece(3, 4), False),
        (79.9, Piece(3, 4), True),
        (120.0, Piece(3, 5), True),
        (120.0, Piece(4, 0), True),
        (120.0, Piece(2, 20), False),
    ):
        turn = Turn(call, 26, Repeater.DYNAMIC, 2)
        assert turn.piece == Piece(3, 5)
        turn.hear(level, piece)
        assert turn.take() == (PATTERN if repeats else None)
        assert turn.repeats is repeats


def test_some_take_no_part_and_some_always_send() -> None:
    call = RepeaterCall(99)
    assert Turn(call, 5, Repeater.NEVER, 0).piece is None
    assert Turn(call, None, Repeater.ALWAYS, 0).repeats is None
    turn = Turn(call, 5, Repeater.ALWAYS, 0)
    turn.hear(120.0, Piece(0, 1))
    assert turn.take() == PATTERN
    with pytest.raises(ConfigError):
        RepeaterCall(1 << 16)
    with pytest.raises(ConfigError):
        RepeaterCall(1, 256)


def test_a_call_decides_at_its_end() -> None:
    _, meter = pair()
    mac = meter.mac
    mac.repeater = Repeater.DYNAMIC
    mac.receive(b"\x6c\x6c" + bytes(34), GOOD, 1)
    assert mac.begin_call(RepeaterCall(99), 0, 10).repeats is None  # not synchronised
    assert mac.handle_timer(15)[-1] == RepeaterDecided(True, False, 15)
    concentrator, meter = pair()
    meter.mac.repeater = Repeater.DYNAMIC
    concentrator.mac.transmit(MacRequest(5, b"\x90\x01\x10\xc0"), 0)
    run(concentrator, meter, 0, 5)
    turn = meter.mac.begin_call(RepeaterCall(99), 0, 10)
    assert meter.mac.busy_until == 15
    turn.hear(120.0, Piece(10, 0))
    assert turn.take() is None
    assert meter.mac.next_timer() == 15
    assert meter.mac.repeats
    assert meter.mac.handle_timer(15) == [RepeaterDecided(False, True, 15)]
    assert not meter.mac.repeats
