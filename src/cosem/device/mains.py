"""The voltage of three phases as an input, and what is noted of it: sags, swells, missing and normal voltage."""

from __future__ import annotations

from typing import Final

from cosem.classes.c003_register import Register
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause, Happening
from cosem.device.host import Host
from cosem.device.metering import Metering
from cosem.device.power import PHASES as ALL_MISSING
from cosem.device.power import PowerSupply
from cosem.device.shown import show_number
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.units import ScalerUnit, Unit

NORMAL, SAG, SWELL, MISSING = "normal", "sag", "swell", "missing"
CAUSES: Final = {
    (kind, phase): Cause[f"{name}_L{phase}"]
    for kind, name in (
        (NORMAL, "VOLTAGE_NORMAL"),
        (SAG, "UNDERVOLTAGE"),
        (SWELL, "OVERVOLTAGE"),
        (MISSING, "VOLTAGE_MISSING"),
    )
    for phase in (1, 2, 3)
}
THRESHOLDS: Final = {SAG: 2070, SWELL: 2530, MISSING: 1150}
"""0.1 V, of 230 V: 10 % less and more (EN 50160); missing below half of it, which is a choice."""
SECONDS: Final = {NORMAL: 0, SAG: 3, SWELL: 3, MISSING: 3}
"""How long a voltage must last before it is one. A choice; clients can write all but the first."""
_THRESHOLD = {SAG: 31, SWELL: 35, MISSING: 39}
_TIME = {SAG: 43, SWELL: 44, MISSING: 45}
_COUNTER = {SAG: 32, SWELL: 36, MISSING: 40}
ANY_PHASE, PHASES = 12, (32, 52, 72)
"""C of the thresholds, and of what each phase counts."""


class Mains:
    """The voltages at the meter. Where all of them are missing the meter has no power (`PowerSupply`).

    `state` says of each phase (1 to 3) what it was found to be.
    """

    def __init__(self, host: Host, metering: Metering, power: PowerSupply) -> None:
        self._host = host
        self._metering = metering
        self._power = power
        self.state = {1: NORMAL, 2: NORMAL, 3: NORMAL}
        self.counts = {(kind, phase): 0 for kind in _COUNTER for phase in (1, 2, 3)}
        self._thresholds = dict(THRESHOLDS)
        self._seconds = dict(SECONDS)
        self._pending: dict[int, tuple[str, int]] = {}
        for kind in _COUNTER:
            self._setting(_THRESHOLD[kind], Unit.VOLT, -1, self._thresholds, kind)
            self._setting(_TIME[kind], Unit.SECOND, 0, self._seconds, kind)
            for phase, c in enumerate(PHASES, 1):
                self._counter(c, _COUNTER[kind], (kind, phase))
        host.causes.listeners.append(self._happened)
        host.schedule(self)

    def _setting(self, d: int, unit: Unit, scaler: int, held: dict[str, int], kind: str) -> None:
        obj = self._host.add(Register(_name(ANY_PHASE, d), scaler_unit=ScalerUnit(scaler, unit)))
        self._host.compute(obj, 2, lambda: Data(Tag.LONG_UNSIGNED, held[kind]))

        def write(value: Data) -> DataAccessResult:
            if value.tag is not Tag.LONG_UNSIGNED:
                return DataAccessResult.TYPE_UNMATCHED
            before, held[kind] = held[kind], value.value
            limits = self._thresholds
            if not 0 < limits[MISSING] <= limits[SAG] < limits[SWELL]:
                held[kind] = before
                return DataAccessResult.OTHER_REASON
            self._look()
            return DataAccessResult.SUCCESS

        self._host.writers(obj, {2: write})

    def _counter(self, c: int, d: int, key: tuple[str, int]) -> None:
        show_number(self._host, _name(c, d), Unit.COUNT, lambda: self.counts[key])

    # --- input ---------------------------------------------------------------------------------------------

    def voltage(self, phase: int, decivolts: int | None) -> None:
        """Let a phase (1 to 3) have so many tenths of a volt; None is nominal voltage again.

        In a power cut (`PowerSupply.fail`) that is the voltage which there will be when it is over.
        """
        self._metering.voltages[phase - 1] = decivolts
        self._power.missing = frozenset(each for each in (1, 2, 3) if self._kind(each) == MISSING)
        if len(self._power.missing) == 3:
            self._power.fail(ALL_MISSING)
        else:
            self._power.restore(ALL_MISSING)
        self._look()

    def _kind(self, phase: int) -> str:
        volts = self._metering.voltages[phase - 1]
        limits = self._thresholds
        if volts is None:
            return NORMAL
        if volts < limits[MISSING]:
            return MISSING
        return SAG if volts < limits[SAG] else SWELL if volts > limits[SWELL] else NORMAL

    def _look(self) -> None:
        """See what each phase has become, or may become when it lasts."""
        if not self._power.powered:
            self._pending.clear()
            return
        now = self._host.now
        for phase in (1, 2, 3):
            kind = self._kind(phase)
            if kind == self.state[phase]:
                self._pending.pop(phase, None)
            elif self._seconds[kind] == 0:
                self._become(phase, kind)
            elif self._pending.get(phase, ("", 0))[0] != kind:
                self._pending[phase] = (kind, now)

    def _become(self, phase: int, kind: str) -> None:
        self._pending.pop(phase, None)
        before, self.state[phase] = self.state[phase], kind
        if kind in _COUNTER:
            self.counts[kind, phase] += 1
        if MISSING in (kind, before):
            self._power.phase(phase, kind == MISSING)
        self._host.note(CAUSES[kind, phase], before=before)

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when something that began has lasted long enough."""
        if not self._pending:
            return None
        return min(since + self._seconds[kind] for kind, since in self._pending.values())

    def act(self, now: int) -> None:
        """Note what has lasted long enough."""
        for phase, (kind, since) in list(self._pending.items()):
            if since + self._seconds[kind] <= now:
                self._become(phase, kind)

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_DOWN:
            self._pending.clear()
        elif happening.cause is Cause.POWER_UP:
            self._look()


def _name(c: int, d: int) -> Obis:
    return Obis(bytes((1, 0, c, d, 0, 255)))
