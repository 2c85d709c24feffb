"""Looking at attributes for limiters and register monitors: when there can be something new to see, and no oftener."""

from __future__ import annotations

from typing import Any, Final, Protocol

from cosem.classes.common import AttributeReference
from cosem.classes.model import InterfaceClass
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause, Happening
from cosem.device.host import Host
from cosem.device.metering import STEP
from cosem.device.scripts import ScriptTables

NUMBERS: Final = frozenset(
    {
        Tag.BOOLEAN, Tag.DOUBLE_LONG, Tag.DOUBLE_LONG_UNSIGNED, Tag.BCD, Tag.INTEGER, Tag.LONG, Tag.UNSIGNED,
        Tag.LONG_UNSIGNED, Tag.LONG64, Tag.LONG64_UNSIGNED, Tag.ENUM, Tag.FLOAT32, Tag.FLOAT64,
    }
)  # fmt: skip
"""The simple types whose values are more or less than a threshold."""

MAX_ROUNDS: Final = 8
"""Looks at one moment. Monitors whose scripts set each other off go on with the next step."""


class Monitor(Protocol):
    """Something that looks at an attribute. Times are the simulation's."""

    def look(self, now: int) -> None:
        """See what the value is now, and do what is due."""

    def restart(self) -> None:
        """Begin anew, as after a power failure: what the value is next is no change."""

    def due(self) -> int | None:
        """Return when there is something to do even where the value stays as it is."""


class Watched:
    """The attribute that a monitor looks at; it need not be there yet."""

    def __init__(self, host: Host, reference: AttributeReference) -> None:
        self._host = host
        self.reference = reference
        self._object: InterfaceClass | None = None

    def data(self) -> Data | None:
        """Return the attribute, None where it is not there or no number."""
        if self._object is None:
            self._object = self._host.find(self.reference.logical_name, self.reference.class_id)
            if self._object is None:
                return None
        store: Any = self._object.store
        data: Data | None = store.data(self.reference.attribute_index)
        return data if data is not None and data.tag in NUMBERS else None

    def value(self) -> Any:
        """Return the number, None where there is none."""
        if self._object is not None:
            store: Any = self._object.store
            number = self.reference.attribute_index
            read = store.numbers.get(number)
            if read is not None and number not in store.values:
                return read()
        data = self.data()
        return None if data is None else data.value


class Watch:
    """All monitors of one device, which run `scripts`.

    They look with every step of the metering, within which power is constant, and after whatever happens or is written.
    Without power nobody looks.
    """

    def __init__(self, host: Host, scripts: ScriptTables) -> None:
        self.host = host
        self.scripts = scripts
        self._monitors: list[Monitor] = []
        self._next: int | None = host.now
        self._powered = True
        self._disturbed = False
        self._rounds = 0
        self._moment = host.now
        host.device.on_write.append(lambda obj, attribute, value: self.disturb())
        host.causes.listeners.append(self._happened)
        host.clock.on_jump.append(lambda old, new: self.disturb())
        host.schedule(self)

    def add(self, monitor: Monitor) -> None:
        """Let a monitor look too."""
        self._monitors.append(monitor)
        self.disturb()

    def disturb(self) -> None:
        """Look again at this same moment: a value may be another now."""
        if self._powered and self._monitors:
            self._next = self.host.now
            self._disturbed = True

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_DOWN:
            self._powered, self._next = False, None
        elif happening.cause is Cause.POWER_UP:
            self._powered = True
            for monitor in self._monitors:
                monitor.restart()
        self.disturb()

    def next_time(self) -> int | None:
        """Return when to look."""
        return self._next

    def act(self, now: int) -> None:
        """Let every monitor look."""
        self._rounds = self._rounds + 1 if now == self._moment else 1
        self._moment, self._next, self._disturbed = now, None, False
        for monitor in self._monitors:
            monitor.look(now)
        if not self._powered or not self._monitors:
            return
        # What a monitor did may have changed what another saw before.
        if self._disturbed and self._rounds < MAX_ROUNDS:
            return
        following = now - now % STEP + STEP
        for monitor in self._monitors:
            due = monitor.due()
            if due is not None and due < following:
                following = due
        self._next = max(following, now + 1)
