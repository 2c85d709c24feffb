"""What a behaviour may reach of the logical device it lives in: objects, time, and what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeVar

from cosem.classes.model import InterfaceClass
from cosem.codec.axdr import Data, Tag
from cosem.device.behaviour import Behaviour
from cosem.device.causes import Cause, Causes
from cosem.device.clock import DeviceClock
from cosem.device.device import PhysicalDevice
from cosem.device.logical_device import LogicalDevice
from cosem.device.random import Random
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult

C = TypeVar("C", bound=InterfaceClass)


class Origin(Enum):
    """Who is behind what a script or method does.

    COSEM has methods for remote commands only; the same script run by a limiter, a monitor or a credit is a local act,
    run by a schedule or a client a remote one, and a push button makes a manual one.
    """

    REMOTE = "remote"
    LOCAL = "local"
    MANUAL = "manual"


class Host:
    """The inside of one logical device, for its behaviours. Access rights are the association's and hold outside only.

    `origin` tells who is behind the method or write under way: a client's request is remote.
    """

    def __init__(self, device: PhysicalDevice, logical: LogicalDevice, clock: DeviceClock) -> None:
        self.device = device
        self.logical = logical
        self.clock = clock
        self.causes = Causes(lambda: clock.now)
        self.origin = Origin.REMOTE

    # --- time ----------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Return the moment of the simulation, which never jumps: for durations, delays and retries."""
        return self.device.schedule.now

    @property
    def random(self) -> Random:
        """Return the device's source of randomness."""
        return self.device.random

    def schedule(self, behaviour: Behaviour, *, unpowered: bool = False) -> None:
        """Let a behaviour act as time passes, after those that were added before it; `unpowered` also without power."""
        self.device.schedule.add(behaviour, unpowered=unpowered)

    def note(self, cause: Cause, **details: Any) -> None:
        """Say that something happened."""
        self.causes.note(cause, **details)

    # --- building ------------------------------------------------------------------------------------------

    def add(self, obj: C) -> C:
        """Add an object. Raises `ConfigError` for a logical name that is there already."""
        self.logical.add(obj)
        return obj

    def compute(self, obj: InterfaceClass, number: int, make: Callable[[], Data]) -> None:
        """Let an attribute be made when it is read."""
        store: Any = obj.store
        store.values.pop(number, None)
        store.numbers.pop(number, None)
        store.computed[number] = lambda selection: make()

    def compute_number(self, obj: InterfaceClass, number: int, tag: Tag, read: Callable[[], int]) -> None:
        """Let an attribute be a number of this type that is made when it is read."""
        self.compute(obj, number, lambda: Data(tag, read()))
        store: Any = obj.store
        store.numbers[number] = read

    def handle(self, obj: InterfaceClass, number: int, handler: Callable[[Any], Any]) -> None:
        """Let a method do something: `handler` takes the parameter as its type makes it. It may raise `Refused`."""
        store: Any = obj.store
        store.handlers[number] = handler

    def writers(self, obj: InterfaceClass, writers: Mapping[int, Callable[[Data], DataAccessResult]]) -> None:
        """Let writes of an object's attributes go to its behaviour."""
        for number, write in writers.items():
            self.device.writers[bytes(obj.obis), number] = write

    def changed(self, obj: InterfaceClass, number: int) -> None:
        """Tell those who look at writes that a method changed an attribute."""
        store: Any = obj.store
        for told in self.device.on_write:
            told(obj, number, store.data(number))

    # --- using objects -------------------------------------------------------------------------------------

    def find(self, name: Obis, class_id: int | None = None) -> InterfaceClass | None:
        """Return an object, None where there is none of that name (and class)."""
        obj = self.logical.objects.get(bytes(name))
        return None if obj is None or class_id not in (None, obj.class_id) else obj

    def read(self, class_id: int, name: Obis, attribute: int, data_index: int = 0) -> Data | None:
        """Return an attribute, or an element of it (from 1); None for what is not there."""
        obj: Any = self.find(name, class_id)
        data: Data | None = None if obj is None else obj.store.data(attribute)
        if data is None or not data_index:
            return data
        parts = data.value if data.tag in (Tag.STRUCTURE, Tag.ARRAY) else ()
        return parts[data_index - 1] if data_index <= len(parts) else None

    def write(self, class_id: int, name: Obis, attribute: int, value: Data) -> DataAccessResult:
        """Write an attribute with its type checked, as a script does. What is made when it is read takes no value."""
        obj: Any = self.find(name, class_id)
        if obj is None or attribute not in obj.attributes:
            return DataAccessResult.OBJECT_UNDEFINED
        if attribute in obj.store.computed and (bytes(obj.obis), attribute) not in self.device.writers:
            return DataAccessResult.READ_WRITE_DENIED
        return self.device.put(obj, obj.attributes[attribute], value)

    def invoke(self, class_id: int, name: Obis, method: int, parameter: Data | None) -> ActionResult:
        """Invoke a method, as a script does. Who is behind it stays who it was."""
        obj = self.find(name, class_id)
        if obj is None or method not in obj.methods:
            return ActionResult.OBJECT_UNDEFINED
        return self.device.perform(obj, obj.methods[method], parameter)[0]

    @contextmanager
    def acting(self, origin: Origin) -> Iterator[None]:
        """Do what follows on behalf of `origin`; what was before holds again afterwards."""
        before, self.origin = self.origin, origin
        try:
            yield
        finally:
            self.origin = before
