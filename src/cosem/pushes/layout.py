"""Layouts of national pushes: data files that say what stands where, with telegrams and the values they must give.

A file in `layouts/` is one layout: a meter, or a family of them, as its countries use it. It has lists, which are the
forms its pushes take, and telegrams. An item of a list is one line: the type of the value (with its length in brackets
where that is fixed), OBIS code, unit and scaler, and words where the OBIS code has none; ``-`` stands for what is not
known, and is not guessed. In a list that is `named`, a logical name stands in the push itself and items have no type.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from cosem.codec.axdr import TAGS_BY_LABEL, Data, Tag
from cosem.errors import ConfigError, CosemError
from cosem.obis import Obis
from cosem.pushes.reading import NUMBERS, Reading
from cosem.units import Unit

_UNITS = {unit.symbol: unit for unit in Unit if unit.symbol} | {"1": Unit(255)}


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a list. `tag` and `length` (octets) are what it must have, `obis` None what nobody knows."""

    tag: Tag | None
    length: int | None
    obis: Obis | None
    unit: int | None = None
    scaler: int | None = None
    name: str | None = None

    def takes(self, value: Data) -> bool:
        """Say whether `value` can be this item."""
        return value.tag is self.tag and (self.length is None or len(value.value) == self.length)


@dataclass(frozen=True, slots=True)
class PushList:
    """One form of a push. `first` is the text its first value must be; `has` are names that only this list holds.

    A list that is not `certain` looks like what any meter could send, and is used only where the country is given.
    """

    title: str
    items: tuple[Item, ...]
    named: bool = False
    first: str | None = None
    has: frozenset[Obis] = frozenset()
    certain: bool = True

    def fits(self, value: Data, named: list[Reading], country: str | None) -> bool:
        """Say whether a structure, in which `named` was found, has this form."""
        if not self.certain and country is None:
            return False
        if self.named:
            return bool(named) and self._knows(value, named)
        if len(value.value) != len(self.items) or not all(
            item.takes(data) for item, data in zip(self.items, value.value, strict=True)
        ):
            return False
        return self.first is None or _text(value.value[0]) == self.first

    def _knows(self, value: Data, named: list[Reading]) -> bool:
        known = {item.obis for item in self.items}
        bare = {reading.obis for reading in named if reading.unit is None and reading.value.tag in NUMBERS}
        if not bare or not bare <= known or not self.has <= {reading.obis for reading in named}:
            return False
        return self.first is None or any(_text(data) == self.first for data in value.value)


@dataclass(frozen=True, slots=True)
class Telegram:
    """Octets as a meter sent them, or protected anew under the example keys, and the readings they must give."""

    title: str
    octets: bytes
    country: str | None
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """One data file."""

    key: str
    title: str
    countries: tuple[str, ...]
    lists: tuple[PushList, ...]
    telegrams: tuple[Telegram, ...]


@lru_cache(maxsize=1)
def layouts() -> tuple[Layout, ...]:
    """Return the layouts of the package, by file name."""
    folder = files("cosem.pushes").joinpath("layouts")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(
        parse_layout(name.removesuffix(".toml"), folder.joinpath(name).read_text(encoding="utf-8")) for name in names
    )


def parse_layout(key: str, text: str) -> Layout:
    """Read one file. Raises `ConfigError` with what is wrong in it."""
    try:
        content = tomllib.loads(text)
        return Layout(
            key,
            content["title"],
            tuple(content["countries"]),
            tuple(_list(item) for item in content.get("list", ())),
            tuple(_telegram(item) for item in content["telegram"]),
        )
    except (tomllib.TOMLDecodeError, CosemError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the layout {key}: {error}") from None


def _list(values: dict[str, Any]) -> PushList:
    named = values.get("named", False)
    return PushList(
        values["title"],
        tuple(_items(values["items"], named=named)),
        named,
        values.get("first"),
        frozenset(Obis.parse(code) for code in values.get("has", ())),
        values.get("certain", True),
    )


def _items(lines: Iterable[str], *, named: bool) -> Iterable[Item]:
    for line in lines:
        words = line.split()
        tag, length = (None, None) if named else _type(words.pop(0))
        code, unit, scaler, *name = (*words, "-", "-")[: max(3, len(words))]
        yield Item(
            tag,
            length,
            None if code == "-" else Obis.parse(code),
            None if unit == "-" else int(_UNITS[unit]),
            None if scaler == "-" else int(scaler),
            " ".join(name) or None,
        )


def _type(text: str) -> tuple[Tag, int | None]:
    label, _, length = text.rstrip("]").partition("[")
    return TAGS_BY_LABEL[label], int(length) if length else None


def _telegram(values: dict[str, Any]) -> Telegram:
    return Telegram(values["title"], bytes.fromhex(values["octets"]), values.get("country"), tuple(values["values"]))


def _text(value: Data) -> str | None:
    raw = value.value
    if isinstance(raw, bytes):
        return raw.decode("ascii", "replace")
    return raw if isinstance(raw, str) else None
