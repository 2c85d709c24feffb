"""A scenario: what happens to a simulated meter and when, in a TOML file, and who makes it happen in virtual time."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from cosem.companions.companion import names
from cosem.device.clock import DAY, DeviceClock
from cosem.device.meter import MeterSettings
from cosem.errors import ConfigError
from cosem.simulator.inputs import INPUTS, Input, Parameter, checked, only
from cosem.simulator.meter import demo_payment
from cosem.simulator.utilities import kinds_of, mbus_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cosem.device.gas.instrument import GasInstrument
    from cosem.device.meter import ElectricityMeter

MAX_DAYS: Final = 3660
"""Ten years: whoever wants more has mistyped."""
MAX_ENTRIES: Final = 10_000
"""What a scenario may hold; one that is longer was not written by hand, and is played slowly."""
_DURATION = re.compile(r"(?:(\d{1,4})d)? ?(?:(\d{1,5})h)? ?(?:(\d{1,6})m)? ?(?:(\d{1,9})s)?")
_UNITS = (DAY, 3600, 60, 1)
_METER: Final[Mapping[str, Parameter]] = {
    "companion": Parameter(str),
    "control_mode": Parameter(int, least=0, most=7),
    "disconnector_version": Parameter(int, least=0, most=1),
    "fuse": Parameter(int, least=1, most=655),
    "last_gasp": Parameter(bool),
    "limit": Parameter(int, least=0, most=0xFFFF_FFFF),
    "mbus": Parameter(str),
    "prepayment": Parameter(int, least=0, most=0x7FFF_FFFF),
    "relay_delay": Parameter(int, least=0, most=3600),
}
"""What a scenario may say of how its meter is built: fields of `MeterSettings`, the credit of a payment meter, and the
utility meters on its M-Bus."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is done to the meter: when (UTC seconds since 1970), the name of the input, its parameters."""

    at: int
    do: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return what is done, with its parameters."""
        extra = ", ".join(f"{name} {value}" for name, value in self.given.items())
        return f"{self.do} ({extra})" if extra else self.do


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens from `start` to `end` (UTC seconds), in order of time, to a meter built with `meter`.

    `inputs` are what can be done to that kind of device, by the words of `do`.
    """

    title: str
    start: int
    end: int
    meter: Mapping[str, Any]
    entries: tuple[Entry, ...]
    inputs: Mapping[str, Input] = field(default_factory=lambda: INPUTS)

    def settings(self, settings: MeterSettings) -> MeterSettings:
        """Return how the meter is built, as the scenario says it."""
        given = dict(self.meter)
        if "prepayment" in given:
            given["payment"] = demo_payment(given.pop("prepayment"))
        if given.pop("mbus", None) is not None:
            given["mbus"] = mbus_settings(self.utilities)
        return replace(settings, **given)

    @property
    def utilities(self) -> tuple[str, ...]:
        """Return the utility meters on the M-Bus."""
        return kinds_of(self.meter.get("mbus", ""))


def load(path: Path, inputs: Mapping[str, Input] = INPUTS, building: Mapping[str, Parameter] = _METER) -> Scenario:
    """Return the scenario of a TOML file, see `parse`. Raises `ConfigError`, one sentence with file and place."""
    try:
        return parse(path.read_text(encoding="utf-8"), inputs, building)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: a scenario is text in UTF-8") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse(text: str, inputs: Mapping[str, Input] = INPUTS, building: Mapping[str, Parameter] = _METER) -> Scenario:
    """Return the scenario of a TOML text. Raises `ConfigError`, one sentence with the place.

    `inputs` are what can happen, `building` what may be said of how the device is built: an electricity meter unless
    something else is given.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        # ValueError: a date that does not exist.
        raise ConfigError(f"this is no TOML: {error}") from None
    only(document, ("title", "start", "days", "meter", "happens"), "the scenario")
    clock = DeviceClock(lambda: 0)
    start = _moment(document.get("start"), clock, "start")
    days = document.get("days")
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0 < days <= MAX_DAYS:
        raise ConfigError(f"days says how long the scenario lasts, more than 0 and up to {MAX_DAYS}")
    title = document.get("title", "")
    if not isinstance(title, str):
        raise ConfigError("title is a text")
    end = start + int(days * DAY)
    happens = document.get("happens", [])
    if not isinstance(happens, list) or len(happens) > MAX_ENTRIES:
        raise ConfigError(f"happens is a list of up to {MAX_ENTRIES} tables, [[happens]]")
    entries: list[Entry] = []
    before = start
    for number, item in enumerate(happens, 1):
        entry = _entry(item, inputs, clock, start, before, f"happens {number}")
        if not start <= entry.at <= end:
            raise ConfigError(f"happens {number}: its time is not within the scenario")
        before = entry.at
        entries.append(entry)
    meter = checked(document.get("meter", {}), building, "meter")
    if meter.get("control_mode") == 7 and not meter.get("disconnector_version"):
        raise ConfigError("meter: control_mode 7 belongs to disconnector_version 1")
    if meter.get("companion", "idis") not in names():
        raise ConfigError(f"meter: companion is none of {', '.join(names())}")
    # In order of time; what has the same time stays in the order of the file.
    return Scenario(title, start, end, meter, tuple(sorted(entries, key=lambda entry: entry.at)), inputs)


def _entry(item: Any, inputs: Mapping[str, Input], clock: DeviceClock, start: int, before: int, where: str) -> Entry:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: this is no table")
    do = item.get("do")
    if not isinstance(do, str) or do not in inputs:
        raise ConfigError(f"{where}: do is none of {', '.join(inputs)}")
    where = f"{where} ({do})"
    moments = [name for name in ("at", "in", "after") if name in item]
    if len(moments) != 1:
        raise ConfigError(f"{where}: say when, with one of at, in (from the start) and after (the entry before)")
    when, value = moments[0], item[moments[0]]
    if when == "at":
        at = _moment(value, clock, f"{where}: at")
    else:
        at = (start if when == "in" else before) + _duration(value, f"{where}: {when}")
    rest = {name: value for name, value in item.items() if name not in ("do", when)}
    return Entry(at, do, checked(rest, inputs[do].parameters, where))


def _moment(value: Any, clock: DeviceClock, where: str) -> int:
    """Return a moment: with an offset as it is, without one in the meter's local time.

    Of a time that comes twice the first is meant; one that is skipped does not exist.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ConfigError(f"{where}: {value!r} is no time, write 2026-03-28T18:30:00") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime) or not 1970 < value.year < 2100:
        raise ConfigError(f"{where}: this is no time, write 2026-03-28T18:30:00")
    if value.tzinfo is not None:
        return int(value.astimezone(UTC).timestamp())
    value = value.replace(microsecond=0)
    moment = clock.moments(value)[0]
    if clock.local(moment) != value:
        raise ConfigError(f"{where}: {value.isoformat()} does not exist, summer time begins")
    return moment


def _duration(value: Any, where: str) -> int:
    """Return the seconds of a duration: 1d 2h 30m 15s, any of these."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        raise ConfigError(f"{where}: this is no duration, write 2h 30m")
    return sum(int(number or 0) * unit for number, unit in zip(found.groups(), _UNITS, strict=True))


class Player:
    """Does to a meter what a scenario says, when it says so: a behaviour, which acts also while there is no power.

    Entries before the meter's present are left out. `told` hears of each entry once it was done, with what came of it
    (nothing where there is nothing to say).
    """

    def __init__(self, meter: ElectricityMeter | GasInstrument, scenario: Scenario) -> None:
        self._meter = meter
        self._inputs = scenario.inputs
        self._waiting = [entry for entry in reversed(scenario.entries) if entry.at >= meter.now]
        self.before: list[Callable[[Entry], None]] = []
        self.told: list[Callable[[Entry, str], None]] = []
        meter.host.schedule(self, unpowered=True)

    def next_time(self) -> int | None:
        """Return when something happens next."""
        return self._waiting[-1].at if self._waiting else None

    def act(self, now: int) -> None:
        """Do what is due."""
        while self._waiting and self._waiting[-1].at <= now:
            entry = self._waiting.pop()
            for hear in self.before:
                hear(entry)
            result = self._inputs[entry.do].do(self._meter, **entry.given)
            for tell in self.told:
                tell(entry, result or "")


def local_time(clock: DeviceClock, utc: int) -> str:
    """Return a moment of the simulation in the local time of the meter's zone, ISO 8601."""
    minutes = -clock.deviation(utc)[0]
    return clock.local(utc).replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
