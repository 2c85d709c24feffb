"""The sites of a neighbourhood, one for each port: two houses' concentrators, the power line, and the gas station."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from cosem.association.responder import Responder
from cosem.association.server import ObjectServer
from cosem.concentrator.multi_utility import HOUSE, MultiUtilityConcentrator, MultiUtilitySettings, channels
from cosem.concentrator.reading import ReadingPlan
from cosem.device.gas.stream import H_GAS, L_GAS, Blend
from cosem.device.load import Household
from cosem.device.meter import LOAD_PROFILE, ElectricityMeter
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError
from cosem.link.base import Machine
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.plc.initiator import InitiatorSettings
from cosem.plc.llc import LlcSettings
from cosem.plc.reporting import ReportingSystem
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.feeder import random_feeder
from cosem.simulator.feeder_meter import CONCENTRATOR_TITLE, MeterOnLine
from cosem.simulator.feeder_network import title_of
from cosem.simulator.gas import demo_converter, simulated_chromatograph, simulated_converter
from cosem.simulator.house import House
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_settings, simulated_meter
from cosem.simulator.neighbourhood.layout import (
    AREAS,
    HOUSES,
    STATION,
    STUBBORN,
    Home,
    Layout,
    concentrator_name,
    keys_of,
)
from cosem.simulator.neighbourhood.unit import (
    ConcentratorUnit,
    LineUnit,
    MeterUnit,
    Sheet,
    StationUnit,
    Unit,
    UtilityUnit,
)
from cosem.simulator.power_line_site import PowerLineSite
from cosem.simulator.utilities import RADIO, Utilities, mbus_settings, utilities_of

SECURED: Final = "client=1&auth=high-gmac&security=both"
LIVE, KEPT = 1, 2
"""Networks of the power line's gateway: the meters themselves, and what the concentrator read of them."""
PATIENCE: Final = 3
"""Seconds that a client waits for a meter in a house."""
LINE_PATIENCE: Final = 60
"""Seconds that a client waits for a meter on the power line."""
READ_EVERY: Final = 6 * 3600
"""Seconds between the readings of the power line's concentrator, in the virtual time."""
REDISCOVER: Final = 3600
FIRST_READING: Final = 1800
ANOTHER_MAKER: Final = bytes.fromhex("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c")
"""The public key that the stubborn model trusts; nobody here has its private key."""
GASES: Final[dict[str, tuple[dict[int, float], float]]] = {
    "high": (H_GAS, 0.0),
    "low": (L_GAS, 0.0),
    "hydrogen": (H_GAS, 10.0),
}
"""What may flow to the station: high gas, low gas, and high gas with a tenth of hydrogen."""


class Site:
    """What one port serves."""

    def __init__(self, number: int, name: str, device: ObjectServer) -> None:
        self.number = number
        self.name = name
        self.device = device
        self.units: list[Unit] = []

    def machine(self, network: int | None, address: bytes) -> Machine | None:
        """Return a machine for the site's own device or one behind it; None for one that is not heard."""
        raise NotImplementedError

    def advance(self, until: int) -> None:
        """Let it live up to `until`."""
        raise NotImplementedError


class HouseSite(Site):
    """A multi-utility concentrator with its M-Bus meters, and electricity meters behind its gateway."""

    def __init__(self, layout: Layout, area: int, start: int, told: Callable[[], object]) -> None:
        settings = layout.settings
        self.area = area
        name = concentrator_name(area)
        kinds = layout.at_concentrators[area]
        keys = keys_of(settings, name)
        seed = settings.seed * 10 + area
        title = b"CSM\x02" + (settings.seed * 100 + area).to_bytes(4, "big")
        built = MultiUtilitySettings(
            system_title=title,
            serial=f"{20_000_000 + settings.seed * 100 + area}",
            keys=keys,
            image_key=DEMO_IMAGE_KEY,
            mbus=mbus_settings(kinds) if kinds else channels(4),
        )
        concentrator = MultiUtilityConcentrator(
            built, start, SeededRandom(seed), simulation=True, counters=MemoryCounterStore()
        )
        behind = Utilities(concentrator.mbus, kinds, seed=seed, weather=settings.seed) if kinds else None
        super().__init__(area, name, concentrator.device)
        self.concentrator = concentrator
        self._meters: dict[bytes, MeterUnit] = {}
        sheet = Sheet(name, "concentrator", "CSM C1", AREAS[area], AREAS[area], title, SECURED, keys=keys)
        self.unit = ConcentratorUnit(sheet, area, concentrator)
        self.units.append(self.unit)
        self._utilities(layout, name, concentrator, behind)
        meters = []
        for home in layout.homes:
            if home.area == area:
                meters.append(self._meter(layout, home, start))
                told()
        self.house = House(concentrator, behind, meters)

    def _meter(self, layout: Layout, home: Home, start: int) -> ElectricityMeter:
        settings = layout.settings
        keys = keys_of(settings, home.name)
        meter = _built(home, settings.seed, start, system_title=b"CSM" + _number(settings.seed, home), keys=keys)
        address = meter.settings.serial.encode("ascii")
        self.concentrator.attach(address, meter.device)
        title = meter.settings.system_title
        query = f"{SECURED}&gateway_network={HOUSE}&gateway_device={address.hex()}&timeout={PATIENCE}"
        tags = ("pv",) if home.peak_pv else ()
        sheet = Sheet(
            home.name, "electricity", home.model, AREAS[home.area], home.place, title, query, self.name,
            tags=tags, keys=keys,
        )  # fmt: skip
        unit = MeterUnit(sheet, home.area, home.feeder, meter)
        self._meters[address] = unit
        self.units.append(unit)
        self._utilities(layout, home.name, meter, utilities_of(meter))
        return meter

    def _utilities(
        self,
        layout: Layout,
        parent: str,
        device: ElectricityMeter | MultiUtilityConcentrator,
        behind: Utilities | None,
    ) -> None:
        if behind is None:
            return
        for item in layout.utilities:
            if item.parent != parent:
                continue
            kind = item.kind.removesuffix(RADIO)
            sheet = Sheet(
                item.name,
                "water" if kind == "warm-water" else kind,
                behind.speakers[item.channel].model.name,
                AREAS[self.area],
                item.place,
                parent=parent,
                channel=item.channel,
                identity=behind.mbus.channels[item.channel].identity,
                tags=_tags(item.kind),
            )
            self.units.append(UtilityUnit(sheet, self.area, device, behind))

    def machine(self, network: int | None, address: bytes) -> Machine | None:
        """Return a machine for the concentrator or a meter behind it."""
        unit: Unit | None = self.unit if network is None else self._meters.get(address) if network == HOUSE else None
        if unit is None or unit.silent:
            return None
        if isinstance(unit, MeterUnit) and not unit.meter.equipment.power.powered:
            return None
        return self.concentrator.machine_of(network, address)

    def advance(self, until: int) -> None:
        """Let the concentrator and everybody behind it live up to `until`."""
        self.house.advance(until)


class LineSite(Site):
    """The feeder of a power line with its concentrator, which reads its meters by itself and keeps what it read."""

    def __init__(self, layout: Layout, start: int, told: Callable[[], object]) -> None:
        settings = layout.settings
        homes = [home for home in layout.homes if home.area == HOUSES]
        name = concentrator_name(HOUSES)
        # A concentrator has the keys of its meters; here they have the same ones.
        keys = keys_of(settings, name)
        llc = LlcSettings()
        built: list[ElectricityMeter] = []
        for number, home in enumerate(homes, 1):
            title = title_of(number).ljust(8, b"\x00")
            built.append(_built(home, settings.seed, start, system_title=title, keys=keys, max_pdu_size=llc.max_sdu))
            told()

        def meter(station: int, reporting: ReportingSystem) -> MeterOnLine:
            return MeterOnLine(reporting, built[station - 1], llc=llc)

        self.line = line = PowerLineSite(
            random_feeder(len(homes), seed=settings.seed, cables=3),
            seed=settings.seed,
            llc=llc,
            # Meters that an outage took away are found again.
            initiator=InitiatorSettings(title=CONCENTRATOR_TITLE, llc=llc, rediscover_s=REDISCOVER),
            keys=keys,
            meter=meter,
            start=start,
            waits=True,
        )
        super().__init__(HOUSES, name, line.concentrator.local.device)
        self._next = 0
        title = line.concentrator.local.device.system_title
        sheet = Sheet(name, "concentrator", "CSM C2", AREAS[HOUSES], AREAS[HOUSES], title, SECURED, keys=keys)
        self.unit = LineUnit(sheet, HOUSES, line)
        self.units.append(self.unit)
        for station, home in enumerate(homes, 1):
            line.network.meter(station)
            address = title_of(station).hex()
            query = f"{SECURED}&gateway_network={LIVE}&gateway_device={address}&timeout={LINE_PATIENCE}"
            tags = ("power line", *(("pv",) if home.peak_pv else ()))
            sheet = Sheet(
                home.name, "electricity", home.model, AREAS[HOUSES], home.place,
                built[station - 1].settings.system_title, query, name, tags=tags, keys=keys,
            )  # fmt: skip
            self.units.append(MeterUnit(sheet, HOUSES, home.feeder, built[station - 1], line, station))

    def kept(self, unit: MeterUnit) -> str:
        """Return how what the concentrator keeps of a meter is reached."""
        return f"{SECURED}&gateway_network={KEPT}&gateway_device={title_of(unit.station).hex()}"

    def begin(self) -> None:
        """Let the concentrator find its meters. Its own readings begin behind that."""
        network = self.line.network
        network.discover(hours=1)
        network.initiator.call_repeaters(network.now)
        network.flush()
        self._next = network.utc + FIRST_READING

    def read(self) -> None:
        """Let the concentrator read its meters now, unless it does."""
        concentrator = self.line.concentrator
        if all(item.over for item in concentrator.readings):
            concentrator.read(ReadingPlan(Obis.parse(LOAD_PROFILE)))

    @property
    def reading(self) -> bool:
        """Whether the concentrator is reading."""
        return any(not item.over for item in self.line.concentrator.readings)

    def machine(self, network: int | None, address: bytes) -> Machine | None:
        """Return a machine for the concentrator, a meter on the line, or what is kept of it."""
        return None if self.unit.silent else self.line.concentrator.machine(network, address)

    def advance(self, until: int) -> None:
        """Let line and meters live up to `until`."""
        network = self.line.network
        if until >= self._next:
            self._next += READ_EVERY
            self.read()
        if until > network.utc:
            network.run(network.medium.rate.slots_in(until - network.start))
        for station in network.meters:
            network.meters[station].advance(max(until, network.utc))


class StationSite(Site):
    """The gas station: a converter by SGERG-88, and a chromatograph that brings it what flows."""

    def __init__(self, layout: Layout, start: int) -> None:
        settings = layout.settings
        keys = keys_of(settings, "S-1")
        begin = datetime.fromtimestamp(start, UTC)
        built = replace(demo_converter(settings.seed), keys=keys)
        self.converter = simulated_converter(seed=settings.seed, end=begin, days=0, settings=built)
        self.analyser = simulated_chromatograph(seed=settings.seed, end=begin, days=0)
        self.converter.beside(self.analyser)
        super().__init__(HOUSES + 1, "S-1", self.converter.device)
        sheet = Sheet(
            "S-1", "converter", "CSM V1", STATION, STATION, self.converter.settings.system_title, SECURED, keys=keys
        )
        self.unit = StationUnit(sheet, self.number, self.converter)
        self.units.append(self.unit)
        self._seed = settings.seed
        self._random = SeededRandom(settings.seed)

    def machine(self, network: int | None, address: bytes) -> Machine | None:
        """Return a machine for the converter, which is no gateway."""
        if network is not None or self.unit.silent or not self.converter.device.schedule.powered:
            return None
        return Responder(WrapperLink(server=True), self.device, self._random)

    def flow(self, gas: str) -> None:
        """Let another gas come through the pipe. Raises `ConfigError` for one there is not."""
        if gas not in GASES:
            raise ConfigError(f"a gas is one of {', '.join(GASES)}, not {gas!r}")
        shares, hydrogen = GASES[gas]
        self.analyser.stream = Blend(self._seed, dict(shares), hydrogen=hydrogen)

    def advance(self, until: int) -> None:
        """Let the station live up to `until`."""
        self.converter.advance(until)


def _tags(kind: str) -> tuple[str, ...]:
    return (("radio",) if kind.endswith(RADIO) else ()) + (("warm water",) if kind.startswith("warm") else ())


def _number(seed: int, home: Home) -> bytes:
    return (0x0100000000 + seed * 100_000 + home.number).to_bytes(5, "big")


def _built(home: Home, seed: int, start: int, **changes: Any) -> ElectricityMeter:
    """Return the meter of a home at the beginning of its life."""
    number = seed * 10_000 + home.number
    settings = replace(
        demo_settings(number),
        image_key=ANOTHER_MAKER if home.model == STUBBORN else DEMO_IMAGE_KEY,
        last_gasp=True,
        **changes,
    )
    load = Household(number, peak_pv=home.peak_pv, weather=seed)
    begin = datetime.fromtimestamp(start, UTC)
    return simulated_meter(seed=number, end=begin, days=0, settings=settings, utilities=home.utilities, load=load)


def sites_of(layout: Layout, start: int, told: Callable[[], object]) -> Iterable[Site]:
    """Return the sites of a layout in the order of their numbers; `told` is called for every meter that is built."""
    for area in range(HOUSES):
        yield HouseSite(layout, area, start, told)
    yield LineSite(layout, start, told)
    yield StationSite(layout, start)
