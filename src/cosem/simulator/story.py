"""The story of a scenario: what happened, which event and alarm that was, which object changed, what was pushed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cosem.classes.c040_push_setup import TransportService
from cosem.classes.words import enum_words
from cosem.device.causes import Cause
from cosem.device.metering import STEP
from cosem.device.way_out import Delivery
from cosem.simulator.meter import demo_settings, simulated_meter
from cosem.simulator.pushed import carried
from cosem.simulator.scenario import Player, Scenario, local_time

if TYPE_CHECKING:
    from cosem.device.causes import Happening
    from cosem.device.meter import ElectricityMeter
    from cosem.simulator.scenario import Entry

NOWHERE: Final = b"head-end.example:4059"
"""Where the pushes of a story go to: they arrive, and nothing is sent anywhere."""
_PAID: Final = (Cause.CREDIT_LOW, Cause.CREDIT_EXHAUSTED, Cause.CREDIT_ADDED, Cause.EMERGENCY_CREDIT_SELECTED)
"""With these the story says how much credit there is then."""
_CONTROL = ("disconnected", "connected", "ready for reconnection")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story. `at` is the simulation's UTC; `kind` is done, happened, event, alarm, object or push."""

    at: int
    local: str
    kind: str
    what: str


class Story:
    """A meter that lives through a scenario, and what becomes known of it. The same seed gives the same octets."""

    def __init__(self, scenario: Scenario, *, seed: int = 1, days: float = 1) -> None:
        self.scenario = scenario
        settings = scenario.settings(demo_settings(seed))
        start = datetime.fromtimestamp(scenario.start, UTC)
        self.meter = simulated_meter(seed=seed, end=start, days=days, settings=settings, utilities=scenario.utilities)
        self.lines: list[Line] = []
        self._place = 0
        self.pushed: list[tuple[int, Delivery]] = []
        equipment = self.meter.equipment
        self._rows = {
            name: log.buffer.rows[-1] if log.buffer.rows else None for name, log in equipment.events.logs.items()
        }
        self._alarms = [register.value for register in equipment.events.alarms]
        self._objects = _objects(self.meter)
        equipment.pushes.network = self._push
        equipment.pushes.send_to(TransportService.TCP, NOWHERE)
        self.meter.host.causes.listeners.append(self._happened)
        player = Player(self.meter, scenario)
        player.before.append(self._begun)
        player.told.append(self._done)

    def run(self) -> list[Line]:
        """Live through the scenario to its end, and return all lines."""
        meter, end = self.meter, self.scenario.end
        while meter.now < end:
            meter.advance(min(end, (meter.now // STEP + 1) * STEP))
            self._look()
        return self.lines

    # --- what becomes known --------------------------------------------------------------------------------

    def _tell(self, kind: str, what: str) -> None:
        now = self.meter.now
        self.lines.append(Line(now, local_time(self.meter.clock, now), kind, what))

    def _begun(self, entry: Entry) -> None:
        self._look()
        self._place = len(self.lines)
        self._tell("done", entry.words)

    def _done(self, entry: Entry, result: str) -> None:
        if result:
            line = self.lines[self._place]
            self.lines[self._place] = replace(line, what=f"{line.what}: {result}")
        self._look()

    def _happened(self, happening: Happening) -> None:
        # The events heard of it before this: their rows are written.
        which = [f"{name} {happening.details[name]}" for name in ("phase", "channel") if name in happening.details]
        words = happening.cause.value + (f" ({', '.join(which)})" if which else "")
        payment = self.meter.equipment.payment
        if payment is not None and happening.cause in _PAID:
            words += f", {payment.texts()[0]}"
        self._tell("happened", words)
        self._look()

    def _look(self) -> None:
        """Tell what is other than at the last look."""
        events = self.meter.equipment.events
        for name, log in events.logs.items():
            rows = log.buffer.rows
            if rows and rows[-1] is not self._rows[name]:
                code = rows[-1].cells[1][-1]
                self._tell("event", f"{code} in the {name} log {log.buffer.object.obis}: {log.group.words(code)}")
            self._rows[name] = rows[-1] if rows else None
        for index, register in enumerate(events.alarms):
            before, value = self._alarms[index], register.value
            self._alarms[index] = value
            for bits, what in ((value & ~before, "set"), (before & ~value, "cleared")):
                for words in register.layout.words(bits):
                    self._tell("alarm", f"{register.object.obis} {what}: {words}")
        objects = _objects(self.meter)
        for name, shown in objects.items():
            last = self._objects.get(name, shown)
            if shown != last:
                self._tell("object", f"{name}: {last} -> {shown}")
        self._objects = objects

    def _push(self, delivery: Delivery) -> None:
        self._look()
        self.pushed.append((self.meter.now, delivery))
        values = "; ".join(carried(self.meter, delivery))
        self._tell("push", f"{delivery.setup}, {len(delivery.octets)} octets: {values}")
        delivery.done(True)


def _objects(meter: ElectricityMeter) -> dict[str, str]:
    """Return what is looked at of the objects, in words."""
    equipment = meter.equipment
    shown = {}
    for name, switch in equipment.disconnectors.items():
        shown[f"disconnector {name}"] = _CONTROL[switch.state]
        shown[f"contact of {name}"] = "closed" if switch.closed else "open"
    limiter = equipment.limiter.object
    threshold = meter.host.read(limiter.class_id, limiter.obis, 3)
    shown[f"limiter {limiter.obis} threshold"] = "none" if threshold is None else f"{threshold.value} W"
    shown["tariff 0-0:96.14.0.255"] = str(meter.metering.active_tariff)
    shown["clock"] = "as it should be" if not meter.clock.offset else f"{meter.clock.offset:+d} s off"
    shown["daylight saving time"] = "yes" if meter.clock.deviation(meter.now)[1] else "no"
    billing = equipment.billing.profile
    if equipment.payment is not None:
        account = equipment.payment.account
        for credit in account.credits:
            shown[f"credit {credit.name}"] = enum_words(credit.status)
        shown[f"account {account.object.obis}"] = enum_words(account.status)
    for channel in () if equipment.mbus is None else equipment.mbus.channels.values():
        if channel.client.bound:
            valve = channel.valve
            shown[f"valve {valve.object.obis}"] = _CONTROL[valve.state]
            shown[f"key of M-Bus channel {channel.number}"] = enum_words(channel.client.key_status)
    rows = len(billing.rows)
    shown[f"billing profile {billing.object.obis}"] = f"{rows} {'entry' if rows == 1 else 'entries'}"
    return shown
