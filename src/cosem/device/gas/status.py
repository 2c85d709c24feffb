"""Status words of a gas device: what is the case now, and what was since somebody looked (96.5.x).

Bits are the object map's: alarms, warnings and remarks. The latched word and that of the gas day have no remarks; the
latched one is cleared by writing a word with fewer bits, which a lock guards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cosem.device.causes import ENDED_BY, Cause, Happening
from cosem.errors import ConfigError

_LINE: Final = re.compile(r"(\d+) (alarm|warning|remark) ([A-Z0-9_]+) \| (.+)")


@dataclass(frozen=True, slots=True)
class StatusBit:
    """One message: its bit (0 is the least significant), how grave it is, what begins it, words."""

    number: int
    kind: str
    cause: Cause
    words: str


def status_bits(lines: list[str]) -> tuple[StatusBit, ...]:
    """Return the bits of a status word as an object map writes them: ``0 alarm GAS_PRESSURE_FAILED | words``."""
    bits = []
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found[3] not in Cause.__members__ or int(found[1]) > 31:
            raise ConfigError(f"no status bit is {line!r}")
        bits.append(StatusBit(int(found[1]), found[2], Cause[found[3]], found[4]))
    if len({bit.number for bit in bits}) != len(bits):
        raise ConfigError("a status word has a bit twice")
    return tuple(bits)


class StatusWord:
    """The momentary and the latched word of one device. A cause without an end is latched only.

    `live` says of some causes whether they last: what is told of them comes behind the values that it is about.
    """

    def __init__(self, bits: tuple[StatusBit, ...], listen: Callable[[Callable[[Happening], None]], None]) -> None:
        self.bits = bits
        self.latched = self.daily = 0
        self._held: dict[int, set[Any]] = {bit.number: set() for bit in bits}
        self.live: dict[Cause, Callable[[], bool]] = {}
        self._begins = {bit.cause: bit for bit in bits}
        self._ends = {over: begun for begun in self._begins for over in ENDED_BY.get(begun, ())}
        listen(self._happened)

    @property
    def momentary(self) -> int:
        """What is the case now."""
        return sum(1 << bit.number for bit in self.bits if self._lasts(bit))

    def _lasts(self, bit: StatusBit) -> bool:
        live = self.live.get(bit.cause)
        return bool(self._held[bit.number]) if live is None else live()

    def _happened(self, happening: Happening) -> None:
        bit = self._begins.get(happening.cause)
        if bit is not None:
            if happening.cause in ENDED_BY:
                self._held[bit.number].add(happening.which)
            if bit.kind != "remark":
                self.latched |= 1 << bit.number
                self.daily |= 1 << bit.number
        begun = self._ends.get(happening.cause)
        if begun is not None:
            self._held[self._begins[begun].number].discard(happening.which)

    @property
    def _lasting(self) -> int:
        return sum(1 << bit.number for bit in self.bits if bit.kind != "remark" and self._lasts(bit))

    def new_day(self) -> None:
        """Begin another day: the daily word has what lasts."""
        self.daily = self._lasting

    def clear(self, value: int) -> bool:
        """Keep these latched bits; False for one that is not set. What still lasts stays."""
        if value & ~self.latched:
            return False
        self.latched = value | self._lasting
        return True

    def words(self, value: int) -> tuple[str, ...]:
        """Return what the bits of a word mean."""
        return tuple(bit.words for bit in self.bits if value >> bit.number & 1)
