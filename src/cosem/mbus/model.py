"""Meter models as data: how a meter is recognised, what its records are called, how it protects and what it takes.

A model is one TOML file (docs/mbus_models.md). A field is one line: its name, the DIB and VIB octets that carry it, and
what a simulated meter puts there. What the name ends with is the unit of the value, so a reading never needs a second
look: ``total_m3 0C13/0413 = amount``.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from cosem.errors import ConfigError, DecodeError
from cosem.mbus.air import MODES
from cosem.mbus.header import EXTENSION
from cosem.mbus.manufacturer import manufacturer_octets
from cosem.mbus.record import Head, Record, head_at
from cosem.mbus.security import SUPPORTED
from cosem.mbus.wireless import Address, Format

UNITS: Final[dict[str, tuple[str, int]]] = {
    "m3": ("m³", 0),
    "l": ("m³", 3),
    "m3h": ("m³/h", 0),
    "lh": ("m³/h", 3),
    "kwh": ("Wh", -3),
    "wh": ("Wh", 0),
    "kvarh": ("varh", -3),
    "gj": ("J", -9),
    "mj": ("J", -6),
    "kw": ("W", -3),
    "w": ("W", 0),
    "c": ("°C", 0),
    "k": ("K", 0),
    "d": ("d", 0),
    "h": ("h", 0),
    "min": ("min", 0),
    "s": ("s", 0),
    "v": ("V", 0),
    "a": ("A", 0),
    "hz": ("Hz", 0),
    "bar": ("bar", 0),
    "kg": ("kg", 0),
    "pct": ("%", 0),
}
"""What the name of a field ends with: the unit of its record, and the power of ten between the two."""
APPLICATION_ALL: Final = 0
"""The application (upper half of the subcode of CI 50h) that stands for everything."""
_NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_FIELD = re.compile(rf"({_NAME})\s+((?:[0-9A-F]{{2}})+(?:/(?:[0-9A-F]{{2}})+)*)(?:\s+=\s+(\S.*))?")
_ORDER = re.compile(r"([a-z]+(?: [a-z_]+)?)\s+((?:[0-9A-F]{2})+(?:/(?:[0-9A-F]{2})+)*)")
_RECOGNISED = re.compile(r"([A-Z]{3})-([0-9A-F]{2}|\*)-([0-9A-F]{2})")
_NUMBER = re.compile(r"[0-9]{1,3}")
ORDERS: Final = frozenset(("clock", "valve", "acknowledge", "key", "due", "store"))
VALVE_ACTIONS: Final = frozenset(("close", "release", "open"))


@dataclass(frozen=True, slots=True)
class Field:
    """A value by the name people's tools have for it. `heads`: every DIB and VIB that may carry it, the sent one first.

    `shift` is the power of ten from the record's unit to the name's; `source` what a simulated meter puts there.
    """

    name: str
    heads: tuple[Head, ...]
    shift: int = 0
    source: str | None = None

    @property
    def head(self) -> Head:
        """The header it is sent with."""
        return self.heads[0]


@dataclass(frozen=True, slots=True)
class Order:
    """What a meter takes: the kind (`ORDERS`), the name of what is stored, and the DIB and VIB octets that say it."""

    kind: str
    name: str
    heads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Protection:
    """The security mode of a telegram, and the id of its key where the mode has one."""

    mode: int = 0
    key_id: int = 0


@dataclass(frozen=True, slots=True)
class WiredPart:
    """How it answers on the wire: `applications` has the names of fields in order by application (0 is everything)."""

    protection: Protection
    applications: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RadioPart:
    """How it sends: mode of transmission, format, layers, the period in seconds, and how far a period may be off.

    `ell` is the CI of an extended link layer (8Ch, 8Dh; None without), `afl` whether an authentication layer with a MAC
    of 8 octets and a message counter is there.
    """

    protection: Protection
    transmission: str
    form: Format
    sends: tuple[str, ...]
    period: int = 900
    jitter: float = 0.05
    ell: int | None = None
    afl: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A telegram of the model and the values that it must give; `protected` by the key of all examples (00 to 0F)."""

    frame: bytes
    values: Mapping[str, str]
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A meter model. `recognised` has manufacturer (2 octets as sent), version (None: any) and medium."""

    name: str
    title: str
    recognised: tuple[tuple[bytes, int | None, int], ...]
    fields: tuple[Field, ...]
    flags: tuple[str, ...] = ()
    """What the bits of the field ``error_flags`` say, the lowest first."""
    status: Mapping[int, str] = field(default_factory=dict)
    """What the manufacturer's bits 5 to 7 of the status octet say."""
    words: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """What the numbers of a field say."""
    orders: tuple[Order, ...] = ()
    valve: Mapping[int, str] = field(default_factory=dict)
    """What a number of the valve's order does: close, release, open."""
    wired: WiredPart | None = None
    radio: RadioPart | None = None
    simulated: Mapping[str, Any] = field(default_factory=dict)
    """How a simulated one is built: medium, valve, battery_days."""
    examples: tuple[Example, ...] = ()
    by_head: Mapping[bytes, Field] = field(init=False, compare=False, repr=False)
    by_name: Mapping[str, Field] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        by_head = {head.octets: item for item in self.fields for head in item.heads}
        object.__setattr__(self, "by_head", by_head)
        object.__setattr__(self, "by_name", {item.name: item for item in self.fields})

    def field_of(self, record: Record) -> Field | None:
        """Return the field that a record carries, found by its DIB and VIB; None where the model has no name for it."""
        return self.by_head.get(record.head.octets)

    def address(self, identification: str) -> Address:
        """Return the address of a meter of this model: the first way it is recognised, version 0 where any will do."""
        manufacturer, version, medium = self.recognised[0]
        return Address(manufacturer, bytes.fromhex(identification)[::-1], version or 0, medium)


class Models:
    """Models by the address of a meter, in constant time however many there are."""

    def __init__(self, models: Iterable[Model] = ()) -> None:
        self._exact: dict[tuple[bytes, int, int], Model] = {}
        self._any_version: dict[tuple[bytes, int], Model] = {}
        self._by_name: dict[str, Model] = {}
        for model in models:
            self.add(model)

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Model]:
        return iter(self._by_name.values())

    def add(self, model: Model) -> None:
        """Know one more. Raises `ConfigError` for a name or a way of recognition that another model has."""
        if model.name in self._by_name:
            raise ConfigError(f"model {model.name}: there are two of this name")
        for key in model.recognised:
            taken = self._taken(*key)
            if taken is not None:
                raise ConfigError(f"model {model.name}: it is recognised as {taken.name} is")
        self._by_name[model.name] = model
        for manufacturer, version, medium in model.recognised:
            if version is None:
                self._any_version[manufacturer, medium] = model
            else:
                self._exact[manufacturer, version, medium] = model

    def before(self, others: Iterable[Model]) -> Models:
        """Return these models and, behind them, the others whose names and ways of recognition none of these has."""
        answer = Models(self)
        for model in others:
            if model.name in self._by_name or any(self._taken(*key) is not None for key in model.recognised):
                continue
            answer.add(model)
        return answer

    def _taken(self, manufacturer: bytes, version: int | None, medium: int) -> Model | None:
        if version is None:
            return self._any_version.get((manufacturer, medium))
        return self._exact.get((manufacturer, version, medium))

    def of(self, address: Address | None) -> Model | None:
        """Return the model of a meter: by manufacturer, version and medium, else by a model for any version."""
        if address is None:
            return None
        manufacturer, _, version, medium = address
        return self._exact.get((manufacturer, version, medium)) or self._any_version.get((manufacturer, medium))

    def named(self, name: str) -> Model:
        """Return the model of a name. Raises `ConfigError`."""
        model = self._by_name.get(name)
        if model is None:
            raise ConfigError(f"there is no meter model {name!r}: {', '.join(sorted(self._by_name))}")
        return model


@lru_cache(maxsize=1)
def models() -> Models:
    """Return the models that come with the package."""
    room = files("cosem.mbus") / "models"
    names = sorted(item.name for item in room.iterdir() if item.name.endswith(".toml"))
    return Models(parse_model((room / name).read_text(encoding="utf-8"), name) for name in names)


def parse_model(text: str, where: str = "model") -> Model:
    """Return the model that a TOML text describes. Raises `ConfigError` naming the place and what is wrong there."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: {error}") from None
    return _Reader(where).model(table)


_KEYS = {
    "": "name title recognised fields flags status words orders valve wired radio simulated telegrams",
    "wired": "mode key_id sends applications",
    "radio": "mode key_id transmission frame sends period jitter ell afl",
    "simulated": "medium valve battery_days",
    "telegrams": "frame values protected",
}


class _Reader:
    """Reads one file; every mistake says where it is."""

    def __init__(self, where: str) -> None:
        self._where = where

    def _wrong(self, place: str, what: str) -> ConfigError:
        return ConfigError(f"{self._where}, {place}: {what}")

    def _check(self, section: str, table: Any) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise self._wrong(section, "a table is wanted")
        for name in table:
            if name not in _KEYS[section].split():
                raise self._wrong(section or "top", f"{name!r} is not known: {_KEYS[section]}")
        return table

    def _typed(self, table: dict[str, Any], name: str, kind: type[Any], default: Any = None) -> Any:
        value = table.get(name, default)
        if value is None:
            raise self._wrong(name, "this is missing")
        if type(value) is not kind:
            raise self._wrong(name, f"{value!r} is no {kind.__name__}")
        return value

    def _texts(self, table: dict[str, Any], name: str) -> list[str]:
        values = self._typed(table, name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(name, "a list of texts is wanted")
        return list(values)

    def _numbered(self, table: Any, place: str, numbers: range) -> dict[int, str]:
        if not isinstance(table, dict):
            raise self._wrong(place, "a table of numbers and words is wanted")
        found = {}
        for number, word in table.items():
            if not _NUMBER.fullmatch(number) or int(number) not in numbers or not isinstance(word, str):
                raise self._wrong(place, f"{number} = {word!r}: {numbers[0]} to {numbers[-1]} and a text")
            found[int(number)] = word
        return found

    def model(self, table: dict[str, Any]) -> Model:
        self._check("", table)
        fields = tuple(self._field(line) for line in self._texts(table, "fields"))
        shown = [item.name for item in fields] + [head.octets.hex() for item in fields for head in item.heads]
        for text, count in Counter(shown).items():
            if count > 1:
                raise self._wrong("fields", f"{text} is there twice")
        known = {item.name for item in fields}
        valve = self._numbered(table.get("valve", {}), "valve", range(256))
        for action in valve.values():
            if action not in VALVE_ACTIONS:
                raise self._wrong("valve", f"{action!r} is none of {', '.join(sorted(VALVE_ACTIONS))}")
        recognised = tuple(self._recognised(text) for text in self._texts(table, "recognised"))
        if not recognised:
            raise self._wrong("recognised", "nothing is said by which it is recognised")
        return Model(
            name=self._typed(table, "name", str),
            title=self._typed(table, "title", str),
            recognised=recognised,
            fields=fields,
            flags=tuple(self._texts(table, "flags")),
            status=self._numbered(table.get("status", {}), "status", range(5, 8)),
            words={
                name: self._numbered(item, f"words.{name}", range(256))
                for name, item in self._typed(table, "words", dict, {}).items()
            },
            orders=tuple(self._order(line) for line in self._texts(table, "orders")),
            valve=valve,
            wired=self._wired(table["wired"], known) if "wired" in table else None,
            radio=self._radio(table["radio"], known) if "radio" in table else None,
            simulated=self._check("simulated", table.get("simulated", {})),
            examples=tuple(self._example(item) for item in self._typed(table, "telegrams", list, [])),
        )

    def _recognised(self, text: str) -> tuple[bytes, int | None, int]:
        found = _RECOGNISED.fullmatch(text)
        if found is None:
            raise self._wrong("recognised", f"{text!r} is not like KAM-1B-16 or KAM-*-16")
        letters, version, medium = found.groups()
        return manufacturer_octets(letters), None if version == "*" else int(version, 16), int(medium, 16)

    def _head(self, line: str, octets: str) -> Head:
        try:
            head = head_at(bytes.fromhex(octets), 0)
        except DecodeError as error:
            raise self._wrong(line, error.what) from None
        if head.length * 2 != len(octets):
            raise self._wrong(line, f"{octets} is a DIB and VIB and something behind them")
        return head

    def _field(self, line: str) -> Field:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise self._wrong(line, "a field is: name, DIB and VIB in hex (more of them after /), = and a source")
        name, octets, source = found.groups()
        heads = tuple(self._head(line, part) for part in octets.split("/"))
        unit, shift = UNITS.get(name.rsplit("_", 1)[-1], ("", 0)) if "_" in name else ("", 0)
        for head in heads:
            if head.vib.unit not in ((unit,) if unit else ("", None, "HCA")) and head.vib.profile is None:
                raise self._wrong(line, f"a record in {head.vib.unit!r} has another name: _m3, _kwh, _c ...")
        return Field(name, heads, shift, source)

    def _order(self, line: str) -> Order:
        found = _ORDER.fullmatch(line)
        kind, _, name = (found.group(1) if found else "").partition(" ")
        if found is None or kind not in ORDERS or (kind == "store") != bool(name):
            raise self._wrong(line, f"an order is one of {', '.join(sorted(ORDERS))} (store with a name), then hex")
        heads = tuple(self._head(line, part).octets for part in found.group(2).split("/"))
        return Order(kind, name, heads)

    def _protection(self, table: dict[str, Any]) -> Protection:
        mode = self._typed(table, "mode", int, 0)
        if mode not in SUPPORTED:
            raise self._wrong("mode", f"security mode {mode} is not supported")
        key_id = self._typed(table, "key_id", int, 0)
        if not 0 <= key_id <= (15 if mode in EXTENSION else 0):
            raise self._wrong("key_id", f"security mode {mode} has no key {key_id}")
        return Protection(mode, key_id)

    def _names(self, names: Any, place: str, known: set[str]) -> tuple[str, ...]:
        if not isinstance(names, list) or not names:
            raise self._wrong(place, "a list of fields is wanted")
        for name in names:
            if not isinstance(name, str) or name not in known:
                raise self._wrong(place, f"{name!r} is no field")
        return tuple(names)

    def _wired(self, table: Any, known: set[str]) -> WiredPart:
        self._check("wired", table)
        applications = {APPLICATION_ALL: self._names(table.get("sends"), "wired.sends", known)}
        for number, names in self._typed(table, "applications", dict, {}).items():
            if not _NUMBER.fullmatch(number) or not 0 < int(number) < 16:
                raise self._wrong("wired.applications", f"{number} is no application: 1 to 15")
            applications[int(number)] = self._names(names, f"wired.applications.{number}", known)
        return WiredPart(self._protection(table), applications)

    def _radio(self, table: Any, known: set[str]) -> RadioPart:
        self._check("radio", table)
        transmission = self._typed(table, "transmission", str)
        mode = MODES.get(transmission)
        if mode is None:
            raise self._wrong("radio.transmission", f"{transmission!r} is none of {', '.join(MODES)}")
        form = self._typed(table, "frame", str, "A")
        if form not in mode.formats:
            raise self._wrong("radio.frame", f"mode {transmission} has no frames of format {form}")
        ell = self._typed(table, "ell", str, "")
        if ell not in ("", "8C", "8D"):
            raise self._wrong("radio.ell", f"an extended link layer 8C or 8D is made, not {ell}")
        period, jitter = self._typed(table, "period", int, 900), self._typed(table, "jitter", float, 0.05)
        if period < 1 or not 0 <= jitter < 0.5:
            raise self._wrong("radio", "the period is one second at least, the jitter 0 to 0.5 of it")
        protection = self._protection(table)
        afl = self._typed(table, "afl", bool, False)
        if protection.mode == 7 and not afl:
            raise self._wrong("radio.afl", "security mode 7 takes its counter and its MAC from there")
        if ell == "8D" and protection.mode:
            raise self._wrong("radio.mode", "what the extended link layer enciphers has no security mode besides")
        sends = self._names(table.get("sends"), "radio.sends", known)
        layer = int(ell, 16) if ell else None
        return RadioPart(protection, transmission, Format(form), sends, period, jitter, layer, afl)

    def _example(self, table: Any) -> Example:
        self._check("telegrams", table)
        values = self._typed(table, "values", dict)
        if not values or not all(isinstance(value, str) for value in values.values()):
            raise self._wrong("telegrams.values", "names and texts are wanted")
        try:
            frame = bytes.fromhex(self._typed(table, "frame", str))
        except ValueError:
            raise self._wrong("telegrams.frame", "this is no hex") from None
        return Example(frame, values, self._typed(table, "protected", bool, False))
