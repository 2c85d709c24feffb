"""Behaviour of register activation (class 6): which of the assigned registers count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cosem.classes.access import ObjectId
from cosem.classes.c006_register_activation import RegisterActivation, RegisterMask
from cosem.codec.axdr import Data
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.errors import ConfigError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult

MAX_REGISTERS = 255
"""An index has one octet."""
MAX_MASKS = 64
"""More than any meter has tariffs; bounds what a client can make a meter hold."""


class RegisterActivationBehaviour:
    """One register activation. `enable` is told of every register that begins (True) or ceases (False) to count.

    Registers that are assigned but not in the active mask do not count, keep their value and stay readable; registers
    that are not assigned always count. Raises `ConfigError` for masks that do not fit together.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        assignment: Sequence[ObjectId],
        masks: Sequence[RegisterMask],
        active: bytes,
        enable: Callable[[Obis, bool], None],
    ) -> None:
        self._host = host
        self._enable = enable
        self._stopped: set[Obis] = set()
        self.object = host.add(
            RegisterActivation(
                obis(name), register_assignment=tuple(assignment), mask_list=tuple(masks), active_mask=active
            )
        )
        self._assignment, self._masks, self._active = tuple(assignment), tuple(masks), active
        if not _fit(self._assignment, self._masks, active):
            raise ConfigError(f"the masks of {name} do not fit its registers")
        host.handle(self.object, 1, self._add_register)
        host.handle(self.object, 2, self._add_mask)
        host.handle(self.object, 3, self._delete_mask)
        host.writers(self.object, {number: self._writer(number) for number in (2, 3, 4)})
        self._switch()

    def _writer(self, number: int) -> Callable[[Data], DataAccessResult]:
        kind = RegisterActivation.attributes[number].type

        def write(value: Data) -> DataAccessResult:
            parts: list[Any] = [self._assignment, self._masks, self._active]
            parts[number - 2] = kind.from_data(value)
            return DataAccessResult.SUCCESS if self._take(*parts) else DataAccessResult.OTHER_REASON

        return write

    def _add_register(self, register: ObjectId) -> None:
        self._change(2, (*self._assignment, register), self._masks)

    def _add_mask(self, mask: RegisterMask) -> None:
        """Add a mask, or put it in the place of that of the same name."""
        masks = {item.mask_name: item for item in self._masks} | {mask.mask_name: mask}
        self._change(3, self._assignment, tuple(masks.values()))

    def _delete_mask(self, name: bytes) -> None:
        masks = tuple(item for item in self._masks if item.mask_name != name)
        if name == self._active or len(masks) == len(self._masks):
            raise Refused(ActionResult.OTHER_REASON)
        self._change(3, self._assignment, masks)

    def _change(self, number: int, assignment: tuple[ObjectId, ...], masks: tuple[RegisterMask, ...]) -> None:
        if not self._take(assignment, masks, self._active):
            raise Refused(ActionResult.OTHER_REASON)
        self._host.changed(self.object, number)

    def _take(self, assignment: tuple[ObjectId, ...], masks: tuple[RegisterMask, ...], active: bytes) -> bool:
        """Take registers, masks and the active one where they fit together."""
        if not _fit(assignment, masks, active):
            return False
        self._assignment, self._masks, self._active = assignment, masks, active
        store: Any = self.object.store
        for number, value in zip((2, 3, 4), (assignment, masks, active), strict=True):
            store.values[number] = RegisterActivation.attributes[number].type.to_data(value)
        self._switch()
        return True

    def _switch(self) -> None:
        """Stop what is not in the active mask, let go on what is or is not assigned any more."""
        chosen = next((mask.index_list for mask in self._masks if mask.mask_name == self._active), ())
        counting = {self._assignment[index - 1].logical_name for index in chosen}
        stopped = {register.logical_name for register in self._assignment} - counting
        for register in sorted(stopped - self._stopped):
            self._enable(register, False)
        for register in sorted(self._stopped - stopped):
            self._enable(register, True)
        self._stopped = stopped


def _fit(assignment: Sequence[ObjectId], masks: Sequence[RegisterMask], active: bytes) -> bool:
    """Whether the masks speak of registers that are assigned, each mask is there once, and the active one is there."""
    names = [mask.mask_name for mask in masks]
    return (
        len(assignment) <= MAX_REGISTERS
        and len(masks) <= MAX_MASKS
        and len(set(names)) == len(names)
        and active in names
        and all(1 <= index <= len(assignment) for mask in masks for index in mask.index_list)
    )
