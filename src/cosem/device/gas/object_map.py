"""Object maps: which codes show what in a market, read from its data file (`markets/*.toml`).

A line of `objects`, `parameters` and the columns of a profile is text; one with words in braces stands for as many
objects as the words of its `for` tables have combinations: ``7-0:{kind}.{place}.0.255`` with ``{place}.{kind}``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product
from typing import Any, Final

from cosem.companions.companion import Companion, read
from cosem.device.gas.quantities import TYPES
from cosem.device.gas.status import StatusBit, status_bits
from cosem.errors import ConfigError
from cosem.obis import Obis

_LINE: Final = re.compile(r"([134]) (\S+) (\S+) (-?\d+) (\w+)")
_COLUMN: Final = re.compile(r"(\d+) (\S+) (\d+)")
MOMENTS: Final = ("mp1", "mp2", "bp1", "bp2", "events")
"""When a profile captures: at the end of a period, or only when something happens."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One object: its class and code, the quantity or parameter it shows, exponent and type of the value."""

    class_id: int
    name: Obis
    what: str
    scaler: int
    kind: str


@dataclass(frozen=True, slots=True)
class ProfileMap:
    """One profile: when it captures, whether also when something happens, how many rows, what."""

    name: Obis
    every: str
    events: bool
    rows: int
    columns: tuple[tuple[int, Obis, int], ...]
    device: str = "converter"
    """Which device has it, a converter or a chromatograph."""


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """Everything a market says of a gas device. `places` are codes of single objects by what they are.

    `defaults` are settings of the device in this market where nothing else is said: `mp1`, `mp2`, `day_start`, seconds.
    """

    name: str
    title: str
    objects: tuple[Shown, ...]
    parameters: tuple[Shown, ...]
    profiles: tuple[ProfileMap, ...]
    status: tuple[StatusBit, ...]
    places: Mapping[str, Obis]
    defaults: Mapping[str, int]
    companion: Companion


def market_names() -> list[str]:
    """Return the markets there are."""
    places = files("cosem.device.gas.markets").iterdir()
    return sorted(place.name.removesuffix(".toml") for place in places if place.name.endswith(".toml"))


@lru_cache
def object_map(name: str) -> ObjectMap:
    """Return the object map of a market. Raises `ConfigError` for one that is not there."""
    if name not in market_names():
        raise ConfigError(f"no object map {name!r}; there are {', '.join(market_names())}")
    text = (files("cosem.device.gas.markets") / f"{name}.toml").read_text(encoding="utf-8")
    return read_map(name, text)


def read_map(name: str, text: str) -> ObjectMap:
    """Read an object map from the text of its file. Raises `ConfigError` for what does not hold together.

    What `based_on` names is the map that tables which are not in this one are taken from.
    """
    try:
        file = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the object map {name} is no TOML: {error}") from None
    base = None if "based_on" not in file else object_map(file["based_on"])
    events = read(name, text) if "group" in file else None if base is None else base.companion
    if events is None:
        raise ConfigError(f"the object map {name} has no events, and is based on none that has")
    try:
        objects = _lines(file.get("objects", []))
        parameters = tuple(_lines(file["parameters"])) if "parameters" in file else base.parameters if base else ()
        profiles = tuple(_profile(item) for item in file.get("profile", []))
        status = status_bits(file["status"]) if "status" in file else base.status if base else ()
        places = dict(base.places if base else {}) | {key: Obis.parse(code) for key, code in file["places"].items()}
        defaults = dict(file.get("defaults", {}))
        made = ObjectMap(name, file["title"], tuple(objects), parameters, profiles, status, places, defaults, events)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"the object map {name} has not what it needs: {error!r}") from None
    _check(made)
    return made


def _check(made: ObjectMap) -> None:
    if unknown := set(made.defaults) - {"mp1", "mp2", "day_start"}:
        raise ConfigError(f"the object map {made.name} has no default {min(unknown)!r} to give")
    seen: set[Obis] = set()
    for shown in (*made.objects, *made.parameters):
        if shown.name in seen:
            raise ConfigError(f"the object map {made.name} has {shown.name} twice")
        seen.add(shown.name)
    for profile in made.profiles:
        if profile.every not in MOMENTS or not profile.columns:
            raise ConfigError(f"the profile {profile.name} captures nothing, or never")


def _lines(items: list[Any]) -> Iterator[Shown]:
    for item in items:
        if isinstance(item, str):
            yield _shown(item)
            continue
        grids: dict[str, dict[str, int]] = item["for"]
        for words in product(*(grid.items() for grid in grids.values())):
            chosen = dict(zip(grids, words, strict=True))
            yield _shown(_filled(item["line"], chosen))


def _filled(line: str, chosen: dict[str, tuple[str, int]]) -> str:
    """Put numbers into the code and words into the rest. ``{a+b}`` in a code is the sum of both numbers."""
    class_id, code, rest = line.split(" ", 2)
    code = re.sub(r"\{([\w+]+)\}", lambda found: str(sum(chosen[name][1] for name in found[1].split("+"))), code)
    rest = re.sub(r"\{(\w+)\}", lambda found: chosen[found[1]][0], rest)
    return f"{class_id} {code} {rest}"


def _shown(line: str) -> Shown:
    found = _LINE.fullmatch(line)
    if found is None or found[5] not in TYPES:
        raise ConfigError(f"an object map does not say {line!r}")
    return Shown(int(found[1]), Obis.parse(found[2]), found[3], int(found[4]), found[5])


def _profile(item: dict[str, Any]) -> ProfileMap:
    columns = []
    for line in item["columns"]:
        found = _COLUMN.fullmatch(line)
        if found is None:
            raise ConfigError(f"a profile does not capture {line!r}")
        columns.append((int(found[1]), Obis.parse(found[2]), int(found[3])))
    return ProfileMap(
        Obis.parse(item["name"]),
        item["every"],
        item.get("events", False),
        item["rows"],
        tuple(columns),
        item.get("device", "converter"),
    )
