"""A whole power line network in virtual time: initiators and reporting systems on the stations of a feeder.

Everything comes from the seed: the same arguments give the same network, slot by slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Final, Protocol

from cosem.device.power_line import PowerLinePort
from cosem.errors import ConfigError
from cosem.plc.addresses import NEW, NO_BODY
from cosem.plc.initiator import InitiatorSettings, PowerLineInitiator
from cosem.plc.initiator import Order as InitiatorOrder
from cosem.plc.mac import Mac
from cosem.plc.mac_events import MacConfirm, MacEvent, MacRequest
from cosem.plc.mac_settings import MacSettings
from cosem.plc.procedures import InitiatorEvent
from cosem.plc.registry import Kept
from cosem.plc.repeater_call import RepeaterCall
from cosem.plc.reporting import (
    NOBODY,
    ActiveInitiator,
    AlarmOrder,
    ReportingEvent,
    ReportingSettings,
    ReportingSystem,
)
from cosem.simulator.feeder import INITIATOR, Feeder
from cosem.simulator.feeder_channel import FeederChannel
from cosem.simulator.feeder_medium import FeederMedium

HOME: Final = 0xC00
"""The MAC address of the concentrator at the transformer."""

SLOT_0: Final = 1_780_315_200
"""The UTC second at which a network begins unless another is said: a first of June, noon."""


class Located(Protocol):
    """A meter on the feeder: what its way to the line is, and how its time passes."""

    port: PowerLinePort

    def advance(self, until: int) -> None:
        """Let it live up to `until`, UTC seconds."""


MakeMeter = Callable[[int, ReportingSystem], Located]
"""Builds the meter of a station when an APDU comes for it for the first time."""


def title_of(station: int) -> bytes:
    """Return the system title of the meter at a station: CSM and the number."""
    return b"CSM" + station.to_bytes(5, "big")


class FeederNetwork:
    """Stations of a feeder with all their layers. `initiators` and `systems` are by station.

    `others` puts further initiators at stations, with their MAC addresses. `meter` builds a meter; without it systems
    have no COSEM above them. `titles` overrides the system title of stations. `start` is the UTC second of slot 0, and
    the hour of the day for the noise follows from it.
    """

    def __init__(
        self,
        feeder: Feeder,
        *,
        seed: int = 1,
        settings: MacSettings | None = None,
        initiator: InitiatorSettings | None = None,
        others: Mapping[int, int] | None = None,
        meter: MakeMeter | None = None,
        titles: Mapping[int, bytes] | None = None,
        start: int = SLOT_0,
        listed: int = 0,
    ) -> None:
        self.feeder = feeder
        self.settings = settings or MacSettings()
        self.start = start
        self.meters: dict[int, Located] = {}
        self.on_event: Callable[[int, InitiatorEvent], object] | None = None
        self.on_reporting: Callable[[int, ReportingEvent], object] | None = None
        self.on_mac: Callable[[int, MacEvent], object] | None = None
        self.timers: list[tuple[Callable[[], int | None], Callable[[int], object]]] = []
        """Others that live in this time: when each wants to be called next, and what is called, in slots."""
        self._make = meter
        self._random = Random(seed)  # noqa: S311 - a network to simulate, nothing secret
        self._initiator_settings = initiator or InitiatorSettings(title=b"CSMCON01")
        self._listed = listed
        self._titles = dict(titles or {})
        self._touched = False
        homes = {INITIATOR: HOME, **(others or {})}
        if len(set(homes.values())) != len(homes):
            raise ConfigError("initiators with one MAC address")
        macs = [self._mac(homes.get(station)) for station in range(len(feeder.stations))]
        hour = start % 86400 / 3600
        self.medium = FeederMedium(
            FeederChannel(feeder, seed=seed), macs, watch=self._watch, seed=seed, start_hour=hour
        )
        self.initiators = {station: PowerLineInitiator(macs[station], self._named(station)) for station in homes}
        self.systems = {
            station: self._system(station, macs[station]) for station in range(len(macs)) if station not in homes
        }

    # --- building -------------------------------------------------------------------------------------------------

    def _mac(self, home: int | None, address: int = NEW, follows: int = NO_BODY, now: int = 0) -> Mac:
        if home is not None:
            return Mac(replace(self.settings, initiator=True), address=home, now=now)
        return Mac(self.settings, address=address, initiator=follows, now=now)

    def _named(self, station: int) -> InitiatorSettings:
        settings = self._initiator_settings
        return settings if station == INITIATOR else replace(settings, title=b"CSMCON" + b"%02d" % station)

    def _system(self, station: int, mac: Mac, initiator: ActiveInitiator = NOBODY) -> ReportingSystem:
        title = self._titles.get(station, title_of(station))
        settings = ReportingSettings(title, listed=self._listed)
        return ReportingSystem(mac, settings, self._random.randrange, initiator=initiator)

    @property
    def initiator(self) -> PowerLineInitiator:
        """The concentrator at the transformer."""
        return self.initiators[INITIATOR]

    @property
    def now(self) -> int:
        """The slot."""
        return self.medium.now

    @property
    def utc(self) -> int:
        """The moment, UTC seconds."""
        return self.start + int(self.medium.seconds)

    def station_of(self, title: bytes) -> int | None:
        """Return the first station with a system title."""
        return next((at for at, system in self.systems.items() if system.settings.title == title), None)

    def meter(self, station: int) -> Located | None:
        """Return the meter of a station, built now where nobody asked for it before."""
        meter = self.meters.get(station)
        if meter is None and self._make is not None:
            meter = self.meters[station] = self._make(station, self.systems[station])
        return meter

    # --- what happens to stations ---------------------------------------------------------------------------------

    def restart_initiator(self, station: int = INITIATOR, *, kept: Iterable[Kept] | None = None) -> PowerLineInitiator:
        """Let an initiator lose its supply and come back, with what it kept (what its registry says, unless given)."""
        old = self.initiators[station]
        remembered = old.registry.kept() if kept is None else kept
        mac = self._mac(old.mac.address, now=self.now)
        self.medium.switch(station, False)
        self.medium.switch(station, True, mac)
        new = self.initiators[station] = PowerLineInitiator(mac, self._named(station), kept=remembered, now=self.now)
        # Who waits for an exchange learns it when the new one is there to be asked.
        old.abandon("the initiator was restarted")
        self.flush(station)
        return new

    def titled(self, station: int, title: bytes) -> None:
        """Put a meter of another title up at a station; it is there with the next restart."""
        self._titles[station] = title

    def restart_meter(self, station: int, *, forgets: bool = False) -> None:
        """Let a meter lose its supply and come back; it keeps address and initiator unless it `forgets`."""
        old = self.systems[station]
        kept = (NEW, NO_BODY) if forgets else (old.mac.address, old.mac.initiator)
        mac = self._mac(None, *kept, now=self.now)
        self.medium.switch(station, False)
        self.medium.switch(station, True, mac)
        system = self.systems[station] = self._system(station, mac, NOBODY if forgets else old.active_initiator)
        system.alarm = old.alarm
        if (port := self._port(station)) is not None:
            port.restarted(system, self.medium.seconds)

    # --- the course of events -------------------------------------------------------------------------------------

    def _watch(self, station: int, event: MacEvent, now: int) -> None:
        if self.on_mac is not None:
            self.on_mac(station, event)
        initiator = self.initiators.get(station)
        if initiator is not None:
            initiator.handle(event, now)
            self.flush(station)
            return
        system = self.systems[station]
        told = system.handle(event, now)
        if told:
            for item in told:
                self._tell(station, item)
        elif type(event) is MacConfirm and (port := self._port(station)) is not None and port.behind_answer:
            port.sent(now)
            self.medium.wake(station)
        self._carry(station, system.take())

    def _port(self, station: int) -> PowerLinePort | None:
        meter = self.meters.get(station)
        return None if meter is None else meter.port

    def _tell(self, station: int, event: ReportingEvent) -> None:
        if self.on_reporting is not None:
            self.on_reporting(station, event)
        # A meter that nobody has built yet cares for requests only.
        meter = self.meters.get(station)
        if meter is None and hasattr(event, "m_sdu"):
            meter = self.meter(station)
        if meter is not None:
            meter.advance(self.utc)
            meter.port.handle(event, self.now, self.medium.seconds)

    def _carry(self, station: int, orders: Iterable[InitiatorOrder]) -> None:
        for order in orders:
            if isinstance(order, MacRequest):
                self.medium.transmit(station, order)
            elif isinstance(order, RepeaterCall):
                self.medium.begin_call(station, order)
            elif isinstance(order, AlarmOrder):
                self.medium.alarm(station, order.repetitions)

    def flush(self, station: int = INITIATOR) -> None:
        """Carry out what an initiator wants, after anything was asked of it."""
        self._touched = True
        initiator = self.initiators[station]
        while True:
            if self.on_event is not None:
                for event in initiator.take_events():
                    self.on_event(station, event)
            orders = initiator.take()
            if not orders:
                return
            self._carry(station, orders)

    def raise_alarm(self, station: int, alarm: int) -> None:
        """Let a meter have an alarm."""
        system = self.systems[station]
        system.raise_alarm(alarm)
        self._carry(station, system.take())

    def run(self, until: int, stop: Callable[[], bool] | None = None) -> int:
        """Go on to slot `until`, or until `stop` says so; return the slot."""
        medium = self.medium
        while True:
            due = [slot for item in self.initiators.values() if (slot := item.next_timer()) is not None]
            due += [slot for next_time, _ in self.timers if (slot := next_time()) is not None]
            following = min(due, default=until)
            self._touched = False
            medium.run(max(min(until, following), medium.now), self._stopped)
            for station, initiator in self.initiators.items():
                slot = initiator.next_timer()
                if slot is not None and slot <= medium.now:
                    initiator.handle_timer(medium.now)
                    self.flush(station)
            for next_time, call in self.timers:
                slot = next_time()
                if slot is not None and slot <= medium.now:
                    call(medium.now)
            if stop is not None and stop():
                return medium.now
            if medium.now >= until and not self._touched:
                return medium.now

    def _stopped(self) -> bool:
        return self._touched

    def discover(self, *, hours: float = 24) -> None:
        """Let every initiator find its stations, for as long as it takes and no longer than `hours`."""
        for station, initiator in self.initiators.items():
            initiator.discover(self.now)
            self.flush(station)
        limit = self.now + self.medium.rate.slots_in(hours * 3600)
        self.run(limit, lambda: not any(item.discovery or item.busy for item in self.initiators.values()))
