"""A companion profile: event codes, logs, alarm bits, counters of tampering and pushes, read from its data file.

A file is one profile. An event is one line: code, cause (`-` for what this house does not provoke yet) with what its
details must say, and words. A bit is one line: its number, words, and the events that set it, group by group. ``+10c``
and ``+c`` stand for as many lines as there are M-Bus channels.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from cosem.errors import ConfigError
from cosem.obis import Obis

LOG_ENTRIES = 100
"""Rows of an event log where the file gives no number."""
CHANNELS = 4
"""M-Bus channels that codes and bits are written for."""
_EVENT = re.compile(r"(\d+)(\+10c)? (-|[A-Z0-9_]+)(?::(\w+)=(\w+))? \| (.+)")
_BIT = re.compile(r"(\d+)(\+c)? \| ([^|]+) \|(?: ([a-z ]+) ([\d+c ]+))?")
_OBJECT = re.compile(r"(?:([a-z_]+|-) )?(\d+) (\d-\d:\S+) (\d+)(?: ([0-9A-F]{4}))?")


@dataclass(frozen=True, slots=True)
class EventCode:
    """One event: its code, the name of its cause (None: nothing causes it here), a detail that must be so, words."""

    code: int
    cause: str | None
    condition: tuple[str, str] | None
    words: str

    def fits(self, details: Mapping[str, object]) -> bool:
        """Say whether what happened has the detail that this code is for."""
        return self.condition is None or str(details.get(self.condition[0])) == self.condition[1]


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute in a list; `detail` names what of a happening it holds."""

    class_id: int
    name: Obis
    attribute: int
    data_index: int = 0
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events that share a log: the object that holds the last code, the profile, and its columns behind those two."""

    name: str
    code: Obis
    log: Obis
    entries: int
    extra: tuple[Reference, ...]
    events: tuple[EventCode, ...]

    def words(self, code: int) -> str:
        """Return what a code means in this log, nothing for one that is not known."""
        return next((event.words for event in self.events if event.code == code), "")


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit of a register (0 is the least significant) and the events (group, code) that set it."""

    number: int
    words: str
    events: frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Register:
    """An error or alarm register; alarm registers have a filter and a descriptor."""

    number: int
    register: Obis
    filter: Obis | None
    descriptor: Obis | None
    bits: tuple[Bit, ...]

    def words(self, value: int) -> tuple[str, ...]:
        """Return what the bits of a value mean; a bit nobody knows by its number."""
        known = {bit.number: bit.words for bit in self.bits}
        return tuple(known.get(n, f"bit {n}") for n in range(value.bit_length()) if value >> n & 1)


@dataclass(frozen=True, slots=True)
class TamperPlace:
    """Where the counter and times of one cause are: 0-0:96.20.e from `first` on, and `begun` for the first of all."""

    cause: str
    first: int
    begun: int


@dataclass(frozen=True, slots=True)
class PushPreset:
    """A push setup as the meter is delivered. `when` are the causes that push; `alarms`: an alarm descriptor does."""

    name: str
    setup: Obis
    objects: tuple[Reference, ...]
    when: frozenset[str]
    alarms: bool
    randomisation: int
    retries: int
    delay: int


@dataclass(frozen=True, slots=True)
class Companion:
    """One companion profile."""

    name: str
    title: str
    groups: tuple[EventGroup, ...]
    errors: tuple[Register, ...]
    alarms: tuple[Register, ...]
    tampering: tuple[TamperPlace, ...]
    pushes: tuple[PushPreset, ...]


def names() -> list[str]:
    """Return the profiles there are."""
    places = files("cosem.companions").iterdir()
    return sorted(place.name.removesuffix(".toml") for place in places if place.name.endswith(".toml"))


@lru_cache
def companion(name: str) -> Companion:
    """Return a profile by its name. Raises `ConfigError` for one that is not there."""
    if name not in names():
        raise ConfigError(f"no companion profile {name!r}; there are {', '.join(names())}")
    text = (files("cosem.companions") / f"{name}.toml").read_text(encoding="utf-8")
    return read(name, text)


def read(name: str, text: str) -> Companion:
    """Read a profile from the text of its file. Raises `ConfigError` for what does not hold together."""
    file = tomllib.loads(text)
    groups = tuple(_group(item) for item in file["group"])
    known = {(group.name, event.code) for group in groups for event in group.events}
    return Companion(
        name,
        file["title"],
        groups,
        tuple(_register(number, item, known) for number, item in enumerate(file["error"], 1)),
        tuple(_register(number, item, known) for number, item in enumerate(file["alarm"], 1)),
        tuple(TamperPlace(cause, item["first"], item["begun"]) for cause, item in file["tampering"].items()),
        tuple(_push(item) for item in file["push"]),
    )


def _matched(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    found = pattern.fullmatch(line)
    if found is None:
        raise ConfigError(f"a companion profile does not say {line!r}")
    return found


def _group(item: dict[str, Any]) -> EventGroup:
    events = tuple(event for line in item["events"] for event in _events(line))
    if len({event.code for event in events}) != len(events):
        raise ConfigError(f"a code comes twice in the group {item['name']}")
    return EventGroup(
        item["name"],
        Obis.parse(item["code"]),
        Obis.parse(item["log"]),
        item.get("entries", LOG_ENTRIES),
        tuple(_reference(line) for line in item.get("extra", ())),
        events,
    )


def _events(line: str) -> Iterator[EventCode]:
    code, per_channel, cause, detail, wanted, words = _matched(_EVENT, line).groups()
    condition = None if detail is None else (detail, wanted)
    name = None if cause == "-" else cause
    if per_channel is None:
        yield EventCode(int(code), name, condition, words)
        return
    for channel in range(1, CHANNELS + 1):
        which = ("channel", str(channel))
        yield EventCode(int(code) + 10 * (channel - 1), name, which, words.format(c=channel))


def _register(number: int, item: dict[str, Any], known: set[tuple[str, int]]) -> Register:
    bits = tuple(bit for line in item["bits"] for bit in _bits(line))
    for bit in bits:
        for event in bit.events - known:
            raise ConfigError(f"{item['register']} names an event that is not there: {event}")
    names = [item.get(key) for key in ("filter", "descriptor")]
    places = [None if name is None else Obis.parse(name) for name in names]
    return Register(number, Obis.parse(item["register"]), places[0], places[1], bits)


def _bits(line: str) -> Iterator[Bit]:
    number, per_channel, words, group, codes = _matched(_BIT, line).groups()
    for channel in range(1, (CHANNELS if per_channel else 1) + 1):
        at = channel - 1
        events = [
            (group, int(code.removesuffix("+10c")) + (10 * at if code.endswith("c") else 0))
            for code in (codes or "").split()
        ]
        yield Bit(int(number) + at, words.format(c=channel), frozenset(events))


def _reference(line: str) -> Reference:
    detail, class_id, name, attribute, index = _matched(_OBJECT, line).groups()
    return Reference(
        int(class_id),
        Obis.parse(name),
        int(attribute),
        int(index or "0", 16),
        None if detail in (None, "-") else detail,
    )


def _push(item: dict[str, Any]) -> PushPreset:
    return PushPreset(
        item["name"],
        Obis.parse(item["setup"]),
        tuple(_reference(line) for line in item["objects"]),
        frozenset(item.get("when", ())),
        item.get("alarms", False),
        item.get("randomisation", 0),
        item.get("retries", 0),
        item.get("delay", 0),
    )
