"""Stations on a feeder in virtual time: what one sends, others hear, slot by slot but only where somebody speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random
from typing import Final

from cosem.errors import ConfigError
from cosem.plc import mac_frame
from cosem.plc.mac import Mac
from cosem.plc.mac_events import MacEvent, MacRequest
from cosem.plc.mac_frame import SUBFRAME, MacFrame
from cosem.plc.phy import Rate
from cosem.plc.repeater_call import RepeaterCall
from cosem.simulator.feeder import INITIATOR
from cosem.simulator.feeder_channel import FeederChannel, Hearing

_NOBODY: Final = frozenset[int]()
_LONGEST_LOG: Final = 1 << 16


@dataclass(slots=True)
class Transmission:
    """One copy on the air, in slots `begin` to `end` (not in it any more): all who send it alike, and who disturbs
    it."""

    octets: bytes
    begin: int
    end: int
    senders: set[int] = field(default_factory=set)
    others: set[int] = field(default_factory=set)


Watcher = Callable[[int, MacEvent, int], None]
"""Is called with the station, what its MAC layer tells, and the slot."""


class FeederMedium:
    """Runs the MAC layers of all stations of a channel. Nothing is looked at in slots in which nobody has anything to
    do.

    `watch` is called for each event; it may call `transmit` and the methods of `Mac`, followed by `wake`.

    What quiet listeners count is worked out when they are next asked (`settle` does it for all): of a thousand
    stations that hear a frame for one of them, most do nothing but count. `eager` gives every copy to everybody at
    once instead.
    """

    def __init__(
        self,
        channel: FeederChannel,
        macs: Sequence[Mac],
        *,
        watch: Watcher | None = None,
        seed: int = 1,
        start_hour: float = 12.0,
        eager: bool = False,
    ) -> None:
        if len(macs) != channel.stations:
            raise ConfigError(f"{len(macs)} stations on a feeder that has places for {channel.stations}")
        self.channel = channel
        self.macs = list(macs)
        self.watch = watch
        self.now = 0
        self.slots_used = 0
        """Slots in which at least one station sent."""
        self.on_air: Callable[[Transmission], None] | None = None
        """Is called with each copy when it is over."""
        self.rate: Rate = macs[0].settings.rate if macs else Rate()
        self._random = Random(seed)  # noqa: S311 - a medium to simulate, nothing secret
        self._start_hour = start_hour
        self._slots_an_hour = self.rate.slots_in(3600)
        self._due: list[tuple[int, int]] = []
        self._scheduled: list[int | None] = [None] * len(macs)
        self._air: list[Transmission] = []
        self._used_until = 0
        self._calls: dict[int, list[int]] = {}
        self._alarming: set[int] = set()
        self._off: set[int] = set()
        self._home = macs[INITIATOR].address
        self._eager = eager
        self._log: list[tuple[frozenset[int], MacFrame, int]] = []
        self._read_to = [0] * len(macs)
        self._attentive: set[int] = set()
        self._by_address: dict[int, set[int]] = {}
        self._address_of: list[int | None] = [None] * len(macs)
        for station in range(len(macs)):
            self.wake(station)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning, at the nominal frequency of the mains."""
        return self.rate.seconds(self.now)

    def hour(self, slot: int) -> int:
        """Return the hour of the day in which `slot` lies."""
        return int(self._start_hour + slot / self._slots_an_hour) % 24

    def transmit(self, station: int, request: MacRequest) -> None:
        """Let `station` send a frame."""
        self._catch_up(station)
        self._tell(station, self.macs[station].transmit(request, self.now))
        self.wake(station)

    def alarm(self, station: int, repetitions: int) -> None:
        """Let `station` tell an alarm in the next pauses."""
        self.macs[station].alarm(repetitions)
        self._alarming.add(station)

    def switch(self, station: int, on: bool, mac: Mac | None = None) -> None:
        """Cut the supply of `station`, or give it back; with `mac`, what it comes back as.

        What a modem forgets in an outage is forgotten with its `Mac`: a registered meter comes back as one that is made
        with its address and its initiator.
        """
        self._catch_up(station)
        if mac is not None:
            self.macs[station] = mac
        if on:
            self._off.discard(station)
            self.wake(station)
        else:
            self._off.add(station)
            self._scheduled[station] = None
            for item in self._air:
                if item.senders == {station}:
                    # Half a frame: whoever heard its beginning counts one that is not right.
                    item.octets = _spoilt(item.octets)
                else:
                    item.senders.discard(station)

    def is_on(self, station: int) -> bool:
        """Whether a station has its supply."""
        return station not in self._off

    def begin_call(self, station: int, call: RepeaterCall, begin: int | None = None) -> None:
        """Let `station` take part in a repeater call whose special slots begin with slot `begin`: behind the frame that
        calls and its repetitions, if nothing else is said."""
        self._catch_up(station)
        mac = self.macs[station]
        begin = mac.busy_until if begin is None else begin
        mac.begin_call(call, self._random.randrange(1 << 16), begin)
        if begin not in self._calls:
            heappush(self._due, (begin, -1))
        self._calls.setdefault(begin, []).append(station)
        self.wake(station)

    @property
    def off(self) -> frozenset[int]:
        """The stations without supply."""
        return frozenset(self._off)

    def wake(self, station: int) -> None:
        """Ask `station` anew when it has something to do; needed after anything was asked of its MAC layer."""
        self._catch_up(station)
        self._know(station)
        due = self.macs[station].next_timer()
        if due is not None:
            self._schedule(station, max(due, self.now))

    def _schedule(self, station: int, due: int) -> None:
        if station in self._off:
            return
        scheduled = self._scheduled[station]
        if scheduled is None or due < scheduled:
            self._scheduled[station] = due
            heappush(self._due, (due, station))

    # --- the course of time ---------------------------------------------------------------------------------------

    def run(self, until: int, stop: Callable[[], bool] | None = None) -> int:
        """Go on to slot `until`, or until `stop` says so behind a slot in which something happened; return the slot."""
        while True:
            due = self._due[0][0] if self._due else None
            end = min((item.end for item in self._air), default=None)
            slot = due if end is None else end if due is None else min(due, end)
            if slot is None or slot > until:
                self.now = max(self.now, until)
                return self.now
            self.now = slot
            self._deliver(slot)
            self._act(slot)
            if stop is not None and stop():
                return self.now

    def _deliver(self, slot: int) -> None:
        over = [item for item in self._air if item.end == slot]
        if not over:
            return
        self._air = [item for item in self._air if item.end != slot]
        for item in over:
            if self.on_air is not None:
                self.on_air(item)
            others = frozenset(item.others) if item.others else _NOBODY
            hearing = self.channel.hear(frozenset(item.senders), self.hour(item.begin), others)
            self._give(item.octets, hearing, slot)
            if self._alarming:
                self._alarms(slot)

    def _give(self, octets: bytes, hearing: Hearing, slot: int) -> None:
        """Give a copy that is over to whom it concerns now, and note it for the others."""
        subframes = len(octets) // SUBFRAME
        heard: list[int] = []
        spoilt: list[int] = []
        hearing = self._powered(hearing)
        for station, chance in hearing.perhaps:
            (heard if self._random.random() < chance**subframes else spoilt).append(station)
        frame = self._for_one(octets)
        if frame is None:
            listeners = [*hearing.certain, *heard]
            for station in (*listeners, *spoilt):
                self._catch_up(station)
        else:
            if len(self._log) >= _LONGEST_LOG:
                self.settle()
            self._log.append((hearing.certain_set.union(heard) if heard else hearing.certain_set, frame, slot))
            concerned = self._attentive | self._by_address.get(frame.destination, _NOBODY)
            listeners = [station for station in (*hearing.certain, *heard) if station in concerned]
            for station in spoilt:
                if station not in concerned:
                    self.macs[station].counters.crc_nok += 1
            spoilt = [station for station in spoilt if station in concerned]
            # All of them before the first: what one does may wake another in the middle.
            for station in (*listeners, *spoilt):
                self._catch_up(station, before_last=True)
        for station in listeners:
            self._receive(station, octets, hearing, slot)
        if spoilt:
            noise = _spoilt(octets)
            for station in spoilt:
                self._receive(station, noise, hearing, slot)

    def _powered(self, hearing: Hearing) -> Hearing:
        """Leave out who has no supply."""
        off = self._off
        if not off:
            return hearing
        certain = tuple(station for station in hearing.certain if station not in off)
        perhaps = tuple(item for item in hearing.perhaps if item[0] not in off)
        return replace(hearing, certain=certain, certain_set=frozenset(certain), perhaps=perhaps)

    def _for_one(self, octets: bytes) -> MacFrame | None:
        """Return the frame if it is a good one of the own network for one station: others only count it."""
        if self._eager:
            return None
        settings = self.macs[INITIATOR].settings
        frame = mac_frame.read(octets, settings.check)
        if frame is None or self._home not in (frame.source, frame.destination):
            return None
        return frame if frame.destination == self._home or settings.plan.is_server(frame.destination) else None

    def _catch_up(self, station: int, *, before_last: bool = False) -> None:
        """Let a quiet listener count what it heard since it was last asked, but for the last copy if that is given to
        it."""
        log, begin = self._log, self._read_to[station]
        end = len(log) - before_last
        self._read_to[station] = len(log)
        copies, last = 0, None
        for number in range(begin, end):
            if station in log[number][0]:
                copies, last = copies + 1, number
        if last is not None:
            _, frame, slot = log[last]
            self.macs[station].overheard(copies, frame, slot)

    def settle(self) -> None:
        """Let every station count what it heard, before counters are looked at."""
        for station in range(len(self.macs)):
            self._catch_up(station)
        self._log.clear()
        self._read_to = [0] * len(self.macs)

    def _know(self, station: int) -> None:
        """Note where `station` is to be found, and whether it has to hear everything."""
        mac = self.macs[station]
        address, known = mac.address, self._address_of[station]
        if address != known:
            if known is not None:
                self._by_address[known].discard(station)
            self._by_address.setdefault(address, set()).add(station)
            self._address_of[station] = address
        if mac.is_attentive(self._home) or mac.settings.check is not self.macs[INITIATOR].settings.check:
            self._attentive.add(station)
        else:
            self._attentive.discard(station)

    def _receive(self, station: int, octets: bytes, hearing: Hearing, slot: int) -> None:
        mac = self.macs[station]
        events = mac.receive(octets, hearing.reception(station), slot)
        if events:
            self._tell(station, events)
            self.wake(station)
        elif mac.repeats_at is not None:
            self._schedule(station, mac.repeats_at)

    def _alarms(self, slot: int) -> None:
        """Let stations that have one tell it in the pause of the slot that ends: the concentrator listens."""
        telling = [station for station in sorted(self._alarming - self._off) if self.macs[station].take_alarm()]
        self._alarming = {station for station in self._alarming if self.macs[station].alarms_left}
        if telling:
            level = self.channel.levels(telling)[INITIATOR]
            if level > self.channel.noise(INITIATOR, self.hour(slot)):
                self._tell(INITIATOR, self.macs[INITIATOR].hear_alarm(level, slot))

    def _act(self, slot: int) -> None:
        acting: list[int] = []
        while self._due and self._due[0][0] <= slot:
            station = heappop(self._due)[1]
            if station < 0:
                self._call(slot)
            elif (scheduled := self._scheduled[station]) is not None and scheduled <= slot:
                self._scheduled[station] = None
                acting.append(station)
        begun: dict[bytes, Transmission] = {}
        for station in acting:
            mac = self.macs[station]
            if mac.repeats_at == slot:
                # A copy in the middle of a chorus is the commonest thing on a feeder: it needs no look at timers.
                octets = mac.take(slot)
            else:
                self._catch_up(station)
                self._tell(station, mac.handle_timer(slot))
                octets = mac.take(slot)
            if octets is not None:
                item = begun.get(octets)
                if item is None:
                    item = begun[octets] = Transmission(octets, slot, slot + len(octets) // SUBFRAME)
                item.senders.add(station)
            if mac.repeats_at is not None:
                self._schedule(station, mac.repeats_at)
            else:
                self.wake(station)
        for item in begun.values():
            for other in self._air:
                other.others |= item.senders
                item.others |= other.senders
            self._air.append(item)
            self.slots_used += max(0, item.end - max(item.begin, self._used_until))
            self._used_until = max(self._used_until, item.end)

    def _call(self, slot: int) -> None:
        """Go through all pieces of a repeater call at once: nobody else may speak until it is over."""
        called = [station for station in self._calls.pop(slot) if station not in self._off]
        turns = [(station, turn) for station in called if (turn := self.macs[station].turn) is not None]
        hour = self.hour(slot)
        pieces = sorted({turn.piece for _, turn in turns if turn.piece is not None})
        for piece in pieces:
            sending = [station for station, turn in turns if turn.piece == piece and turn.take() is not None]
            if not sending:
                continue
            levels = self.channel.levels(sending)
            for station, turn in turns:
                if levels[station] > self.channel.noise(station, hour):
                    turn.hear(levels[station], piece)

    def _tell(self, station: int, events: list[MacEvent]) -> None:
        if self.watch is not None:
            for event in events:
                self.watch(station, event, self.now)


def _spoilt(octets: bytes) -> bytes:
    """Return a copy that no check sequence passes: what noise made of it beyond that makes no difference to anybody."""
    return octets[:-1] + bytes((octets[-1] ^ 0x01,))
