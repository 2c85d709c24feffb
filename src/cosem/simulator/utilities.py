"""Utility meters behind a simulated electricity meter: on its bus and in the air, installed, and read every hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cosem.codec import axdr
from cosem.concentrator.multi_utility import MultiUtilityConcentrator
from cosem.device.mbus.port import SteppedBus
from cosem.device.mbus.settings import MBusChannel, MBusSettings
from cosem.device.utility.consumption import (
    Consumption,
    ElectricityConsumption,
    GasConsumption,
    HeatConsumption,
    WaterConsumption,
)
from cosem.device.utility.radio import RadioMeter
from cosem.device.utility.speaker import Speaker, simulated
from cosem.device.utility.wired import UtilityStation
from cosem.errors import ConfigError
from cosem.link.line import Line
from cosem.link.mbus_frame import Frame
from cosem.mbus.link_fields import STANDARD_LINE
from cosem.mbus.master import BusMaster
from cosem.mbus.model import models
from cosem.obis import Obis
from cosem.simulator.mbus_air import Air, AirReceiver, Heard
from cosem.simulator.mbus_bus import SimulatedBus

if TYPE_CHECKING:
    from cosem.device.host import Host
    from cosem.device.mbus.equipment import MBus
    from cosem.device.meter import ElectricityMeter

HOUR: Final = 3600
RADIO: Final = "-radio"
CONSUMPTION: Final[dict[str, Callable[[int, int | None], Consumption]]] = {
    "gas": lambda seed, weather: GasConsumption(seed, weather=weather),
    "water": lambda seed, weather: WaterConsumption(seed),
    "warm-water": lambda seed, weather: WaterConsumption(seed, litres=110, warm=True),
    "heat": lambda seed, weather: HeatConsumption(seed, weather=weather),
    "electricity": lambda seed, weather: ElectricityConsumption(seed),
}
"""What there is to measure, by the seeds of a household and of the weather."""
DEMO_MBUS_KEY: Final = bytes(range(0x70, 0x80))
"""The key that simulated utility meters are delivered with; anybody may wrap a new one under it."""
DEMO_RADIO_KEY: Final = bytes(range(0x80, 0x90))
"""The key that simulated wireless meters send under."""
_IDENTIFICATIONS: Final = 10_000
_RECEIVER: Final = "meter"
_INSTALL, _SET_KEY = 1, 7


class HouseStation(UtilityStation):
    """A utility meter on the wire, which can be made silent: its wire is cut."""

    silent = False
    overheard: Callable[[bytes], None] | None = None
    """Who is told of every frame that this station sends."""

    def hear(self, frame: Frame, now: float) -> bytes:
        """Take a frame as every station does, unless the wire is cut."""
        answer = b"" if self.silent else super().hear(frame, now)
        if answer and self.overheard is not None:
            self.overheard(answer)
        return answer


def kinds_of(text: str) -> tuple[str, ...]:
    """Read ``gas,water,heat-radio``: what stands on channels 1, 2 and so on. Raises `ConfigError`."""
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    for kind in kinds:
        if kind.removesuffix(RADIO) not in CONSUMPTION:
            names = ", ".join(CONSUMPTION)
            raise ConfigError(f"{kind!r} is no utility meter: write {names}, with {RADIO} behind it for a wireless one")
    return kinds


def mbus_settings(kinds: Sequence[str]) -> MBusSettings:
    """Return the M-Bus of a meter with these behind it; it has four channels at least. They are read every hour."""
    count = max(len(kinds), len(MBusSettings().channels))
    return MBusSettings(
        channels=tuple(
            MBusChannel(
                number,
                wireless=number <= len(kinds) and kinds[number - 1].endswith(RADIO),
                capture_period=HOUR,
            )
            for number in range(1, count + 1)
        )
    )


class Utilities:
    """The utility meters on one M-Bus, by channel, and what carries them: a bus, and the air. They are installed.

    `weather` is the seed of the weather where neighbours share it.
    """

    def __init__(self, mbus: MBus, kinds: Sequence[str], *, seed: int = 1, weather: int | None = None) -> None:
        self.mbus = mbus
        self._weather = weather
        self.host: Host = mbus.host
        self.mbus.behind = self
        self.speakers: dict[int, Speaker] = {}
        self.stations: dict[int, HouseStation] = {}
        line = Line(STANDARD_LINE)
        self.bus = SimulatedBus(line=line)
        self.mbus.connect(SteppedBus(BusMaster(line), self.bus, lambda: self.host.now))
        self.air: Air | None = None
        radios: list[RadioMeter] = []
        for channel, kind in enumerate(kinds, 1):
            speaker = self.speakers[channel] = self._speaker(channel, kind, seed)
            if kind.endswith(RADIO):
                radios.append(RadioMeter(speaker, seed * 100 + channel))
                self._pair(channel, speaker)
            else:
                # One at a time: all of them have address 0 at first.
                station = self.stations[channel] = HouseStation(speaker)
                self.bus.stations.append(station)
                self._invoke(channel, _INSTALL, axdr.unsigned(0))
        if radios:
            transmissions = frozenset(
                radio.speaker.model.radio.transmission for radio in radios if radio.speaker.model.radio is not None
            )
            self.air = Air(radios, [AirReceiver(_RECEIVER, transmissions)], seed=seed)
            self.mbus.listen_to(self.air.run)

    def overhear(self, told: Callable[[bytes], None]) -> None:
        """Tell `told` of every frame from now on: answers on the wire, and what the meter hears by radio."""
        for station in self.stations.values():
            station.overheard = told
        air = self.air
        if air is None:
            return

        def ear(until: float) -> Iterator[Heard]:
            for heard in air.run(until):
                told(heard.octets)
                yield heard

        self.mbus.listen_to(ear)

    def _pair(self, channel: int, speaker: Speaker) -> None:
        """Install a wireless meter by its identity, with the key that it sends under."""
        address = speaker.address
        number = int(address.number) if self.mbus.settings.version else int(address.number, 16)
        name = _client(channel)
        for attribute, value in (
            (6, axdr.double_long_unsigned(number)),
            (7, axdr.long_unsigned(int.from_bytes(address.manufacturer, "little"))),
            (8, axdr.unsigned(address.version)),
            (9, axdr.unsigned(address.medium)),
        ):
            self.host.write(72, name, attribute, value)
        self._invoke(channel, _INSTALL, axdr.unsigned(0))
        self._invoke(channel, _SET_KEY, axdr.octet_string(DEMO_RADIO_KEY))

    def _invoke(self, channel: int, method: int, parameter: axdr.Data) -> None:
        result = self.host.invoke(72, _client(channel), method, parameter)
        if result:
            raise ConfigError(f"the utility meter of channel {channel} cannot be installed: {result.name}")

    def _speaker(self, channel: int, kind: str, seed: int) -> Speaker:
        wireless = kind.endswith(RADIO)
        plain = kind.removesuffix(RADIO)
        model = models().named(f"{plain}{RADIO if wireless else '-wired'}")
        return simulated(
            model,
            CONSUMPTION[plain](seed * 100 + channel, self._weather),
            self.host.now,
            default_key=DEMO_MBUS_KEY,
            key=DEMO_RADIO_KEY if wireless else None,
            identification=f"{seed % _IDENTIFICATIONS:04d}{channel:04d}",
            zone=self.mbus.zone,
        )


def utilities_of(device: ElectricityMeter | MultiUtilityConcentrator) -> Utilities | None:
    """Return what was put behind a meter or a concentrator, None where nothing was."""
    mbus = device.mbus if isinstance(device, MultiUtilityConcentrator) else device.equipment.mbus
    behind = None if mbus is None else mbus.behind
    return behind if isinstance(behind, Utilities) else None


def _client(channel: int) -> Obis:
    return Obis(bytes((0, channel, 24, 1, 0, 255)))
