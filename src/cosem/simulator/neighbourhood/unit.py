"""The devices of a neighbourhood as whoever looks at them and touches them sees them: one unit each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cosem.device.utility.meter import Medium
from cosem.errors import ConfigError
from cosem.simulator.gas_inputs import GAS_INPUTS
from cosem.simulator.inputs import INPUTS, Input, Parameter, checked

if TYPE_CHECKING:
    from cosem.concentrator.multi_utility import MultiUtilityConcentrator
    from cosem.device.gas.converter import VolumeConverter
    from cosem.device.host import Host
    from cosem.device.meter import ElectricityMeter
    from cosem.device.push import Pushes
    from cosem.device.utility.meter import UtilityMeter
    from cosem.security.keys import Keys
    from cosem.simulator.power_line_site import PowerLineSite
    from cosem.simulator.utilities import Utilities

CONTROL: Final = ("disconnected", "connected", "ready for reconnection")
"""Control states of class 70 in words."""
MBUS: Final = "mbus "
_LITRES: Final = 1000
_KILOWATT_HOUR: Final = 3_600_000
_OF_GAS: Final = {
    "flow": "flow.metering",
    "flow at base conditions": "flow.base",
    "pressure": "pressure",
    "temperature": "temperature",
    "z": "z",
    "conversion factor": "factor",
    "calorific value": "calorific",
    "volume": "metering.undisturbed",
    "volume at base conditions": "base.absolute",
    "volume disturbed": "base.disturbed",
    "energy": "energy.absolute",
}
"""What is shown of a station, by the quantities of its converter."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What comes with a device from the factory. `query` is how it is reached behind its site's port, None where it is
    not spoken to by itself; `identity` is manufacturer and number of an M-Bus meter."""

    name: str
    kind: str
    model: str
    segment: str
    place: str
    system_title: bytes | None = None
    query: str | None = None
    parent: str | None = None
    channel: int | None = None
    identity: str | None = None
    tags: tuple[str, ...] = ()
    keys: Keys | None = field(default=None, repr=False)


class Unit:
    """One device. `site` is the number of its port, `feeder` the cable that supplies it.

    A `silent` one does what it does, and nobody hears it.
    """

    inputs: Mapping[str, Input]
    fixed: Mapping[str, Any] = {}
    """Parameters of inputs that the unit itself gives."""

    def __init__(self, sheet: Sheet, site: int, feeder: str = "") -> None:
        self.sheet = sheet
        self.site = site
        self.feeder = feeder
        self.silent = False

    @property
    def name(self) -> str:
        """What the utility calls it."""
        return self.sheet.name

    def act(self, words: str, given: Mapping[str, Any]) -> str:
        """Do to it what `words` say (`inputs`); return what came of it. Raises `ConfigError`."""
        found = self.inputs.get(words)
        if found is None:
            raise ConfigError(f"{words!r} cannot be done to {self.name}; there is: {', '.join(self.inputs)}")
        known = {name: item for name, item in found.parameters.items() if name not in self.fixed}
        return found.do(self._target(), **self.fixed, **checked(_read(given, known), known, words)) or ""

    def silence(self, silent: bool) -> None:
        """Let nobody hear it, or everybody again."""
        self.silent = silent

    def look(self) -> dict[str, Any]:
        """Return how it is now, in words and numbers for people: watts, volts, cubic metres, kilowatt-hours."""
        raise NotImplementedError

    def _target(self) -> Any:
        raise NotImplementedError

    @property
    def host(self) -> Host | None:
        """Whose causes are its story."""
        return None

    @property
    def pushes(self) -> Pushes | None:
        """What it pushes by."""
        return None


class MeterUnit(Unit):
    """An electricity meter, behind a gateway or on a power line (`line`, at `station`)."""

    inputs = {words: item for words, item in INPUTS.items() if not words.startswith(MBUS)}

    def __init__(
        self,
        sheet: Sheet,
        site: int,
        feeder: str,
        meter: ElectricityMeter,
        line: PowerLineSite | None = None,
        station: int = 0,
    ) -> None:
        super().__init__(sheet, site, feeder)
        self.meter = meter
        self.station = station
        self._line = line

    def _target(self) -> ElectricityMeter:
        return self.meter

    @property
    def host(self) -> Host:
        """The meter's host."""
        return self.meter.host

    @property
    def pushes(self) -> Pushes | None:
        """On a power line nothing is pushed: the concentrator asks."""
        return self.meter.equipment.pushes if self._line is None else None

    def act(self, words: str, given: Mapping[str, Any]) -> str:
        """Do to the meter what `words` say; without power its modem is off the line."""
        said = super().act(words, given)
        self._attach()
        return said

    def silence(self, silent: bool) -> None:
        """Let nobody hear it; on a power line its modem leaves the line."""
        self.silent = silent
        self._attach()

    def _attach(self) -> None:
        if self._line is None:
            return
        network, on = self._line.network, self.meter.equipment.power.powered and not self.silent
        if on == network.medium.is_on(self.station):
            return
        if on:
            network.restart_meter(self.station)
        else:
            network.medium.switch(self.station, False)

    def look(self) -> dict[str, Any]:
        """Return power, registers, switch, supply, tariff and limit."""
        meter, metering = self.meter, self.meter.metering
        equipment = meter.equipment
        limiter = equipment.limiter.object
        threshold = meter.host.read(limiter.class_id, limiter.obis, 3)
        powered = equipment.power.powered
        return {
            "power": metering.power(1) - metering.power(2) if powered else 0,
            "import": metering.watt_hours(1) / 1000,
            "export": metering.watt_hours(2) / 1000,
            "voltage": [metering.voltage(phase) / 10 if powered else 0.0 for phase in range(3)],
            "tariff": metering.active_tariff,
            "switch": CONTROL[meter.disconnector.state],
            "limit": None if threshold is None else threshold.value,
            "powered": powered,
            "silent": self.silent,
            "open": sorted(equipment.tampering.opened),
            "magnet": equipment.tampering.magnetised,
        }


class ConcentratorUnit(Unit):
    """A multi-utility concentrator."""

    inputs: Mapping[str, Input] = {}

    def __init__(self, sheet: Sheet, site: int, concentrator: MultiUtilityConcentrator) -> None:
        super().__init__(sheet, site)
        self.concentrator = concentrator

    @property
    def host(self) -> Host:
        """The concentrator's host."""
        return self.concentrator.host

    @property
    def pushes(self) -> Pushes:
        """What it pushes by, for itself and its channels."""
        return self.concentrator.pushes

    def look(self) -> dict[str, Any]:
        """Return how many channels are in use."""
        used = sum(channel.client.bound for channel in self.concentrator.mbus.channels.values())
        return {"channels": used, "silent": self.silent}


class LineUnit(Unit):
    """The concentrator of a power line."""

    inputs: Mapping[str, Input] = {}

    def __init__(self, sheet: Sheet, site: int, line: PowerLineSite) -> None:
        super().__init__(sheet, site)
        self.line = line

    def look(self) -> dict[str, Any]:
        """Return how many meters it has found, and how many of them answered last."""
        known = self.line.carrier.devices()
        return {"found": len(known), "there": sum(item.there for item in known), "silent": self.silent}


class UtilityUnit(Unit):
    """An M-Bus meter behind `device`, an electricity meter or a concentrator."""

    inputs = {words.removeprefix(MBUS): item for words, item in INPUTS.items() if words.startswith(MBUS)}

    def __init__(
        self,
        sheet: Sheet,
        site: int,
        device: ElectricityMeter | MultiUtilityConcentrator,
        behind: Utilities,
    ) -> None:
        super().__init__(sheet, site)
        self._device = device
        self._behind = behind
        self._channel = sheet.channel or 0
        self.fixed = {"channel": self._channel}

    @property
    def meter(self) -> UtilityMeter:
        """The meter itself."""
        return self._behind.speakers[self._channel].meter

    def _target(self) -> ElectricityMeter | MultiUtilityConcentrator:
        return self._device

    def silence(self, silent: bool) -> None:
        """Cut its wire, or mend it. A wireless one cannot be silenced: raises `ConfigError`."""
        station = self._behind.stations.get(self._channel)
        if station is None:
            raise ConfigError(f"{self.name} is wireless: nothing can be cut")
        self.silent = station.silent = silent

    def look(self) -> dict[str, Any]:
        """Return what its register shows, what flows, its valve and its battery."""
        meter = self.meter
        meter.settle(self._device.now)
        station = self._behind.stations.get(self._channel)
        silent = self.silent if station is None else station.silent
        shown: dict[str, Any] = {"silent": silent, "tampered": sorted(meter.tampered)}
        if meter.settings.medium is Medium.HEAT:
            shown |= {"energy": meter.energy / _KILOWATT_HOUR, "power": meter.power}
        shown |= {"volume": meter.amount / _LITRES / 1000, "flow": meter.rate / _LITRES}
        if meter.settings.valve:
            shown["valve"] = str(meter.valve)
        if meter.battery_days is not None:
            shown["battery"] = meter.battery_days
        return shown


class StationUnit(Unit):
    """An industrial gas station: a conversion device, with a chromatograph that brings it the gas quality."""

    inputs = GAS_INPUTS

    def __init__(self, sheet: Sheet, site: int, converter: VolumeConverter) -> None:
        super().__init__(sheet, site)
        self.converter = converter

    def _target(self) -> VolumeConverter:
        return self.converter

    @property
    def host(self) -> Host:
        """The converter's host."""
        return self.converter.host

    def look(self) -> dict[str, Any]:
        """Return what flows, the state of the gas, what it is converted with, counters and alarms."""
        device = self.converter
        shown: dict[str, Any] = {}
        for words, name in _OF_GAS.items():
            value = device.quantities[name].read()
            shown[words] = None if value is None else float(value)
        shown["energy"] = None if shown["energy"] is None else shown["energy"] / 1000
        quality = device.converter.book.in_force
        base = device.converter.settings.base
        return shown | {
            "base pressure": float(base.pressure),
            "base temperature": float(base.temperature),
            "z at base conditions": device.converter.base_z,
            "gas": quality.name,
            "alarms": sorted(_words(alarm.name) for alarm in device.disturbances.alarms),
            "powered": device.device.schedule.powered,
            "silent": self.silent,
        }


def _read(given: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return values as inputs take them: local times come as text."""
    read = dict(given)
    for name, parameter in known.items():
        if parameter.kind is datetime and isinstance(read.get(name), str):
            with suppress(ValueError):
                read[name] = datetime.fromisoformat(read[name])
    return read


def _words(name: str | None) -> str:
    return (name or "").lower().replace("_", " ")


def children_of(units: Mapping[str, Unit], name: str | None) -> Iterator[Unit]:
    """Yield the units that hang behind one, or those that hang behind nothing."""
    return (unit for unit in units.values() if unit.sheet.parent == name)
