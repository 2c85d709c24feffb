"""Energy and power of a three-phase connection: a load model integrated in whole watt seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from cosem.device.clock import QUARTER, DeviceClock, JumpOrder
from cosem.device.load import Load

STEP = 60
"""Seconds of one step of the integration; power is constant within a step."""
NOMINAL_VOLTAGE = 230
_NOTHING = Load((0, 0, 0), (0, 0, 0))


class LoadModel(Protocol):
    """Where power comes from."""

    def at(self, local: datetime, step: int) -> Load:
        """Return the load at local time; `step` numbers the moments."""


class Gate:
    """A register that can be stopped: what is used meanwhile is not in it."""

    __slots__ = ("_at", "_missed", "_read")

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read
        self._missed = 0
        self._at: int | None = None

    @property
    def counting(self) -> bool:
        """Whether it counts."""
        return self._at is None

    @property
    def value(self) -> int:
        """What was counted, in watt seconds."""
        return (self._read() if self._at is None else self._at) - self._missed

    def enable(self, counting: bool) -> None:
        """Stop, or go on."""
        if counting and self._at is not None:
            self._missed += self._read() - self._at
            self._at = None
        elif not counting and self._at is None:
            self._at = self._read()


TARIFFS = (1, 2)
CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8)


class Metering:
    """Behaviour of the measuring part. Energies are kept in watt seconds, so that sums are exact.

    Energy is integrated up to the present whenever somebody looks at it, so that what is read between two captures is
    as exact as what is captured. Power follows the simulation's time: people live by that, whatever the meter's clock
    says. `registers` are what counts it, by C of the OBIS code and tariff (0 is the total): each can be stopped.
    """

    def __init__(self, clock: DeviceClock, load: LoadModel, start: int) -> None:
        self.clock = clock
        self.load = load
        self.connected = True
        self._energy = dict.fromkeys((1, 2, 5, 6, 7, 8), 0)
        self._load = _NOTHING
        self.registers = {(channel, 0): Gate(self._reader(channel)) for channel in CHANNELS}
        self.registers |= {(channel, rate): Gate(self._reader(channel)) for channel in (1, 2) for rate in TARIFFS}
        self._totals = {channel: self.registers[channel, 0] for channel in CHANNELS}
        self._blind: dict[str, set[int]] = {}
        self._unmeasured: frozenset[int] = frozenset()
        self.voltages: list[int | None] = [None, None, None]
        self._since = start
        self._step_end = start
        self._quarter = -1
        self._quarter_local = datetime.min
        self._begin_step(start)
        clock.on_jump.append(self._jumped, JumpOrder.MEASURING)

    def _reader(self, channel: int) -> Callable[[], int]:
        energy = self._energy
        if channel in (3, 4):
            first, second = (5, 6) if channel == 3 else (7, 8)
            return lambda: energy[first] + energy[second]
        return lambda: energy[channel]

    def _jumped(self, old: int, new: int) -> None:
        """Count what was used up to now: it belongs to what held before."""
        self.settle(self.clock.true_time())

    def enable(self, channel: int, tariff: int, counting: bool) -> None:
        """Stop a register, or let it go on."""
        self.settle(self.clock.true_time())
        self.registers[channel, tariff].enable(counting)

    @property
    def active_tariff(self) -> int:
        """The tariff that counts import, 0 where none does."""
        return next((rate for rate in TARIFFS if self.registers[1, rate].counting), 0)

    # --- integration ---------------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        """Integrate up to `now`, in the simulation's time. Power is constant within a step."""
        energy = self._energy
        while self._since < now:
            end = min(self._step_end, now)
            seconds = end - self._since
            active, reactive = self._load
            power = sum(active)
            vars_ = sum(reactive)
            if power >= 0:
                channel, quadrant = 1, 5 if vars_ >= 0 else 8
            else:
                channel, quadrant = 2, 6 if vars_ >= 0 else 7
            energy[channel] += abs(power) * seconds
            energy[quadrant] += abs(vars_) * seconds
            self._since = end
            if end == self._step_end:
                self._begin_step(end)

    def _begin_step(self, now: int) -> None:
        step = now // STEP
        self._step_end = (step + 1) * STEP
        self._load = self.load.at(self._local(now), step) if self.connected else _NOTHING
        if self._unmeasured:
            active, reactive = (
                tuple(0 if phase in self._unmeasured else power for phase, power in enumerate(powers))
                for powers in self._load
            )
            self._load = Load(active, reactive)  # type: ignore[arg-type]

    def _local(self, now: int) -> datetime:
        """Return local time, looked up once in a quarter of an hour."""
        quarter, seconds = divmod(now, QUARTER)
        if quarter != self._quarter:
            self._quarter, self._quarter_local = quarter, self.clock.local(now - seconds)
        return self._quarter_local + timedelta(seconds=seconds)

    def switch(self, connected: bool) -> None:
        """Connect or disconnect the premises; takes effect at once."""
        if connected != self.connected:
            now = self.clock.true_time()
            self.settle(now)
            self.connected = connected
            self._begin_step(now)

    def measure(self, phases: Iterable[int], measured: bool, why: str) -> None:
        """Measure the load of these phases (0 to 2) from now on, or not, as long as `why` is a reason not to."""
        now = self.clock.true_time()
        self.settle(now)
        blind = self._blind.setdefault(why, set())
        (blind.difference_update if measured else blind.update)(phases)
        self._unmeasured = frozenset().union(*self._blind.values())
        self._begin_step(now)

    # --- momentary values ----------------------------------------------------------------------------------

    @property
    def energy(self) -> dict[int, int]:
        """Watt seconds by C of the OBIS code: 1 import, 2 export, 5 to 8 the quadrants."""
        self.settle(self.clock.true_time())
        return self._energy

    @property
    def tariff_energy(self) -> dict[tuple[int, int], int]:
        """Watt seconds by (C, tariff): what each tariff has of import and export."""
        self.settle(self.clock.true_time())
        return {place: gate.value for place, gate in self.registers.items() if place[1]}

    @property
    def current_load(self) -> Load:
        """The load of this moment."""
        now = self.clock.true_time()
        if self._since < now:
            self.settle(now)
        return self._load

    def watt_hours(self, channel: int, tariff: int = 0) -> int:
        """Return a register in Wh (or varh): 3 and 4 are the sums of their quadrants."""
        now = self.clock.true_time()
        if self._since < now:
            self.settle(now)
        gate = self.registers[channel, tariff] if tariff else self._totals[channel]
        return gate.value // 3600

    def power(self, channel: int) -> int:
        """Return the momentary power: 1 and 2 in W, 3 and 4 in var, as positive numbers."""
        load = self.current_load
        total = sum(load.active if channel <= 2 else load.reactive)
        return max(0, total if channel in (1, 3) else -total)

    def voltage(self, phase: int) -> int:
        """Return the voltage of a phase in 0.1 V: what `voltages` says, or nominal, a little lower under load."""
        return self._voltage(phase, self.current_load)

    def _voltage(self, phase: int, load: Load) -> int:
        given = self.voltages[phase]
        return NOMINAL_VOLTAGE * 10 - load.active[phase] // 400 if given is None else given

    def current(self, phase: int) -> int:
        """Return the current of a phase in 0.01 A."""
        load = self.current_load
        apparent = math.hypot(load.active[phase], load.reactive[phase])
        voltage = self._voltage(phase, load)
        return round(apparent / (voltage / 10) * 100) if voltage else 0

    def power_factor(self) -> int:
        """Return the power factor in 0.001."""
        load = self.current_load
        active, reactive = sum(load.active), sum(load.reactive)
        apparent = math.hypot(active, reactive)
        return round(abs(active) / apparent * 1000) if apparent else 1000

    def frequency(self) -> int:
        """Return the frequency in 0.01 Hz."""
        return 5000
