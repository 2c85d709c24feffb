"""The cycle of a converter: read the sensors and the input, convert, count, tell.

The converter lives in the simulation's time, which never jumps: what the clock is set to converts nothing twice. Gas
qualities come with times of the clock, and move with it where it is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cosem.device.clock import JumpOrder
from cosem.device.gas.flow_input import FlowInput
from cosem.device.gas.sensors import Sensor
from cosem.device.host import Host
from cosem.errors import ConfigError
from cosem.gas.compressibility import equation
from cosem.gas.conversion import Conversion, Converter, ConverterSettings, Step
from cosem.gas.equation import Method
from cosem.gas.quality import GasQuality, QualityChange

LONGEST_CYCLE: Final = 3600


class Process:
    """A behaviour that converts every `cycle` seconds, and whenever somebody needs what was counted up to now.

    `stepped` hear of each step, `changed` of each change of the gas quality.
    """

    def __init__(
        self,
        host: Host,
        converter: Converter,
        flow: FlowInput,
        pressure: Sensor,
        temperature: Sensor,
        *,
        cycle: int = 60,
    ) -> None:
        if not 1 <= cycle <= LONGEST_CYCLE:
            raise ConfigError(f"a cycle of {cycle} s is none of 1 to {LONGEST_CYCLE}")
        self._host = host
        self.converter = converter
        self.flow = flow
        self.pressure, self.temperature = pressure, temperature
        self.cycle = cycle
        self.failure = ""
        self.stepped: list[Callable[[Step], None]] = []
        self.changed: list[Callable[[QualityChange], None]] = []
        self._running = False
        host.clock.on_jump.append(self._jumped, JumpOrder.MEASURING)
        host.schedule(self)

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return the next whole cycle, or when a gas quality begins or ends."""
        at = self.converter.at
        if at is None:
            return self._host.now
        following = at - at % self.cycle + self.cycle
        change = self.converter.book.next_change
        return following if change is None else min(following, max(change, at + 1))

    def act(self, now: int) -> None:
        """Convert up to now."""
        self.settle()

    def settle(self) -> None:
        """Convert what came since the last step, unless that is of this very moment."""
        now = self._host.now
        if self.converter.at == now or self._running:
            return
        taken = self.flow.read(now)
        self.failure = taken.failed
        step = self.converter.step(
            now,
            taken.increment,
            self.pressure.read(now),
            self.temperature.read(now),
            input_failed=bool(taken.failed),
        )
        # Those who are told may look at counters, which would settle again.
        self._running = True
        try:
            for told in self.stepped:
                told(step)
            for change in step.changes:
                for heard in self.changed:
                    heard(change)
        finally:
            self._running = False

    def configure(self, settings: ConverterSettings) -> None:
        """Convert by other settings from now on. Raises `GasError` or `ConfigError` where a known gas does not do."""
        book = self.converter.book
        known = [book.substitute, *book.waiting, *([] if book.current is None else [book.current])]
        for quality in known:
            check_usable(settings, quality)
        self.settle()
        self.converter.configure(settings)

    # --- gas quality ---------------------------------------------------------------------------------------

    def offer(self, quality: GasQuality) -> QualityChange:
        """Take a gas quality, with times of the clock, which is in force from now or its own time on."""
        self.settle()
        change = self.converter.offer(_moved(quality, -self._host.clock.offset), self._host.now)
        for heard in self.changed:
            heard(change)
        return change

    def _jumped(self, old: int, new: int) -> None:
        """Count what came up to now; what waits for a time of the clock waits for it as it is now."""
        self.settle()
        book = self.converter.book
        book.waiting = [_moved(quality, old - new) for quality in book.waiting]
        if book.current is not None and old != new:
            book.current = _moved(book.current, old - new)


def check_usable(settings: ConverterSettings, quality: GasQuality) -> None:
    """Raise a `CosemError` where the method of `settings` can do nothing with a gas."""
    if settings.conversion is Conversion.PTZ and settings.method is not Method.FIXED:
        made = equation(settings.method, quality.gas, accelerated=settings.accelerated)
        made.z(float(settings.base.pressure), float(settings.base.temperature))


def _moved(quality: GasQuality, seconds: int) -> GasQuality:
    if not seconds:
        return quality
    until = quality.valid_until
    return replace(
        quality,
        valid_from=quality.valid_from + seconds,
        valid_until=None if until is None else until + seconds,
    )
