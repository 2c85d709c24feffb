"""Error and alarm registers, filters and descriptors: what events set, and what clears them (class 1 objects).

The bits are the companion profile's. A bit stays until a client clears it, or until everything that set it is over
(`autoclear`; sources disagree, so it can be switched off). The descriptor keeps what passed the filter until a client
has cleared it; nothing else touches it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from cosem.classes.c001_data import Data as DataObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import Bit, Register
from cosem.device.causes import Cause
from cosem.device.host import Host
from cosem.results import DataAccessResult

ALL_BITS = 0xFFFFFFFF


class EventRegister:
    """One register of 32 bits with, for alarms, its filter and descriptor.

    `cleared` is noted when a client has cleared bits.
    """

    def __init__(self, host: Host, layout: Register, cleared: Cause, *, autoclear: bool = True) -> None:
        self.layout = layout
        self.autoclear = autoclear
        self.value = 0
        self.filter = ALL_BITS
        self.descriptor = 0
        self._host = host
        self._cleared = cleared
        self._bits: dict[tuple[str, int], Bit] = {event: bit for bit in layout.bits for event in bit.events}
        self._held: dict[int, set[Hashable]] = {}
        self.object = self._object(layout.register, lambda: self.value, self._write)
        if layout.filter is not None and layout.descriptor is not None:
            self._object(layout.filter, lambda: self.filter, self._write_filter)
            self.descriptor_object = self._object(layout.descriptor, lambda: self.descriptor, self._write_descriptor)

    def _object(self, name: Any, read: Callable[[], int], write: Callable[[Data], DataAccessResult]) -> DataObject:
        made = self._host.add(DataObject(name, value=axdr.double_long_unsigned(0)))
        self._host.compute_number(made, 2, Tag.DOUBLE_LONG_UNSIGNED, read)

        def checked(value: Data) -> DataAccessResult:
            # The class takes any type; these objects have one.
            return write(value) if value.tag is Tag.DOUBLE_LONG_UNSIGNED else DataAccessResult.TYPE_UNMATCHED

        self._host.writers(made, {2: checked})
        return made

    def event(self, group: str, code: int, key: Hashable) -> None:
        """Set the bit of an event. `key` is what ends some day, or never."""
        bit = self._bits.get((group, code))
        if bit is None:
            return
        mask = 1 << bit.number
        rises = not self.value & mask
        self.value |= mask
        self._held.setdefault(bit.number, set()).add(key)
        if rises and self.filter & mask and not self.descriptor & mask:
            self.descriptor |= mask

    def over(self, key: Hashable) -> None:
        """Clear the bits that nothing but `key` held."""
        if not self.autoclear:
            return
        for number, held in self._held.items():
            if key in held:
                held.discard(key)
                if not held:
                    self.value &= ~(1 << number)

    # --- clients -------------------------------------------------------------------------------------------

    def _write(self, value: Data) -> DataAccessResult:
        """Clear bits; a client cannot set any. What still lasts does not set its bit again before it happens anew."""
        if value.value & ~self.value:
            return DataAccessResult.OTHER_REASON
        for number, held in self._held.items():
            if not value.value >> number & 1:
                held.clear()
        self.value = value.value
        self._host.note(self._cleared, register=self.layout.number)
        return DataAccessResult.SUCCESS

    def _write_filter(self, value: Data) -> DataAccessResult:
        self.filter = value.value
        return DataAccessResult.SUCCESS

    def _write_descriptor(self, value: Data) -> DataAccessResult:
        if value.value & ~self.descriptor:
            return DataAccessResult.OTHER_REASON
        self.descriptor = value.value
        return DataAccessResult.SUCCESS
