"""Utility meters of the models, as many as wanted, with addresses and habits of their own by a seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cosem.device.load import noise
from cosem.device.utility.consumption import (
    Consumption,
    ElectricityConsumption,
    GasConsumption,
    HeatConsumption,
    WaterConsumption,
)
from cosem.device.utility.meter import DAY, Medium
from cosem.device.utility.radio import RadioMeter
from cosem.device.utility.speaker import Speaker, simulated
from cosem.device.utility.wired import UtilityStation
from cosem.errors import ConfigError
from cosem.mbus.addresses import LARGEST
from cosem.mbus.model import Model, Models

WIRED: Final = "gas-wired,water-wired,warm-water-wired,heat-wired,electricity-wired"
RADIO: Final = "gas-radio,water-radio,warm-water-radio,heat-radio,electricity-radio"
DEFAULT_KEY: Final = bytes(range(16))
"""The key that simulated meters come with: an example, never for anything real."""
REACTION: Final = 22
"""Channel of noise."""
MOST: Final = 1000
FIRST_NUMBER: Final = 10_000_000
SPREAD: Final = 61_803_399
"""Numbers of neighbours lie far apart, as in a house where meters were exchanged one by one."""


class Wanted(NamedTuple):
    """So many meters of one model."""

    model: Model
    many: int


def wanted(text: str, known: Models) -> list[Wanted]:
    """Read ``gas-wired,heat-wired:3``. Raises `ConfigError`."""
    answer = []
    for part in text.split(","):
        name, _, count = part.strip().partition(":")
        if count and not (count.isdecimal() and 0 < int(count) <= MOST):
            raise ConfigError(f"{part!r}: behind the colon stands how many, 1 to {MOST}")
        answer.append(Wanted(known.named(name), int(count or 1)))
    if sum(item.many for item in answer) > MOST:
        raise ConfigError(f"more than {MOST} meters")
    return answer


def consumption(medium: str, seed: int) -> Consumption:
    """Return what flows through a meter of a medium."""
    if medium == Medium.GAS:
        return GasConsumption(seed)
    if medium == Medium.HEAT:
        return HeatConsumption(seed)
    if medium == Medium.ELECTRICITY:
        return ElectricityConsumption(seed)
    return WaterConsumption(seed, warm=medium == Medium.WARM_WATER)


def speakers(meters: Iterable[Wanted], *, seed: int, now: int, days: int, key: bytes | None) -> Iterator[Speaker]:
    """Yield meters that have counted for `days` up to `now` (UTC seconds). With `key` they protect what they say."""
    number = 0
    for model, count in meters:
        for _ in range(count):
            number += 1
            own = seed * MOST + number
            flows = consumption(str(model.simulated.get("medium")), own)
            identification = f"{FIRST_NUMBER + own * SPREAD % (9 * FIRST_NUMBER)}"
            start = now - days * DAY
            speaker = simulated(model, flows, start, default_key=DEFAULT_KEY, key=key, identification=identification)
            speaker.meter.settle(now)
            yield speaker


class House:
    """Meters that live together, as `cosem.simulator.pace` lets devices live. `now` is their time, UTC seconds."""

    def __init__(self, voices: Iterable[Speaker], now: int) -> None:
        self.voices = tuple(voices)
        self.now = now

    def advance(self, until: int) -> None:
        """Let all of them count until then."""
        for speaker in self.voices:
            speaker.meter.settle(until)
        self.now = max(self.now, until)


def stations(voices: Iterable[Speaker], *, seed: int, baud: int) -> list[UtilityStation]:
    """Return slaves at the primary addresses 1, 2, ... 250; who comes after that has none (0).

    Their meters live in a `House`: being asked lets no time pass.
    """
    return [
        UtilityStation(
            speaker,
            primary=number if number <= LARGEST else 0,
            baud=baud,
            speeds=(300, 600, 1200, 2400, 4800, 9600, 19200, 38400),
            reaction=0.01 + 0.03 * noise(seed, number, REACTION),
        )
        for number, speaker in enumerate(voices, 1)
    ]


def senders(voices: Iterable[Speaker], *, seed: int) -> list[RadioMeter]:
    """Return meters that send by radio, each at its own times."""
    return [RadioMeter(speaker, seed * MOST + number) for number, speaker in enumerate(voices, 1)]
