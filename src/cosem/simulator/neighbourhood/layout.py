"""How a neighbourhood is laid out: who lives where, behind what, with which model, and under which keys.

Everything follows from the settings; the same settings give the same neighbourhood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from cosem.errors import ConfigError
from cosem.security.keys import Keys

HOUSES: Final = 2
"""Multi-utility concentrators; the third concentrator of a neighbourhood is that of the power line."""
FEEDERS: Final = (("Maple Road", "Birch Avenue"), ("Quay Street", "Chapel Lane"))
"""The streets behind each of them: what a cut cable takes away at once."""
LINE_STREET: Final = "Mill Lane"
AREAS: Final = ("Upper Town", "Harbour", "Mill Lane")
"""Parts of the network, one for each concentrator."""
STATION: Final = "Gas Station North"
MODELS: Final = ("CSM E1", "CSM E2", "CSM E3")
STUBBORN: Final = "CSM E2"
"""The model whose meters trust another maker's images: every firmware campaign fails on it."""
OWN_CHANNELS: Final = 2
"""M-Bus meters of an electricity meter that has its own, gas and water."""
_MOST_CHANNELS: Final = 64
_KINDS: Final = ("gas", "water", "heat", "gas-radio", "water-radio", "heat-radio", "warm-water")
_OWN: Final = ("gas", "water")
_LETTERS: Final = {"gas": "G", "water": "W", "warm-water": "W", "heat": "H"}
_PV: Final = (0.0, 0.0, 3_500.0, 0.0, 6_000.0, 0.0, 0.0, 9_000.0)
"""Peak watts of photovoltaics on the roofs, in turn."""


@dataclass(frozen=True, slots=True)
class NeighbourhoodSettings:
    """How large a neighbourhood is: `meters` electricity meters, `power_line` of them on the power line; `utilities`
    on M-Bus. They have lived `days`. `seed` and all else being equal, two neighbourhoods are equal."""

    meters: int = 200
    utilities: int = 150
    power_line: int = 40
    days: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not HOUSES <= self.meters - self.power_line <= 2000 or not 1 <= self.power_line <= 500:
            raise ConfigError(
                "a neighbourhood has up to 2000 meters in houses, 2 at least, and 1 to 500 on the power line"
            )
        if self.utilities < 0 or self.utilities > self.most_utilities:
            raise ConfigError(
                f"these meters and concentrators have room for {self.most_utilities} M-Bus meters at most"
            )
        if not 0 <= self.days <= 400:
            raise ConfigError("a neighbourhood has lived for 0 to 400 days")
        if not 0 <= self.seed <= 9_999:
            raise ConfigError("a seed is 0 to 9999")

    @property
    def most_utilities(self) -> int:
        """M-Bus meters that find a channel."""
        return HOUSES * _MOST_CHANNELS + OWN_CHANNELS * (self.meters - self.power_line)


@dataclass(frozen=True, slots=True)
class Home:
    """One electricity meter: its name, where it is, its model, and what hangs on its own M-Bus.

    `area` is the number of its concentrator; `peak_pv` in watts.
    """

    number: int
    area: int
    feeder: str
    place: str
    model: str
    peak_pv: float
    utilities: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the utility calls it."""
        return f"E-{self.number:03}"


@dataclass(frozen=True, slots=True)
class Utility:
    """One M-Bus meter: its name, its kind as `cosem.simulator.utilities` has it, and its channel behind `parent`."""

    name: str
    kind: str
    parent: str
    channel: int
    place: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Homes, and the M-Bus meters at the concentrators and at the homes."""

    settings: NeighbourhoodSettings
    homes: tuple[Home, ...]
    utilities: tuple[Utility, ...]
    at_concentrators: tuple[tuple[str, ...], ...]
    """The kinds on the channels of each multi-utility concentrator, 1 and so on."""


def concentrator_name(area: int) -> str:
    """Return what the concentrator of an area is called."""
    return f"C-{area + 1}"


def laid_out(settings: NeighbourhoodSettings) -> Layout:
    """Return who lives where. Two M-Bus meters of three are at the concentrators, the others at electricity meters."""
    homes = list(_homes(settings))
    housed = [home for home in homes if home.area < HOUSES]
    own = min(settings.utilities - 2 * settings.utilities // 3, OWN_CHANNELS * len(housed))
    shared = min(settings.utilities - own, HOUSES * _MOST_CHANNELS)
    own = settings.utilities - shared
    counts: dict[str, int] = {}
    utilities: list[Utility] = []

    def add(kind: str, parent: str, channel: int, place: str) -> None:
        letter = _LETTERS[kind.removesuffix("-radio")]
        counts[letter] = counts.get(letter, 0) + 1
        utilities.append(Utility(f"{letter}-{counts[letter]:03}", kind, parent, channel, place))

    kinds: list[list[str]] = [[] for _ in range(HOUSES)]
    for number in range(shared):
        area, turn = number % HOUSES, number // HOUSES
        kind = _KINDS[turn % len(_KINDS)]
        kinds[area].append(kind)
        neighbours = [home.place for home in housed if home.area == area]
        add(kind, concentrator_name(area), turn + 1, neighbours[turn % len(neighbours)])
    for home in reversed(housed):
        on = _OWN[: min(OWN_CHANNELS, own)]
        own -= len(on)
        homes[home.number - 1] = replace(home, utilities=on)
        for channel, kind in enumerate(on, 1):
            add(kind, home.name, channel, home.place)
    return Layout(settings, tuple(homes), tuple(utilities), tuple(tuple(items) for items in kinds))


def _homes(settings: NeighbourhoodSettings) -> Iterator[Home]:
    housed = settings.meters - settings.power_line
    numbers: dict[str, int] = {}
    for index in range(settings.meters):
        if index < housed:
            area = index * HOUSES // housed
            streets = FEEDERS[area]
            street = streets[index % len(streets)]
        else:
            area, street = HOUSES, LINE_STREET
        numbers[street] = numbers.get(street, 0) + 1
        place = f"{street} {numbers[street]}"
        yield Home(
            index + 1, area, street, place, MODELS[index // 2 % len(MODELS)], _PV[(index * 5 + index // 8) % len(_PV)]
        )


def keys_of(settings: NeighbourhoodSettings, name: str) -> Keys:
    """Return the keys that a device of this name left the factory with: its own, and worth nothing."""

    def key(purpose: str) -> bytes:
        return sha256(f"cosem neighbourhood {settings.seed} {name} {purpose}".encode()).digest()[:16]

    return Keys(key("encryption"), key("authentication"), master_key=key("master"))
