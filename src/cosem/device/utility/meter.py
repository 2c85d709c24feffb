"""A utility meter: what it counts and remembers, its valve, its battery, and what people do to it.

It knows nothing of how it is read: `wired` and `radio` beside this file make telegrams of it. Amounts are whole
millilitres or watt seconds, so that sums are exact; time is the simulation's, and the meter's own clock may be wrong.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntFlag, StrEnum
from typing import Final, NamedTuple

from cosem.device.utility.consumption import STEP, Consumption, Flow
from cosem.errors import ConfigError

DAY = 86_400
KEPT: Final = {"hour": 48, "day": 62, "month": 24}
"""How many values of each period a meter keeps."""
LOW_BATTERY = 180
"""Days left below which the battery is low."""


class Medium(StrEnum):
    """What is measured."""

    GAS = "gas"
    WATER = "water"
    WARM_WATER = "warm water"
    HEAT = "heat"
    ELECTRICITY = "electricity"


class Status(IntFlag):
    """The status octet of a M-Bus header (EN 13757-7). Bits 5 to 7 are the maker's; bit 5 is a valve alarm here."""

    NONE = 0
    BUSY = 1
    ANY_ERROR = 2
    ABNORMAL = 3
    POWER_LOW = 4
    PERMANENT_ERROR = 8
    TEMPORARY_ERROR = 16
    VALVE_ALARM = 32


class Valve(StrEnum):
    """Where a valve is. A released one waits for a person to open it: nobody opens gas from afar."""

    OPEN = "open"
    CLOSED = "closed"
    RELEASED = "released"


class Tamper(StrEnum):
    """What somebody may do to a meter, or what befalls a pipe."""

    MAGNET = "magnet"
    COVER = "cover"
    REMOVAL = "removal"
    REVERSE = "reverse"
    LEAK = "leak"
    DRY = "dry"


class Kept(NamedTuple):
    """What stood on the register at the end of a period; `time` is the meter's own, UTC seconds."""

    time: int
    amount: int
    energy: int


@dataclass(slots=True)
class UtilitySettings:
    """How a utility meter is built.

    `identification` has eight digits. `zone` is its clock's deviation to UTC in minutes: utility meters keep normal
    time. `drift` in seconds a day, `battery_days` until the battery is empty, None for mains. `start_amount` is what
    the register shows at first, in millilitres or watt seconds. `leak` in millilitres a step. `due` is the month and
    the day at whose beginning the yearly value is kept.
    """

    medium: Medium
    consumption: Consumption
    identification: str = "00000001"
    zone: int = 60
    drift: float = 0.0
    valve: bool = False
    battery_days: int | None = 3650
    start_amount: int = 0
    leak: int = 1500
    due: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if len(self.identification) != 8 or not self.identification.isdigit():
            raise ConfigError(f"identification: {self.identification!r} is not eight digits")


@dataclass(slots=True)
class _Totals:
    amount: int = 0
    reverse: int = 0
    energy: int = 0
    """Watt seconds times 10,000: so that what a step brings is never rounded."""


@dataclass(slots=True)
class UtilityMeter:
    """One gas, water, heat or electricity meter. Everything it says is as of the last `settle`."""

    settings: UtilitySettings
    start: int
    now: int = field(init=False)
    flow: Flow = field(init=False, default=Flow(0))
    tampered: set[Tamper] = field(init=False, default_factory=set)
    fraud: set[Tamper] = field(init=False, default_factory=set)
    """What was done to it and nobody has acknowledged yet."""
    valve: Valve = field(init=False, default=Valve.OPEN)
    stuck: bool = field(init=False, default=False)
    faulty: bool = field(init=False, default=False)
    clock_offset: int = field(init=False, default=0)
    clock_set: int | None = field(init=False, default=None)
    kept: dict[str, deque[Kept]] = field(init=False)
    due: tuple[int, int] = field(init=False)
    kept_due: Kept | None = field(init=False, default=None)
    """What stood on the register when the due date last began."""
    _totals: _Totals = field(init=False)
    _battery_end: int | None = field(init=False)
    _drift_since: int = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.now = self.start
        self.due = settings.due
        self._totals = _Totals(settings.start_amount)
        self.kept = {period: deque(maxlen=count) for period, count in KEPT.items()}
        self._battery_end = None if settings.battery_days is None else self.start + settings.battery_days * DAY
        self._drift_since = self.start
        self._look(self.start)

    # --- time ----------------------------------------------------------------------------------------------

    def clock(self) -> int:
        """Return what its own clock shows, UTC seconds: set by somebody, and drifting since."""
        return self.now + self.clock_offset + round((self.now - self._drift_since) / DAY * self.settings.drift)

    def local(self) -> datetime:
        """Return what its clock shows, in its zone, naive."""
        return _local(self.clock(), self.settings.zone)

    def set_clock(self, utc: int) -> None:
        """Set its clock."""
        self.clock_offset, self._drift_since = utc - self.now, self.now
        self.clock_set = self.now

    def settle(self, now: int) -> None:
        """Count what flowed up to `now`. An empty battery ends all counting."""
        if self._battery_end is not None:
            now = min(now, self._battery_end)
        while self.now < now:
            step_end = (self.now // STEP + 1) * STEP
            end = min(step_end, now)
            self._count(end - self.now)
            self.now = end
            if end == step_end:
                self._keep(end)
                self._look(end)

    def _look(self, now: int) -> None:
        self.flow = self.settings.consumption.at(_local(now, self.settings.zone), now // STEP)

    def _count(self, seconds: int) -> None:
        amount = self._passing
        begun = (self.now % STEP) * amount // STEP
        passed = (self.now % STEP + seconds) * amount // STEP - begun
        if Tamper.REVERSE in self.tampered:
            self._totals.reverse += passed
            return
        self._totals.amount += passed
        if self.settings.medium is Medium.HEAT:
            self._totals.energy += passed * max(0, self.flow.warm - self.flow.cold) * 418

    @property
    def _passing(self) -> int:
        """What it notices of what flows in this step."""
        tampered = self.tampered
        if self.valve is not Valve.OPEN or tampered & {Tamper.REMOVAL, Tamper.DRY, Tamper.MAGNET}:
            # A magnet holds the wheel, air has no weight, and what was removed is past the pipe.
            return 0
        return self.flow.amount + (self.settings.leak if Tamper.LEAK in tampered else 0)

    def _keep(self, end: int) -> None:
        local = _local(end, self.settings.zone)
        if local.minute:
            return
        value = Kept(self.clock(), self.amount, self.energy)
        self.kept["hour"].append(value)
        if local.hour == 0:
            self.kept["day"].append(value)
            if (local.month, local.day) == self.due:
                self.kept_due = value
            if local.day == 1:
                self.kept["month"].append(value)

    # --- what it shows -------------------------------------------------------------------------------------

    @property
    def amount(self) -> int:
        """What the register shows: millilitres, or watt seconds of electricity."""
        return self._totals.amount

    @property
    def reverse(self) -> int:
        """What went backwards."""
        return self._totals.reverse

    @property
    def energy(self) -> int:
        """The heat in watt seconds."""
        return self._totals.energy // 10_000

    @property
    def rate(self) -> int:
        """What flows now: millilitres an hour, or watts of electricity."""
        if self.settings.medium is Medium.ELECTRICITY:
            return self._passing // STEP
        return self._passing * 3600 // STEP

    @property
    def power(self) -> int:
        """The heat's power in watts."""
        return self.rate * max(0, self.flow.warm - self.flow.cold) * 418 // 10_000 // 3600

    @property
    def battery_days(self) -> int | None:
        """How many days the battery lasts, None on mains."""
        return None if self._battery_end is None else max(0, (self._battery_end - self.now) // DAY)

    @property
    def alive(self) -> bool:
        """Whether it answers at all."""
        return self._battery_end is None or self.now < self._battery_end

    @property
    def status(self) -> Status:
        """Return the status octet: application errors, power, errors, valve."""
        status = Status.ANY_ERROR if self.faulty else Status.ABNORMAL if self.fraud else Status.NONE
        if self.battery_days is not None and self.battery_days < LOW_BATTERY:
            status |= Status.POWER_LOW
        if self.faulty:
            status |= Status.PERMANENT_ERROR
        if Tamper.DRY in self.tampered or Tamper.LEAK in self.tampered:
            status |= Status.TEMPORARY_ERROR
        if self.settings.valve and self.stuck:
            status |= Status.VALVE_ALARM
        return status

    # --- what is done to it --------------------------------------------------------------------------------

    def tamper(self, what: Tamper, present: bool = True) -> None:
        """Do something to the meter, or undo it. What is fraud stays known until it is acknowledged."""
        if not present:
            self.tampered.discard(what)
            return
        self.tampered.add(what)
        if what not in (Tamper.LEAK, Tamper.DRY):
            self.fraud.add(what)

    def acknowledge(self) -> None:
        """Forget what was done to it and is over."""
        self.fraud &= self.tampered

    def drain(self, days: int) -> None:
        """Leave the battery so many days. Raises `ConfigError` for a meter on mains."""
        if self._battery_end is None:
            raise ConfigError(f"{self.settings.identification}: there is no battery")
        self._battery_end = self.now + days * DAY

    def close_valve(self) -> bool:
        """Close the valve; False where there is none or it is stuck."""
        return self._move(Valve.CLOSED)

    def release_valve(self) -> bool:
        """Let a person open the valve; False where there is none or it is stuck. An open valve stays open."""
        return self.valve is Valve.OPEN or self._move(Valve.RELEASED)

    def open_valve(self) -> bool:
        """Open the valve as its command does from afar, where that is allowed (water)."""
        return self._move(Valve.OPEN)

    def push_button(self) -> bool:
        """Push the button at the valve: opens a released one."""
        return self.valve is Valve.RELEASED and self._move(Valve.OPEN)

    def _move(self, position: Valve) -> bool:
        if not self.settings.valve or self.stuck:
            return False
        self.valve = position
        return True


def _local(utc: int, zone: int) -> datetime:
    return datetime.fromtimestamp(utc, UTC).replace(tzinfo=None) + timedelta(minutes=zone)
